"""What waits for a reader slower than its events: nothing while the socket takes everything, never more than the bound."""

import asyncio
from collections import deque

from analyst_server.gateway.outgoing import Outgoing

__all__ = ["MAX_QUEUED_BYTES", "MAX_QUEUED_EVENTS", "SendQueue"]

MAX_QUEUED_BYTES = 1024 * 1024  # R9: memory of 1,000 stalled readers stays below 1 GB
MAX_QUEUED_EVENTS = 1_000  # R9: what a client reads back from the log in one replay
DRAIN_TIMEOUT_S = 30.0  # a client that reads nothing of its replay for so long is a slow consumer


class SendQueue:
    """Frames in the order in which they are to be sent, each with the event that it holds. Nothing waits here while the socket is not `paused`."""

    __slots__ = ("_drained", "_waiting", "byte_count", "paused")

    def __init__(self) -> None:
        self.paused = False  # the socket takes no more for now
        self.byte_count = 0
        self._waiting: deque[tuple[bytes, Outgoing | None]] | None = (
            None  # None: nothing (an empty deque has 600 bytes)
        )
        self._drained: asyncio.Future[None] | None = None

    def add(self, frame: bytes, outgoing: Outgoing | None) -> bool:
        """Let a frame wait; False: more waits now than may."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((frame, outgoing))
        self.byte_count += len(frame)
        return len(self._waiting) <= MAX_QUEUED_EVENTS and self.byte_count <= MAX_QUEUED_BYTES

    def take(self) -> tuple[bytes, Outgoing | None] | None:
        """Take out what is to be sent next; None: nothing is left, and whoever waits for that goes on."""
        if not self._waiting:
            self.drop()
            return None
        frame, outgoing = self._waiting.popleft()
        self.byte_count -= len(frame)
        return frame, outgoing

    def drop(self) -> None:
        """Forget what waits; whoever waits for it to be sent goes on."""
        self._waiting = None
        self.byte_count = 0
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def until_drained(self) -> None:
        """Wait until the socket has taken everything. Raises `TimeoutError` after `DRAIN_TIMEOUT_S`."""
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._drained
        finally:
            self._drained = None
