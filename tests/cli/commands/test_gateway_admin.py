"""`analyst gateway invite|users|devices|revoke|audit|rotate-secret` as an administrator types them."""

import json
import re
import stat
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from analyst_cli.app import run
from analyst_server.errors import ConfigProblem, TokenRefused
from analyst_server.identity.secret import rotated_secret, signing_secret, token_keys
from analyst_server.identity.tokens import LIFETIME_S, REFRESH_GRACE_S, Tokens
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.audit import ADMINISTRATOR
from analyst_server.portal.database import open_database

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def accounts(folder: Path) -> Accounts:
    return Accounts(open_database(folder / "accounts.db"))


def test_an_invitation_is_a_link_to_the_portal_that_works_once(
    folder: Path, accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gateway", "invite", "petr", "--data", str(folder), "--url", "https://alerts.example.com/"]) == 0
    out, err = capsys.readouterr()
    link = urlsplit(out.strip())
    assert (link.netloc, link.path) == ("alerts.example.com", "/signin/invite")
    assert "petr alone" in err
    secret = parse_qs(link.query)["code"][0]
    assert accounts.redeem_invite(secret, now=time.time(), by=ADMINISTRATOR) == "petr"
    assert accounts.redeem_invite(secret, now=time.time(), by=ADMINISTRATOR) is None


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["invite", "Petr Novák"], 2, "a-z"),
        (["users", "--disable", "nobody"], 2, "no user 'nobody'"),
        (["revoke"], 2, "name one of"),
        (["revoke", "--device", "d-1"], 1, "no device 'd-1'"),
        (["revoke", "--publisher", "p-1"], 1, "no publisher 'p-1'"),
        (["rotate-secret"], 2, "no secret"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    assert run(["gateway", *words, "--data", str(folder)]) == code
    assert told in capsys.readouterr().err


def test_a_folder_that_is_none_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gateway", "users", "--data", str(tmp_path / "typo")]) == 1
    assert "no data folder" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_people_and_devices_are_listed_and_shut_out(
    folder: Path, accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts.ensure_user("petr", now=NOW, by=ADMINISTRATOR)
    device = accounts.link_device("petr", "laptop\x1b[31m", now=NOW, by=ADMINISTRATOR)
    assert run(["gateway", "devices", "petr", "--data", str(folder)]) == 0
    assert capsys.readouterr().out == f"{device}\tpetr\tlaptop␛[31m\t2027-01-15T08:00:00Z\t2027-01-15T08:00:00Z\t\n"
    assert run(["gateway", "revoke", "--device", device, "--data", str(folder)]) == 0
    assert run(["gateway", "users", "--disable", "petr", "--data", str(folder)]) == 0
    assert run(["gateway", "users", "--connect", "petr", "petr@example.com", "--data", str(folder)]) == 0
    capsys.readouterr()
    assert run(["gateway", "users", "--json", "--data", str(folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["user"], told["devices"], bool(told["disabled_at"])) == ("petr", 0, True)
    assert run(["gateway", "audit", "--data", str(folder), "--user", "petr"]) == 0
    actions = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
    assert actions == ["identity expected", "user disabled", "device revoked", "device linked", "user made"]


def test_who_is_shut_out_gets_nothing_that_would_not_work(
    folder: Path, accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts.ensure_user("petr", now=NOW, by=ADMINISTRATOR)
    accounts.set_disabled("petr", disabled=True, now=NOW, by=ADMINISTRATOR)
    for words in (["gateway", "invite", "petr"], ["token", "issue", "petr"]):
        assert run([*words, "--data", str(folder)]) == 2
        assert "analyst gateway users --enable petr" in capsys.readouterr().err
    assert accounts.devices("petr") == []


def test_a_rotated_secret_keeps_tokens_of_the_old_one_until_they_are_renewed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = signing_secret("", folder=folder, only_loopback=True)
    token = Tokens(token_keys(first, previous="", previous_until="", folder=folder)).issue("petr", now=NOW).token
    rotation = rotated_secret("", folder=folder, now=NOW, drop_old=False)
    assert rotation.previous_until == NOW + LIFETIME_S + REFRESH_GRACE_S
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = signing_secret("", folder=folder, only_loopback=True)
    assert second.value != first.value
    tokens = Tokens(token_keys(second, previous="", previous_until="", folder=folder))
    assert tokens.verify(token, now=NOW).username == "petr"
    assert tokens.verify_for_refresh(token, now=rotation.previous_until - 1).username == "petr"
    with pytest.raises(TokenRefused):
        tokens.verify_for_refresh(token, now=rotation.previous_until)


def test_a_leaked_secret_is_dropped_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = signing_secret("", folder=folder, only_loopback=True)
    token = Tokens(token_keys(first, previous="", previous_until="", folder=folder)).issue("petr", now=NOW).token
    rotated_secret("", folder=folder, now=NOW, drop_old=False)
    assert run(["gateway", "rotate-secret", "--drop-old", "--data", str(folder)]) == 0
    assert "accepted until" not in capsys.readouterr().err
    assert run(["gateway", "audit", "--data", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["detail"] == "the old one is refused"
    now_signing = signing_secret("", folder=folder, only_loopback=True)
    with pytest.raises(TokenRefused):
        Tokens(token_keys(now_signing, previous="", previous_until="", folder=folder)).verify(token, now=NOW)


def test_a_secret_of_the_environment_is_told_what_to_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DESKTOP_JWT_SECRET", "a" * 64)
    assert run(["gateway", "rotate-secret", "--data", str(folder)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^DESKTOP_JWT_SECRET=[0-9a-f]{64}$", out, re.MULTILINE)
    assert f"DESKTOP_JWT_SECRET_PREVIOUS={'a' * 64}\n" in out
    assert re.search(r"^DESKTOP_JWT_SECRET_PREVIOUS_UNTIL=\d{4}-\d\d-\d\dT", out, re.MULTILINE)
    assert list(folder.iterdir()) == []


def test_a_date_that_is_none_is_refused(folder: Path) -> None:
    secret = signing_secret("a" * 64, folder=folder, only_loopback=False)
    with pytest.raises(ConfigProblem, match="PREVIOUS_UNTIL 'soon'"):
        token_keys(secret, previous="b" * 64, previous_until="soon", folder=folder)
