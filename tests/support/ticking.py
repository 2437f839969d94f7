"""Shows that the event loop goes on: it ticks in a task of its own."""

import asyncio
from typing import Self

__all__ = ["Ticking"]


class Ticking:
    """Tick every millisecond while in the context."""

    def __init__(self) -> None:
        self._ticks = asyncio.Semaphore(0)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def times(self, count: int) -> None:
        """Wait until it has ticked so often."""
        async with asyncio.timeout(30):
            for _ in range(count):
                await self._ticks.acquire()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self._ticks.release()
