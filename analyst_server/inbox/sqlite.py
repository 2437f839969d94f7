"""The log in a SQLite file: the embedded default, durable, for one machine. Several processes may share the file.

Writes go through one thread (`group_commit.py`), reads through a few connections beside it, which neither wait for the writer nor make it wait.
"""

import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from analyst_server.errors import RequestRefused, StoreUnavailable
from analyst_server.inbox import sqlite_read
from analyst_server.inbox.group_commit import CommitObserver, GroupCommitter
from analyst_server.inbox.group_read import GroupReaders
from analyst_server.inbox.ledger import Trace
from analyst_server.inbox.log import (
    Appended,
    Event,
    EventListener,
    MarkDraft,
    Marked,
    NotificationDraft,
    Seq,
    Snapshot,
    User,
)
from analyst_server.inbox.retention import Purged, Retention
from analyst_server.inbox.sqlite_ledger import LedgerNotes
from analyst_server.inbox.sqlite_retain import plan_cuts, remove_devices, remove_events
from analyst_server.inbox.sqlite_write import Transaction
from analyst_server.inbox.sqlite_writer import DEFAULTS, WriterSettings

__all__ = ["SqliteInbox", "WriterSettings", "open_sqlite_inbox"]

_log = logging.getLogger(__name__)


class SqliteInbox:
    """The log, its delivery ledger and its image references in one file. Made by `open_sqlite_inbox`."""

    def __init__(self, path: Path, *, settings: WriterSettings, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._listeners: defaultdict[User, list[EventListener]] = defaultdict(list)
        self._writer = GroupCommitter(path, settings=settings, clock=clock, on_events=self._tell)
        self._readers = GroupReaders(path)
        self._notes = LedgerNotes(self._writer.submit)

    @property
    def epoch(self) -> str:
        return self._writer.epoch

    def observe_commits(self, observer: CommitObserver) -> None:
        """Tell the observer the size and duration of every commit."""
        self._writer.on_commit = observer

    async def append(self, draft: NotificationDraft) -> Appended:
        _refuse_unstorable(draft.user, draft.id, draft.image or "")
        appended: Appended = await self._writer.submit(draft)
        return appended

    async def mark(self, draft: MarkDraft) -> Marked:
        _refuse_unstorable(draft.user, draft.at, draft.device, draft.until or "", *draft.ids)
        marked: Marked = await self._writer.submit(draft)
        return marked

    async def read(self, user: User, *, after: Seq, limit: int) -> Sequence[Event]:
        if user in self._listeners and after == self._writer.newest_of(user):
            return ()  # nothing was missed, as by most devices in most restarts
        recent = self._writer.recent
        return await self._readers.ask(
            partial(sqlite_read.events_after, recent=recent, user=user, after=after, limit=limit)
        )

    async def snapshot(self, user: User, *, limit: int = 50) -> Snapshot:
        recent = self._writer.recent
        return await self._readers.ask(partial(sqlite_read.snapshot_of, recent=recent, user=user, limit=limit))

    def subscribe(self, user: User, listener: EventListener) -> Callable[[], None]:
        self._listeners[user].append(listener)
        self._writer.listen(wanted=True)

        def unsubscribe() -> None:
            listeners = self._listeners.get(user, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(user, None)
            self._writer.listen(wanted=bool(self._listeners))

        return unsubscribe

    def note_sent(self, user: User, device: str, *, after: Seq, upto: Seq) -> None:
        self._notes.on(user, device).sent(after=after, upto=upto, now=self._clock())

    def note_acknowledged(self, user: User, device: str, upto: Seq) -> None:
        self._notes.on(user, device).acknowledged(upto=upto, now=self._clock())

    async def trace(self, notification_id: str, *, user: User | None = None) -> Sequence[Trace]:
        with contextlib.suppress(
            StoreUnavailable
        ):  # a store that takes nothing can still be read, without the last second
            await self._notes.write()
        return await self._readers.ask(partial(sqlite_read.traces_of, notification_id=notification_id, user=user))

    async def may_read(self, user: User, name: str) -> bool:
        return await self._readers.ask(partial(sqlite_read.may_read_image, user=user, name=name))

    async def referenced(self, names: Collection[str]) -> frozenset[str]:
        return await self._readers.ask(partial(sqlite_read.referenced_images, names=names))

    async def retain(self, retention: Retention) -> Purged:
        """Remove what is too old or too much, in commits so small that no dispatch waits for them."""
        cutoff = retention.cutoff(self._clock())
        await self._writer.submit(Transaction.fold)
        cuts = await self._readers.ask(partial(plan_cuts, retention=retention, cutoff=cutoff))
        events, images = 0, frozenset[str]()
        while cuts:
            purged, cuts = await self._writer.submit(partial(remove_events, cuts=cuts))
            events, images = events + purged.events, images | purged.images
        await self._writer.submit(partial(remove_devices, cutoff=cutoff))
        return Purged(events, images - await self.referenced(images))

    async def close(self) -> None:
        """Write what waits and close the file."""
        await self._notes.close()
        await self._writer.close()
        self._listeners.clear()
        await self._readers.close()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            for listener in tuple(self._listeners.get(event.user, ())):
                try:
                    listener(event)
                except Exception:  # noqa: BLE001 - a delivery: what is wrong with one device must not keep the event from the others
                    _log.exception("event %d could not be told", event.seq)


@contextlib.asynccontextmanager
async def open_sqlite_inbox(
    path: Path, *, settings: WriterSettings = DEFAULTS, clock: Callable[[], float] = time.time
) -> AsyncIterator[SqliteInbox]:
    """Open the log in a file, which is made if there is none. Raises `ConfigProblem` (a newer or foreign file), `StoreUnavailable`."""
    inbox = SqliteInbox(path, settings=settings, clock=clock)
    try:
        yield inbox
    finally:
        await inbox.close()


def _refuse_unstorable(*texts: str) -> None:
    """Refuse half a surrogate pair, which no UTF-8 text can hold: it would fail the commit of everybody who waits with it."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise RequestRefused(
                "a name or id is not valid Unicode", "send it as UTF-8 without lone surrogates"
            ) from exc
