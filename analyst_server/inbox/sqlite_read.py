"""What is asked of the SQLite log, as functions over a connection. None of them writes."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from msgspec import json

from analyst_server.errors import CursorLost
from analyst_server.inbox.ledger import DeviceSpan, Trace, delivery_on
from analyst_server.inbox.log import START, Event, Seq, Snapshot, StoredNotification, User
from analyst_server.inbox.recent import RecentEvents, folded_upto
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

decode_state = json.Decoder(NotificationState).decode


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


def events_after(
    connection: sqlite3.Connection, recent: RecentEvents, user: User, after: Seq, limit: int
) -> Sequence[Event]:
    """Return up to `limit` events of a user. Raises `CursorLost`."""
    with _consistent(connection):
        uid, floor = _user(connection, user)
        if after < 0 or 0 < after < floor:
            raise CursorLost("expired")
        rows = connection.execute(
            "SELECT seq, id IS NOT NULL, body FROM by_user JOIN events USING (seq) WHERE by_user.uid = ? AND seq > ? ORDER BY seq LIMIT ?",
            (uid, after, limit),
        ).fetchall()
        if len(rows) < limit:
            newer = _recent_of(connection, recent, uid, after)[: limit - len(rows)]
            rows += connection.execute(
                "SELECT seq, events.id IS NOT NULL, body FROM json_each(?) CROSS JOIN events ON seq = value ORDER BY seq",
                (json.encode(newer).decode(),),
            ).fetchall() if newer else []  # fmt: skip
        if not rows and after > _head(connection, recent, uid, floor):
            raise CursorLost("ahead")
    return [Event(user, Seq(seq), bool(is_notification), body) for seq, is_notification, body in rows]


def snapshot_of(connection: sqlite3.Connection, recent: RecentEvents, user: User, limit: int) -> Snapshot:
    """Return the latest notifications of a user with their state, oldest first."""
    latest: list[StoredNotification] = []
    with _consistent(connection):
        uid, floor = _user(connection, user)
        head = _head(connection, recent, uid, floor)
        for seq in _newest_first(connection, recent, uid):
            if len(latest) == limit:
                break
            body, state = connection.execute(
                "SELECT iif(id IS NULL, NULL, body), state FROM events LEFT JOIN states USING (seq) WHERE seq = ?",
                (seq,),
            ).fetchone()
            if body is not None:
                latest.append(StoredNotification(seq, body, _state(state)))
    return Snapshot(head, tuple(reversed(latest)))


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


def _recent_of(connection: sqlite3.Connection, recent: RecentEvents, uid: int, after: Seq) -> list[Seq]:
    """Return the events of a user that are not in `by_user`, as of this transaction.

    `recent` was taken before the transaction began, so it begins early enough; it may go on while we look, and it may end too early.
    """
    after = max(after, folded_upto(connection))
    newest = last_seq(connection)
    end = recent.end
    seqs = [seq for seq in recent.of(uid, after=after) if seq <= min(end, newest)]
    if newest > end:  # of other processes, from the last moment
        rows = connection.execute(
            "SELECT seq FROM events WHERE seq > ? AND uid = ? ORDER BY seq", (max(after, end), uid)
        )
        seqs += [Seq(seq) for (seq,) in rows]
    return seqs


def _newest_first(connection: sqlite3.Connection, recent: RecentEvents, uid: int) -> Iterator[Seq]:
    yield from reversed(_recent_of(connection, recent, uid, START))
    for (seq,) in connection.execute("SELECT seq FROM by_user WHERE uid = ? ORDER BY seq DESC", (uid,)):
        yield Seq(seq)


def _head(connection: sqlite3.Connection, recent: RecentEvents, uid: int, floor: Seq) -> Seq:
    return next(_newest_first(connection, recent, uid), floor)


def _state(stored: bytes | None) -> NotificationState:
    return NotificationState() if stored is None else decode_state(stored)


def _spans(connection: sqlite3.Connection, uid: int) -> dict[str, DeviceSpan]:
    rows = connection.execute("SELECT device, after, upto, acknowledged, seen_at FROM devices WHERE uid = ?", (uid,))
    return {
        device: DeviceSpan(Seq(after), Seq(upto), Seq(acked), seen_at) for device, after, upto, acked, seen_at in rows
    }
