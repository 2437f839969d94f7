"""R9: a client that stops reading is closed with 4409 within its bound, nobody else notices, and it comes back by cursor."""

import asyncio
import json
import select
import socket
from typing import Any, cast

import pytest

from analyst_server.gateway.send_queue import MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS
from analyst_server.inbox.log import NotificationDraft, User
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.gateway_session import Refuse
from tests.support.gateway_world import DEADLINE_S, RawClient, World, until

BIG = "x" * 12_000  # a message of this size fills the buffers of kernel and socket within a few hundred


async def stalled(world: World, *, since: int | None = None) -> RawClient:
    """Sign in on a connection with a small receive buffer, and read no more (with a cursor: not even the replay)."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.port))
    raw = await RawClient.open(*await asyncio.open_connection(sock=sock, limit=1024))
    cursor = None if since is None else {"epoch": world.hub.log.epoch, "seq": since}
    auth = {"type": "auth", "token": world.token(), "protocol": 2, "device": "slow", "since": cursor}
    raw.send(json.dumps(auth).encode())
    while since is None and json.loads((await raw.frame())[1])["type"] != "replay_done":
        pass
    return raw


async def test_a_queue_beyond_its_bytes_ends_the_connection_and_frees_the_memory(world: World) -> None:
    raw = await stalled(world)
    fast, _ = await world.client(device="fast")
    peak = 0
    sent = 0
    while world.hub.connections_of("petr") == 2:
        sent += 1
        await world.hub.log.append(_draft(sent, BIG))
        peak = max(peak, world.hub.queued_bytes)
        assert (await fast.hear())["id"] == f"n{sent}"
        assert sent < 2_000
    assert 0 < peak <= MAX_QUEUED_BYTES + 2 * len(BIG)
    assert world.hub.queued_bytes == 0
    assert world.hub.metrics.slow_closes == 1
    got = []
    while True:  # when it reads again: a prefix without a gap, then the reason
        opcode, payload = await raw.frame()
        if opcode == 8:
            break
        got.append(json.loads(payload))
    assert int.from_bytes(payload[:2]) == 4409
    assert [each["id"] for each in got] == [f"n{n}" for n in range(1, len(got) + 1)]
    await raw.close()
    back, heard = await world.client(device="slow", since={"epoch": world.hub.log.epoch, "seq": got[-1]["seq"]})
    assert [each["id"] for each in heard[1:-1]] == [f"n{n}" for n in range(len(got) + 1, sent + 1)]
    await back.close()


async def test_a_queue_beyond_its_events_ends_the_connection(world: World) -> None:
    raw = await stalled(world)
    connection = next(iter(world.hub._connections))
    connection.writable(yes=False)  # as the socket says when its buffer is full
    for n in range(MAX_QUEUED_EVENTS):
        await world.hub.log.append(_draft(n))
    assert world.hub.connections_of("petr") == 1
    await world.hub.log.append(_draft(MAX_QUEUED_EVENTS))
    assert world.hub.connections_of("petr") == 0
    assert await raw.close_code() == 4409
    await raw.close()


async def test_who_reads_again_in_time_gets_everything_in_order(world: World) -> None:
    client, _ = await world.client()
    connection = next(iter(world.hub._connections))
    connection.writable(yes=False)
    for n in range(MAX_QUEUED_EVENTS):
        await world.hub.log.append(_draft(n))
    connection.writable(yes=True)
    assert [(await client.hear())["id"] for _ in range(MAX_QUEUED_EVENTS)] == [
        f"n{n}" for n in range(MAX_QUEUED_EVENTS)
    ]
    assert world.hub.queued_bytes == 0


async def test_who_stops_in_the_middle_of_a_message_and_reads_on_gets_everything_in_order(world: World) -> None:
    raw = await stalled(world)
    sent = 0
    for _ in range(3):
        connection = next(iter(world.hub._connections))
        while not connection.queue.byte_count:  # until the kernel takes no more of it
            sent += 1
            await world.hub.log.append(_draft(sent, BIG))
        await world.hub.log.append(_draft(sent := sent + 1, BIG))
        connection.send(b'{"type":"ping"}')
        heard = [json.loads((await raw.frame())[1])]
        while heard[-1]["type"] != "ping":
            heard.append(json.loads((await raw.frame())[1]))
        assert [each["id"] for each in heard[:-1]] == [f"n{n}" for n in range(sent + 2 - len(heard), sent + 1)]
        assert world.hub.queued_bytes == 0
    await raw.close()


async def test_who_is_dropped_when_it_does_not_take_everything_gets_nothing_after_the_gap(world: World) -> None:
    """From the drop to the next turn of the loop the socket is still open, and the gateway has not been told."""
    raw = await stalled(world)
    raw.writer.transport.pause_reading()
    (connection,) = world.hub._connections
    here = cast("Any", connection._outlet)._transport.get_extra_info("socket")
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await world.hub.log.append(_draft(1))  # from here on it is in step
    connection.abort()
    for n in range(2, 12):
        await world.hub.log.append(_draft(n, BIG))
    with raw.writer.get_extra_info("socket").dup() as peer:
        got, readable, writable = b"", [peer], [0]
        while readable or not writable:  # until the gateway's kernel has space again
            readable, writable, _ = select.select((peer,), (here.fileno(),), (), DEADLINE_S)
            got += peer.recv(65_536) if readable else b""
        await world.hub.log.append(_draft(12))
        while select.select((peer,), (), (), 0)[0]:
            got += peer.recv(65_536)
    assert b'"n1"' in got
    assert b'"n11"' not in got
    assert b'"n12"' not in got
    await until(lambda: world.hub.open_connections == 0)
    await raw.close()


async def test_the_publisher_does_not_wait_for_a_stalled_reader(world: World) -> None:
    raw = await stalled(world)
    sent = 0
    while world.hub.connections_of("petr"):  # until so much waits for it that it is sent away
        sent += 1
        with pytest.raises(StopIteration):  # stored and told to all, without a turn of the loop, in which it could read
            world.hub.log.append(_draft(sent, BIG)).send(None)
        assert sent < 2_000
    assert world.hub.metrics.slow_closes == 1
    raw.writer.transport.abort()
    await until(lambda: world.hub.open_connections == 0)


async def test_a_replay_waits_for_its_reader_and_does_not_count_as_slow(world: World) -> None:
    for n in range(300):
        await world.hub.log.append(_draft(n, BIG))  # 3.6 MB, more than the bound of a queue
    _, heard = await world.client(since={"epoch": world.hub.log.epoch, "seq": 0})
    assert len(heard) == 302
    assert world.hub.metrics.slow_closes == 0


async def test_a_replay_ends_with_its_connection_and_is_no_slow_reader(world: World) -> None:
    for n in range(900):
        await world.hub.log.append(_draft(n, BIG))
    raw = await stalled(world, since=0)
    await until(lambda: any(connection.queue.paused for connection in world.hub._connections))
    connection = next(iter(world.hub._connections))
    connection.refuse(Refuse(CloseCode.TOKEN_REFUSED, "revoked"))
    await until(lambda: len(world.hub._tasks._tasks) == 0)
    assert world.hub.metrics.slow_closes == 0
    raw.writer.transport.abort()


def _draft(n: int, message: str = "m") -> NotificationDraft:
    body = json.dumps({"id": f"n{n}", "title": "t", "message": message, "timestamp": "2026-01-30T10:00:00Z"}).encode()
    return NotificationDraft(User("petr"), f"n{n}", body)


async def test_a_client_that_closes_and_reads_nothing_more_is_dropped_after_a_while(world: World) -> None:
    raw = await stalled(world)
    connection = next(iter(world.hub._connections))
    sent = 0
    while not connection.queue.byte_count:  # until the kernel takes no more of it
        sent += 1
        await world.hub.log.append(_draft(sent, BIG))
    raw.send((1001).to_bytes(2), first=0x88)
    await until(lambda: world.hub.connections_of("petr") == 0)
    assert world.hub.queued_bytes == 0
    assert world.hub.open_connections == 1  # it may still read what is on its way
    world.clocks.skipped += 20
    await until(lambda: world.hub.open_connections == 0)
    assert world.hub.metrics.closes == {}
    await raw.close()
