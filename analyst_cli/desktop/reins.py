"""The reins of one request: its deadline, who may stop it, and the moment from which it can no longer be stopped.

A `Reins` is what backends see as `Control`. It may be used from any thread; stopping wakes the event loop. Stops win in the order in which they come.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from analyst_cli.desktop.errors import Code, DesktopProblem

__all__ = ["Reins", "StopCause"]


class StopCause(StrEnum):
    """Why a request has to stop."""

    ABORT = "abort"
    PANIC = "panic"
    STOPPING = "stop"
    DISCONNECT = "disconnect"
    DEADLINE = "deadline"


class Reins:
    """One per request; `on_commit` spends the confirmation."""

    def __init__(self, timeout_ms: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.timeout_ms = timeout_ms
        self._monotonic = monotonic
        self.started = monotonic()
        self._deadline = self.started + timeout_ms / 1000
        self._lock = threading.RLock()  # commit and seal check, and a check may stop
        self._loop = asyncio.get_running_loop()
        self.stopped = asyncio.Event()  # woken on the loop
        self._cause: StopCause | None = None
        self._committed = False
        self._sealed = False
        self.on_commit: Callable[[], None] | None = None

    @property
    def cause(self) -> StopCause | None:
        """Why it must stop; None while it may go on."""
        return self._cause

    @property
    def committed(self) -> bool:
        """Whether a side effect began."""
        return self._committed

    @property
    def sealed(self) -> bool:
        """Whether the rest cannot be taken back."""
        return self._sealed

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the request came."""
        return round((self._monotonic() - self.started) * 1000)

    def remaining_s(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self._deadline - self._monotonic())

    def check(self) -> None:
        """Raise the problem that the request ends with when it must stop."""
        if self._cause is None and self._monotonic() >= self._deadline:
            self.stop(StopCause.DEADLINE)
        if self._cause is not None:
            raise self.problem()

    def commit(self) -> None:
        """Spend the confirmation, immediately before the first side effect; later calls only check."""
        with self._lock:
            self.check()
            if not self._committed:
                if self.on_commit is not None:
                    self.on_commit()
                self._committed = True

    def seal(self) -> None:
        """Mark the point of no return."""
        with self._lock:
            if not self._sealed:
                self.check()
                self._sealed = True

    def stop(self, cause: StopCause, *, whatever: bool = False) -> bool:
        """Ask the request to stop; return whether it will. A sealed one does not, except for a panic, or `whatever` it is doing."""
        with self._lock:
            if self._cause is not None:
                return True
            if self._sealed and cause is not StopCause.PANIC and not whatever:
                return False
            self._cause = cause
        self._loop.call_soon_threadsafe(self.stopped.set)
        return True

    def problem(self) -> DesktopProblem:
        """Return what the reply says about the stop."""
        if self._cause is StopCause.DEADLINE:
            return DesktopProblem(
                Code.TIMEOUT,
                f"not done within {self.timeout_ms} ms",
                timeoutMs=self.timeout_ms,
                elapsedMs=self.elapsed_ms,
            )
        cause = self._cause.value if self._cause else "abort"
        return DesktopProblem(Code.ABORTED, f"stopped by {cause}", cause=cause)
