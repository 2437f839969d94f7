"""The servers of the gateway bench: ours, the plain baseline, JetStream and a floor in C, each a process in a folder of its own."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from gateway_load import Producer
from jetstream import JetstreamProducer, jetstream
from log import fill

from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import open_sqlite_inbox

__all__ = ["Server", "filled", "floors", "slowing_library", "started"]

ROOT = Path(__file__).parents[2]
SECRET = "b" * 64
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Server:
    """A server process under measurement."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    socket: Path
    protocol: int  # 0: JetStream, with no clients but producers
    numbers: int = field(default=0)  # of notifications, for ids that never repeat

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    def auth(self, user: str, *, since: dict[str, object] | None = None, protocol: int | None = None) -> bytes:
        now = int(time.time())
        claims = {"sub": user, "iat": now, "exp": now + 3600, "iss": "data-analyst", "jti": user, "device": user}
        message: dict[str, object] = {"type": "auth", "token": jwt.encode(claims, SECRET, algorithm="HS256")}
        if (protocol or self.protocol) == 2:
            message |= {"protocol": 2, "device": user, "since": since}
        return json.dumps(message).encode()

    @property
    def ready(self) -> bytes:
        return b'"replay_done"' if self.protocol == 2 else b'"auth_ok"'

    async def producer(self) -> "Producer | JetstreamProducer":
        return await (Producer.on(self.socket) if self.protocol else JetstreamProducer.on(self.port))

    def next(self) -> int:
        self.numbers += 1
        return self.numbers


@contextlib.asynccontextmanager
async def started(
    kind: str, *, heartbeat_s: float = 30.0, full: Path | None = None, preload: str = ""
) -> AsyncIterator[Server]:
    """Start a server in a folder of its own."""
    if kind == "jetstream":
        async with jetstream() as (process, port):
            yield Server(kind, process, port, Path(), 0)
        return
    with tempfile.TemporaryDirectory(prefix="bench") as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        path = Path(folder, "ws.sock")
        if kind == "analyst full" and full is not None:
            shutil.copy(full, Path(folder, "inbox.db"))
        if kind == "floor":
            command = [_compiled(ROOT / "tests/bench/floor_gateway.c", Path(folder, "floor")), str(port), str(path)]
        elif kind.startswith("analyst"):
            command = [
                sys.executable,
                "-m",
                "analyst_cli",
                "gateway",
                "serve",
                "--no-portal",
                "--port",
                str(port),
                "--socket",
                str(path),
            ]
            limits = ("gateway.connections_per_user=100000", "gateway.connections=100000", "gateway.user_rate=0")
            command += ["--data", folder, *(word for each in limits for word in ("--set", each))]
        else:
            command = [sys.executable, str(ROOT / "tests/bench/plain_gateway.py"), str(port), str(path), SECRET]
            command += ["--quiet"] if kind == "plain quiet" else []
        with Path(folder, "log").open("wb") as log:  # noqa: ASYNC230 - nothing else runs yet
            process = subprocess.Popen(  # noqa: ASYNC220
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={
                    **os.environ,
                    "DESKTOP_JWT_SECRET": SECRET,
                    "HOME": folder,
                    "HEARTBEAT_INTERVAL_SECONDS": str(heartbeat_s),
                    "LD_PRELOAD": preload,
                },
            )
        assert process.stdout is not None
        try:
            while (line := process.stdout.readline()) and not line.startswith(b"ready"):
                pass
            assert line, Path(folder, "log").read_text()
            yield Server(kind, process, port, path, 2 if kind.startswith("analyst") else 1)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


_SLOW_FLUSH = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
  struct timespec more = {0, 10000000};
  nanosleep(&more, 0);
  return real(fd);
}
"""


def slowing_library(folder: Path) -> str:
    """Compile what makes each flush 10 ms longer (for `LD_PRELOAD`)."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SLOW_FLUSH)
    return _compiled(source, library, "-shared", "-fPIC", "-ldl")


def _compiled(source: Path, target: Path, *options: str) -> str:
    subprocess.run(["cc", "-O2", "-o", str(target), str(source), *options], check=True)
    return str(target)


async def filled(path: Path, rows: int) -> None:
    """Make a store of so many events of a thousand users."""
    async with open_sqlite_inbox(path):
        pass
    fill(path, rows)
    async with open_sqlite_inbox(path) as inbox:
        await inbox.retain(Retention(max_notifications=10**9))  # folds what was put in past the writer


def floors() -> dict[str, float]:
    """What the machine can do: flushes of a small append, and round trips over a Unix socket, each end a bare system call."""
    with tempfile.NamedTemporaryFile() as file:
        began = time.perf_counter()
        for _ in range(500):
            os.write(file.fileno(), b"x" * 300)
            os.fdatasync(file.fileno())
        flush_us = (time.perf_counter() - began) / 500 * 1e6
    near, far = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        near.close()
        while data := far.recv(4096):
            far.send(data)
        os._exit(0)
    far.close()
    began = time.perf_counter()
    for _ in range(5_000):
        near.send(b"x" * 500)
        near.recv(4096)
    trip_us = (time.perf_counter() - began) / 5_000 * 1e6
    near.close()
    os.waitpid(pid, 0)
    return {"flush_us": flush_us, "unix_round_trip_us": trip_us}
