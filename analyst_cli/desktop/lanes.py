"""Who may work when (R-LN): one action at a time, a few reads at a time, and a short queue before both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from analyst_cli.desktop.errors import Code, DesktopProblem

__all__ = ["Lane", "Lanes"]


MAX_WAITS = 64  # each costs a look whenever the desktop changes


class Lane:
    """Let `width` requests work, first come first served. One more than `queue` waiting is refused at `admit`."""

    def __init__(self, width: int, queue: int) -> None:
        self._slots = asyncio.Semaphore(width)
        self._width = width
        self._queue = queue
        self._admitted = 0

    def lengthen(self, queue: int) -> None:
        """Let more, or fewer, requests wait from now on."""
        self._queue = queue

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Reserve a place in the queue for the life of a request. Raises HOST_NOT_READY when it is full."""
        if self._admitted >= self._width + self._queue:
            raise DesktopProblem(Code.HOST_NOT_READY, "too many requests wait already; ask again", reason="queue_full")
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        async with self._slots:
            yield


class Lanes:
    """The lanes of a host: `ui` for actions and the capture of observe, `reads` for the rest.

    `waits` only counts the requests that sleep until something happens: they hold no lane, and take a turn of `reads` for every look.
    """

    def __init__(self, *, reads: int, queue: int) -> None:
        self.ui = Lane(1, queue)
        self.reads = Lane(reads, queue)
        self.waits = Lane(MAX_WAITS, 0)

    def change(self, *, reads: int, queue: int) -> None:
        """Follow changed settings. The lane of actions stays the one it is: there is never a second one."""
        self.ui.lengthen(queue)
        self.reads = Lane(reads, queue)
