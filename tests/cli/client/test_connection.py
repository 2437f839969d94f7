"""The connection against a gateway whose every word the test chooses, and against the old one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
from aiohttp import web

from analyst_cli.client.accounts import Account, last_account
from analyst_cli.client.events import (
    CaughtUp,
    Connected,
    Connecting,
    ConnectionLost,
    MarkFailed,
    NotificationArrived,
    SignInExpired,
    StateChanged,
    Stopped,
)
from analyst_cli.client.socket_link import Closed, open_socket
from analyst_server.wire.messages import Cursor
from tests.support.follower import Follower
from tests.support.old_gateway import old_gateway
from tests.support.scripted_gateway import ScriptedGateway, scripted_gateway

SECRET = "s" * 32
TOKEN = jwt.encode({"sub": "petr"}, SECRET, algorithm="HS256")


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", TOKEN)


def alert(number: int, **members: object) -> dict[str, object]:
    told = {"type": "notification", "id": f"n-{number}", "title": f"T{number}", "message": "m", "seq": number}
    return told | {"timestamp": "2026-01-30T10:00:00Z"} | members


async def test_live_notifications_are_stored_before_they_are_told_and_acknowledged(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        assert server.auth["token"] == TOKEN
        assert server.auth["protocol"] == 2
        assert "since" not in server.auth
        await server.greet(seq=0)
        await server.send(type="replay_done", seq=0)
        await server.send(**alert(1))
        arrived = await client.until(NotificationArrived)
        assert (arrived.row.title, client.titles()) == ("T1", ["T1"])
        assert (await server.receive_kind("ack"))["seq"] == 1
        assert last_account() == Account(gateway.url, "petr")


async def test_a_reconnect_carries_the_cursor_and_what_was_missed_is_one_summary(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=1)
        await server.send(**alert(1, replay=True))
        await server.send(type="replay_done", seq=1)
        await client.until(CaughtUp)
        server.cut()
        lost = await client.until(ConnectionLost)
        assert lost.problem
        server = await gateway.accept()
        assert server.auth["since"] == {"epoch": "e", "seq": 1}
        await server.greet(seq=4)
        for number in (2, 3):
            await server.send(**alert(number, replay=True))
        await server.send(type="state", seq=4, ids=["n-2"], state="read", at="2026-01-30T10:00:00Z", replay=True)
        await server.send(type="replay_done", seq=4)
        caught_up = await client.until(CaughtUp, 2)
        assert (caught_up.count, [row.title for row in caught_up.rows], caught_up.gap) == (1, ["T3"], "")
        assert not [event for event in client.seen if isinstance(event, NotificationArrived)]
        await server.send(**alert(5))
        await client.until(NotificationArrived)
        assert client.titles() == ["T5", "T3", "T2", "T1"]


async def test_a_lost_cursor_brings_a_snapshot_and_says_so(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=1)
        await server.send(**alert(1, replay=True))
        await server.send(type="replay_done", seq=1)
        await client.until(CaughtUp)
        await server.close(1012)
        server = await gateway.accept()
        await server.greet(seq=90, epoch="another", recovered=False, reason="epoch_changed")
        await server.send(**alert(80, snapshot=True, state={"read": True}))
        await server.send(**alert(90, snapshot=True))
        await server.send(type="replay_done", seq=90)
        caught_up = await client.until(CaughtUp, 2)
        assert caught_up.count == 1
        assert "store is another one" in caught_up.gap
        assert client.titles() == ["T90", "T80"]
        server.cut()
        assert (await gateway.accept()).auth["since"] == {"epoch": "another", "seq": 90}


async def test_marks_made_offline_are_sent_after_the_replay_and_survive_it(gateway: ScriptedGateway) -> None:
    client = Follower(gateway.url)
    async with client:
        server = await gateway.accept()
        await server.greet(seq=1)
        await server.send(**alert(1, replay=True))
        await server.send(type="replay_done", seq=1)
        await client.until(CaughtUp)
        server.cut()
        await client.until(ConnectionLost)
        client.inbox.mark(["n-1"], "read")
        server = await gateway.accept()
        await server.greet(seq=2)
        await server.send(type="state", seq=2, ids=["n-1"], state="unread", at="2026-01-30T10:00:00Z", replay=True)
        await server.send(type="replay_done", seq=2)
        mark = await server.receive_kind("mark")
        assert (mark["ids"], mark["state"]) == (["n-1"], "read")
        assert client.inbox.unread_count() == 0
        await server.send(type="state", seq=3, ids=["n-1"], state="read", at="2026-01-30T10:00:00Z")
        await server.send(type="mark_ok", ref=mark["ref"], seq=3)
        while (await server.receive_kind("ack"))["seq"] < 3:
            pass
        async with asyncio.timeout(30):
            while client.inbox.pending():
                await client.until(StateChanged, 1)
                await asyncio.sleep(0)


async def test_a_nudge_sends_a_new_mark_at_once_and_a_refusal_is_told(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=2)
        await server.send(**alert(1, replay=True))
        await server.send(**alert(2, replay=True))
        await server.send(type="replay_done", seq=2)
        await client.until(CaughtUp)
        client.inbox.mark(["n-1", "n-2"], "archived")
        client.nudge.set()
        mark = await server.receive_kind("mark")
        await server.send(type="mark_error", ref=mark["ref"], message="some are unknown", unknown=["n-1"])
        again = await server.receive_kind("mark")
        assert again["ids"] == ["n-2"]
        await server.send(type="mark_error", ref=again["ref"], message="the store is full")
        assert (await client.until(MarkFailed)).problem == "the store is full"


async def test_another_process_tells_and_sends_through_one_store(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as first, Follower(gateway.url) as second:
        servers = [await gateway.accept(), await gateway.accept()]
        for server in servers:
            await server.greet(seq=0)
            await server.send(type="replay_done", seq=0)
        await first.until(CaughtUp)
        await second.until(CaughtUp)
        await servers[0].send(**alert(1))  # one of them gets it; both tell it
        for client in (first, second):
            assert (await client.until(NotificationArrived)).row.title == "T1"
        await servers[1].send(**alert(1))
        await servers[0].send(**alert(2))
        for client in (first, second):
            assert (await client.until(NotificationArrived, 2)).row.title == "T2"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(4401, SignInExpired, "does not accept the token"), (4429, Stopped, "too many connections")],
)
async def test_a_close_that_trying_again_cannot_help_ends_it(
    gateway: ScriptedGateway, code: int, kind: type[SignInExpired] | type[Stopped], words: str
) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.send(type="auth_error", message="Invalid token")
        await server.close(code)
        assert words in (await client.until(kind)).problem
        await client.ended()


@pytest.mark.parametrize(
    ("code", "reason", "wait_s"),
    [
        (1001, "", 0),
        (1012, "", 0),
        (1012, "restarting; retry_s=3.5", 3.5),
        (4408, "", 0),
        (4409, "", 0),
        (4413, "", 0),
        (4999, "", 0),
        (4400, "", 30),
        (4503, '{"retry_s": 7}', 7),
    ],
)
async def test_other_closes_lead_back_after_their_wait(
    gateway: ScriptedGateway, code: int, reason: str, wait_s: float
) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=0)
        await server.close(code, reason)
        assert (await client.until(ConnectionLost)).retry_in_s == wait_s
        client.nudge.set()
        await gateway.accept()


async def test_a_nudge_ends_the_wait(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url, delay_s=lambda _: 3_600.0) as client:
        (await gateway.accept()).cut()
        await client.until(ConnectionLost)
        client.nudge.set()
        await gateway.accept()


async def test_what_the_server_says_last_does_not_shorten_the_wait_before_the_next_attempt(
    gateway: ScriptedGateway,
) -> None:
    nudge = asyncio.Event()
    link = await open_socket(gateway.url, nudge)
    await link.send(b'{"type":"auth"}')
    server = await gateway.accept()
    await server.send(type="ping")
    await server.close(1012)
    with pytest.raises(Closed):
        await link.send(b'{"type":"pong"}')
    await link.close()
    assert not nudge.is_set()


async def test_a_nudge_ends_the_wait_for_messages(gateway: ScriptedGateway) -> None:
    nudge = asyncio.Event()
    link = await open_socket(gateway.url, nudge)
    nudge.set()
    assert await link.receive(within_s=3_600) == []
    assert not nudge.is_set()
    await link.close()


async def test_a_machine_that_has_slept_connects_anew_at_once(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=0)
        await server.send(type="replay_done", seq=0)
        await client.until(CaughtUp)
        client.slept_s = 8 * 3_600.0
        client.nudge.set()
        assert "has slept" in (await client.until(ConnectionLost)).problem
        await gateway.accept()


async def test_a_server_that_is_silent_for_longer_than_its_heartbeats_allow_is_left(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.send(
            type="auth_ok", username="petr", protocol=2, epoch="e", seq=0, recovered=True, heartbeat_s=0.1
        )
        assert "nothing was heard" in (await client.until(ConnectionLost)).problem
        await gateway.accept()


async def test_nobody_listening_is_a_sentence_and_a_wait(gateway: ScriptedGateway) -> None:
    async with Follower("ws://127.0.0.1:9/", delay_s=lambda _: 3_600.0) as client:
        lost = await client.until(ConnectionLost)
        assert "connection refused" in lost.problem
        assert [type(event) for event in client.seen] == [Connecting, ConnectionLost]


async def test_a_redirect_is_not_followed_because_the_token_would_be(
    gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound(gateway.url.replace("ws:", "http:"))

    application = web.Application()
    application.router.add_get("/ws/notifications", redirect)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws/notifications"
    try:
        async with Follower(url, delay_s=lambda _: 3_600.0) as client:
            assert "it answered 302" in (await client.until(ConnectionLost)).problem
        assert gateway.connections.empty()
    finally:
        await runner.cleanup()


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Follower(gateway.url):
        assert (await gateway.accept()).auth["token"] == TOKEN


async def test_no_token_asks_for_a_sign_in(gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYST_TOKEN")
    async with Follower(gateway.url) as client:
        assert "analyst login" in (await client.until(SignInExpired)).way_out


async def test_a_token_that_is_no_jwt_still_finds_its_inbox(
    gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", "opaque")
    async with Follower(gateway.url) as client:
        client.inbox.apply([], cursor=Cursor("e", 5))
        server = await gateway.accept()
        assert "since" not in server.auth
        await server.greet(seq=9, recovered=False, reason="no_cursor")
        server = await gateway.accept()
        assert server.auth["since"] == {"epoch": "e", "seq": 5}


async def test_what_cannot_be_read_does_not_stop_what_can(gateway: ScriptedGateway) -> None:
    async with Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=0)
        await server.send(type="replay_done", seq=0)
        for text in (
            "",
            "no json",
            "[]",
            '{"type":"of the future","seq":7}',
            '{"type":7}',
            "[" * 5_000,
            '{"type":"notification"}',
        ):
            await server.send_text(text)
        await server.send(**alert(1, priority="apocalyptic", tags="no list", chart={"kind": "pie"}))
        assert (await client.until(NotificationArrived)).row.priority == "normal"


async def test_the_old_gateway_works_without_replay(tmp_path: Path) -> None:
    async with (
        old_gateway(SECRET, dispatch_socket=tmp_path / "ws.sock", heartbeat_s=0.05, max_missed=1_000) as old,
        Follower(old.url) as client,
    ):
        assert (await client.until(Connected)).protocol == 1
        async with asyncio.timeout(30):
            await old.pongs.get()
        notification = {
            "id": "a",
            "title": "Revenue Drop",
            "message": "m",
            "timestamp": "2026-01-30T10:00:00Z",
            "script": "rev",
        }
        assert await old.send("petr", notification) == 1
        assert (await client.until(NotificationArrived)).row.script == "rev"
        client.inbox.mark(["a"], "read")
        client.nudge.set()
        await client.until(StateChanged)
        await old.disconnect_all()
        await client.until(Connected, 2)
        await old.send("petr", notification | {"id": "b"})
        await client.until(NotificationArrived, 2)
        assert (client.inbox.unread_count(), client.inbox.pending(), old.unknown) == (1, [], [])


@pytest.mark.parametrize(("sub", "kind"), [("wrong secret", SignInExpired), ("petr", Stopped)])
async def test_the_old_gateway_refuses_in_words_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sub: str, kind: type[SignInExpired] | type[Stopped]
) -> None:
    async with old_gateway(SECRET, dispatch_socket=tmp_path / "ws.sock") as old:
        if kind is SignInExpired:
            monkeypatch.setenv("ANALYST_TOKEN", jwt.encode({"sub": "petr"}, "x" * 32, algorithm="HS256"))
            async with Follower(old.url) as client:
                assert "Invalid token" in (await client.until(SignInExpired)).problem
            return
        followers = [Follower(old.url) for _ in range(6)]
        for follower in followers[:5]:
            await follower.__aenter__()
            await follower.until(Connected)
        await followers[5].__aenter__()
        await followers[5].until(Stopped)
        for follower in followers:
            await follower.__aexit__()
