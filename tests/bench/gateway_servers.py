"""The servers of the gateway bench: ours, the plain baseline and JetStream, each a process in a folder of its own."""

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
from bench_log import fill
from gateway_load import Producer
from jetstream import JetstreamProducer, jetstream

from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import open_sqlite_inbox

__all__ = ["Server", "filled", "slowing_library", "started"]

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
        if kind.startswith("analyst"):
            arguments = [
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
            arguments += ["--data", folder, *(word for each in limits for word in ("--set", each))]
        else:
            arguments = [str(ROOT / "tests/bench/plain_gateway.py"), str(port), str(path), SECRET]
            arguments += ["--quiet"] if kind == "plain quiet" else []
        with Path(folder, "log").open("wb") as log:  # noqa: ASYNC230 - nothing else runs yet
            process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, *arguments],
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
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)


async def filled(path: Path, rows: int) -> None:
    """Make a store of so many events of a thousand users."""
    async with open_sqlite_inbox(path):
        pass
    fill(path, rows)
    async with open_sqlite_inbox(path) as inbox:
        await inbox.retain(Retention(max_notifications=10**9))  # folds what was put in past the writer
