"""A small SQLite file beside the inbox log, of what helps and may be lost: the runner's history, the channels' outbox.

Made for its owner alone, safe from several threads and processes, blocking. A damaged file is put aside under another name and a new one begun:
losing the history of runs is no reason to lose an alert.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from analyst_server.errors import StoreUnavailable
from analyst_server.sqlite_opening import Synchronous, connect, make_private

__all__ = ["SideFile"]

BUSY_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class SideFile:
    """One such file. `migrations` are numbered by their place and never change once they were released; each is statements ended by semicolons."""

    def __init__(self, path: Path, name: str, migrations: Sequence[str], *, synchronous: Synchronous) -> None:
        """Open or create the file; `name` is what errors call it. Raises `StoreUnavailable`."""
        self._lock = threading.Lock()
        self._called = f"{name} {path}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone_in(path.parent):  # of two that find a damaged file, the second finds the new one
                self._db = self._whole(path, migrations, synchronous)
        except (OSError, sqlite3.Error) as exc:
            raise StoreUnavailable(
                f"{self._called} cannot be opened ({exc})", "check the folder's owner and free space"
            ) from exc

    def _whole(self, path: Path, migrations: Sequence[str], synchronous: Synchronous) -> sqlite3.Connection:
        try:
            return _opened(path, migrations, synchronous)
        except sqlite3.DatabaseError as exc:
            if not _is_damaged(exc):
                raise
            aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            _log.warning("%s is damaged (%s); it is put aside as %s and a new one begun", self._called, exc, aside.name)
            _put_aside(path, aside)
            return _opened(path, migrations, synchronous)

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


def _opened(path: Path, migrations: Sequence[str], synchronous: Synchronous) -> sqlite3.Connection:
    make_private(path)
    db = connect(path, busy_timeout_s=BUSY_TIMEOUT_S, synchronous=synchronous)
    try:
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


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").split("_")[1:2] in (["CORRUPT"], ["NOTADB"])


def _put_aside(path: Path, aside: Path) -> None:
    path.replace(aside)
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
