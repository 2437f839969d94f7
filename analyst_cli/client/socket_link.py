"""One WebSocket to a gateway: the boundary to `websockets`, whose errors are translated here.

A task reads ahead, at most 512 messages; then the gateway has to wait, and closes a reader that is too slow (4409). Whoever sets the `nudge` ends
a wait for messages early; here it is only ever taken, so that one that is set when the connection has ended was set by somebody else.
"""

import asyncio
import os
from collections import deque
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from analyst_cli import __version__
from analyst_cli.client.target import LOOPBACK
from analyst_cli.errors import ServerUnreachable

__all__ = ["Closed", "SocketLink", "open_socket"]

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 1 << 20  # a notification has at most 256 KiB (protocol 2.5); other gateways may be more generous
_READ_AHEAD = 512
_BATCH = 256  # one transaction of the inbox


class Closed(Exception):
    """The connection has ended; code 1006 without a close frame, as RFC 6455 section 7.1.5 has it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class SocketLink:
    """An open connection; made by `open_socket`."""

    def __init__(self, connection: ClientConnection, nudge: asyncio.Event) -> None:
        self._connection = connection
        self._nudge = nudge
        self._wake = asyncio.Event()
        self._received: deque[bytes] = deque()
        self._has_space = asyncio.Event()
        self._closed: Closed | None = None
        self._reader = asyncio.create_task(self._read(), name="socket reader")
        self._nudged = asyncio.create_task(self._pass_nudges_on(), name="socket nudges")

    async def send(self, message: bytes) -> None:
        """Send one text message. Raises `Closed`."""
        try:
            await self._connection.send(message, text=True)
        except ConnectionClosed as exc:
            raise _closed(exc) from exc

    async def receive(self, *, within_s: float) -> list[bytes]:
        """Return what has come, at most 256 messages; an empty list after `within_s` seconds or a nudge. Raises `Closed` after the last one."""
        if not self._received and self._closed is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._wake.wait()
        self._wake.clear()
        if not self._received and self._closed is not None:
            raise self._closed
        batch = [self._received.popleft() for _ in range(min(len(self._received), _BATCH))]
        self._has_space.set()
        if self._received:
            self._wake.set()
        return batch

    async def close(self) -> None:
        """Say goodbye and end the reading; at most a second."""
        self._nudged.cancel()
        self._reader.cancel()
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        await asyncio.gather(self._reader, self._nudged, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                if len(self._received) >= _READ_AHEAD:
                    self._has_space.clear()
                    await self._has_space.wait()
                self._received.append(await self._connection.recv(decode=False))
                self._wake.set()
        except ConnectionClosed as exc:
            self._closed = _closed(exc)
            self._wake.set()

    async def _pass_nudges_on(self) -> None:
        while True:
            await self._nudge.wait()
            self._nudge.clear()
            self._wake.set()


class _connect(connect):  # noqa: N801 - as its base
    """Follows no redirect: the token goes to the server that the person has named, and to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(url: str, nudge: asyncio.Event) -> SocketLink:
    """Connect, with the proxies of the environment unless the gateway is on this machine. Raises `ServerUnreachable`."""
    try:
        connection = await _connect(
            url,
            proxy=None if urlsplit(url).hostname in LOOPBACK else True,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,  # the protocol has its own heartbeat
            max_size=MAX_MESSAGE_BYTES,
            compression=None,  # messages are small; no compressed bomb to worry about
            user_agent_header=f"analyst-cli/{__version__}",
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as exc:
        raise ServerUnreachable(f"{url} does not answer ({_reason(exc)})", "check the address and the network") from exc
    return SocketLink(connection, nudge)


def _closed(exc: ConnectionClosed) -> Closed:
    if exc.rcvd is None:
        return Closed(1006, "the connection broke")
    return Closed(exc.rcvd.code, exc.rcvd.reason)


def _reason(exc: BaseException) -> str:
    match exc:
        case TimeoutError():
            return f"no answer within {OPEN_TIMEOUT_S:g} s"
        case InvalidStatus():
            return f"it answered {exc.response.status_code} where a WebSocket was expected"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return str(exc) or type(exc).__name__
