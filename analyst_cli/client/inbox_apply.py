"""Bring events of a server into the local inbox: idempotent, in log order, with our unconfirmed marks laid over them.

Called by `Inbox` inside a write transaction.
"""

import json
import sqlite3
from collections.abc import Sequence

import msgspec

from analyst_cli.client import inbox_marks
from analyst_cli.client.rows import PRIORITIES, Applied, unix_seconds
from analyst_server.wire.messages import Cursor, Notification, NotificationState, StateChange

__all__ = ["StaleEpoch", "apply", "cursor_of", "prune", "replace"]

_EARLY_KEPT = 1_000
_UNSEEN = NotificationState()


class StaleEpoch(Exception):
    """Another process has met a newer log since this connection was made: connect again."""


def cursor_of(db: sqlite3.Connection) -> tuple[str, int] | None:
    """Return the stored epoch and seq."""
    found = db.execute("SELECT value FROM meta WHERE name = 'cursor'").fetchone()
    if found is None:
        return None
    epoch, seq = json.loads(found[0])
    return str(epoch), int(seq)


def apply(
    db: sqlite3.Connection, events: Sequence[Notification | StateChange], *, cursor: Cursor | None, now: float
) -> Applied:
    """See `Inbox.apply`."""
    stored = cursor_of(db)
    if cursor is not None and stored is not None and stored[0] != cursor.epoch:
        raise StaleEpoch(cursor.epoch)
    reached = stored[1] if stored is not None and cursor is not None else -1
    new_ids: list[str] = []
    touched: list[str] = []
    covered = inbox_marks.covered(db)
    for event in events:
        if event.seq is not None and event.seq <= reached:
            continue  # another process was faster
        if isinstance(event, Notification):
            if _insert(db, event, now=now):
                new_ids.append(event.id)
        else:
            touched += _change(db, event, covered, now=now)
    if cursor is not None and cursor.seq > reached:
        _store_cursor(db, cursor)
        inbox_marks.settle(db, cursor.seq)
    inbox_marks.lay_over(db, touched + new_ids)
    return Applied(tuple(new_ids), len(touched))


def replace(
    db: sqlite3.Connection, snapshot: Sequence[Notification], *, cursor: Cursor, sent: Cursor | None, now: float
) -> Applied:
    """See `Inbox.replace`."""
    stored = cursor_of(db)
    was_sent = None if sent is None else (sent.epoch, sent.seq)
    if stored is not None and stored != was_sent and stored[0] == cursor.epoch and stored[1] >= cursor.seq:
        return Applied((), 0)
    held = {str(id_) for (id_,) in db.execute("SELECT id FROM notification")}
    db.execute("DELETE FROM notification")
    db.execute("DELETE FROM early_state")
    for notification in snapshot:
        _insert(db, notification, now=now, held=notification.id in held)
    if stored is not None and (stored[0] != cursor.epoch or stored[1] > cursor.seq):
        inbox_marks.unconfirm(db)
    _store_cursor(db, cursor)
    inbox_marks.settle(db, cursor.seq)
    _keep_for_later(db, inbox_marks.covered(db), seq=cursor.seq)
    inbox_marks.lay_over(db, [notification.id for notification in snapshot])
    return Applied(tuple(one.id for one in snapshot if one.id not in held), len(held))


def prune(db: sqlite3.Connection, keep: int) -> int:
    """See `Inbox.prune`."""
    oldest_kept = db.execute("SELECT pos FROM notification ORDER BY pos DESC LIMIT 1 OFFSET ?", (keep - 1,)).fetchone()
    if oldest_kept is None:
        return 0
    return db.execute("DELETE FROM notification WHERE pos < ?", oldest_kept).rowcount


def _insert(db: sqlite3.Connection, notification: Notification, *, now: float, held: bool = False) -> bool:
    if db.execute("SELECT 1 FROM notification WHERE id = ?", (notification.id,)).fetchone():
        return False
    body = msgspec.structs.replace(notification, seq=None, replay=False, snapshot=False, state=None)
    state = notification.state or _UNSEEN
    snoozed_until = unix_seconds(state.snoozed_until, otherwise=now) if state.snoozed_until else None
    repeats = 1 if state.archived else 1 + _take_over(db, notification.key)
    values = (
        notification.id, notification.seq, repeats, state.read, state.archived, state.acknowledged, snoozed_until,
        PRIORITIES.index(notification.priority), unix_seconds(notification.timestamp, otherwise=now), held,
        notification.image_url is not None, notification.chart is not None, notification.status or "", notification.script or "",
        notification.key, "\n".join(notification.tags), notification.title, notification.message, msgspec.json.encode(body),
    )  # fmt: skip
    added = db.execute(
        "INSERT INTO notification (id, seq, repeats, is_read, archived, acknowledged, snoozed_until, level, at, held, has_image,"
        " has_chart, status, script, key, tags, title, message, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        values,
    )
    tags = [(tag, added.lastrowid) for tag in notification.tags]
    db.executemany("INSERT OR IGNORE INTO tag (tag, pos) VALUES (?, ?)", tags)
    _apply_early(db, notification.id)
    return True


def _take_over(db: sqlite3.Connection, key: str | None) -> int:
    """Make the line of this key give way to a newer one, and return how many it stood for; an archived line is closed and stays."""
    if not key:
        return 0
    latest = db.execute(
        "SELECT pos, repeats, archived FROM notification WHERE key = ? AND head = 1 ORDER BY pos DESC LIMIT 1", (key,)
    ).fetchone()
    if latest is None or latest[2]:
        return 0
    db.execute("UPDATE notification SET head = 0 WHERE pos = ?", (latest[0],))
    return int(latest[1])


def _change(db: sqlite3.Connection, change: StateChange, covered: set[str], *, now: float) -> list[str]:
    until = unix_seconds(change.until, otherwise=now) if change.until else None
    known = [id_ for id_ in change.ids if inbox_marks.set_state(db, id_, change.state, until)]
    kept = set(change.ids).difference(known) | covered.intersection(change.ids)
    if kept:
        db.executemany(
            "INSERT OR REPLACE INTO early_state (id, state, until, seq) VALUES (?, ?, ?, ?)",
            [(id_, change.state, until, change.seq) for id_ in kept],
        )
        db.execute(
            "DELETE FROM early_state WHERE seq < (SELECT seq FROM early_state ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (_EARLY_KEPT,),
        )
    return known


def _keep_for_later(db: sqlite3.Connection, ids: set[str], *, seq: int) -> None:
    """Keep what the log says of ids, up to `seq`, while marks lie over it: it may know the marks already, and what came after them."""
    for id_ in ids:
        found = db.execute(
            "SELECT is_read, archived, acknowledged, snoozed_until FROM notification WHERE id = ?", (id_,)
        ).fetchone()
        if found is None:
            continue
        is_read, archived, acknowledged, snoozed_until = found
        states = [("read" if is_read else "unread", None), ("archived" if archived else "unarchived", None)]
        states += [("snoozed", snoozed_until)] + [("acknowledged", None)] * acknowledged
        kept = [(id_, state, until, seq) for state, until in states]
        db.executemany("INSERT OR REPLACE INTO early_state (id, state, until, seq) VALUES (?, ?, ?, ?)", kept)


def _apply_early(db: sqlite3.Connection, id_: str) -> None:
    early = db.execute("SELECT state, until FROM early_state WHERE id = ? ORDER BY seq", (id_,)).fetchall()
    for state, until in early:
        inbox_marks.set_state(db, id_, state, until)
    if early:
        db.execute("DELETE FROM early_state WHERE id = ?", (id_,))


def _store_cursor(db: sqlite3.Connection, cursor: Cursor) -> None:
    db.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('cursor', ?)", (json.dumps([cursor.epoch, cursor.seq]),)
    )
