"""The schema of the SQLite log, as numbered steps. Append-only: a step that was ever released is never edited.

`PRAGMA user_version` is the number of the last step that a file has. A file of a newer program is refused, never touched.
"""

import secrets
import sqlite3

from analyst_server.errors import ConfigProblem

__all__ = ["MIGRATIONS", "epoch_of", "migrate"]

_APPLICATION_ID = 0x414E4C31  # "ANL1": tells `file` and us that this is a log of ours

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A single number over all users orders every event, so a commit of any process is heard by asking for what is newer.
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given again, even when the newest events are removed
            uid INTEGER NOT NULL REFERENCES users (uid),
            stored_at REAL NOT NULL,  -- Unix time in seconds
            id TEXT,  -- of a notification; NULL: a change of state
            fingerprint BLOB,
            image TEXT,
            body BLOB NOT NULL
        )""",
        # Which events a user has, as far as `folded` says; newer ones are looked up in memory (`recent.py` tells why this is no index).
        "CREATE TABLE by_user (uid INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (uid, seq)) STRICT, WITHOUT ROWID",
        "CREATE TABLE folded (upto INTEGER NOT NULL) STRICT",
        "INSERT INTO folded VALUES (0)",
        # id first: made ids are UUIDv7, so new ones go to one end of the index, and `status ID` needs no user.
        "CREATE UNIQUE INDEX events_by_id ON events (id, uid) WHERE id IS NOT NULL",
        "CREATE INDEX events_by_image ON events (image, uid) WHERE image IS NOT NULL",
        "CREATE TABLE users (uid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, floor INTEGER NOT NULL DEFAULT 0) STRICT",
        # Derived from the events, kept so that a snapshot need not read all of them.
        "CREATE TABLE states (seq INTEGER PRIMARY KEY, state BLOB NOT NULL, read_on TEXT) STRICT",
        """CREATE TABLE devices (
            uid INTEGER NOT NULL REFERENCES users (uid), device TEXT NOT NULL,
            after INTEGER NOT NULL, upto INTEGER NOT NULL, acknowledged INTEGER NOT NULL, seen_at REAL NOT NULL,
            PRIMARY KEY (uid, device)
        ) STRICT, WITHOUT ROWID""",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
)


def migrate(connection: sqlite3.Connection, *, upto: int = len(MIGRATIONS)) -> None:
    """Bring the file to the newest schema; several processes may try at once. Raises `ConfigProblem` for a newer or a foreign file."""
    if _version(connection) == upto and _is_ours(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        _refuse_foreign(connection, version, upto)
        for step in MIGRATIONS[version:upto]:
            for statement in step:
                connection.execute(statement)
        if version == 0:
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(16),))
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {upto}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def epoch_of(connection: sqlite3.Connection) -> str:
    """Return the random id that the file got when it was made."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_ours(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID)


def _refuse_foreign(connection: sqlite3.Connection, version: int, upto: int) -> None:
    if version > upto:
        raise ConfigProblem(
            f"the store {_file_of(connection)} has schema {version}, this program knows up to {upto}",
            "install the newer program again, or name another data folder",
        )
    if not _is_ours(connection) and (version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]):
        raise ConfigProblem(f"{_file_of(connection)} is a database of another program", "name another data folder")


def _file_of(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2])
