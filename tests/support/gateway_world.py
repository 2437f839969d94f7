"""A gateway in this process: the real hub, WebSocket listener and dispatch socket on free addresses, over a log in memory unless another is given."""

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from analyst_server.gateway.allowances import UserLimits
from analyst_server.gateway.dispatch import DispatchApi
from analyst_server.gateway.hub import Hub, Limits
from analyst_server.gateway.publishing import Publisher
from analyst_server.gateway.unix_http import HttpServer
from analyst_server.gateway.unix_socket import bind_unix_socket
from analyst_server.gateway.websocket import Gate, listen
from analyst_server.identity.tokens import TokenKeys, Tokens
from analyst_server.inbox.log import Seq
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.wire.publication import MAX_BODY_BYTES

SECRET = "7" * 64
HANDSHAKE = (
    b"GET /ws/notifications HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
DEADLINE_S = 30.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens on this loop, under a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


@dataclass
class Clocks:
    """Time that tests move: `skipped` is added to the monotonic clock, `wall_skipped` to the wall clock."""

    skipped: float = 0.0
    wall_skipped: float = 0.0

    def now(self) -> float:
        return time.monotonic() + self.skipped

    def wall_now(self) -> float:
        return time.time() + self.wall_skipped


class LogWithGaps(MemoryInbox):
    """The log in memory, with gaps within each user's numbers: what holds only where they follow each other holds of no log."""

    def _next_seq(self) -> Seq:
        for _ in range(2):
            super()._next_seq()
        return super()._next_seq()


class Client:
    """A WebSocket client that speaks JSON; every wait has a deadline."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            heard: dict[str, Any] = json.loads(await self.socket.recv())
            return heard

    async def hear_all(self, *, until: str) -> list[dict[str, Any]]:
        """Return the messages up to and with the first of this type."""
        heard = [await self.hear()]
        while heard[-1]["type"] != until:
            heard.append(await self.hear())
        return heard

    async def end(self) -> tuple[int, str]:
        """Read to the end and return the close code and its reason."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionClosed):
                async for _ in self.socket:
                    pass
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""

    async def close(self) -> None:
        await self.socket.close()


@dataclass
class World:
    """Everything a test may touch."""

    hub: Hub
    tokens: Tokens
    publisher: Publisher
    clocks: Clocks
    port: int
    socket: Path
    http: HttpServer
    _clients: list[ClientConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/notifications"

    def token(self, user: str = "petr", **claims: Any) -> str:
        return self.tokens.issue(user, now=self.clocks.wall_now(), **claims).token

    async def open(self, path: str = "/ws/notifications", **options: Any) -> Client:
        """Connect, and say nothing yet."""
        socket = await connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, proxy=None, **options)
        self._clients.append(socket)
        return Client(socket)

    async def old_client(self, user: str = "petr") -> Client:
        """Connect and sign in as protocol 1 has it."""
        client = await self.open()
        await client.say({"type": "auth", "token": self.token(user)})
        assert await client.hear() == {"type": "auth_ok", "username": user}
        return client

    async def client(
        self, user: str = "petr", *, device: str = "dev-1", since: Any = None
    ) -> tuple[Client, list[dict[str, Any]]]:
        """Connect and sign in as protocol 2 has it; return what was sent up to `replay_done`."""
        client = await self.open()
        auth = {"type": "auth", "token": self.token(user), "protocol": 2, "device": device, "since": since}
        await client.say(auth)
        return client, await client.hear_all(until="replay_done")

    async def raw(self) -> "RawClient":
        """Connect below the WebSocket library."""
        return await RawClient.open(*await asyncio.open_connection("127.0.0.1", self.port))

    async def dispatch(self, user: str = "petr", **notification: Any) -> dict[str, Any]:
        """Dispatch through the socket; must be accepted."""
        status, answer = await self.post({"user": user, "notification": {"title": "t", "message": "m"} | notification})
        assert status == 200, answer
        return answer

    async def post(self, body: Any) -> tuple[int, Any]:
        """Send `POST /dispatch` and return status and answer."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = (
            f"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        return await self.http_exchange(head.encode() + payload)

    async def get(self, path: str) -> tuple[int, Any]:
        """Send a GET and return status and answer."""
        return await self.http_exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    async def http_exchange(self, request: bytes) -> tuple[int, Any]:
        """Send bytes to the dispatch socket, read to the end, and return the last answer's status and body."""
        answer = await self.http_bytes(request)
        head, _, body = answer.rpartition(b"\r\n\r\n")
        status = int(head.rsplit(b"HTTP/1.1 ", 1)[1][:3])
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()

    async def http_bytes(self, request: bytes) -> bytes:
        """Send bytes to the dispatch socket and return everything that comes back until it closes."""
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
            try:
                writer.write(request)
                return await reader.read()
            finally:
                writer.close()


class RawClient:
    """A client of bytes: a handshake by hand, frames with every bit as the test wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Self:
        writer.write(HANDSHAKE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        return cls(reader, writer)

    def send(self, payload: bytes, *, first: int = 0x81, masked: bool = True, length: int | None = None) -> None:
        """Send one frame; `first` is its first byte, `length` what it says of its size."""
        size = len(payload) if length is None else length
        bit = 0x80 if masked else 0
        if size < 126:
            head = bytes((first, bit | size))
        elif size < 65536:
            head = bytes((first, bit | 126)) + struct.pack("!H", size)
        else:
            head = bytes((first, bit | 127)) + struct.pack("!Q", size)
        key = b"\x01\x02\x03\x04"
        body = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)) if masked else payload
        self.writer.write(head + (key if masked else b"") + body)

    async def frame(self) -> tuple[int, bytes]:
        """Return the opcode and payload of the next frame."""
        async with asyncio.timeout(DEADLINE_S):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack("!H", await self.reader.readexactly(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", await self.reader.readexactly(8))[0]
            return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """Read to the close frame and return its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2])

    async def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def gateway_world(
    folder: Path,
    *,
    log: Any = None,
    limits: Limits | None = None,
    gate: dict[str, Any] | None = None,
    limits_of_users: UserLimits | None = None,
    **publishing: Any,
) -> AsyncIterator[World]:
    """Serve as long as the block lasts."""
    clocks = Clocks()
    tokens = Tokens(TokenKeys(SECRET))
    log = log if log is not None else LogWithGaps()
    hub = Hub(
        log,
        log,
        lambda token: tokens.verify(token, now=clocks.wall_now(), issuer_required=False),
        limits=limits,
        now=clocks.now,
        wall_now=clocks.wall_now,
    )
    publisher = Publisher(hub, limits=limits_of_users, now=clocks.now, **publishing)
    http = HttpServer(DispatchApi(hub, publisher).handle, max_body_bytes=MAX_BODY_BYTES)
    tasks = [await _begun(hub.run), await _begun(http.run)]
    websockets = await listen(Gate(hub, **(gate or {})), host="127.0.0.1", port=0)
    bound = bind_unix_socket(folder / "ws.sock")
    dispatch = await asyncio.get_running_loop().create_unix_server(http, sock=bound.socket)
    world = World(hub, tokens, publisher, clocks, websockets.sockets[0].getsockname()[1], bound.path, http)
    try:
        yield world
    finally:
        dispatch.close()
        websockets.close()
        bound.remove_file()
        for client in world._clients:
            await client.close()
        await http.drain(1.0)
        hub.abort_all()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the loop close what was told to


async def _begun(run: Callable[[asyncio.Event], Any]) -> "asyncio.Task[None]":
    begun = asyncio.Event()
    task = asyncio.ensure_future(run(begun))
    await begun.wait()
    return task
