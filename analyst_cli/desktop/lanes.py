"""Who may work when (R-LN): one action at a time, a few reads at a time, and a short queue before both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from analyst_cli.desktop.errors import Code, DesktopProblem

__all__ = ["Lane", "Lanes"]


class Lane:
    """Let `width` requests work, first come first served. One more than `queue` waiting is refused at `admit`."""

    def __init__(self, width: int, queue: int) -> None:
        self._slots = asyncio.Semaphore(width)
        self._width = width
        self._queue = queue
        self._admitted = 0

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Reserve a place in the queue for the life of a request. Raises HOST_NOT_READY when it is full."""
        if self._admitted >= self._width + self._queue:
            raise DesktopProblem(
                Code.HOST_NOT_READY, f"{self._queue} requests wait already; ask again", reason="queue_full"
            )
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
    """The lanes of a host: `ui` for actions and the capture of observe, `reads` for the rest."""

    def __init__(self, *, reads: int, queue: int) -> None:
        self.ui = Lane(1, queue)
        self.reads = Lane(reads, queue)
