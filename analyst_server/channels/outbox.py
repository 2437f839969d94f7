"""What is still to be delivered, in a SQLite file of its own (`channels.db`, 0600): it survives restarts and holds up neither the gateway nor another
channel. Blocking; the channels call it from a thread.

Order      Deliveries to one address go out in the order in which they came; a later one waits for an earlier one.
Bound      At most `MAX_BACKLOG` wait for an address. Beyond it the oldest are left out, and a notice with their number takes their place.
Restart    A delivery that was under way counts as not tried; what is confirmed is not repeated. Parts that went are not sent again.
Following  `follow` stores new deliveries and the position in the inbox log in one transaction, so nothing is missed or doubled between the two.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_server.channels.base import Item, Receipt, Undelivered
from analyst_server.side_file import SideFile

__all__ = ["MAX_BACKLOG", "Cursor", "Head", "Outbox", "Pressed"]

MAX_BACKLOG = 1_000
KEPT_DONE_S = 30 * 86_400.0  # finished deliveries are kept for buttons and for `analyst telegram status`

_MIGRATIONS = (
    """
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, address TEXT NOT NULL, user TEXT NOT NULL, notification TEXT NOT NULL,
        notification_id TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', queued_at REAL NOT NULL, next_at REAL NOT NULL, done_at REAL,
        tries INTEGER NOT NULL DEFAULT 0, parts_done INTEGER NOT NULL DEFAULT 0, without_image INTEGER NOT NULL DEFAULT 0,
        plain INTEGER NOT NULL DEFAULT 0, message_id TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '');
    CREATE INDEX waiting ON deliveries (channel, address, id) WHERE state = 'queued';
    CREATE INDEX done ON deliveries (done_at) WHERE done_at IS NOT NULL;
    CREATE TABLE cursors (channel TEXT, user TEXT, epoch TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (channel, user));
    CREATE TABLE pressed (delivery INTEGER, action TEXT, at REAL NOT NULL, PRIMARY KEY (delivery, action));
    CREATE TABLE codes (code TEXT PRIMARY KEY, chat INTEGER NOT NULL, person INTEGER NOT NULL, expires_at REAL NOT NULL);
    CREATE TABLE people (chat INTEGER PRIMARY KEY, person INTEGER NOT NULL);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
""",
)
_SHOWN = ("user", "address", "notification_id", "state", "queued_at", "done_at", "tries", "note")
_ITEM = "id, channel, address, user, notification, queued_at, tries, parts_done, without_image, plain"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the log of a user has been followed."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """The delivery whose turn it is at an address, and when it may be tried (unix seconds)."""

    id: int
    address: str
    next_at: float


@dataclass(frozen=True, slots=True)
class Pressed:
    """The delivery whose button was pressed; `first` when this action has not been done before."""

    address: str
    user: str
    notification: dict[str, Any]
    first: bool


class Outbox:
    """See the module. Raises `StoreUnavailable`, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._file = SideFile(path, "the outbox", _MIGRATIONS, synchronous="FULL")

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def cursor(self, channel: str, user: str) -> Cursor | None:
        """Return how far the user's log has been followed for this channel; None: never."""
        row = self._row("SELECT epoch, seq FROM cursors WHERE channel = ? AND user = ?", channel, user)
        return Cursor(*row) if row else None

    def follow(
        self,
        channel: str,
        user: str,
        cursor: Cursor,
        notifications: Sequence[dict[str, Any]],
        addresses: Collection[str],
        *,
        now: float,
    ) -> None:
        """Queue notifications for all addresses of the user, and remember the position behind them."""
        with self._file.transaction() as db:
            for address in addresses:
                for notification in notifications:
                    _queue(db, (channel, address, user), notification, now)
                _bound(db, channel, address)
            db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?)", (channel, user, cursor.epoch, cursor.seq))

    def queue(self, channel: str, address: str, user: str, notification: dict[str, Any], *, now: float) -> None:
        """Queue one notification that is not of the log."""
        with self._file.transaction() as db:
            _queue(db, (channel, address, user), notification, now)

    def forget_user(self, channel: str, user: str) -> None:
        """Drop what waits for a user who has left the channel, and the position: coming back begins anew."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE deliveries SET state = 'dropped', note = 'unlinked', done_at = queued_at WHERE channel = ? AND user = ? AND state = 'queued'",
                (channel, user),
            )
            db.execute("DELETE FROM cursors WHERE channel = ? AND user = ?", (channel, user))

    def move_address(self, channel: str, old: str, new: str, *, user: str) -> None:
        """Give what waits for one address of a user to another."""
        with self._file.transaction() as db:
            db.execute("UPDATE deliveries SET address = ? WHERE channel = ? AND address = ? AND user = ? AND state = 'queued'",
                       (new, channel, old, user))  # fmt: skip

    def heads(self, channel: str) -> list[Head]:
        """Return the first waiting delivery of every address, those first that may be tried first."""
        rows = self._rows(
            "SELECT id, address, next_at FROM deliveries WHERE id IN "
            "(SELECT min(id) FROM deliveries WHERE channel = ? AND state = 'queued' GROUP BY address) ORDER BY next_at, id",
            channel,
        )
        return [Head(*row) for row in rows]

    def item(self, head: Head) -> Item | None:
        """Return the delivery as it is now; None when it does not wait any more, or has to wait for longer than the head says."""
        waiting = "FROM deliveries WHERE id = ? AND address = ? AND next_at <= ? AND state = 'queued'"
        row = self._row(f"SELECT {_ITEM} {waiting}", head.id, head.address, head.next_at)
        return _item(row) if row else None

    def progress(self, item: Item, progress: Undelivered) -> None:
        """Remember how far a delivery of several parts has come."""
        with self._file.transaction() as db:
            db.execute("UPDATE deliveries SET parts_done = ?, without_image = ?, plain = ? WHERE id = ?",
                       (progress.parts_done, progress.without_image, progress.plain, item.id))  # fmt: skip

    def sent(self, item: Item, receipt: Receipt, *, now: float) -> None:
        """Say that it is delivered."""
        with self._file.transaction() as db:
            db.execute("UPDATE deliveries SET state = 'sent', done_at = ?, tries = tries + 1, message_id = ?, note = ? WHERE id = ?",
                       (now, receipt.message_id, receipt.note, item.id))  # fmt: skip
            db.execute("DELETE FROM deliveries WHERE done_at < ?", (now - KEPT_DONE_S,))

    def again(self, item: Item, *, at: float, reason: str, counts: bool = True) -> None:
        """Say that it failed and is to be tried again at a time; a wait that we were told counts as no try."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE deliveries SET next_at = ?, tries = tries + ?, note = ? WHERE id = ?",
                (at, int(counts), reason, item.id),
            )

    def gave_up(self, item: Item, *, state: str, reason: str, now: float) -> None:
        """Say that it is over: `failed` or `unconfirmed`."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, done_at = ?, tries = tries + 1, note = ? WHERE id = ?",
                (state, now, reason, item.id),
            )

    def leave_out(self, item: Item, *, older_than: float, now: float) -> None:
        """Leave out what has waited at the item's address since before a time: a notice of how many takes its place."""
        with self._file.transaction() as db:
            too_old = db.execute(
                "SELECT id, notification FROM deliveries WHERE channel = ? AND address = ? AND state = 'queued' AND queued_at < ? ORDER BY id",
                (item.channel, item.address, older_than),
            ).fetchall()
            _replace_by_notice(db, too_old, "it waited for too long")
            db.executemany("UPDATE deliveries SET queued_at = ?, next_at = ? WHERE id = ?",
                           [(now, now, each) for each, _ in too_old[:1]])  # fmt: skip

    def pressed(self, delivery: int, action: str, *, user: str, address: str) -> Pressed | None:
        """Return what a button is about and whether it has acted; None when the user has no such delivery at this address."""
        found = "SELECT notification FROM deliveries WHERE id = ? AND user = ? AND address = ?"
        row = self._row(found, delivery, user, address)
        if row is None:
            return None
        has_acted = self._row("SELECT 1 FROM pressed WHERE delivery = ? AND action = ?", delivery, action)
        return Pressed(address, user, json.loads(row[0]), first=has_acted is None)

    def note_pressed(self, delivery: int, action: str, *, now: float) -> None:
        """Note that a button has acted, so that it does not again."""
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO pressed VALUES (?, ?, ?)", (delivery, action, now))

    def counts(self, channel: str) -> dict[str, int]:
        """Return how many deliveries are in each state."""
        return dict(self._rows("SELECT state, count(*) FROM deliveries WHERE channel = ? GROUP BY state", channel))

    def latest(self, channel: str, *, limit: int) -> list[dict[str, Any]]:
        """Return the latest deliveries for operators, newest first."""
        rows = self._rows(
            f"SELECT {', '.join(_SHOWN)} FROM deliveries WHERE channel = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - columns of our own
            channel,
            limit,
        )
        return [dict(zip(_SHOWN, row, strict=True)) for row in rows]

    def fact(self, name: str) -> str:
        """Return a remembered fact; empty when there is none."""
        row = self._row("SELECT value FROM facts WHERE name = ?", name)
        return str(row[0]) if row else ""

    def set_fact(self, name: str, value: str) -> None:
        """Remember a fact."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def change(self, change: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run a change of a table that belongs to one channel alone, as one transaction."""
        with self._file.transaction() as db:
            return change(db)

    def _row(self, sql: str, *values: Any) -> Any:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with self._file.transaction() as db:
            return db.execute(sql, values).fetchall()


def _queue(db: sqlite3.Connection, whom: tuple[str, str, str], notification: dict[str, Any], now: float) -> None:
    db.execute(
        "INSERT INTO deliveries (channel, address, user, notification, notification_id, queued_at, next_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*whom, json.dumps(notification), str(notification.get("id", "")), now, now),
    )


def _bound(db: sqlite3.Connection, channel: str, address: str) -> None:
    """Leave out the oldest beyond the bound: the first of them becomes the notice of how many."""
    waiting = db.execute(
        "SELECT id, notification FROM deliveries WHERE channel = ? AND address = ? AND state = 'queued' ORDER BY id",
        (channel, address),
    ).fetchall()
    if len(waiting) > MAX_BACKLOG:
        _replace_by_notice(db, waiting[: len(waiting) - MAX_BACKLOG + 1], "the backlog was full")


def _replace_by_notice(db: sqlite3.Connection, rows: Sequence[tuple[int, str]], why: str) -> None:
    """Leave out deliveries (id, notification): the first of them becomes the notice of how many alerts that are."""
    if not rows:
        return
    dropped = sum(json.loads(notification).get("dropped", 1) for _, notification in rows)
    db.executemany(
        "UPDATE deliveries SET state = 'dropped', note = ?, done_at = queued_at WHERE id = ?",
        [(why, each) for each, _ in rows[1:]],
    )
    db.execute(
        "UPDATE deliveries SET notification = ?, notification_id = '', parts_done = 0, tries = 0 WHERE id = ?",
        (json.dumps({"dropped": dropped}), rows[0][0]),
    )


def _item(row: Sequence[Any]) -> Item:
    number, channel, address, user, notification, queued_at, tries, parts_done, without_image, plain = row
    progress = Undelivered(parts_done, bool(without_image), bool(plain))
    return Item(number, channel, address, user, json.loads(notification), queued_at, tries, progress)
