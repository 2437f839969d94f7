"""Run one program within bounds: time, output, and nothing of it left behind. Knows nothing of scripts or alerts.

The program gets a session of its own. When it ends, or its time is over (TERM, after a grace KILL), its whole process group is ended; on Linux also
descendants that left the group, found by the run's id in their environment. Blocking; the runner calls it from threads.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

__all__ = ["RUN_ID_VARIABLE", "Finished", "run_bounded"]

RUN_ID_VARIABLE = "ANALYST_RUN_ID"
MAX_STDOUT_BYTES = 1024 * 1024  # four times the largest notification; a program that prints more is ended
STDERR_TAIL_BYTES = 16 * 1024
CHUNK_BYTES = 256 * 1024
DRAIN_S = 1.0  # after the end: what is still in the pipes
POLL_S = 0.05  # where the kernel cannot tell us of a process's end (no pidfd)

Ended = Literal["exited", "timed out", "too much output", "interrupted"]


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a program; `exit_code` is negative for a signal, as subprocess has it."""

    ended: Ended
    exit_code: int
    stdout: bytes
    stderr_tail: bytes
    duration_s: float


def run_bounded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    run_id: str,
    timeout_s: float,
    kill_grace_s: float = 5.0,
    stop_fd: int | None = None,
    started: Callable[[int], None] = lambda _pid: None,
) -> Finished:
    """Run a program to its end or its limit; `stop_fd` becoming readable ends it as well. Raises `OSError` when it cannot be started."""
    begin = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**env, RUN_ID_VARIABLE: run_id},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        watch = _Watch(process, stop_fd)
        try:
            started(process.pid)
            ended = watch.until(begin + timeout_s)
            if ended != "exited":
                _signal_group(process.pid, signal.SIGTERM)
                watch.until_exit(time.monotonic() + kill_grace_s)
        finally:
            _signal_group(process.pid, signal.SIGKILL)  # before the leader is reaped: its pid cannot be another's yet
            _end_strays(run_id)
            exit_code = process.wait()
            watch.drain(time.monotonic() + DRAIN_S)
            watch.close()
    if ended == "exited" and watch.stdout_over:
        ended = "too much output"
    return Finished(ended, exit_code, bytes(watch.stdout), bytes(watch.stderr), time.monotonic() - begin)


class _Watch:
    """Collects what a program prints, within bounds, until it ends."""

    def __init__(self, process: subprocess.Popen[bytes], stop_fd: int | None) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.stdout_over = False
        self._process = process
        self._selector = selectors.DefaultSelector()
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream is not None  # noqa: S101 - both were asked for
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, name)
        self._pid_fd: int | None = None
        if sys.platform == "linux":
            with suppress(OSError):  # kernels before 5.3, and sandboxes that do not let us
                self._pid_fd = os.pidfd_open(process.pid)
                self._selector.register(self._pid_fd, selectors.EVENT_READ, "end")
        if stop_fd is not None:
            self._selector.register(stop_fd, selectors.EVENT_READ, "stop")

    def until(self, deadline: float) -> Ended:
        """Read until the program ends, prints too much, is stopped, or the time is over."""
        while (left := deadline - time.monotonic()) > 0:
            names = self._turn(left)
            if "end" in names:
                return "exited"
            if "stop" in names:
                return "interrupted"
            if self.stdout_over:
                return "too much output"
        return "timed out"

    def until_exit(self, deadline: float) -> None:
        """Read on after TERM until the program ends or the time is over."""
        while (left := deadline - time.monotonic()) > 0:
            if "end" in self._turn(left):
                return

    def drain(self, deadline: float) -> None:
        """Read what is left in the pipes; a stray holder of one is not waited for."""
        while any(key.data in {"stdout", "stderr"} for key in self._selector.get_map().values()):
            left = deadline - time.monotonic()
            if left <= 0 or not self._turn(min(left, POLL_S)) & {"stdout", "stderr"}:
                return

    def close(self) -> None:
        """Give the descriptors back."""
        self._selector.close()
        if self._pid_fd is not None:
            os.close(self._pid_fd)

    def _turn(self, timeout_s: float) -> set[str]:
        names: set[str] = set()
        for key, _ in self._selector.select(timeout_s if self._pid_fd is not None else min(timeout_s, POLL_S)):
            names.add(key.data)
            if key.data == "stop":  # stays readable: seen once is enough
                self._selector.unregister(key.fileobj)
            elif key.data != "end":
                self._read(key.fileobj, key.data)  # type: ignore[arg-type]
        if self._pid_fd is None and os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            names.add("end")
        return names

    def _read(self, stream: IO[bytes], name: str) -> None:
        try:
            chunk = os.read(stream.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._selector.unregister(stream)
        elif name == "stderr":
            self.stderr += chunk
            del self.stderr[:-STDERR_TAIL_BYTES]
        elif len(self.stdout) + len(chunk) <= MAX_STDOUT_BYTES:
            self.stdout += chunk
        else:
            self.stdout_over = True


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
        os.killpg(leader, number)


def _end_strays(run_id: str) -> None:
    """End descendants that made a session of their own. Linux only: elsewhere another process's environment cannot be read."""
    if sys.platform != "linux":
        return
    mark = f"{RUN_ID_VARIABLE}={run_id}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # somebody else's, or gone
            if mark in environ.read_bytes().split(b"\0"):
                os.kill(int(environ.parent.name), signal.SIGKILL)
