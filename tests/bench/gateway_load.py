"""Load for the gateway bench: thousands of WebSocket clients and dispatch producers in one process, as thin as Python allows.

Clients check what they get: every notification is counted, and its time of arrival is kept where latency is measured.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Producer", "Receiver", "connect_all", "frame"]

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(text: bytes) -> bytes:
    """Return a client's text frame; its mask of zeros leaves the text as it is."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2)
    return head + bytes(4) + text


_NOTIFICATION = (b'{"type":"notification"', b'{"type": "notification"')
_PONG = frame(b'{"type":"pong"}')


class Receiver(asyncio.Protocol):
    """One client: signs in, answers pings, counts notifications."""

    __slots__ = (
        "_buffer",
        "_on_notification",
        "_opening",
        "done",
        "pongs",
        "received",
        "signed_in",
        "transport",
        "until",
    )

    def __init__(self, auth: bytes, until: bytes, on_notification: Callable[[bytes], None] | None = None) -> None:
        self._opening = frame(auth)
        self._buffer = b""
        self._on_notification = on_notification
        self.until = until  # the type of the message after which the client is ready
        self.received = 0
        self.pongs = 0
        self.signed_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: Callable[[], None] | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if data.startswith(_NOTIFICATION, 4) and len(data) == 4 + int.from_bytes(data[2:4]) and not self._buffer:
            self._notification(data)  # nearly always: one whole frame of 126 to 65,535 bytes
            return
        buffer = self._buffer + data if self._buffer else data
        if self._opening:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            assert buffer.startswith(b"HTTP/1.1 101"), buffer
            self.transport.write(self._opening)
            self._opening = b""
            buffer = buffer[end + 4 :]
        at = 0
        while len(buffer) - at >= 2:
            size, head = buffer[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
            elif size == 127:
                size, head = int.from_bytes(buffer[at + 2 : at + 10]), 10
            if len(buffer) - at < head + size:
                break
            self._message(buffer[at + head : at + head + size])
            at += head + size
        self._buffer = buffer[at:]

    def _message(self, text: bytes) -> None:
        if text.startswith(_NOTIFICATION):
            self._notification(text)
        elif b'"ping"' in text[:20]:
            self.transport.write(_PONG)
            self.pongs += 1
        elif self.until in text[:40]:
            self.signed_in.set_result(None)
        elif b'"auth_error"' in text[:30]:
            self.signed_in.set_exception(AssertionError(text))

    def _notification(self, text: bytes) -> None:
        self.received += 1
        if self._on_notification is not None:
            self._on_notification(text)
        if self.done is not None:
            self.done()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.signed_in.done():
            self.signed_in.set_exception(exc or ConnectionResetError("closed before it was signed in"))


async def connect_all(
    port: int, auths: Sequence[bytes], *, until: bytes = b'"auth_ok"', at_once: int = 256, on_notification: Any = None
) -> tuple[list[Receiver], list[float]]:
    """Connect and sign in all, so many in flight; return them and the seconds that each took."""
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(at_once)
    took: list[float] = []

    async def one(auth: bytes) -> Receiver:
        async with slots:
            began = time.perf_counter()
            _, receiver = await loop.create_connection(
                lambda: Receiver(auth, until, on_notification), "127.0.0.1", port
            )
            await receiver.signed_in
            took.append(time.perf_counter() - began)
            return receiver

    return list(await asyncio.gather(*map(one, auths))), took


class Producer(asyncio.Protocol):
    """One publisher on the dispatch socket: a request after the other on a connection that is kept."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self.transport: Any = None

    @classmethod
    async def on(cls, socket: Path) -> "Producer":
        _, producer = await asyncio.get_running_loop().create_unix_connection(cls, str(socket))
        return producer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        size = _LENGTH.search(self._buffer, 0, head)
        assert size is not None, self._buffer
        if len(self._buffer) < head + 4 + int(size[1]):
            return
        assert self._buffer.startswith(b"HTTP/1.1 200"), self._buffer
        answer, self._buffer = self._buffer[head + 4 :], b""
        self._answer.set_result(answer)

    async def dispatch(self, user: str, number: int, message: str) -> bytes:
        """Send one notification, which must be accepted; return the answer's body."""
        body = _body_around(message) % (user.encode(), number)
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(_REQUEST % len(body) + body)
        return await self._answer


_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_REQUEST = b"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@cache
def _body_around(message: str) -> bytes:
    """Return a request's body but for its user and number."""
    notification = {
        "title": "Revenue dropped",
        "message": message,
        "script": "revenue_drop",
        "timestamp": "2026-01-30T10:00:00Z",
    }
    members = json.dumps(notification).encode().replace(b"%", b"%%")
    return b'{"user": "%b", "notification": {"id": "bench-%d", ' + members[1:] + b"}"
