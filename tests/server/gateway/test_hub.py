"""Limits, revocation, expiry, browsers, the end of the process, and that nothing is left behind."""

import asyncio
import gc
import json
import logging
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from picows import WSListener, WSMsgType, ws_connect
from websockets.exceptions import InvalidStatus

from analyst_server.gateway.admission import FailureThrottle, address_of
from analyst_server.gateway.connection import Connection
from analyst_server.gateway.hub import Limits
from analyst_server.gateway.room import Room
from analyst_server.gateway.send_queue import SendQueue
from analyst_server.inbox.log import NotificationDraft, User
from analyst_server.wire.close_codes import CloseCode, retry_delay_s
from tests.support.eventually import within_a_second
from tests.support.gateway_world import RawClient, World, gateway_world, until


async def test_a_revoked_token_closes_its_sockets_alone_and_at_once(world: World) -> None:
    lost, kept = await world.open(), await world.open()
    await lost.say({"type": "auth", "token": world.token(token_id="stolen")})
    await kept.say({"type": "auth", "token": world.token(token_id="fine")})
    await lost.hear()
    await kept.hear()
    closed = world.hub.close_where(lambda principal: principal.token_id == "stolen", CloseCode.TOKEN_REFUSED, "revoked")
    assert closed == 1
    assert await lost.end() == (4401, "revoked")
    await world.dispatch()
    assert (await kept.hear())["type"] == "notification"


async def test_a_token_that_expires_while_connected_ends_the_connection(world: World) -> None:
    client = await world.open()
    await client.say({"type": "auth", "token": world.token(lifetime_s=60)})
    await client.hear()
    world.hub.sweep()
    assert world.hub.connections_of("petr") == 1
    world.clocks.wall_skipped = 61
    world.hub.sweep()
    assert await client.end() == (4401, "the token has expired")


async def test_a_full_gateway_asks_to_come_back_later(tmp_path: Path) -> None:
    async with gateway_world(tmp_path, limits=Limits(connections=2)) as world:
        first = await world.old_client()
        await world.old_client("jana")
        code, reason = await (await world.open()).end()
        assert code == 4503
        assert retry_delay_s(reason) == 30
        assert world.hub.metrics.connections_refused == {"capacity": 1}
        await first.close()
        await until(lambda: world.hub.open_connections == 1)
        await world.old_client()


async def test_one_address_cannot_take_all_connections(tmp_path: Path) -> None:
    trusting = {"trusted_proxies": [ip_network("127.0.0.0/8")]}
    async with gateway_world(tmp_path, limits=Limits(per_address=2), gate=trusting) as world:
        headers = {"X-Forwarded-For": "203.0.113.7"}
        for _ in range(2):
            await world.open(additional_headers=headers)
        code, _ = await (await world.open(additional_headers=headers)).end()
        assert code == 4503
        spoofed = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}  # only what the proxy added counts
        assert (await (await world.open(additional_headers=spoofed)).end())[0] == 4503
        await world.open(additional_headers={"X-Forwarded-For": "203.0.113.8"})


async def test_forwarded_addresses_of_unknown_proxies_are_not_believed(tmp_path: Path) -> None:
    async with gateway_world(tmp_path, limits=Limits(per_address=1)) as world:
        for _ in range(3):
            await world.open(additional_headers={"X-Forwarded-For": "203.0.113.7"})
        await until(lambda: world.hub.open_connections == 3)


async def test_wrong_tokens_slow_their_address_down(tmp_path: Path) -> None:
    trusting = {"trusted_proxies": [ip_network("127.0.0.0/8")]}
    async with gateway_world(tmp_path, gate=trusting) as world:
        headers = {"X-Forwarded-For": "203.0.113.7"}
        for _ in range(30):
            client = await world.open(additional_headers=headers)
            await client.say({"type": "auth", "token": "guess"})
            assert (await client.end())[0] == 4401
        code, reason = await (await world.open(additional_headers=headers)).end()
        assert (code, retry_delay_s(reason)) == (4503, 60)
        await world.open(additional_headers={"X-Forwarded-For": "203.0.113.8"})
        world.clocks.skipped = 61
        client = await world.open(additional_headers=headers)
        await client.say({"type": "auth", "token": world.token()})
        assert (await client.hear())["type"] == "auth_ok"


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "garbage", ""),
        ("10.0.0.1", None, "10.0.0.1"),
        ("127.0.0.1", None, ""),
        ("::1", None, ""),
        ("2001:db8:1:2:3::4", None, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", None, "203.0.113.7"),
    ],
)
def test_the_address_that_limits_count_by(peer: str, forwarded: str | None, counted: str) -> None:
    assert address_of(peer, forwarded, trusted_proxies=[ip_network("10.0.0.0/8")]) == counted


def test_the_throttle_forgets_with_time_and_keeps_its_size() -> None:
    throttle = FailureThrottle()
    for n in range(30):
        assert throttle.allows("a", n)
        throttle.failed("a", n)
    assert not throttle.allows("a", 30)
    assert throttle.allows("a", 90)
    for n in range(20_000):
        throttle.failed(f"other {n}", 100)
    assert len(throttle._failures) == 10_000


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://portal.example.com", True),
        ("HTTPS://Portal.Example.COM", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://127.0.0.1:{port}", True),  # the page's own host
        ("http://127.0.0.1:1", False),
        ("file://127.0.0.1:{port}", False),
    ],
)
async def test_pages_of_other_hosts_may_not_connect(tmp_path: Path, origin: str | None, allowed: bool) -> None:
    async with gateway_world(tmp_path, gate={"allowed_origins": ["https://portal.example.com/"]}) as world:
        asked = origin.format(port=world.port) if origin else None
        if allowed:
            await world.open(origin=asked)
            return
        with pytest.raises(InvalidStatus) as refused:
            await world.open(origin=asked)
        assert refused.value.response.status_code == 403


async def test_a_token_in_a_url_is_refused_whether_it_is_good_or_not(world: World) -> None:
    """S11."""
    for query in (f"?token={world.token()}", "?from=proxy&token=x"):
        with pytest.raises(InvalidStatus) as refused:
            await world.open(f"/ws/notifications{query}")
        assert refused.value.response.status_code == 400
        assert b"a token belongs in the first message" in (refused.value.response.body or b"")


async def test_a_restart_tells_everybody_and_waits_until_they_are_gone(world: World) -> None:
    clients = [await world.old_client(f"user{n}") for n in range(40)]
    ends = asyncio.gather(*(client.end() for client in clients))
    await world.hub.drain(CloseCode.RESTARTING, timeout_s=10)
    assert world.hub.open_connections == 0
    assert set(await ends) == {(1012, "restarting")}
    code, reason = await (await world.open()).end()  # came too early: it is told when to come back
    assert (code, retry_delay_s(reason)) == (4503, 1)


async def test_a_restart_sends_a_crowd_away_one_after_the_other_and_names_each_a_moment_to_return(
    tmp_path: Path,
) -> None:
    patient = Limits(
        auth_timeout_s=60
    )  # nobody is sent away for a missing token while a slow machine connects the others
    async with gateway_world(tmp_path, limits=patient) as world:
        crowd = [await world.raw() for _ in range(520)]
        await until(lambda: world.hub.open_connections == len(crowd))
        started = asyncio.get_running_loop().time()

        async def leave(raw: RawClient) -> tuple[float, str]:
            opcode, payload = await raw.frame()
            assert (opcode, payload[:2]) == (8, (1012).to_bytes(2))
            raw.send(payload, first=0x88)
            await raw.close()
            return asyncio.get_running_loop().time() - started, payload[2:].decode()

        left = asyncio.gather(*(leave(raw) for raw in crowd))
        await world.hub.drain(CloseCode.RESTARTING, timeout_s=10)
        times, reasons = zip(*await left, strict=True)
        assert max(times) - min(times) > 0.5
        delays = [retry_delay_s(reason) for reason in reasons]
        assert all(delay is not None and 0 <= delay <= 2 for delay in delays)
        assert len(set(delays)) > 30


async def test_who_does_not_answer_the_close_is_dropped_after_the_timeout(world: World) -> None:
    raw = await world.raw()
    await until(lambda: world.hub.open_connections == 1)
    draining = asyncio.create_task(world.hub.drain(CloseCode.GOING_AWAY, timeout_s=0.2))
    assert await within_a_second(draining.done)
    await until(lambda: world.hub.open_connections == 0)
    await raw.close()


async def test_a_peer_that_ignores_the_close_frame_is_dropped_by_the_sweeper(world: World) -> None:
    raw = await world.raw()
    raw.send(b"garbage")
    assert await raw.close_code() == 4400
    world.clocks.skipped = 6
    world.hub.sweep()
    await until(lambda: world.hub.open_connections == 0)
    await raw.close()


async def test_connections_that_come_and_go_amid_a_fan_out_leave_nothing_behind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    stop = False

    async def publish() -> None:
        n = 0
        while not stop:
            n += 1
            body = b'{"id":"n%d","title":"t","message":"m","timestamp":"2026-01-30T10:00:00Z"}' % n
            await world.hub.log.append(NotificationDraft(User("petr"), f"n{n}", body))
            await asyncio.sleep(0)

    publishing = asyncio.ensure_future(publish())
    for n in range(200):
        raw = await world.raw()
        auth = {"type": "auth", "token": world.token(), "protocol": 1 + n % 2, "device": f"d{n % 4}"}
        raw.send(json.dumps(auth).encode())
        if n % 3:
            await raw.frame()
        raw.writer.transport.abort()
    stop = True
    await publishing
    await until(lambda: world.hub.open_connections == 0)
    assert not world.hub._rooms
    assert not world.hub._addresses
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_connection_that_has_ended_leaves_nothing_for_the_garbage_collector(world: World) -> None:
    gc.collect()
    gc.disable()
    try:
        old, (new, _) = await world.old_client(), await world.client()
        await world.dispatch()
        for client in (old, new):
            assert (await client.hear())["type"] == "notification"
        await new.say({"type": "mark", "ref": "1", "ids": ["n1"], "state": "read"})
        await new.hear()
        await old.close()
        new.socket.transport.abort()
        await until(lambda: not [each for each in gc.get_objects() if type(each) in (Connection, SendQueue, Room)])
    finally:
        gc.enable()


async def test_three_foreign_clients_agree_with_the_gateway(world: World) -> None:
    heard: dict[str, list[str]] = {"picows": []}
    mine = await world.old_client()

    class Listener(WSListener):
        def on_ws_connected(self, transport: object) -> None:
            transport.send(WSMsgType.TEXT, json.dumps({"type": "auth", "token": world.token()}).encode())

        def on_ws_frame(self, transport: object, frame: object) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                heard["picows"].append(frame.get_payload_as_utf8_text())

    transport, _ = await ws_connect(Listener, world.url)
    async with aiohttp.ClientSession() as session, session.ws_connect(world.url, compress=15) as other:
        await other.send_json({"type": "auth", "token": world.token()})
        assert await other.receive_json() == {"type": "auth_ok", "username": "petr"}
        await until(lambda: world.hub.connections_of("petr") == 3)
        await world.dispatch(title="✓ příliš žluťoučký", message="x" * 16_000)
        texts = {(await other.receive()).data, json.dumps(await mine.hear(), separators=(",", ":"), ensure_ascii=False)}
        await until(lambda: len(heard["picows"]) == 2)
        texts.add(heard["picows"][1])
        assert len(texts) == 1
        await other.close(code=1000)
        assert other.close_code == 1000
    transport.disconnect()
    await until(lambda: world.hub.open_connections == 1)
