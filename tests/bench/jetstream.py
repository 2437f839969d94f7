"""NATS JetStream with a flush for every message (`sync_interval: always`): the log that others would take, as a yardstick for the gateway bench.

It answers less: nobody is connected to it, no token is checked, nothing is looked up by id.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

__all__ = ["JetstreamProducer", "found", "jetstream"]

_STREAM = {"name": "ALERTS", "subjects": ["alerts.>"], "storage": "file"}


def found() -> str | None:
    """Return the program, which the development environment brings on Linux."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


@contextlib.asynccontextmanager
async def jetstream() -> AsyncIterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server with an empty stream; yield the process and its port."""
    program = found()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="bench") as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        config = Path(folder, "nats.conf")
        config.write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n'
        )
        process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        try:
            async with asyncio.timeout(10):
                while not (producer := await _connected(port)):
                    await asyncio.sleep(0.05)
            made = await producer.request(f"$JS.API.STREAM.CREATE.{_STREAM['name']}", json.dumps(_STREAM).encode())
            assert b'"error"' not in made, made
            producer.transport.close()
            yield process, port
        finally:
            process.kill()
            process.wait()


async def _connected(port: int) -> "JetstreamProducer | None":
    try:
        return await JetstreamProducer.on(port)
    except OSError:
        return None


class JetstreamProducer(asyncio.Protocol):
    """One publisher: a message after the other, each acknowledged after its flush."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self.transport: Any = None

    @classmethod
    async def on(cls, port: int) -> "JetstreamProducer":
        _, producer = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return producer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._inbox = b"_INBOX.%d" % id(self)
        self.transport.write(b'CONNECT {"verbose":false,"headers":false}\r\nSUB ' + self._inbox + b" 1\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = self._buffer[:end]
            if not line.startswith(b"MSG "):
                self._buffer = self._buffer[end + 2 :]
                if line == b"PING":
                    self.transport.write(b"PONG\r\n")
                continue
            size = int(line[line.rindex(b" ") :])
            if len(self._buffer) < end + 4 + size:
                return
            body, self._buffer = self._buffer[end + 2 : end + 2 + size], self._buffer[end + 4 + size :]
            assert self._answer is not None
            self._answer.set_result(body)

    async def request(self, subject: str, body: bytes) -> bytes:
        """Publish and return the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), self._inbox, len(body), body))
        return await self._answer

    async def dispatch(self, user: str, number: int, message: str) -> bytes:
        """Publish one alert; must be stored."""
        answer = await self.request(f"alerts.{user}", b'{"id":"bench-%d","message":"%b"}' % (number, message.encode()))
        assert b'"seq"' in answer, answer
        return answer
