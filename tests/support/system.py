"""The whole product as processes: a gateway with its portal, and commands run as a user runs them, with files in one folder."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventually import eventually

from tests.support.ports import free_port

__all__ = ["PROGRAM", "System", "running_system"]

PROGRAM = [sys.executable, "-m", "analyst_cli"]
TIMEOUT_S = 45.0


@dataclass
class System:
    """A folder with everything in it, and the gateway that serves from it."""

    home: Path
    environment: dict[str, str]
    ports: tuple[int, int] = (0, 0)  # of WebSocket and portal: the same ones after a restart
    gateway: subprocess.Popen[str] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.home / "gateway.log"

    @property
    def portal_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports[0]}/ws/notifications"

    @property
    def socket(self) -> Path:
        return self.home / "ws.sock"

    def start(self) -> None:
        """Start the gateway and wait until it is ready."""
        before = len(self.log.read_text()) if self.log.exists() else 0
        with self.log.open("a") as log:
            self.gateway = subprocess.Popen(
                [*PROGRAM, "gateway", "serve", "--port", str(self.ports[0]), "--portal-port", str(self.ports[1])],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        assert eventually(lambda: "\nready" in self.log.read_text()[before:] or self.gateway.poll() is not None), (
            self.log.read_text()
        )
        said = self.log.read_text()[before:]
        ports = [re.search(pattern, said) for pattern in (r"ws://127\.0\.0\.1:(\d+)", r"http://127\.0\.0\.1:(\d+)")]
        assert all(ports), said
        self.ports = (int(ports[0][1]), int(ports[1][1]))  # type: ignore[index]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the gateway with a signal and return its exit code."""
        assert self.gateway is not None
        self.gateway.send_signal(number)
        code = self.gateway.wait(30)
        self.gateway = None
        return code

    def run(
        self, *arguments: str, stdin: str = "", check: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command as a user would; `more` is added to its environment."""
        done = subprocess.run(
            [*PROGRAM, *arguments], env={**self.environment, **more}, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )  # fmt: skip
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        assert not check or done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def sign_in(self, user: str) -> None:
        """Give this account a token of a user, as the administrator of the machine can."""
        token = self.run("token", "issue", user).stdout
        self.run("login", "--token-stdin", "--insecure-storage", "--server", self.portal_url, stdin=token)

    def inbox(self) -> list[dict[str, Any]]:
        """What `analyst list --json` prints, newest first."""
        return [json.loads(line) for line in self.run("list", "--json").stdout.splitlines()]

    @contextmanager
    def watching(self, *flags: str) -> Iterator[subprocess.Popen[str]]:
        """Run `analyst watch` for the length of the block."""
        watch = subprocess.Popen(
            [*PROGRAM, "watch", *flags], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        try:
            yield watch
        finally:
            watch.terminate()
            watch.communicate(timeout=30)

    def receive(self, count: int) -> list[dict[str, Any]]:
        """Watch until that many notifications are in the local inbox; return them, newest first."""
        with self.watching("--quiet"):
            assert eventually(lambda: len(self.inbox()) >= count), self.inbox()
        return self.inbox()


@contextmanager
def running_system(*, ports: tuple[int, int] | None = None, **more: str) -> Iterator[System]:
    """Start a gateway in a folder of its own; `more` is added to the environment of everything."""
    with tempfile.TemporaryDirectory(prefix="sys") as folder:
        home = Path(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DBUS_"))}
        environment = {
            **kept,
            "HOME": folder,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "WS_DISPATCH_SOCKET": str(home / "ws.sock"),
            "ANALYST_SCRIPT_PYTHON": sys.executable,
            **more,
        }
        system = System(home, environment, ports or (free_port(), free_port()))
        try:
            system.start()
            environment["ANALYST_SERVER"] = system.portal_url
            yield system
        finally:
            if system.gateway is not None:
                system.stop(signal.SIGKILL)
