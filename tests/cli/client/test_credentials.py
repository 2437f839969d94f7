"""Where tokens lie, in which order, and who may read them."""

import json
import os
import threading
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from analyst_cli.client import credentials, servers
from analyst_cli.errors import LocalProblem, SignInNeeded, UsageProblem

SERVER = "https://a.example"


def jwt(**claims: object) -> str:
    middle = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{middle}.c2ln"


def test_without_a_keyring_the_token_goes_to_a_private_file_with_a_warning() -> None:
    stored = credentials.store_token(SERVER, "t1")
    assert stored.origin == "file"
    assert str(credentials.token_file()) in stored.warning
    assert credentials.token_file().stat().st_mode & 0o777 == 0o600
    assert credentials.find_token(SERVER) == credentials.Token("t1", "file")


def test_the_environment_wins_over_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.store_token(SERVER, "stored", insecure=True)
    monkeypatch.setenv("ANALYST_TOKEN", "named\n")
    assert credentials.find_token(SERVER) == credentials.Token("named", "ANALYST_TOKEN")
    assert "ANALYST_TOKEN, or unset it" in credentials.way_in(SERVER), "signing in alone would not help"
    monkeypatch.delenv("ANALYST_TOKEN")
    assert credentials.way_in(SERVER) == f"sign in with: analyst login --server {SERVER}"


def test_each_server_has_its_own_token_and_one_can_be_forgotten() -> None:
    credentials.store_token(SERVER, "t1", insecure=True)
    credentials.store_token("https://b.example", "t2", insecure=True)
    assert credentials.forget_token(SERVER) is True
    assert credentials.forget_token(SERVER) is False
    assert credentials.find_token("https://b.example").value == "t2"
    with pytest.raises(SignInNeeded, match=r"analyst login --server https://a\.example"):
        credentials.find_token(SERVER)


def test_programs_that_change_tokens_or_servers_at_once_lose_none_of_them() -> None:
    """A `watch` that renews its token, and a sign-in to another server."""

    def sign_in() -> None:
        credentials.store_token("https://b.example", "t2", insecure=True)
        servers.remember(servers.KnownServer("https://b.example"))

    other = threading.Thread(target=sign_in)
    with servers.changing(credentials.token_file()):
        other.start()
        other.join(0.2)  # it waits, or it is done and overwritten
        servers.replace_file(credentials.token_file(), json.dumps({SERVER: "t1"}).encode())
    other.join()
    assert credentials.find_token(SERVER).value == "t1"
    assert credentials.find_token("https://b.example").value == "t2"
    assert [known.url for known in servers.known_servers()] == ["https://b.example"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_file_that_others_can_read_is_not_used(mode: int) -> None:
    credentials.store_token(SERVER, "t1", insecure=True)
    credentials.token_file().chmod(mode)
    with pytest.raises(LocalProblem, match="chmod 600"):
        credentials.find_token(SERVER)


def test_a_symbolic_link_is_no_token_file(tmp_path: Path) -> None:
    credentials.store_token(SERVER, "t1", insecure=True)
    moved = tmp_path / "elsewhere"
    credentials.token_file().rename(moved)
    credentials.token_file().symlink_to(moved)
    with pytest.raises(LocalProblem, match="cannot be read"):
        credentials.find_token(SERVER)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_token_file_is_a_sentence(content: bytes) -> None:
    credentials.store_token(SERVER, "t1", insecure=True)
    credentials.token_file().write_bytes(content)
    with pytest.raises(LocalProblem, match="damaged"):
        credentials.find_token(SERVER)


def test_a_token_never_shows_in_a_representation() -> None:
    assert "secret" not in repr(credentials.Token("secret", "file"))


def test_claims_are_read_without_a_library() -> None:
    claims = credentials.claims_of(jwt(sub="petr", exp=12, device="laptop"))
    assert claims == credentials.TokenClaims("petr", 12.0, "laptop")


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.%%%.c", jwt(exp=1), "e30.bnVsbA.x"])
def test_what_is_no_token_raises_value_error(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        credentials.claims_of(token)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("HTTP://A.example:80/team/", "http://a.example:80/team"),
        ("127.0.0.1:8766", "http://127.0.0.1:8766"),
        ("localhost", "http://localhost"),
        ("http://[::1]:1/", "http://[::1]:1"),
    ],
)
def test_addresses_have_one_spelling(typed: str, address: str) -> None:
    assert servers.normalized(typed) == address


@pytest.mark.parametrize(
    "typed", ["", "ftp://a", "https://", "https://a:port", "https://u:p@a", "https://a/?x=1", "https://[::1"]
)
def test_what_is_no_address_is_a_usage_problem(typed: str) -> None:
    with pytest.raises(UsageProblem):
        servers.normalized(typed)


def test_the_server_meant_is_flag_then_environment_then_last_one_then_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert servers.current_server() == servers.EMBEDDED_SERVER
    servers.remember(servers.KnownServer("https://a.example", "petr", "file"))
    servers.remember(servers.KnownServer("https://b.example", "petr", "file"))
    assert servers.current_server() == "https://b.example"
    servers.choose("https://a.example")
    assert [server.url for server in servers.known_servers()] == ["https://a.example", "https://b.example"]
    monkeypatch.setenv("ANALYST_SERVER", "c.example")
    assert servers.current_server() == "https://c.example"
    assert servers.current_server("d.example") == "https://d.example"
    with pytest.raises(UsageProblem, match="known: https://a"):
        servers.choose("https://unknown.example")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    servers.replace_file(path, b"one")
    path.parent.chmod(0o500)
    try:
        if os.geteuid() != 0:  # root may write anywhere
            with pytest.raises(PermissionError):
                servers.replace_file(path, b"two")
            assert path.read_bytes() == b"one"
    finally:
        path.parent.chmod(0o700)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
