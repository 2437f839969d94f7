"""Connections to the file of the SQLite log, and what SQLite's errors mean for whoever waits."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analyst_server.errors import StoreUnavailable
from analyst_server.sqlite_opening import Synchronous, connect, make_private

__all__ = ["FileIdentity", "identity_of", "open_file", "sqlite_errors"]

FileIdentity = tuple[int, int]  # what tells a file from another one that later has its name

_CACHE_KIB = 32 * 1024  # of each connection: the upper levels of the indexes of a million events
_WAL_BYTES = 64 * 1024 * 1024  # what a burst leaves of the write-ahead log once it is checkpointed
_STATEMENTS = 256  # prepared statements kept: the multi-row inserts come in several sizes


def open_file(
    path: Path, *, create: bool, synchronous: Synchronous = "FULL", busy_timeout_s: float = 2.0
) -> sqlite3.Connection:
    """Open the file, which is made for its owner alone; other threads may use the connection, one at a time."""
    if create:
        make_private(path)
    else:
        path.stat()  # raises where SQLite would make a new file, in which nobody finds what was stored
    connection = connect(path, busy_timeout_s=busy_timeout_s, synchronous=synchronous, cached_statements=_STATEMENTS)
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def identity_of(path: Path) -> FileIdentity | None:
    """Return what tells a file from another one that later has its name; None: there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def sqlite_errors(name: str = "the store") -> Iterator[None]:
    """Raise SQLite's and the system's errors as `StoreUnavailable`, with what an administrator can do about each.

    The text goes to whoever dispatches or connects, so it has no path, unless `name` brings one for the administrator.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        words = exc.strerror or exc if isinstance(exc, OSError) else exc
        raise StoreUnavailable(f"{name} cannot be used: {words}", _way_out(exc)) from exc


def _way_out(exc: Exception) -> str:
    match getattr(exc, "sqlite_errorname", "").split("_")[1:2]:
        case ["FULL"]:
            return "free some space on its disk; it goes on by itself"
        case ["BUSY" | "LOCKED"]:
            return "another program holds it; it goes on by itself when that ends"
        case ["READONLY" | "PERM" | "CANTOPEN"]:
            return "make it writable for the gateway; it goes on by itself"
        case ["CORRUPT" | "NOTADB"]:
            return "stop the gateway and restore a backup, or move the file away; docs/delivery.md tells how"
        case _:
            return "look at its disk; it goes on by itself when the disk does"
