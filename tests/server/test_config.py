"""Settings: precedence, unknown keys, values that cannot be meant, secrets that are not shown."""

import contextlib
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyst_server.config import Settings, is_loopback, load_settings, setting_rows
from analyst_server.errors import ConfigProblem

KEPT = {  # section 1.7 of the protocol
    "DESKTOP_JWT_SECRET": "identity.secret",
    "WS_GATEWAY_HOST": "gateway.host",
    "WS_GATEWAY_PORT": "gateway.port",
    "WS_DISPATCH_SOCKET": "gateway.socket",
    "HEARTBEAT_INTERVAL_SECONDS": "gateway.heartbeat_s",
    "HEARTBEAT_TIMEOUT_MISSED": "gateway.heartbeat_missed",
    "MAX_CONNECTIONS_PER_USER": "gateway.connections_per_user",
    "TELEGRAM_BOT_TOKEN": "telegram.token",
}


def load(file: Path | None = None, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    named = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(file=file, environ=environ or {}, flags=named)[0]


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[gateway]\nport = 1001\nhost = "127.0.0.2"\nheartbeat_s = 7\n')
    environ = {"WS_GATEWAY_PORT": "1002", "WS_GATEWAY_HOST": "127.0.0.3"}
    chosen, origins = load_settings(file=file, environ=environ, flags={"gateway.port": 1003, "gateway.socket": None})
    assert (chosen.gateway.port, chosen.gateway.host, chosen.gateway.heartbeat_s) == (1003, "127.0.0.3", 7.0)
    assert origins == {"gateway.port": "a flag", "gateway.host": "WS_GATEWAY_HOST", "gateway.heartbeat_s": str(file)}
    assert load().gateway.port == 8765


def test_the_source_systems_variables_are_kept() -> None:
    assert {row.env: row.key for row in setting_rows() if row.env in KEPT} == KEPT
    assert load(environ={"WS_DISPATCH_SOCKET": "/tmp/x.sock"}).gateway.socket == Path("/tmp/x.sock")


def test_every_setting_also_has_a_variable_of_ours() -> None:
    assert load(environ={"ANALYST_GATEWAY_PORT": "7"}).gateway.port == 7
    assert load(environ={"ANALYST_PORTAL_ENABLED": "off"}).portal.enabled is False
    assert load(environ={"ANALYST_GATEWAY_ALLOWED_ORIGINS": "https://a, https://b"}).gateway.allowed_origins == (
        "https://a",
        "https://b",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gateway]\nprot = 1", r"unknown setting: gateway\.prot in .*; did you mean gateway\.port\?"),
        ("[gatewya]\nport = 1", r"unknown setting: the table \[gatewya\] of .*; did you mean gateway\?"),
        ("port = 1", r"unknown setting: port in .*, outside of any table"),
        ('[gateway]\nport = "many"', r"gateway\.port is 'many' \(from .*\); it must be a whole number"),
        ("[gateway]\nport = true", "it must be a whole number"),
        ("[gateway]\nport = 70000", r"gateway\.port is 70000 .*; it must be 0 to 65535"),
        ("[gateway]\nheartbeat_s = nan", "it must be a number"),
        ("[gateway]\nallowed_origins = [1]", "it must be a list of texts"),
        ("[portal]\nenabled = 2", "it must be true or false"),
        ('[store]\nsynchronous = "OFF"', "it must be one of FULL, NORMAL"),
        ("[gateway\nport = 1", "is no TOML"),
        ("[identity]\nsecret = 12345", r"identity\.secret is a value that is not shown"),
    ],
)
def test_what_cannot_be_meant_names_value_source_and_way_out(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigProblem, match=words):
        load(file)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ANALYST_GATEWAY_PROT": "1"}, r"ANALYST_GATEWAY_PROT; did you mean ANALYST_GATEWAY_PORT\?"),
        (
            {"MAX_CONNECTIONS_PER_USER": "0"},
            r"connections_per_user is 0 \(from MAX_CONNECTIONS_PER_USER\); it must be 1 to",
        ),
        ({"HEARTBEAT_INTERVAL_SECONDS": "soon"}, r"heartbeat_s is 'soon' \(from HEARTBEAT_INTERVAL_SECONDS\)"),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigProblem, match=words):
        load(environ=environ)


def test_variables_of_the_client_are_none_of_ours() -> None:
    load(environ={"ANALYST_SERVER": "x", "ANALYST_TOKEN": "x", "ANALYST_GATEWAY_CONFIG": "x", "PATH": "/bin"})


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match=r"cannot read .*missing.toml: No such file"):
        load(tmp_path / "missing.toml")


def test_secrets_are_not_shown() -> None:
    assert "s3cret" not in repr(load(environ={"DESKTOP_JWT_SECRET": "s3cret" * 8, "TELEGRAM_BOT_TOKEN": "s3cret"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_loopback_is_this_machine_alone(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("127.example.com")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(alphabet=string.printable, max_size=200)
    | st.from_regex(r"\[(gateway|store|identity|x)\]\n(port|host|secret|keep_days) = .{0,20}\n", fullmatch=True)
)
def test_no_file_raises_anything_but_the_documented_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_bytes(text.encode("utf-8", "replace"))
    with contextlib.suppress(ConfigProblem):
        load(file)
