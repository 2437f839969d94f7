"""The file `accounts.db`: opened for its owner only, migrated, and read and written by one thread.

Several processes use it at once (the gateway and administrators' commands), so every write is a short `BEGIN IMMEDIATE` transaction, and whoever
keeps a copy of something asks `version()`, which changes when another connection has committed (SQLite's `PRAGMA data_version`).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from analyst_server.errors import StoreUnavailable
from analyst_server.sqlite_opening import connect, make_private

__all__ = ["Database", "open_database"]

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_S = 3.0  # longer than any transaction here; after it the caller is told 503

# Numbered by position, append-only: a released migration is never changed.
MIGRATIONS = (
    """
    CREATE TABLE users(
      name TEXT PRIMARY KEY, created_at REAL NOT NULL, disabled_at REAL, tokens_not_before REAL NOT NULL DEFAULT 0, expected_email TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE identities(
      issuer TEXT NOT NULL, subject TEXT NOT NULL, user TEXT NOT NULL REFERENCES users(name), email TEXT NOT NULL, created_at REAL NOT NULL,
      PRIMARY KEY(issuer, subject)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE devices(
      id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name), name TEXT NOT NULL, linked_at REAL NOT NULL, last_seen_at REAL NOT NULL,
      revoked_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX devices_by_user ON devices(user, name);
    CREATE TABLE revoked_tokens(id TEXT PRIMARY KEY, user TEXT NOT NULL, at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE invites(
      digest TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name), created_at REAL NOT NULL, expires_at REAL NOT NULL, used_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE codes(
      digest TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name), device TEXT NOT NULL, challenge TEXT NOT NULL, expires_at REAL NOT NULL,
      token_id TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE device_codes(
      digest TEXT PRIMARY KEY, user_code TEXT NOT NULL UNIQUE, device TEXT NOT NULL, expires_at REAL NOT NULL, interval_s REAL NOT NULL,
      last_poll_at REAL, user TEXT REFERENCES users(name), denied INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions(
      digest TEXT PRIMARY KEY, user TEXT NOT NULL DEFAULT '', content TEXT NOT NULL, created_at REAL NOT NULL, last_seen_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE publishers(
      id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, users TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL,
      revoked_at REAL, last_used_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE failures(key TEXT PRIMARY KEY, left REAL NOT NULL, at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE audit(
      id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, action TEXT NOT NULL, user TEXT NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL,
      detail TEXT NOT NULL
    ) STRICT;
    """,
)


class Database:
    """One connection. The methods without `async` are for the thread that owns it: `run` gets them there from an event loop."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="accounts")

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function of this database in its thread, so that no disk stops the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside durable as a whole, or not at all. Raises `StoreUnavailable`."""
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        with _translated(self.path):
            self._connection.execute("COMMIT")

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; return how many rows it changed. Raises `StoreUnavailable`."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query. Raises `StoreUnavailable`."""
        with _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, or None. Raises `StoreUnavailable`."""
        with _translated(self.path):
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def version(self) -> int:
        """Return a number that changes when another connection has committed."""
        found = self.row("PRAGMA data_version")
        return int(found[0]) if found else 0

    def close(self) -> None:
        """Close the file and end its thread; what was asked before is still done."""
        self._thread.submit(self._connection.close)
        self._thread.shutdown()


def open_database(path: Path) -> Database:
    """Open the file, making it (0600) and its tables where they are missing. Raises `StoreUnavailable`."""
    _make_private(path)
    with _translated(path):
        # FULL: a revocation that was confirmed survives a power cut
        connection = connect(path, busy_timeout_s=BUSY_TIMEOUT_S, synchronous="FULL")
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
    database = Database(connection, path)
    try:
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _make_private(path: Path) -> None:
    try:
        if not make_private(path):
            if path.is_symlink() or not path.is_file():
                raise StoreUnavailable(f"{path} is no plain file", "move it away")
            path.chmod(0o600)
    except OSError as exc:
        raise StoreUnavailable(f"cannot open {path} ({exc.strerror})", "check the data folder and its owner") from exc


def _migrate(database: Database) -> None:
    if _schema(database) == len(MIGRATIONS):
        return
    with database.transaction():
        done = _schema(database)  # again: another process may have been faster
        if done > len(MIGRATIONS):
            raise StoreUnavailable(
                f"{database.path} has schema {done}, newer than this program's {len(MIGRATIONS)}", "upgrade analyst"
            )
        for script in MIGRATIONS[done:]:
            for statement in filter(str.strip, script.split(";")):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _schema(database: Database) -> int:
    found = database.row("PRAGMA user_version")
    return int(found[0]) if found else 0


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a caller's mistake: to be seen as such
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"cannot use {path.name} ({exc})", "is the disk full, or the file damaged?") from exc
