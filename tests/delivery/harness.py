"""A real gateway process, publishers on its socket and subscribers on its WebSocket that check themselves. Everything is bounded by deadlines."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.support.ports import free_port

__all__ = ["DEADLINE_S", "Gateway", "Publisher", "Scale", "Subscriber", "World", "publishing"]

SECRET = "5ec2e7" * 11  # 32 bytes and more, as hex
DEADLINE_S = 30.0
ROOT = Path(__file__).parents[2]
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: a part of it in `make test`, all that quality.md asks for in `make soak`."""

    full: bool = False

    def __call__(self, small: int, full: int) -> int:
        return full if self.full else small


class Gateway:
    """`analyst gateway serve` in a folder of its own; it keeps its port and its data over restarts."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.socket = folder / "ws.sock"
        self.log_file = folder / "gateway.log"
        self.url = f"ws://127.0.0.1:{free_port()}/ws/notifications"
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """What starts it, in `environment`."""
        settings = [word for each in ("gateway.connections_per_user=2000", *self.settings) for word in ("--set", each)]
        arguments = (
            "--no-portal",
            "--data",
            self.data,
            "--socket",
            self.socket,
            "--port",
            self.url.split(":")[2].split("/")[0],
        )
        return [sys.executable, "-m", "analyst_cli", "gateway", "serve", *map(str, arguments), *settings]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DESKTOP_JWT_SECRET": SECRET, "HOME": str(self.folder)}

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=self.environment
            )
        assert self.process.stdout is not None
        said = b""
        while not said.endswith(b"ready\n"):
            line = self.process.stdout.readline()
            if not line:
                self.process.wait(DEADLINE_S)
                raise AssertionError(f"the gateway did not start: {self.log_text()}")
            said += line

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self) -> None:
        """End it as a crash would."""
        self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def token(self, user: str) -> str:
        now = int(time.time())
        claims = {
            "sub": user,
            "iat": now,
            "exp": now + 3600,
            "iss": "data-analyst",
            "jti": f"{user}-{now}",
            "device": "test",
        }
        return jwt.encode(claims, SECRET, algorithm="HS256")

    def log_text(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def assert_no_traceback(self) -> None:
        assert "Traceback" not in self.log_text(), self.log_text()[-5000:]

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - only their number

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    @contextlib.asynccontextmanager
    async def publisher(self) -> AsyncIterator["Publisher"]:
        publisher = Publisher(self)
        try:
            yield publisher
        finally:
            publisher.close()

    def subscriber(self, user: str, device: str = "laptop") -> "Subscriber":
        return Subscriber(self, user, device)


class Publisher:
    """One kept connection to the dispatch socket, by hand, so that nothing hides what the gateway answers."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Return status and JSON (or text) of the answer. Raises `OSError`, `asyncio.IncompleteReadError` when the gateway is gone."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(str(self.gateway.socket))
                reader, writer = self._streams
                writer.write(
                    b"%b %b HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n"
                    % (method.encode(), path.encode(), len(body))
                    + body
                )
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(re.findall(r"(?i)content-length: (\d+)", head)[0])
                content = await reader.readexactly(length)
        except BaseException:
            self.close()
            raise
        return int(head.split()[1]), _decode(content) if "application/json" in head else content.decode()

    async def dispatch(self, user: str | Sequence[str], notification_id: str = "", **fields: Any) -> tuple[int, Any]:
        whom = {"user": user} if isinstance(user, str) else {"users": list(user)}
        notification = {"title": "Drop", "message": "Revenue is down", **fields}
        if notification_id:
            notification["id"] = notification_id
        return await self.request("POST", "/dispatch", json.dumps({**whom, "notification": notification}).encode())

    async def accepted(self, user: str | Sequence[str], notification_id: str = "", **fields: Any) -> Any:
        status, answer = await self.dispatch(user, notification_id, **fields)
        assert status == 200, answer
        return answer

    async def health(self) -> Any:
        return (await self.request("GET", "/health"))[1]

    async def metric(self, name: str) -> float:
        """Return the sum of a metric's series."""
        text = (await self.request("GET", "/metrics"))[1]
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


@dataclass(slots=True)
class Received:
    """One event as a device got it."""

    seq: int
    id: str | None  # None: a change of state
    message: dict[str, Any]


@dataclass(slots=True, eq=False)
class Subscriber:
    """A device of protocol 2 that keeps its cursor, and fails on a repeat or a step back at once."""

    gateway: Gateway
    user: str
    device: str
    epoch: str = ""
    seq: int = 0
    events: list[Received] = field(default_factory=list)
    welcomes: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)  # to marks
    closes: list[int] = field(default_factory=list)
    caught_up: bool = False
    replacing: bool = False  # a snapshot is under way: until it is complete there is no cursor
    link: ClientConnection | None = None
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events if event.id is not None]

    async def open(self, *, since: Any = ..., stream: socket.socket | None = None) -> None:
        """Connect and show the token, with the cursor unless another one is given."""
        self.caught_up = False
        self.link = await connect(
            self.gateway.url, compression=None, ping_interval=None, max_size=None, open_timeout=DEADLINE_S, close_timeout=1, sock=stream
        )  # fmt: skip
        if since is ...:
            since = {"epoch": self.epoch, "seq": self.seq} if self.epoch and not self.replacing else None
        auth = {
            "type": "auth",
            "token": self.gateway.token(self.user),
            "protocol": 2,
            "device": self.device,
            "since": since,
        }
        await self.send(auth)

    async def send(self, message: dict[str, Any]) -> None:
        assert self.link is not None
        await self.link.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """Take one message. Raises `ConnectionClosed`, `ConnectionAbortedError` (cut by `abort`), `TimeoutError`."""
        if self.link is None:
            raise ConnectionAbortedError
        async with asyncio.timeout(DEADLINE_S):
            message: dict[str, Any] = _decode(await self.link.recv())
        self._take(message)
        if message["type"] == "ping":
            await self.send({"type": "pong"})
        return message

    async def listen(self) -> int:
        """Take what comes until the socket closes; return the code."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self.closes.append(code)
            return code

    async def follow(self, *, delay_s: Callable[[], float] = lambda: random.uniform(0.001, 0.02)) -> None:
        """Connect and come back with the cursor until cancelled."""
        while True:
            try:
                await self.open()
                await self.listen()
            except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError):
                pass
            finally:
                self.abort()
            await asyncio.sleep(delay_s())

    async def until(self, condition: Callable[[], object], what: str = "it") -> None:
        """Wait until something received makes the condition true, while `follow` or `listen` runs."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.user}/{self.device} waited for {what}: at {self.seq}, {len(self.events)} events"
            ) from None

    async def until_seq(self, seq: int) -> None:
        await self.until(lambda: self.seq >= seq, f"event {seq}")

    async def catch_up(self, *, since: Any = ...) -> None:
        """Connect and read until the replay is done."""
        await self.open(since=since)
        while not self.caught_up:
            await self.receive()

    def abort(self) -> None:
        """Cut the connection as a lost network does."""
        if self.link is not None:
            self.link.transport.abort()
            self.link = None

    async def close(self) -> None:
        if self.link is not None:
            await self.link.close()
            self.link = None

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "auth_ok":
                self.welcomes.append(message)
                self.epoch = message["epoch"]
                if not message["recovered"]:
                    self.events.clear()
                    self.seq = 0
                    self.replacing = True
            case "notification" | "state":
                self._take_event(message)
            case "replay_done":
                self.seq = max(self.seq, message["seq"])
                self.caught_up = True
                self.replacing = False
            case "mark_ok" | "mark_error":
                self.answers.append(message)
        self._progress.set()

    def _take_event(self, message: dict[str, Any]) -> None:
        assert message["seq"] > self.seq, f"{self.user}/{self.device}: {message['seq']} came after {self.seq}"
        self.seq = message["seq"]
        self.events.append(Received(self.seq, message.get("id"), message))


class World:
    """What a scenario needs: chance from a seed, a scale, a running gateway, and a folder for gateways of its own."""

    def __init__(self, folder: Path, gateway: Gateway, *, seed: int, scale: Scale) -> None:
        self.folder = folder
        self.gateway = gateway
        self.rng = random.Random(seed)
        self.scale = scale
        self._names = 0

    def name(self, what: str) -> str:
        """Return a name that no scenario had before."""
        self._names += 1
        return f"{what}-{self._names}-{self.rng.randrange(10**9)}"

    def own_folder(self) -> Path:
        folder = self.folder / self.name("g")
        folder.mkdir()
        return folder

    @contextlib.asynccontextmanager
    async def own_gateway(self, *settings: str, folder: Path | None = None) -> AsyncIterator[Gateway]:
        """Run a gateway for one scenario; it must end without a traceback in its log."""
        gateway = Gateway(folder or self.own_folder(), *settings)
        await asyncio.to_thread(gateway.start)
        try:
            yield gateway
        finally:
            if gateway.process is not None:
                await asyncio.to_thread(gateway.stop)  # the devices' side of a connection has to go on meanwhile
        gateway.assert_no_traceback()


@contextlib.asynccontextmanager
async def publishing(gateway: Gateway, count: int) -> AsyncIterator[list[Publisher]]:
    """Give several publishers, each on a connection of its own."""
    publishers = [Publisher(gateway) for _ in range(count)]
    try:
        yield publishers
    finally:
        for publisher in publishers:
            publisher.close()
