"""A small SQLite file beside the inbox log, of what helps and may be lost: the runner's history, the channels' outbox.

Made for its owner alone, safe from several threads and processes, blocking. A damaged file is put aside under another name and a new one begun:
losing the history of runs is no reason to lose an alert.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from analyst_server.errors import StoreUnavailable

__all__ = ["SideFile"]

BUSY_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class SideFile:
    """One such file. `migrations` are numbered by their place and never change once they were released; each is statements ended by semicolons."""

    def __init__(
        self, path: Path, name: str, migrations: Sequence[str], *, synchronous: Literal["FULL", "NORMAL"]
    ) -> None:
        """Open or create the file; `name` is what errors call it. Raises `StoreUnavailable`."""
        self._lock = threading.Lock()
        self._called = f"{name} {path}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._db = _opened(path, migrations, synchronous)
            except sqlite3.DatabaseError as exc:
                if not _is_damaged(exc):
                    raise
                aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
                _log.warning(
                    "%s is damaged (%s); it is put aside as %s and a new one begun", self._called, exc, aside.name
                )
                _put_aside(path, aside)
                self._db = _opened(path, migrations, synchronous)
        except (OSError, sqlite3.Error) as exc:
            raise StoreUnavailable(
                f"{self._called} cannot be opened ({exc})", "check the folder's owner and free space"
            ) from exc

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction, which is stored as a whole or not at all. Raises `StoreUnavailable`."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as exc:
                raise StoreUnavailable(
                    f"{self._called} cannot be used ({exc})", "check free space and the file's owner"
                ) from exc
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _opened(path: Path, migrations: Sequence[str], synchronous: str) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(db)
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for number, migration in enumerate(migrations[version:], version + 1):
            for statement in filter(str.strip, migration.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    """Keep the log beside the file. Of several that open a new file at once SQLite refuses all but one, without waiting (sqlite.org/wal.html)."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").split("_")[1:2] in (["CORRUPT"], ["NOTADB"])


def _put_aside(path: Path, aside: Path) -> None:
    path.replace(aside)
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
