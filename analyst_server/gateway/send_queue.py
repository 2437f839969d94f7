"""What waits for a reader slower than its events: nothing while the socket takes everything, never more than the bound."""

import asyncio
from collections import deque
from collections.abc import Callable

from analyst_server.gateway.outgoing import Outgoing, Outlet

__all__ = ["MAX_QUEUED_BYTES", "MAX_QUEUED_EVENTS", "SendQueue"]

MAX_QUEUED_BYTES = 1024 * 1024  # R9: memory of 1,000 stalled readers stays below 1 GB
MAX_QUEUED_EVENTS = 1_000  # R9: what a client reads back from the log in one replay
DRAIN_TIMEOUT_S = 30.0  # a client that reads nothing of its replay for so long is a slow consumer


class SendQueue:
    """Send through the outlet at once, or in order as soon as it takes more; `on_sent` hears of every event that went out."""

    __slots__ = ("_drained", "_on_sent", "_outlet", "_waiting", "byte_count", "paused")

    def __init__(self, outlet: Outlet, on_sent: Callable[[Outgoing], None]) -> None:
        self.paused = False
        self.byte_count = 0
        self._outlet = outlet
        self._on_sent = on_sent
        self._waiting: deque[tuple[bytes, Outgoing | None]] | None = (
            None  # None: nothing (an empty deque has 600 bytes)
        )
        self._drained: asyncio.Future[None] | None = None

    def send(self, frame: bytes, outgoing: Outgoing | None = None) -> bool:
        """Send a frame, or let it wait; False: more waits now than may. Never blocks."""
        if not self.paused:
            self._outlet.send(frame)
            if outgoing is not None:
                self._on_sent(outgoing)
            return True
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((frame, outgoing))
        self.byte_count += len(frame)
        return len(self._waiting) <= MAX_QUEUED_EVENTS and self.byte_count <= MAX_QUEUED_BYTES

    def writable(self, *, yes: bool) -> None:
        """Learn that the outlet takes more, or no more for now."""
        self.paused = not yes
        while self._waiting and not self.paused:
            frame, outgoing = self._waiting.popleft()
            self.byte_count -= len(frame)
            self._outlet.send(frame)
            if outgoing is not None:
                self._on_sent(outgoing)
        if not self._waiting:
            self.drop()

    def drop(self) -> None:
        """Forget what waits; whoever waits for it to be sent goes on."""
        self._waiting = None
        self.byte_count = 0
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def until_drained(self) -> None:
        """Wait until the outlet has taken everything. Raises `TimeoutError` after `DRAIN_TIMEOUT_S`."""
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._drained
        finally:
            self._drained = None
