"""What is asked of the SQLite log, as functions over a connection. None of them writes."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from analyst_server.errors import CursorLost
from analyst_server.inbox.ledger import DeviceSpan, Trace, delivery_on
from analyst_server.inbox.log import START, Event, Seq, Snapshot, StoredNotification, User
from analyst_server.wire.messages import NotificationState

__all__ = [
    "decode_state",
    "events_after",
    "last_seq",
    "may_read_image",
    "newer_events",
    "referenced_images",
    "snapshot_of",
    "traces_of",
]

decode_state = msgspec.json.Decoder(NotificationState).decode


def last_seq(connection: sqlite3.Connection) -> Seq:
    """Return the highest number ever given, of all users; it never goes back, whatever retention removes."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return Seq(found[0]) if found else START


def newer_events(connection: sqlite3.Connection, after: Seq) -> list[Event]:
    """Return the events of all users after a number, in order."""
    rows = connection.execute(
        "SELECT name, seq, id IS NOT NULL, body FROM events JOIN users USING (uid) WHERE seq > ? ORDER BY seq", (after,)
    )
    return [Event(User(name), Seq(seq), bool(is_notification), body) for name, seq, is_notification, body in rows]


def events_after(connection: sqlite3.Connection, user: User, after: Seq, limit: int) -> Sequence[Event]:
    """Return up to `limit` events of a user. Raises `CursorLost`."""
    with _consistent(connection):
        uid, floor = _user(connection, user)
        if after < 0 or 0 < after < floor:
            raise CursorLost("expired")
        rows = connection.execute(
            "SELECT seq, id IS NOT NULL, body FROM events WHERE uid = ? AND seq > ? ORDER BY seq LIMIT ?",
            (uid, after, limit),
        ).fetchall()
        if not rows and after > _head(connection, uid, floor):
            raise CursorLost("ahead")
    return [Event(user, Seq(seq), bool(is_notification), body) for seq, is_notification, body in rows]


def snapshot_of(connection: sqlite3.Connection, user: User, limit: int) -> Snapshot:
    """Return the latest notifications of a user with their state, oldest first."""
    with _consistent(connection):
        uid, floor = _user(connection, user)
        head = _head(connection, uid, floor)
        rows = connection.execute(
            "SELECT seq, body, state FROM events LEFT JOIN states USING (seq) WHERE uid = ? AND id IS NOT NULL ORDER BY seq DESC LIMIT ?",
            (uid, limit),
        ).fetchall()
    return Snapshot(
        head, tuple(StoredNotification(Seq(seq), body, _state(state)) for seq, body, state in reversed(rows))
    )


def traces_of(connection: sqlite3.Connection, notification_id: str, user: User | None) -> list[Trace]:
    """Return where a notification is, for one user or for all who have it."""
    with _consistent(connection):
        rows = connection.execute(
            "SELECT uid, name, seq, stored_at, state, read_on FROM events JOIN users USING (uid) LEFT JOIN states USING (seq)"
            " WHERE id = ? AND (? IS NULL OR name = ?) ORDER BY seq",
            (notification_id, user, user),
        ).fetchall()
        spans = {row[0]: _spans(connection, row[0]) for row in rows}
    return [
        Trace(
            User(name),
            Seq(seq),
            stored_at,
            _state(state).read,
            tuple(delivery_on(device, span, Seq(seq), read_on=read_on) for device, span in spans[uid].items()),
        )
        for uid, name, seq, stored_at, state, read_on in rows
    ]


def may_read_image(connection: sqlite3.Connection, user: User, name: str) -> bool:
    """Tell whether the user has a notification that refers to the image."""
    found = connection.execute(
        "SELECT 1 FROM events JOIN users USING (uid) WHERE image = ? AND users.name = ? LIMIT 1", (name, user)
    ).fetchone()
    return found is not None


def referenced_images(connection: sqlite3.Connection, names: Collection[str]) -> frozenset[str]:
    """Return those of the names to which any notification refers."""
    asked = "SELECT 1 FROM events WHERE image = ? LIMIT 1"
    return frozenset(name for name in names if connection.execute(asked, (name,)).fetchone() is not None)


@contextmanager
def _consistent(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several questions see the log as of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def _user(connection: sqlite3.Connection, user: User) -> tuple[int, Seq]:
    """Return the number and the floor of a user; one without events has a number that nobody has."""
    found = connection.execute("SELECT uid, floor FROM users WHERE name = ?", (user,)).fetchone()
    return (found[0], Seq(found[1])) if found else (-1, START)


def _head(connection: sqlite3.Connection, uid: int, floor: Seq) -> Seq:
    newest = connection.execute("SELECT max(seq) FROM events WHERE uid = ?", (uid,)).fetchone()[0]
    return floor if newest is None else Seq(newest)


def _state(stored: bytes | None) -> NotificationState:
    return NotificationState() if stored is None else decode_state(stored)


def _spans(connection: sqlite3.Connection, uid: int) -> dict[str, DeviceSpan]:
    rows = connection.execute("SELECT device, after, upto, acknowledged, seen_at FROM devices WHERE uid = ?", (uid,))
    return {
        device: DeviceSpan(Seq(after), Seq(upto), Seq(acked), seen_at) for device, after, upto, acked, seen_at in rows
    }
