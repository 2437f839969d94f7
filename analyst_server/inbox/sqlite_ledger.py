"""The ledger's notes on their way into the SQLite file: merged a device, written together at most once a second."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.ledger import SpanNotes
from analyst_server.inbox.log import User
from analyst_server.inbox.sqlite_write import Job, Transaction

__all__ = ["LedgerNotes"]

_DELAY_S = 1.0
_DEVICES_A_COMMIT = 200  # some 3 ms: no dispatch waits long for what ten thousand devices were sent


class LedgerNotes:
    """Notes that are not written yet. Those that the store refuses are lost: a device's next cursor says the same."""

    def __init__(self, submit: Callable[[Job], Awaitable[object]]) -> None:
        self._submit = submit
        self._notes: defaultdict[tuple[User, str], SpanNotes] = defaultdict(SpanNotes)
        self._due: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def on(self, user: User, device: str) -> SpanNotes:
        """Return the notes on a device, to be added to before the next turn of the event loop."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_DELAY_S, self._start_writing)
        return self._notes[user, device]

    async def write(self) -> None:
        """Write what was noted. Raises `StoreUnavailable`."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        notes, self._notes = list(self._notes.items()), defaultdict(SpanNotes)
        for start in range(0, len(notes), _DEVICES_A_COMMIT):
            part = dict(notes[start : start + _DEVICES_A_COMMIT])
            await self._submit(partial(Transaction.merge_spans, notes=part))

    async def close(self) -> None:
        """Write the last notes."""
        if self._writing is not None:
            await self._writing
        with contextlib.suppress(StoreUnavailable):
            await self.write()

    def _start_writing(self) -> None:
        self._due = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_quietly(), name="inbox-ledger")

    async def _write_quietly(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # it was logged where it happened
            await self.write()
