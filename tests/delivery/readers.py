"""R9, R10, R11, R18: readers that stop, fall away, say nothing; and that nothing of them stays behind."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tests.delivery.harness import DEADLINE_S, Gateway, Publisher, Subscriber, World, publishing

__all__ = ["SCENARIOS", "assert_nothing_left", "warmed_up"]


async def stalled_reader(world: World) -> None:
    """R9: a client that stops reading is closed with 4409 when its queue is full; nobody else notices, and it recovers by its cursor."""
    gateway, user = world.gateway, world.name("r9")
    text = "x" * 8_000
    stalled, other = gateway.subscriber(user, "stalled"), gateway.subscriber(user, "other")
    with socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.connect(("127.0.0.1", int(gateway.url.split(":")[2].split("/")[0])))
        stream.setblocking(False)
        await stalled.open(stream=stream)
        while not stalled.caught_up:
            await stalled.receive()
        assert stalled.link is not None
        stalled.link.transport.pause_reading()
        await other.catch_up()
        listening = asyncio.create_task(other.listen())
        async with publishing(gateway, 2) as [publisher, observer]:
            closed_before = await observer.metric("analyst_slow_closes_total")
            took: list[float] = []
            ids: list[str] = []
            async with asyncio.timeout(2 * DEADLINE_S):
                while await observer.metric("analyst_slow_closes_total") == closed_before:
                    for _ in range(20):
                        began = time.perf_counter()
                        ids.append((await publisher.accepted(user, message=text))["id"])
                        took.append(time.perf_counter() - began)
            assert len(ids) < 2_000, "the bound is 1 MiB and what the kernel buffers"
            ids.append((await publisher.accepted(user))["id"])
            await other.until(lambda: len(other.ids) == len(ids))
            assert other.ids == ids
            fast, slow = statistics.median(took[: len(took) // 2]), statistics.median(took[len(took) // 2 :])
            assert slow < 5 * fast + 0.01, "the publisher waits for the reader"
            stalled.link.transport.resume_reading()
            assert await stalled.listen() in (4409, 1006)  # 1006: it read on too late to get the close
            await stalled.catch_up()
            assert stalled.ids == ids
            assert await observer.metric("analyst_queue_bytes") == 0
        await stalled.close()
        listening.cancel()
        other.abort()


async def come_and_go(world: World) -> None:
    """R10: 10,000 connects and disconnects at any moment in the middle of fan-outs."""
    gateway, user = world.gateway, world.name("r10")
    rounds = world.scale(400, 10_000)
    steady = gateway.subscriber(user, "steady")
    async with publishing(gateway, 2) as [publisher, observer]:
        await steady.catch_up()
        listening = asyncio.create_task(steady.listen())
        ids: list[str] = []
        going = True

        async def publish() -> None:
            while going:
                ids.append((await publisher.accepted(user))["id"])

        async def visit(number: int) -> None:
            async with slots:
                with contextlib.suppress(OSError, EOFError):
                    await _fleeting(gateway, user, stay_s=world.rng.random() * 0.02, stage=number % 4)

        slots = asyncio.Semaphore(20)
        async with asyncio.timeout(DEADLINE_S + rounds / 50), asyncio.TaskGroup() as group:
            publishing_task = group.create_task(publish())
            await asyncio.gather(*(visit(number) for number in range(rounds)))
            going = False
            await publishing_task
        await steady.until(lambda: len(steady.ids) == len(ids))
        assert steady.ids == ids
        await _until_users(observer, {user: 1})
        listening.cancel()
        steady.abort()
    gateway.assert_no_traceback()


async def _fleeting(gateway: Gateway, user: str, *, stay_s: float, stage: int) -> None:
    """Connect by hand and be gone: during the handshake, before the token, after it, or in the middle of a frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.split(":")[2].split("/")[0]))
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        head = "GET /ws/notifications HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        writer.write(head.encode() if stage else head.encode()[:40])
        if stage:
            await reader.readuntil(b"\r\n\r\n")
        if stage > 1:
            frame = _masked(
                json.dumps(
                    {"type": "auth", "token": gateway.token(user), "protocol": 2, "device": f"d{stage}"}
                ).encode()
            )
            writer.write(frame if stage > 2 else frame[: len(frame) // 2])
        await asyncio.sleep(stay_s)
    finally:
        writer.transport.abort()


def _masked(payload: bytes) -> bytes:
    """Return a text frame of a client, masked with zeros (RFC 6455 section 5.2)."""
    length = (
        bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    )
    return b"\x81" + length + bytes(4) + payload


async def silent_clients(world: World) -> None:
    """R11: no pong: closed after the third missed ping; no token: closed in time; the hub forgets both."""
    settings = ("gateway.heartbeat_s=1", "gateway.auth_timeout_s=3")  # this process may stand still for a second or two
    async with world.own_gateway(*settings) as gateway:
        user = world.name("r11")
        mute, wordless, steady = (
            gateway.subscriber(user, "mute"),
            gateway.subscriber(user),
            gateway.subscriber(user, "steady"),
        )
        await steady.catch_up()
        listening = asyncio.create_task(steady.listen())
        await _open_without_token(wordless)
        began = time.monotonic()
        await mute.catch_up()
        assert mute.link is not None
        pings = 0
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(Exception):
                while True:
                    pings += json.loads(await mute.link.recv())["type"] == "ping"
        assert (mute.link.close_code, pings) == (4408, 3)
        assert time.monotonic() - began > 2.9
        assert wordless.link is not None
        async with asyncio.timeout(DEADLINE_S):
            assert json.loads(await wordless.link.recv()) == {"type": "auth_error", "message": "Auth timeout"}
            await wordless.link.wait_closed()
        assert wordless.link.close_code == 4408
        async with gateway.publisher() as observer:
            await _until_users(observer, {user: 1})
            assert not steady.closes
        listening.cancel()
        steady.abort()


async def _open_without_token(device: Subscriber) -> None:
    from websockets.asyncio.client import connect  # noqa: PLC0415 - the harness always shows a token

    device.link = await connect(device.gateway.url, compression=None, ping_interval=None)


async def _until_users(observer: Publisher, users: dict[str, int]) -> None:
    """Wait until these users have so many connections; without a name, until nobody has any."""
    seen: dict[str, int] = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                seen = (await observer.health())["users"]
                if ({name: seen.get(name, 0) for name in users} if users else seen) == users:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"expected {users}, there are {seen}") from None


async def warmed_up(gateway: Gateway, world: World) -> tuple[int, float]:
    """Return descriptors and MB of a gateway that has done some of everything."""
    async with publishing(gateway, 16) as publishers:
        for _ in range(3):
            await asyncio.gather(*(each.accepted(world.name("warm")) for each in publishers))
        devices = [gateway.subscriber(world.name("warm")) for _ in range(50)]
        for device in devices:
            await device.catch_up()
        for device in devices:
            await device.close()
        await _until_users(publishers[0], {})
    return gateway.descriptors(), gateway.rss_mb()


async def assert_nothing_left(gateway: Gateway, descriptors: int, rss_mb: float) -> None:
    """R18: after everything, idle: hub entries, descriptors and memory are back at the warm baseline."""
    async with gateway.publisher() as observer:
        await _until_users(observer, {})
        assert await observer.metric("analyst_queue_bytes") == 0
        assert await observer.metric("analyst_dispatches_waiting") == 0
    async with asyncio.timeout(DEADLINE_S):
        while gateway.descriptors() > descriptors + 4:  # readers of the store are opened on demand and kept
            await asyncio.sleep(0.05)
    # SQLite's page caches (32 MB a connection at most) fill with the store, and Python keeps arenas; a leak of a scenario is more.
    assert gateway.rss_mb() < rss_mb + 110, f"{gateway.rss_mb():.0f} MB, warm it was {rss_mb:.0f} MB"


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "R9": stalled_reader,
    "R10": come_and_go,
    "R11": silent_clients,
}
