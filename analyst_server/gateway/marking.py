"""Marks of one connection: stored one after the other, in the order in which the client sent them, each answered under its `ref`."""

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from analyst_server.errors import RequestRefused, StoreUnavailable
from analyst_server.inbox.log import MarkDraft
from analyst_server.wire.codec import encode_message
from analyst_server.wire.messages import Mark, MarkError, MarkOk

if TYPE_CHECKING:
    from analyst_server.gateway.connection import Connection

__all__ = ["Marking"]

MAX_WAITING_MARKS = 256  # beyond it the client is not read from until they are stored


class Marking:
    """The marks that wait. Made with the first one, gone with the last."""

    __slots__ = ("_connection", "_waiting")

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._waiting: deque[Mark] = deque()

    def add(self, mark: Mark) -> None:
        """Let a mark wait for its turn."""
        self._waiting.append(mark)
        if len(self._waiting) == MAX_WAITING_MARKS:
            self._connection.hold_reading(held=True)

    async def store_all(self) -> None:
        """Store what waits, and what comes meanwhile. Raises nothing."""
        while self._waiting:
            self._connection.send(await self._stored(self._waiting[0]))
            self._waiting.popleft()
            if len(self._waiting) == MAX_WAITING_MARKS // 2:
                self._connection.hold_reading(held=False)

    async def _stored(self, mark: Mark) -> bytes:
        connection = self._connection
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        draft = MarkDraft(connection.user, mark.ids, mark.state, at, device=connection.device, until=mark.until)
        try:
            marked = await connection.hub.log.mark(draft)
        except (StoreUnavailable, RequestRefused) as exc:
            return encode_message(MarkError(mark.ref, f"{exc.problem}; nothing was marked"))
        if marked.seq is None:
            return encode_message(MarkError(mark.ref, "no such notification", list(marked.unknown)))
        connection.hub.metrics.marks += 1
        connection.hub.metrics.events_stored += 1
        return encode_message(MarkOk(mark.ref, marked.seq, list(marked.unknown)))
