"""Tables of the local inbox, as numbered steps that are only ever appended to.

`notification.pos` is the order of arrival and the key of every list: it grows, and is never used twice. `head` is 1 for the newest of the
repeats of a `key` (and for everything without one): the rows that a collapsed list shows. `tally` holds the two counts that are shown all the
time, kept by triggers, so that they cost nothing at a million rows; snoozed rows are counted in them and subtracted when read.
"""

import sqlite3
import time

from analyst_cli.errors import LocalProblem

__all__ = ["STEPS", "migrate"]

_FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE notification (
  pos INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  seq INTEGER,                        -- NULL: from a gateway without a log
  head INTEGER NOT NULL DEFAULT 1,    -- newest of its key
  repeats INTEGER NOT NULL DEFAULT 1, -- of a head: how many it stands for
  is_read INTEGER NOT NULL DEFAULT 0,
  archived INTEGER NOT NULL DEFAULT 0,
  acknowledged INTEGER NOT NULL DEFAULT 0,
  snoozed_until REAL,                 -- Unix seconds; NULL: not snoozed
  level INTEGER NOT NULL DEFAULT 1,   -- index in PRIORITIES
  at REAL NOT NULL,                   -- Unix seconds, as the sender says
  held INTEGER NOT NULL DEFAULT 0,    -- was here before a snapshot: not to be announced again
  has_image INTEGER NOT NULL DEFAULT 0,
  has_chart INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT '',
  script TEXT NOT NULL DEFAULT '',
  key TEXT,
  tags TEXT NOT NULL DEFAULT '',      -- joined by newlines
  title TEXT NOT NULL,
  message TEXT NOT NULL,
  body BLOB NOT NULL                  -- the wire notification as JSON, without its delivery members
);
CREATE INDEX notification_listed ON notification (pos, snoozed_until) WHERE head = 1 AND archived = 0;
CREATE INDEX notification_unread ON notification (pos, snoozed_until) WHERE head = 1 AND archived = 0 AND is_read = 0;
CREATE INDEX notification_snoozed ON notification (snoozed_until, is_read) WHERE snoozed_until IS NOT NULL AND head = 1 AND archived = 0;
CREATE INDEX notification_script ON notification (script, head, archived, is_read);
CREATE INDEX notification_key ON notification (key, pos) WHERE key IS NOT NULL;
CREATE INDEX notification_level ON notification (level, head, archived, is_read) WHERE level > 1;
CREATE INDEX notification_at ON notification (at);

CREATE TABLE tag (tag TEXT NOT NULL, pos INTEGER NOT NULL, PRIMARY KEY (tag, pos)) WITHOUT ROWID;
CREATE INDEX tag_pos ON tag (pos);

CREATE VIRTUAL TABLE search USING fts5 (
  title, message, script, content='notification', content_rowid='pos', prefix='2 3', tokenize='unicode61 remove_diacritics 2'
);

CREATE TABLE tally (listed INTEGER NOT NULL, unread INTEGER NOT NULL);
INSERT INTO tally VALUES (0, 0);

CREATE TRIGGER notification_added AFTER INSERT ON notification BEGIN
  INSERT INTO search (rowid, title, message, script) VALUES (new.pos, new.title, new.message, new.script);
  UPDATE tally SET listed = listed + (new.head AND NOT new.archived), unread = unread + (new.head AND NOT new.archived AND NOT new.is_read);
END;
CREATE TRIGGER notification_gone AFTER DELETE ON notification BEGIN
  INSERT INTO search (search, rowid, title, message, script) VALUES ('delete', old.pos, old.title, old.message, old.script);
  DELETE FROM tag WHERE pos = old.pos;
  UPDATE tally SET listed = listed - (old.head AND NOT old.archived), unread = unread - (old.head AND NOT old.archived AND NOT old.is_read);
END;
CREATE TRIGGER notification_changed AFTER UPDATE OF head, archived, is_read ON notification BEGIN
  UPDATE tally SET
    listed = listed - (old.head AND NOT old.archived) + (new.head AND NOT new.archived),
    unread = unread - (old.head AND NOT old.archived AND NOT old.is_read) + (new.head AND NOT new.archived AND NOT new.is_read);
END;

-- Marks made here: shown at once, sent when a connection is there, laid over whatever arrives until the server has confirmed them.
CREATE TABLE pending (
  ref TEXT PRIMARY KEY,
  ids TEXT NOT NULL,      -- JSON list
  state TEXT NOT NULL,
  until REAL,
  before TEXT NOT NULL,   -- JSON: what `undo` restores
  order_made INTEGER NOT NULL,
  stage INTEGER NOT NULL DEFAULT 0,  -- 0 queued, 1 sent, 2 done: kept for a while so that it can be undone
  confirmed_seq INTEGER   -- NULL: no answer yet
) WITHOUT ROWID;

-- State of notifications that are not here yet (R13), or that unconfirmed marks lie over; the newest thousand.
CREATE TABLE early_state (id TEXT NOT NULL, state TEXT NOT NULL, until REAL, seq INTEGER NOT NULL, PRIMARY KEY (id, state)) WITHOUT ROWID;
"""

# Every list is walked in order of `pos` over an index that already knows whether a row belongs to it: a page and a count touch no row in vain.
_FILTERS = """
DROP INDEX notification_script;
DROP INDEX notification_level;
DROP INDEX notification_at;
CREATE INDEX notification_script ON notification (script, pos, head, archived, is_read, snoozed_until, level, at);
CREATE INDEX notification_level ON notification (pos, level, head, archived, is_read, snoozed_until, at) WHERE level > 1;
CREATE INDEX notification_archived ON notification (pos, head, is_read, snoozed_until, level, at) WHERE archived = 1;
CREATE INDEX notification_at ON notification (at, head, archived, is_read, snoozed_until, level);
"""

# Of the programs that share the store, one sends a mark: see `inbox_marks.sending`.
_CLAIMS = """
ALTER TABLE pending ADD COLUMN claimant TEXT;    -- the opened `Inbox` that sends it; NULL: nobody yet
ALTER TABLE pending ADD COLUMN claimed_at REAL;  -- Unix seconds
"""

STEPS = (_FIRST, _FILTERS, _CLAIMS)


def migrate(db: sqlite3.Connection) -> None:
    """Bring the store to the newest schema; a store of a newer program is refused rather than damaged."""
    if _version(db) == len(STEPS):
        return
    _use_wal(db)
    db.execute("BEGIN IMMEDIATE")  # of two processes that start at once, the second finds the work done
    try:
        version = _version(db)
        _refuse_newer(version)
        for number, step in enumerate(STEPS[version:], version + 1):
            for statement in _statements(step):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(version: int) -> None:
    if version > len(STEPS):
        raise LocalProblem(
            f"the local inbox is of a newer analyst (schema {version}, this one knows {len(STEPS)})",
            "upgrade analyst, or set XDG_DATA_HOME to another folder",
        )


def _use_wal(db: sqlite3.Connection) -> None:
    """Ask again while another connection writes: of several that open a new file SQLite refuses all but one at once, whatever the timeout."""
    until = time.monotonic() + db.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if not exc.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit first."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
