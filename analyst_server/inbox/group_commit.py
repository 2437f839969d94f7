"""The one thread that writes the SQLite log: whatever waits is committed together, and answered after the commit.

A producer that waits alone pays one flush; sixty-four that wait together share it. The thread also hears what other processes commit to the
same file (SQLite's `data_version` tells that something did) and passes every event on in one order, its own and theirs.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from analyst_server.errors import ServerError, StoreUnavailable
from analyst_server.inbox.log import Event, NotificationDraft, Seq, User
from analyst_server.inbox.migrations import epoch_of, migrate
from analyst_server.inbox.recent import RecentEvents, folded_upto, load_recent
from analyst_server.inbox.sqlite_file import Synchronous, identity_of, open_file, sqlite_errors
from analyst_server.inbox.sqlite_read import last_seq, newer_events
from analyst_server.inbox.sqlite_write import Outcome, Transaction, Work

__all__ = ["DEFAULTS", "CommitObserver", "GroupCommitter", "WriterSettings"]

_log = logging.getLogger(__name__)

_MAX_WORKS = 1_000  # of one commit: about 20 ms of work on a slow machine, so nobody waits longer for the others
_MAX_WAITING = 20_000  # pieces of work; more than that is not a burst but a store that does not keep up
_MAX_WAITING_BYTES = 64 * 1024 * 1024

# Told the pieces of work in a commit and its duration in seconds, on the event loop.
CommitObserver = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """How the log is written, and how soon the commits of other processes are heard."""

    synchronous: Synchronous = "FULL"
    busy_timeout_s: float = 2.0
    poll_s: float = 0.05
    fold_when_idle: int = 4_000  # recent events; folding them takes some 30 ms, which nobody notices who does not wait
    fold_when_busy: int = 10_000  # then it is done whoever waits, some 40 ms: more would make somebody wait longer


DEFAULTS = WriterSettings()


class _Waiting(msgspec.Struct, frozen=True):
    work: Work
    size: int  # bytes
    answer: asyncio.Future[Outcome]


class GroupCommitter:
    """The writer's thread, and its way back to the event loop on which it was started."""

    def __init__(
        self,
        path: Path,
        *,
        settings: WriterSettings,
        clock: Callable[[], float],
        on_events: Callable[[Sequence[Event]], None],
    ) -> None:
        self.on_commit: CommitObserver | None = None
        self.listening = False  # whether anybody on this loop wants to hear what other processes commit
        self._path = path
        self._settings = settings
        self._clock = clock
        self._on_events = on_events
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = self._waiting_bytes = 0
        self._uids: dict[User, int] = {}
        self._closed = False
        with sqlite_errors(f"the store {path}"):
            self._connection: sqlite3.Connection | None = self._opened(create=True)
            self.epoch = epoch_of(self._connection)
            self._told = last_seq(self._connection)  # every event up to here was passed on, or nobody was listening
            self.recent = self._loaded(self._connection)  # replaced by a fold; take it before you begin to read
        self._file = identity_of(path)
        self._seen_version = -1  # of the file as this connection sees it; -1: not looked at
        self._problem = ""  # the last one that was logged
        self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Outcome]:
        """Have work committed; its outcome comes after the commit. Raises `StoreUnavailable`."""
        size = len(work.body) if isinstance(work, NotificationDraft) else 0
        if self._closed:
            raise StoreUnavailable("the store is closed", "send it again after the restart")
        if self._waiting >= _MAX_WAITING or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            raise StoreUnavailable("the store does not keep up", "send it again later")
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting += 1
        self._waiting_bytes += size
        self._queue.put(_Waiting(work, size, answer))
        return answer

    async def close(self) -> None:
        """Commit what waits, and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            outcomes: Sequence[Outcome]
            events: Sequence[Event]
            began = time.perf_counter()
            try:
                with sqlite_errors():
                    outcomes, events = self._commit(batch) if batch else ((), self._heard())
                self._problem = ""
            except Exception as exc:  # noqa: BLE001 - the root of the thread: if it ended, every later dispatch would wait for ever
                problem = self._recovered_from(exc)
                outcomes, events = [problem] * len(batch), ()
            if batch or events:
                took_s = time.perf_counter() - began
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._settle, batch, outcomes, events, took_s)
        if self._connection is not None:
            self._connection.close()

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Return what waits, empty when nothing came in time; False: this is the last."""
        batch: list[_Waiting] = []
        try:
            waiting = self._queue.get(timeout=self._settings.poll_s)
            while waiting is not None:
                batch.append(waiting)
                if len(batch) == _MAX_WORKS:
                    return batch, True
                waiting = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, batch: Sequence[_Waiting]) -> tuple[list[Outcome], list[Event]]:
        connection, transaction = self._begun()
        foreign = self._newer(connection, transaction.began_at)
        outcomes = transaction.apply([waiting.work for waiting in batch])
        if self.recent.count >= self._settings.fold_when_busy:
            transaction.fold()
        self._end(connection, transaction)
        self._told = transaction.ended_at
        return outcomes, foreign + transaction.events

    def _fold(self) -> None:
        """Fold while nobody waits."""
        connection, transaction = self._begun()
        transaction.fold()
        self._end(connection, transaction)

    def _begun(self) -> tuple[sqlite3.Connection, Transaction]:
        connection = self._usable()
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, self._uids, now=self._clock())
        if transaction.began_at > self.recent.end:
            load_recent(connection, self.recent)  # other processes have stored something, too
        return connection, transaction

    def _end(self, connection: sqlite3.Connection, transaction: Transaction) -> None:
        """Commit. What comes after it cannot fail: an event that is stored but not passed on would be missed by every live device."""
        connection.execute("COMMIT")
        self._uids.update(transaction.new_uids)
        if transaction.folded_upto is not None:
            self.recent = RecentEvents(transaction.folded_upto)
            return
        for uid, seq in transaction.placed:
            self.recent.add(uid, seq)

    def _heard(self) -> list[Event]:
        """Return what other processes have committed since; empty in nearly every call."""
        connection = self._usable()
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if self.recent.count >= self._settings.fold_when_idle:
            self._fold()
        if version == self._seen_version:
            return []
        load_recent(connection, self.recent)
        newest = last_seq(connection)
        events = self._newer(connection, newest)
        self._seen_version = version
        self._told = max(self._told, events[-1].seq if events else newest)
        return events

    def _newer(self, connection: sqlite3.Connection, newest: Seq) -> list[Event]:
        """Return what others have committed after what was passed on, if anybody listens (asked after `newest` was read, or one could be missed)."""
        return newer_events(connection, self._told) if newest > self._told and self.listening else []

    def _usable(self) -> sqlite3.Connection:
        """Return the connection, opened anew after an error or when the file is another one. A missing file is not made anew."""
        if self._connection is not None and identity_of(self._path) != self._file:
            self._drop()
        if self._connection is None:
            connection = self._opened(create=False)
            if epoch_of(connection) != self.epoch:
                connection.close()
                raise StoreUnavailable("the store was replaced by another", "restart the gateway")
            self._connection, self._file = connection, identity_of(self._path)
            self._uids.clear()
            self.recent = self._loaded(connection)
        return self._connection

    def _opened(self, *, create: bool) -> sqlite3.Connection:
        settings = self._settings
        connection = open_file(
            self._path, create=create, synchronous=settings.synchronous, busy_timeout_s=settings.busy_timeout_s
        )
        try:
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _loaded(connection: sqlite3.Connection) -> RecentEvents:
        recent = RecentEvents(folded_upto(connection))
        load_recent(connection, recent)
        return recent

    def _recovered_from(self, exc: Exception) -> ServerError:
        """Undo what was begun and return what the callers are told; the next work finds a new connection, as an error may have poisoned this one."""
        self._drop()
        known = isinstance(exc, ServerError)
        if str(exc) != self._problem:  # said once, however often it is tried
            self._problem = str(exc)
            _log.warning("%s: %s", self._path, exc, exc_info=None if known else exc)
        return (
            exc if isinstance(exc, ServerError) else StoreUnavailable("the store failed", "look at the gateway's log")
        )

    def _drop(self) -> None:
        connection, self._connection, self._seen_version = self._connection, None, -1
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()  # rolls back

    def _settle(
        self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome], events: Sequence[Event], took_s: float
    ) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            self._waiting -= 1
            self._waiting_bytes -= waiting.size
            if waiting.answer.done():  # whoever waited has given up
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        self._on_events(events)
        if batch and self.on_commit is not None:
            self.on_commit(len(batch), took_s)
