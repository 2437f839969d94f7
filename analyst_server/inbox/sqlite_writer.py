"""The connection that writes the SQLite log, and what has to stay in step with it: one commit at a time, in whichever thread asks.

It also hears what other processes commit to the same file (SQLite's `data_version` tells that something did), so that every event is passed on
in one order, its own and theirs.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from analyst_server.errors import ServerError, StoreUnavailable
from analyst_server.inbox.log import Event, Seq, User
from analyst_server.inbox.migrations import epoch_of, migrate
from analyst_server.inbox.recent import RecentEvents, folded_upto, load_recent, newest_by_user
from analyst_server.inbox.sqlite_file import identity_of, open_file
from analyst_server.inbox.sqlite_read import last_seq, newer_events
from analyst_server.inbox.sqlite_write import Outcome, Transaction, Work
from analyst_server.sqlite_opening import Synchronous

__all__ = ["DEFAULTS", "Committed", "LogWriter", "WriterSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """How the log is written, and how soon the commits of other processes are heard."""

    synchronous: Synchronous = "FULL"
    busy_timeout_s: float = 2.0
    poll_s: float = 0.05
    fold_when_idle: int = 4_000  # recent events; folding them takes some 30 ms, which nobody notices who does not wait
    fold_when_busy: int = 10_000  # then it is done whoever waits, some 40 ms: more would make somebody wait longer


DEFAULTS = WriterSettings()


class Committed(NamedTuple):
    """What a commit has done: an outcome for each piece of work, the events to pass on (of other processes first), and the flush in seconds."""

    outcomes: Sequence[Outcome]
    events: Sequence[Event]
    flush_s: float


class LogWriter:
    """The writing side of one file. Not thread-safe: whoever calls has to be the only one."""

    def __init__(self, path: Path, *, settings: WriterSettings, clock: Callable[[], float]) -> None:
        """Open the file, and make it if there is none. Raises `sqlite3.Error`, `OSError`, `ConfigProblem`."""
        self.listening = False  # whether anybody here wants to hear what other processes commit
        self._path = path
        self._settings = settings
        self._clock = clock
        self._patient = True  # whether the connection waits for another process that holds the file
        self._connection: sqlite3.Connection | None = self._opened(create=True)
        self.epoch = epoch_of(self._connection)
        self._told = last_seq(self._connection)  # every event up to here was passed on, or nobody was listening
        self.recent = self._loaded(self._connection)  # replaced by a fold; take it before you begin to read
        # those that were here at the start, and those that this writer has met since
        self._uids = _users(self._connection)
        self._file = identity_of(path)
        self._seen_version = -1  # of the file as this connection sees it; -1: not looked at
        self._problem = ""  # the last one that was logged

    def commit(self, works: Sequence[Work], *, patient: bool = True) -> Committed | None:
        """Commit the works together. Not `patient`: None where another process holds the file, or where it would take long.

        Raises `sqlite3.Error`, `OSError`, `StoreUnavailable`; then nothing is stored, and `recovered_from` is to be called.
        """
        if not patient and self.recent.count >= self._settings.fold_when_busy:
            return None
        begun = self._begun(patient=patient)
        if begun is None:
            return None
        connection, transaction = begun
        foreign = self._newer(connection, transaction.began_at)
        outcomes = transaction.apply(works)
        if self.recent.count >= self._settings.fold_when_busy:
            transaction.fold()
        flush_s = self._end(connection, transaction)
        self._told = transaction.ended_at
        self._problem = ""
        return Committed(outcomes, foreign + transaction.events, flush_s)

    def heard(self, *, idle: bool) -> Sequence[Event]:
        """Return what other processes have committed since; empty in nearly every call. `idle`: there is time to fold. Raises as `commit`."""
        connection = self._usable()
        self._be_patient(connection, patient=True)
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if idle and self.recent.count >= self._settings.fold_when_idle:
            self._fold()
        if version == self._seen_version:
            return ()
        load_recent(connection, self.recent)  # before asking who listens: whoever begins to now finds it by `newest_of`
        newest = last_seq(connection)
        events = self._newer(connection, newest)
        self._seen_version = version
        self._told = max(self._told, events[-1].seq if events else newest)
        self._problem = ""
        return events

    def newest_of(self, user: User) -> Seq | None:
        """Return the newest event of a user; None: not known here. Of any thread.

        Whoever listened before asking is told everything that is newer: what others commit is noted here first, and then told to whoever listens.
        """
        uid = self._uids.get(user)
        return None if uid is None else self.recent.newest.get(uid)

    def recovered_from(self, exc: Exception) -> ServerError:
        """Undo what was begun and return what the callers are told; the next work finds a new connection, as an error may have poisoned this one."""
        self.close()
        known = isinstance(exc, ServerError)
        if str(exc) != self._problem:  # said once, however often it is tried
            self._problem = str(exc)
            _log.warning("%s: %s", self._path, exc, exc_info=None if known else exc)
        return (
            exc if isinstance(exc, ServerError) else StoreUnavailable("the store failed", "look at the gateway's log")
        )

    def close(self) -> None:
        """Close the connection, which rolls back what is open; the next work opens another."""
        connection, self._connection, self._seen_version = self._connection, None, -1
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _fold(self) -> None:
        if (begun := self._begun(patient=True)) is not None:
            connection, transaction = begun
            transaction.fold()
            self._end(connection, transaction)

    def _begun(self, *, patient: bool) -> tuple[sqlite3.Connection, Transaction] | None:
        if not patient and not self._is_ready():
            return None
        connection = self._usable()
        self._be_patient(connection, patient=patient)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if patient or exc.sqlite_errorname != "SQLITE_BUSY":
                raise
            return None
        transaction = Transaction(connection, self._uids, now=self._clock())
        if transaction.began_at > self.recent.end:
            load_recent(connection, self.recent)  # other processes have stored something, too
        return connection, transaction

    def _end(self, connection: sqlite3.Connection, transaction: Transaction) -> float:
        """Commit, and return the seconds it took.

        What comes after it cannot fail: an event that is stored but not passed on would be missed by every live device.
        """
        began = time.perf_counter()
        connection.execute("COMMIT")
        flush_s = time.perf_counter() - began
        self._uids.update(transaction.new_uids)
        if transaction.folded_upto is not None:
            self.recent = RecentEvents(transaction.folded_upto, self.recent.newest)
            return flush_s
        for uid, seq in transaction.placed:
            self.recent.add(uid, seq)
        return flush_s

    def _newer(self, connection: sqlite3.Connection, newest: Seq) -> list[Event]:
        """Return what others have committed after what was passed on, if anybody listens (asked after `newest` was read, or one could be missed)."""
        return newer_events(connection, self._told) if newest > self._told and self.listening else []

    def _be_patient(self, connection: sqlite3.Connection, *, patient: bool) -> None:
        if patient is not self._patient:
            connection.execute(f"PRAGMA busy_timeout = {int(self._settings.busy_timeout_s * 1000) if patient else 0}")
            self._patient = patient

    def _is_ready(self) -> bool:
        return self._connection is not None and identity_of(self._path) == self._file

    def _usable(self) -> sqlite3.Connection:
        """Return the connection, opened anew after an error or when the file is another one. A missing file is not made anew."""
        if not self._is_ready():
            self.close()
        if self._connection is None:
            connection = self._opened(create=False)
            if epoch_of(connection) != self.epoch:
                connection.close()
                raise StoreUnavailable("the store was replaced by another", "restart the gateway")
            self._connection, self._file, self._patient = connection, identity_of(self._path), True
            self._uids = _users(connection)
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
        recent = RecentEvents(folded_upto(connection), newest_by_user(connection))
        load_recent(connection, recent)
        return recent


def _users(connection: sqlite3.Connection) -> dict[User, int]:
    return {User(name): uid for name, uid in connection.execute("SELECT name, uid FROM users")}
