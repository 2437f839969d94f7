"""Which server, which inbox, which device: the rules that decide it offline, and what they refuse."""

import asyncio
import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web

from analyst_cli import log, paths
from analyst_cli.client import accounts, servers
from analyst_cli.client.accounts import Account
from analyst_cli.client.chart_cache import cached_chart, fetched_chart
from analyst_cli.client.device import device_id, new_device_id
from analyst_cli.client.target import Target, find_ws_url, inbox_for, local_inbox, target_of
from analyst_cli.errors import NotFound, ServerUnreachable, SettingsProblem, SignInNeeded, UsageProblem

SERVER = "https://analyst.example.com"


def test_every_account_has_a_file_of_its_own_in_the_folder_for_inboxes() -> None:
    names = [
        "petr",
        "Petr",
        "../../etc/passwd",
        "a/b",
        "",
        ".",
        "..",
        "x" * 500,
        "x" * 501,
        "p\x00t",
        "\ud800",
        "-rf",
        "CON",
        "日本",
    ]
    found = [accounts.inbox_path(Account(SERVER, name)) for name in names]
    assert len({str(path).lower() for path in found}) == len(names)
    assert all(path.parent.parent == paths.data_dir() / "inboxes" and len(path.name) < 200 for path in found)


def test_spellings_of_one_server_are_one_inbox() -> None:
    spellings = ["https://Analyst.example.com", "https://analyst.example.com/", "HTTPS://analyst.example.com"]
    assert len({accounts.inbox_path(Account(spelling, "petr")) for spelling in spellings}) == 1


def test_the_account_connected_last_is_found_offline_and_per_server() -> None:
    for account in (Account(SERVER, "petr"), Account("https://b.example.com", "eva")):
        inbox_for(account).close()
    assert accounts.last_account() == Account("https://b.example.com", "eva")
    assert accounts.last_account(SERVER) == Account(SERVER, "petr")
    assert accounts.last_account("https://c.example.com") is None
    assert accounts.known_users() == ["eva", "petr"]
    with local_inbox() as inbox:
        assert inbox.path == accounts.inbox_path(Account("https://b.example.com", "eva"))
    with local_inbox(SERVER) as inbox:
        assert inbox.path == accounts.inbox_path(Account(SERVER, "petr"))
    with pytest.raises(SignInNeeded):
        local_inbox("https://c.example.com")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"last": 7, "users": 7}', '{"last": [1, 2], "users": {"a": 7}}'])
def test_a_damaged_memory_of_accounts_is_begun_anew(content: str) -> None:
    inbox_for(Account(SERVER, "petr")).close()
    (paths.data_dir() / "inboxes/last.json").write_text(content)
    assert accounts.last_account() is None
    assert accounts.last_account("a") is None
    inbox_for(Account(SERVER, "petr")).close()
    assert accounts.last_account() == Account(SERVER, "petr")


def test_the_server_chosen_is_the_one_that_offline_commands_read() -> None:
    for url in (SERVER, "https://b.example.com"):
        servers.remember(servers.KnownServer(url, "petr", "file"))
        inbox_for(Account(url, "petr")).close()
    servers.choose(SERVER)
    with local_inbox() as inbox:
        assert inbox.path == accounts.inbox_path(Account(SERVER, "petr"))


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_SERVER", "https://env.example.com")
    monkeypatch.setenv("ANALYST_WS_URL", "wss://env.example.com/ws")
    assert target_of() == Target("https://env.example.com", "wss://env.example.com/ws")
    assert target_of(SERVER, "ws://127.0.0.1:1/") == Target(SERVER, "ws://127.0.0.1:1/")
    monkeypatch.delenv("ANALYST_SERVER")
    assert target_of() == Target("wss://env.example.com/ws", "wss://env.example.com/ws")


@pytest.mark.parametrize(
    "url", ["http://x/", "ws://", "ws:///path", "ws://user:password@x/", "ws://x:99999/", "", "wss//x"]
)
def test_what_is_no_websocket_address_is_refused(url: str) -> None:
    if url:
        with pytest.raises(UsageProblem):
            target_of(None, url)


async def served(told: object, wanted: Target | None = None) -> str:
    async def facts(_: web.Request) -> web.Response:
        return web.json_response(told) if told is not None else web.Response(status=404)

    application = web.Application()
    application.router.add_get("/.well-known/analyst.json", facts)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        return await find_ws_url(wanted or Target(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    finally:
        await runner.cleanup()


async def test_the_portal_tells_where_the_websocket_is_and_an_old_one_has_it_at_its_place() -> None:
    assert await served({"ws_url": "ws://127.0.0.1:5/x", "protocol": 2}) == "ws://127.0.0.1:5/x"
    assert (await served(None)).endswith("/ws/notifications")
    assert (await served(None)).startswith("ws://127.0.0.1:")
    with pytest.raises(SettingsProblem, match="a WebSocket that is none"):
        await served({"ws_url": "file:///etc/passwd", "protocol": 2})
    with pytest.raises(ServerUnreachable):
        await find_ws_url(Target("http://127.0.0.1:9"))


def test_the_device_has_one_name_for_ever_also_when_many_ask_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: device_id(), range(32)))
    assert len(names) == 1
    assert names == {device_id()}
    (paths.state_dir() / "device-id").write_text("")  # a disk that was full
    made_anew = device_id()
    assert made_anew not in names


@pytest.mark.parametrize(
    ("host", "name"),
    [("Petrs-MacBook.local", "petrs-macbook"), ("a_b\x1b[31m c", "a-b-31m-c"), ("příliš", "p-li"), ("", "device")],
)
def test_a_new_device_is_known_by_its_machines_name(host: str, name: str) -> None:
    first, second = new_device_id(host), new_device_id(host)
    assert re.fullmatch(re.escape(name) + "-[0-9a-f]{16}", first)
    assert first != second  # two accounts of one machine


async def test_a_chart_is_fetched_once_and_only_from_its_server() -> None:
    asked: list[str | None] = []

    async def image(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(body=b"PNG", content_type="image/png") if len(asked) < 2 else web.Response(status=404)

    application = web.Application()
    application.router.add_get("/api/notifications/images/{name}", image)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server, url = f"http://127.0.0.1:{runner.addresses[0][1]}", f"/api/notifications/images/{'a' * 64}.png"
    try:
        assert cached_chart(server, url) is None
        path = await fetched_chart(server, "secret", url)
        assert await fetched_chart(server, "secret", url) == path == cached_chart(server, url)
        assert (await asyncio.to_thread(path.read_bytes), asked) == (b"PNG", ["Bearer secret"])
        assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
        assert cached_chart("http://other", url) is None
        with pytest.raises(NotFound, match="does not have this chart any more"):
            await fetched_chart(server, "secret", url.replace("a" * 64, "b" * 64))
        for hostile in (
            "https://evil.example.com/x.png",
            "//evil/x.png",
            "/api/notifications/images/../../x.png",
            "/etc/passwd",
            "",
        ):
            with pytest.raises(NotFound):
                await fetched_chart(server, "secret", hostile)
        assert len(asked) == 2
    finally:
        await runner.cleanup()


def test_the_log_is_silent_unless_wanted_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning("token=%s", "abcdefghijkl")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("ANALYST_LOG", "info")
    log.debug("small")
    log.info("Bearer %s and eyJhbGciOi.eyJzdWIi.c2ln\x1b[2J", "abcdefghijkl")
    line = capsys.readouterr().err
    assert "<hidden>" in line
    assert not any(secret in line for secret in ("abcdefghijkl", "eyJ", "\x1b"))
    monkeypatch.setenv("ANALYST_LOG_FILE", str(tmp_path / "log"))
    log.warning("%s", json.dumps({"token": "abcdefghijkl"}))
    assert "abcdefghijkl" not in (tmp_path / "log").read_text()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
