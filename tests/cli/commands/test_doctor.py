"""`analyst doctor`: finds what is wrong, says the remedy, and shows no secret."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import jwt
import pytest

from analyst_cli.app import run
from analyst_cli.client.checkup.finding import Finding
from analyst_cli.client.checkup.machine import machine_findings
from analyst_cli.client.checkup.network import network_findings
from analyst_cli.client.checkup.server_side import Places, is_server, server_findings
from analyst_cli.client.target import Target
from tests.support.gateway_world import gateway_world
from tests.support.old_gateway import old_gateway

SECRET = "0123456789abcdef" * 4
NGINX = """location /ws/notifications {
    proxy_pass http://127.0.0.1:8765/; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    proxy_read_timeout 86400s;
}"""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """An installation in which everything is right."""
    for folder in ("run", "nginx", "data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "run/ws.sock"))
    (tmp_path / "run/ws.sock").chmod(0o770)
    for name in ("web.env", "gateway.env"):
        (tmp_path / name).write_text(f'# settings\nDESKTOP_JWT_SECRET="{SECRET}"\nOTHER=1\n')
        (tmp_path / name).chmod(0o640)
    (tmp_path / "nginx/site").write_text(f"server {{ {NGINX} }}")
    yield Places(
        tmp_path / "run/ws.sock",
        (tmp_path / "web.env", tmp_path / "gateway.env"),
        (tmp_path / "nginx",),
        tmp_path / "data",
        (),
    )
    listener.close()


def checked(places: Places, health: dict[str, object] | str | None = None) -> dict[str, Finding]:
    healthy = {"status": "ok", "connections": 1, "users": {"petr": 1}}
    return {one.check: one for one in server_findings(places, health=healthy if health is None else health)}


def test_a_sound_installation_has_nothing_to_remedy(places: Places) -> None:
    found = checked(places)
    assert is_server(places)
    assert [one.check for one in found.values() if one.status != "ok"] == ["systemd units"] or all(
        one.status in {"ok", "skipped"} for one in found.values()
    )
    assert "petr" in found["gateway"].detail


def test_a_socket_with_another_mode_or_gone_is_found(places: Places) -> None:
    places.socket.chmod(0o755)
    assert "0755, not 0770" in checked(places)["dispatch socket"].detail
    places.socket.chmod(0o770)
    places.socket.parent.chmod(0o750)
    assert "RuntimeDirectoryMode=0755" in checked(places)["dispatch socket"].remedy
    places.socket.unlink()
    found = checked(places, "no gateway answers")
    assert found["dispatch socket"].status == found["gateway"].status == "failed"


def test_a_client_that_has_signed_in_is_no_server_and_an_own_gateway_has_its_own_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    own = Places(tmp_path / "analyst/ws.sock", (), (), tmp_path / "data", ())
    own.socket.parent.mkdir()
    assert not is_server(own)
    found = checked(own, "no gateway answers")
    assert (found["dispatch socket"].remedy, "journalctl" in found["gateway"].remedy) == (
        "start it: analyst gateway serve",
        False,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"DESKTOP_JWT_SECRET={SECRET[::-1]}\n", "differs between"),
        ("DESKTOP_JWT_SECRET=short\n", "shorter than 32 bytes"),
        ("OTHER=1\n", "has no DESKTOP_JWT_SECRET"),
    ],
)
def test_secrets_that_disagree_are_found_and_never_shown(places: Places, content: str, words: str) -> None:
    places.env_files[1].write_text(content)
    found = checked(places)["secret"]
    assert found.status == "failed"
    assert words in found.detail
    assert SECRET not in repr(found)
    assert SECRET[::-1] not in repr(found)


def test_without_env_files_the_secret_in_the_data_folder_is_looked_at(places: Places) -> None:
    for path in places.env_files:
        path.unlink()
    assert checked(places)["secret"].status == "skipped"
    own = places.data / "jwt-secret"
    own.write_text(SECRET)
    own.chmod(0o640)
    assert checked(places)["secret"].remedy == f"chmod 600 {own}"
    own.chmod(0o600)
    assert checked(places)["secret"].status == "ok"
    own.write_text("short")
    assert "rotate-secret" in checked(places)["secret"].remedy


def test_a_secret_that_everybody_can_read_is_found(places: Places) -> None:
    places.env_files[0].chmod(0o644)
    assert "read by everybody" in checked(places)["secret"].detail


@pytest.mark.parametrize(
    ("site", "status", "words"),
    [
        ("server { location / { } }", "failed", "no location /ws/notifications"),
        (NGINX.replace("proxy_set_header Upgrade $http_upgrade;", ""), "failed", "Upgrade $http_upgrade"),
        (NGINX.replace("proxy_read_timeout 86400s;", ""), "warning", "short proxy_read_timeout"),
        (NGINX.replace("86400s", "30"), "warning", "short proxy_read_timeout"),
        ("\n".join("# " + line for line in NGINX.splitlines()), "failed", "no location"),
        (NGINX.replace("86400s", "1d"), "ok", "location /ws/notifications"),
        (NGINX, "ok", "location /ws/notifications"),
    ],
)
def test_the_location_of_nginx_is_read(places: Places, site: str, status: str, words: str) -> None:
    (places.nginx[0] / "site").write_text(site)
    found = checked(places)["nginx"]
    assert found.status == status
    assert words in found.detail


async def on_network(url: str) -> dict[str, Finding]:
    return {one.check: one async for one in network_findings(Target(url, url))}


async def test_a_gateway_that_works_is_fine_and_nothing_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway_world(tmp_path) as world:
        monkeypatch.setenv("ANALYST_TOKEN", world.token())
        await world.dispatch(id="n-1")
        found = await on_network(world.url)
        assert {check: one.status for check, one in found.items()} == {
            "DNS": "ok",
            "server": "skipped",
            "WebSocket": "ok",
            "replay": "ok",
        }
        monkeypatch.setenv("ANALYST_TOKEN", world.token()[:-3] + "AAA")
        refused = (await on_network(world.url))["WebSocket"]
        assert refused.status == "failed"
        assert "DESKTOP_JWT_SECRET" in refused.remedy


async def test_an_old_gateway_is_told_from_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", jwt.encode({"sub": "petr"}, SECRET, algorithm="HS256"))
    async with old_gateway(SECRET, dispatch_socket=tmp_path / "ws.sock") as old:
        found = await on_network(old.url)
        assert (found["WebSocket"].status, found["replay"].status) == ("ok", "warning")


async def test_a_name_that_is_not_known_skips_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [one async for one in network_findings(Target("https://no-such-host.invalid"))]
    assert [one.status for one in found] == ["failed", *["skipped"] * 5]


async def test_a_server_that_is_down_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", "t")
    found = await on_network("http://127.0.0.1:9")
    assert found["server"].detail == "http://127.0.0.1:9 does not answer as it should (connection refused)"
    assert found["server"].remedy == "start it: analyst gateway serve"
    assert found["clock"].status == "skipped"


class _Portal(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"ws_url":"ws://127.0.0.1:9/","protocol":2}')

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Fri, 30 Jan 2026 10:00:00 GMT"

    def log_message(self, *_: object) -> None:
        pass


async def test_a_clock_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", "t")
    server = HTTPServer(("127.0.0.1", 0), _Portal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = {one.check: one async for one in network_findings(Target(f"http://127.0.0.1:{server.server_port}"))}
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()
    assert (found["server"].status, found["clock"].status, found["WebSocket"].status) == ("ok", "failed", "failed")
    assert "timedatectl" in found["clock"].remedy


def test_settings_folders_and_the_store_are_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyst_cli.client.accounts import Account, inbox_path  # noqa: PLC0415
    from analyst_cli.client.target import inbox_for  # noqa: PLC0415

    server = "http://127.0.0.1:9"
    inbox_for(Account(server, "petr")).close()
    path = inbox_path(Account(server, "petr"))
    found = {one.check: one for one in machine_findings(server, environ={})}
    assert (found["settings"].status, found["local inbox"].status, found["token"].status) == ("ok", "ok", "failed")
    path.chmod(0o644)
    config = home / ".config/analyst/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[inbox]\nthem = 1\n")
    monkeypatch.setenv("ANALYST_TOKEN", jwt.encode({"sub": "petr", "exp": 1}, SECRET, algorithm="HS256"))
    found = {one.check: one for one in machine_findings(server, environ={})}
    assert "did you mean 'inbox.theme'?" in found["settings"].remedy
    assert found["local inbox"].remedy == f"chmod 600 {path}"
    assert "expired 1970" in found["token"].detail
    config.write_text("[notifications]\nquiet_from = '22:00'\n")
    found = {one.check: one for one in machine_findings(server, environ={})}
    assert found["settings"].status == "warning"
    assert "as long as notifications.quiet_until is empty" in found["settings"].detail
    path.chmod(0o600)
    for file in path.parent.iterdir():
        os.truncate(file, 0) if file != path else file.write_bytes(b"x" * 9_000)
    assert {one.check: one for one in machine_findings(server, environ={})}["local inbox"].status == "failed"


def test_json_is_one_object_a_check_and_a_failure_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "--json", "--offline", "--not-on-server", "--server", "http://127.0.0.1:9"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert all(list(one) == ["check", "status", "detail", "remedy"] for one in found)
    assert all(one["remedy"] for one in found if one["status"] in {"failed", "warning"})
