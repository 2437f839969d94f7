"""Retention of the SQLite log: where to cut each user's log, and the cutting, a few rows a commit.

Nothing is vacuumed: SQLite gives the pages of removed rows to new ones, so a file in steady use keeps its size.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_server.inbox.log import START, Seq
from analyst_server.inbox.recent import folded_upto
from analyst_server.inbox.retention import Purged, Retention
from analyst_server.inbox.sqlite_write import Transaction

__all__ = ["Cut", "plan_cuts", "remove_devices", "remove_events"]

_ROWS_A_COMMIT = 200  # some 5 ms, as each row is on a page of its own: a dispatch that waits for it does not notice


@dataclass(frozen=True, slots=True)
class Cut:
    """Remove the events of a user up to and with this one."""

    uid: int
    upto: Seq


def plan_cuts(connection: sqlite3.Connection, *, retention: Retention, cutoff: float) -> list[Cut]:
    """Return the cuts that age and number demand, as far as events are folded; empty: nothing must go."""
    upto = folded_upto(connection)
    young = connection.execute("SELECT seq FROM events WHERE stored_at >= ? ORDER BY seq LIMIT 1", (cutoff,)).fetchone()
    too_old = Seq(min(young[0] - 1, upto)) if young else upto
    cuts = {uid: too_old for (uid,) in connection.execute("SELECT DISTINCT uid FROM events WHERE seq <= ?", (too_old,))}
    crowded = connection.execute(
        "SELECT uid FROM by_user GROUP BY uid HAVING count(*) > ?", (retention.max_notifications,)
    ).fetchall()
    for (uid,) in crowded:
        cut = max(
            _surplus(connection, uid, "id IS NOT NULL", retention.max_notifications),
            _surplus(connection, uid, "TRUE", retention.max_events),
        )
        if cut > cuts.get(uid, START):
            cuts[uid] = cut
    return [Cut(uid, upto) for uid, upto in cuts.items()]


def remove_events(transaction: Transaction, *, cuts: Sequence[Cut]) -> tuple[Purged, Sequence[Cut]]:
    """Remove a few rows, oldest first, so that what is left of a log is always whole; return what was removed, and the cuts still to make."""
    connection = transaction.connection
    removed, images = 0, set[str]()
    for done, cut in enumerate(cuts):
        rows = connection.execute(
            "SELECT seq, image FROM by_user JOIN events USING (seq) WHERE by_user.uid = ? AND seq <= ? ORDER BY seq LIMIT ?",
            (cut.uid, cut.upto, _ROWS_A_COMMIT - removed),
        ).fetchall()
        if rows:
            _remove(connection, cut.uid, rows[-1][0])
            removed += len(rows)
            images.update(image for _, image in rows if image)
        if removed == _ROWS_A_COMMIT:
            return Purged(removed, frozenset(images)), cuts[done:]
    return Purged(removed, frozenset(images)), ()


def remove_devices(transaction: Transaction, *, cutoff: float) -> None:
    """Forget devices that were not seen for as long as events are kept."""
    transaction.connection.execute("DELETE FROM devices WHERE seen_at < ?", (cutoff,))


def _surplus(connection: sqlite3.Connection, uid: int, kind: str, kept: int) -> Seq:
    """Return the newest of a user's events of a kind that must go when so many are kept."""
    found = connection.execute(
        f"SELECT seq FROM by_user JOIN events USING (seq) WHERE by_user.uid = ? AND {kind} ORDER BY seq DESC LIMIT 1 OFFSET ?",  # noqa: S608 - a constant
        (uid, kept),
    ).fetchone()
    return Seq(found[0]) if found else START


def _remove(connection: sqlite3.Connection, uid: int, upto: Seq) -> None:
    for table in ("states", "events"):
        connection.execute(
            f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM by_user WHERE uid = ? AND seq <= ?)",  # noqa: S608 - a constant
            (uid, upto),
        )
    connection.execute("DELETE FROM by_user WHERE uid = ? AND seq <= ?", (uid, upto))
    connection.execute("UPDATE users SET floor = ? WHERE uid = ?", (upto, uid))
