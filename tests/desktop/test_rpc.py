"""K1: what is a request, and what is answered to everything else."""

import asyncio
import json
import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.desktop import rpc
from analyst_cli.desktop.endpoint import client_socket_path
from tests.support.fake_desktop_world import World


class Wire:
    """A raw connection: bytes out, reply lines in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: bytes) -> dict[str, Any]:
        self.writer.write(line)
        return await self.reply()

    async def reply(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            found: dict[str, Any] = json.loads(await self.reader.readline())
        return found

    async def closed(self) -> bool:
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


@pytest.fixture
async def wire(world: World) -> Any:
    reader, writer = await asyncio.open_unix_connection(os.fspath(client_socket_path()))
    yield Wire(reader, writer)
    writer.close()
    await writer.wait_closed()


def line(**members: Any) -> bytes:
    return (
        json.dumps({"jsonrpc": "2.0", "id": "1", "method": "desktop.health", "params": {}} | members).encode() + b"\n"
    )


@pytest.mark.parametrize(
    ("sent", "answered_id"),
    [
        (b"{\n", None),
        (b"nonsense\n", None),
        (b"[]\n", None),
        (b'"text"\n', None),
        (line(jsonrpc="1.0"), "1"),
        (line(jsonrpc=2.0), "1"),
        (line(id=None), None),
        (line(id=True), None),
        (line(id=1.0), None),
        (line(id=""), None),
        (line(id="x" * 129), None),
        (line(id=2**70), None),
        (line(id={}), None),
        (b'{"jsonrpc":"2.0","method":"desktop.health","params":{}}\n', None),
        (line(method=None), "1"),
        (line(method=7), "1"),
        (line(params=[]), "1"),
        (line(params="x"), "1"),
        (line(method="desktop.nothing"), "1"),
        (b'{"jsonrpc":"2.0","id":"1","id":"2","method":"desktop.health"}\n', None),
        (b'{"jsonrpc":"2.0","id":"1","method":"desktop.health","params":{"x":NaN}}\n', None),
        (b'{"jsonrpc":"2.0","id":"1","method":"desktop.health","params":{"x":1e999}}\n', None),
        (b'{"jsonrpc":"2.0","id":"1","method":"desktop.health","params":{"x":"\\ud800"}}\n', None),
        (b"[" * 100_000 + b"\n", None),
        (b'{"jsonrpc":"2.0","id":"1","method":"m","params":{"x":' + b"1" * 5_000 + b"}}\n", None),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_goes_on(
    wire: Wire, sent: bytes, answered_id: object
) -> None:
    reply = await wire.ask(sent)
    assert reply["id"] == answered_id
    assert reply["error"]["code"] == "DESKTOP_INVALID_REQUEST"
    assert reply["error"]["retryable"] is False
    assert isinstance(reply["error"]["details"]["rpcCode"], int)
    assert "result" in await wire.ask(line(id="after"))


async def test_ids_are_echoed_with_their_type(wire: Wire) -> None:
    assert (await wire.ask(line(id=7)))["id"] == 7
    assert (await wire.ask(line(id="7")))["id"] == "7"


async def test_blank_lines_are_ignored_and_carriage_returns_too(wire: Wire) -> None:
    assert (await wire.ask(b"\n \r\n" + line(id="crlf").replace(b"\n", b"\r\n")))["id"] == "crlf"


@pytest.mark.parametrize("sent", [b"x" * (rpc.MAX_LINE_BYTES + 1), b'{"\xff":1}\n'], ids=["too long", "no UTF-8"])
async def test_a_line_that_is_too_long_or_no_utf8_ends_the_connection(wire: Wire, sent: bytes) -> None:
    reply = await wire.ask(sent)
    assert reply["id"] is None
    assert reply["error"]["code"] == "DESKTOP_INVALID_REQUEST"
    assert await wire.closed()


async def test_an_id_in_flight_cannot_be_used_again(wire: Wire, world: World) -> None:
    waiting = {"condition": {"selectorExists": {"titleContains": "never"}}, "meta": world.meta()}
    wire.writer.write(line(id="w", method="desktop.waitUntil", params=waiting))
    reply = await wire.ask(line(id="w"))
    assert reply["error"]["details"]["reason"] == "duplicate_id"
    aborted = {
        (await wire.ask(line(id="a", method="desktop.abort", params={"targetRequestId": "w"})))["id"],
        (await wire.reply())["id"],
    }
    assert aborted == {"a", "w"}


async def test_quick_requests_overtake_slow_ones(wire: Wire, world: World) -> None:
    waiting = {"condition": {"selectorExists": {"titleContains": "never"}}, "timeoutMs": 400, "meta": world.meta()}
    wire.writer.write(line(id="slow", method="desktop.waitUntil", params=waiting))
    assert (await wire.ask(line(id="quick")))["id"] == "quick"
    assert (await wire.reply())["error"]["code"] == "DESKTOP_TIMEOUT"


async def test_one_byte_at_a_time_is_a_request_too(wire: Wire) -> None:
    for byte in line(id="slow")[:-1]:
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
    assert (await wire.ask(b"\n"))["id"] == "slow"


async def test_a_client_that_reads_nothing_and_hangs_up_harms_nobody(world: World) -> None:
    selector = {"limit": 200}
    many = b"".join(
        line(id=n, method="desktop.find", params={"selector": selector, "meta": world.meta()}) for n in range(12)
    )
    for _ in range(3):
        reader, writer = await asyncio.open_unix_connection(os.fspath(client_socket_path()), limit=64)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            writer.write(many)
        await asyncio.sleep(0.2)
        writer.transport.abort()
        async with world.another_client() as client:
            replies = await asyncio.gather(*(client.call("desktop.health", {}) for _ in range(20)))
            assert all("result" in reply for reply in replies)
    await world.until(lambda: not world.host._active)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_raise_bad_line(content: bytes) -> None:
    with suppress(rpc.BadLine):
        assert isinstance(rpc.parse(content), rpc.Request)
