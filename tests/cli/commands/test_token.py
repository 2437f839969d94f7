"""`analyst token issue|publishers|inspect|refresh`."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from portal_world import World, portal_world

from analyst_cli.app import run
from analyst_server.portal.database import open_database
from analyst_server.portal.publishers import Publishers


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with portal_world(tmp_path, real_time=True) as served:
        yield served


def test_an_issued_token_can_be_inspected_and_its_device_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["token", "issue", "petr", "--device", "cron job", "--json", "--data", str(tmp_path)]) == 0
    issued = json.loads(capsys.readouterr().out)
    typed(monkeypatch, issued["token"] + "\n")
    assert run(["token", "inspect", "--stdin"]) == 0
    out = capsys.readouterr().out
    assert "user     petr" in out
    assert f"id       {issued['id']}" in out
    assert run(["gateway", "devices", "--data", str(tmp_path)]) == 0
    assert f"{issued['device']}\tpetr\tcron job" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text", "code", "told"),
    [
        (["issue"], "", 2, "name either"),
        (["issue", "petr", "--publisher", "airflow"], "", 2, "name either"),
        (["issue", "--publisher", "airflow"], "", 2, "--to USER"),
        (["issue", "Petr!"], "", 2, "a-z"),
        (["inspect", "--stdin"], "", 4, "no token"),
        (["inspect", "--stdin"], "garbage\n", 2, "no token ("),
        (["refresh", "--stdin", "--server", "http://127.0.0.1:9"], "x\n", 1, "does not answer"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    words: list[str],
    text: str,
    code: int,
    told: str,
) -> None:
    typed(monkeypatch, text)
    data = ["--data", str(tmp_path)] if words[0] == "issue" else []
    assert run(["token", *words, *data]) == code
    assert told in capsys.readouterr().err


def test_a_publisher_token_is_shown_once_and_stored_as_a_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["token", "issue", "--publisher", "airflow", "--to", "petr", "--to", "eva", "--data", str(tmp_path)]) == 0
    )
    out, err = capsys.readouterr()
    database = open_database(tmp_path / "accounts.db")
    found = Publishers(database).all()[0]
    database.close()
    assert (found.name, found.users) == ("airflow", ("petr", "eva"))
    assert f"revoke --publisher {found.id}" in err
    assert out.strip().encode() not in (tmp_path / "accounts.db").read_bytes()
    assert run(["token", "publishers", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["last_used_at"] is None


async def test_a_token_from_standard_input_is_refreshed_to_standard_output(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, world.token("petr") + "\n")
    assert await asyncio.to_thread(run, ["token", "refresh", "--stdin", "--server", world.url]) == 0
    new = capsys.readouterr().out.strip()
    assert world.tokens.verify(new, now=world.clock.now).username == "petr"
    typed(monkeypatch, "expired-or-forged\n")
    assert await asyncio.to_thread(run, ["token", "refresh", "--stdin", "--server", world.url]) == 4
