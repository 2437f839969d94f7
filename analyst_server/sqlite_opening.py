"""Opening an SQLite file that several processes use, and that several may make at the same moment."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Literal

__all__ = ["Synchronous", "connect", "make_private"]

Synchronous = Literal["FULL", "NORMAL"]


def make_private(path: Path) -> bool:
    """Make the file for its owner only, and return whether it was missing; SQLite gives its companion files the same mode.

    An existing file is not opened here: closing a descriptor of it would drop the locks of every connection to it that this process has
    (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def connect(
    path: Path, *, busy_timeout_s: float, synchronous: Synchronous, cached_statements: int = 128
) -> sqlite3.Connection:
    """Open the file with a write-ahead log, in autocommit mode; other threads may use the connection, one at a time."""
    db = sqlite3.connect(
        path,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=cached_statements,
    )
    try:
        _use_wal(db, within_s=busy_timeout_s)
        db.execute(f"PRAGMA synchronous = {synchronous}")
    except BaseException:
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection, *, within_s: float) -> None:
    """Ask again while another connection writes: of several that open a new file SQLite refuses all but one at once, whatever the timeout."""
    until = time.monotonic() + within_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if not exc.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
