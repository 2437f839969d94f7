"""The table "Protocol and bad input" for the WebSocket: each case has its exact end, and a control connection that does not notice."""

import asyncio
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.gateway_world import RawClient, World, until

TEXT, CONTINUATION, BINARY, FIN = 0x1, 0x0, 0x2, 0x80
LIMIT = 64 * 1024


async def signed_in(world: World, *, protocol: int = 2) -> RawClient:
    raw = await world.raw()
    raw.send(json.dumps({"type": "auth", "token": world.token(), "protocol": protocol, "device": "raw"}).encode())
    while json.loads((await raw.frame())[1])["type"] not in ("replay_done", *(["auth_ok"] if protocol == 1 else [])):
        pass
    return raw


async def alive(raw: RawClient) -> None:
    raw.send(b"still here?", first=0x89)
    assert await raw.frame() == (0xA, b"still here?")


def unmasked(raw: RawClient) -> None:
    raw.send(b'{"type":"pong"}', masked=False)


def compressed(raw: RawClient) -> None:
    raw.send(zlib.compress(b" " * 10_000_000), first=FIN | 0x40 | TEXT)


def too_many_fragments(raw: RawClient) -> None:
    raw.send(b"x" * 40_000, first=TEXT)
    raw.send(b"x" * 40_000, first=FIN | CONTINUATION)


@pytest.mark.parametrize(
    ("misbehave", "code"),
    [
        (unmasked, 1002),
        (compressed, 1002),
        (lambda raw: raw.send(b"", first=FIN | 0x3), 1002),  # an opcode that does not exist
        (lambda raw: raw.send(b"x", first=FIN | CONTINUATION), 1002),  # continues nothing
        (
            lambda raw: (raw.send(b"{", first=TEXT), raw.send(b"{", first=FIN | TEXT)),
            1002,
        ),  # a message within a message
        (lambda raw: raw.send(b"x" * 126, first=0x89), 1002),  # a ping above 125 bytes
        (lambda raw: raw.send(b"x", first=0x09), 1002),  # a ping in fragments
        (lambda raw: raw.send(b"\x00\x01", first=FIN | BINARY), 1003),
        (lambda raw: raw.send(b'{"type":"\xff"}'), 1007),
        (lambda raw: (raw.send(b'{"type":"\xc3', first=TEXT), raw.send(b'x"}', first=FIN | CONTINUATION)), 1007),
        (lambda raw: raw.send(b" " * (LIMIT + 1)), 4413),
        (lambda raw: raw.send(b"", length=10**9), 4413),  # announced and never sent
        (too_many_fragments, 4413),
        (lambda raw: raw.send(b"garbage"), 4400),
        (lambda raw: raw.send(b'{"type":"mark"'), 4400),
        (lambda raw: raw.send(b"[1]"), 4400),
        (lambda raw: raw.send(b"{}"), 4400),
        (lambda raw: raw.send(b'{"type":7}'), 4400),
        (lambda raw: raw.send(b'{"type":"pong","x":NaN}'), 4400),
        (lambda raw: raw.send(b'{"type":"ack","seq":"7"}'), 4400),
        (lambda raw: raw.send(b'{"type":"mark","ids":["a"],"state":"read"}'), 4400),  # no ref to answer to
        (lambda raw: raw.send(b'{"type":"pong","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), 4400),
        (lambda raw: raw.send(b""), 4400),
    ],
)
@pytest.mark.usefixtures("control")
async def test_what_cannot_be_understood_ends_the_connection_with_its_code(
    world: World, misbehave: Callable[[RawClient], Any], code: int
) -> None:
    raw = await signed_in(world)
    misbehave(raw)
    assert await raw.close_code() == code
    raw.send(code.to_bytes(2), first=0x88)
    assert await raw.reader.read() == b""
    await until(lambda: world.hub.connections_of("petr") == 0)
    await raw.close()


@pytest.mark.usefixtures("control")
async def test_nothing_is_taken_from_a_client_that_was_told_to_go(world: World) -> None:
    """A frame that is too large ends the connection at its head; what follows it may be there already."""
    raw = await signed_in(world)
    await world.dispatch("petr", id="n-1")
    raw.send(b" " * (4 * LIMIT + 1))
    raw.send(b'{"type":"mark","ref":"r","ids":["n-1"],"state":"read"}')
    assert await raw.close_code() == 4413
    raw.send((4413).to_bytes(2), first=0x88)
    assert await raw.reader.read() == b""
    await until(lambda: world.hub.connections_of("petr") == 0)
    assert world.hub.metrics.marks == 0
    assert world.hub.metrics.closes == {4413: 1}
    await raw.close()


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"future","x":1}',
        b'{"type":"future","ref":7}',
        b'{"type":"auth","token":"again"}',  # a second auth
        b'{"type":"pong","extra":"\\u0000\\u001b\\u202e"}',
        b'{"type":"pong","type":"pong"}',
        b'{"type":"ack","seq":-1}',
        b'{"type":"ack","seq":99999999999999999999999999}',
        b'{"type":"ack","seq":9223372036854775807}',
        b'{"type":"future"}' + b" " * (LIMIT - 17),
    ],
)
@pytest.mark.usefixtures("control")
async def test_what_is_only_unknown_or_needless_is_passed_over(world: World, message: bytes) -> None:
    raw = await signed_in(world)
    raw.send(message)
    await alive(raw)
    await raw.close()


@pytest.mark.usefixtures("control")
async def test_a_message_in_many_fragments_is_one_message(world: World) -> None:
    raw = await signed_in(world)
    message = json.dumps({"type": "mark", "ref": "ř", "ids": ["x"], "state": "read"}, ensure_ascii=False).encode()
    raw.send(message[:1], first=TEXT)
    for byte in message[1:-1]:
        raw.send(bytes([byte]), first=CONTINUATION)
        raw.send(b"between", first=0x89)  # control frames may come between fragments
        assert await raw.frame() == (0xA, b"between")
    raw.send(message[-1:], first=FIN | CONTINUATION)
    answer = json.loads((await raw.frame())[1])
    assert answer == {"type": "mark_error", "ref": "ř", "message": "no such notification", "unknown": ["x"]}
    await raw.close()


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ({"ids": [], "state": "read"}, "0 ids, not 1 to 500"),
        ({"ids": ["x"] * 501, "state": "read"}, "501 ids, not 1 to 500"),
        ({"ids": ["x"], "state": "snoozed"}, "`until` belongs to snoozed, and snoozed needs it"),
        ({"ids": ["x"], "state": "read", "until": "2026-01-30T10:00:00Z"}, "`until` belongs to snoozed"),
        ({"ids": ["x"], "state": "snoozed", "until": "tomorrow"}, "`until` is no RFC 3339 time"),
        ({"ids": ["x"], "state": "snoozed", "until": "2026-01-30T10:00:00"}, "`until` is no RFC 3339 time"),
        ({"ids": ["x"], "state": "snoozed", "until": "0001-01-01T00:00:00+14:00"}, "`until` is no RFC 3339 time"),
        ({"ids": ["x"], "state": "loved"}, "Invalid enum value 'loved'"),
        ({"ids": "x", "state": "read"}, "Expected `array`"),
        ({"ids": ["x", 7], "state": "read"}, "Expected `str`"),
        ({"state": "read"}, "missing required field `ids`"),
    ],
)
async def test_a_mark_that_cannot_be_meant_is_answered_under_its_ref(
    world: World, mark: dict[str, Any], message: str
) -> None:
    client, _ = await world.client()
    await client.say({"type": "mark", "ref": "r1"} | mark)
    answer = await client.hear()
    assert (answer["type"], answer["ref"]) == ("mark_error", "r1")
    assert message in answer["message"]


@pytest.mark.usefixtures("control")
async def test_a_bad_device_name_is_refused(world: World) -> None:
    for device in ("x" * 129, "a\x00b", "\x1b[31m", "a\u202eb"):
        client = await world.open()
        await client.say({"type": "auth", "token": world.token(), "protocol": 2, "device": device})
        assert (await client.hear())["type"] == "auth_error"
        assert (await client.end())[0] == 4400


@pytest.mark.usefixtures("control")
async def test_half_a_handshake_and_a_byte_a_time_hold_nobody_up(world: World) -> None:
    _reader, slow = await asyncio.open_connection("127.0.0.1", world.port)
    slow.write(b"GET /ws/notifications HT")
    raw = await signed_in(world, protocol=1)
    slow.write(b"TP/1.1\r\n")
    await alive(raw)
    slow.close()
    await raw.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIA==\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nA\x00b: c\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
        b"GET /?token=eyJ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
@pytest.mark.usefixtures("control")
async def test_a_handshake_that_is_none_gets_an_http_error(world: World, request_head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(request_head)
    async with asyncio.timeout(30):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert b"Traceback" not in answer
    writer.close()


@pytest.mark.usefixtures("control")
async def test_a_head_without_end_is_cut_off(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(b"GET / HTTP/1.1\r\n" + b"X-Filler: x\r\n" * 5_000)
    async with asyncio.timeout(30):
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_flood_of_pings_that_nobody_reads_the_answers_of_keeps_memory_bounded(world: World) -> None:
    raw = await signed_in(world)
    frame = b"\x89\xfd\x01\x02\x03\x04" + b"x" * 125
    for _ in range(300):
        raw.writer.write(frame * 200)
        async with asyncio.timeout(30):
            await raw.writer.drain()
    connection = next(iter(world.hub._connections))
    assert connection._outlet._transport.get_write_buffer_size() < 1_000
    raw.writer.transport.abort()
    await until(lambda: world.hub.open_connections == 0)
