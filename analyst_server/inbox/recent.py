"""Which user has which of the newest events: kept in memory, and folded into the file's `by_user` in large sorted steps.

An index by user would make every commit write a page of it for every row, wherever that user's place is: with a million events that is three
quarters of all work. Appended in the order of arrival and indexed later, a thousand rows for one page, the log takes as much however full it is.
The events themselves are durable at once; only this list is made again from them when a file is opened.
"""

import sqlite3

from analyst_server.inbox.log import Seq

__all__ = ["RecentEvents", "fold", "folded_upto", "load_recent", "newest_by_user"]


class RecentEvents:
    """The events after `start` up to `end`, by user. One thread adds, others may look; after a fold there is a new one."""

    __slots__ = ("_by_user", "count", "end", "newest", "start")

    def __init__(self, start: Seq, newest: dict[int, Seq]) -> None:
        self.start = start
        self.end = start
        self.count = 0
        self.newest = newest  # of every user who has any event, recent or not
        self._by_user: dict[int, list[Seq]] = {}

    def add(self, uid: int, seq: Seq) -> None:
        """Add the next event."""
        self._by_user.setdefault(uid, []).append(seq)
        self.newest[uid] = seq
        self.count += 1
        self.end = seq  # last: whoever looks meanwhile asks the file for what is after the end

    def of(self, uid: int, *, after: Seq) -> list[Seq]:
        """Return the events of a user after a number, in order."""
        return [seq for seq in self._by_user.get(uid, ()) if seq > after]


def folded_upto(connection: sqlite3.Connection) -> Seq:
    """Return up to where `by_user` is complete."""
    return Seq(connection.execute("SELECT upto FROM folded").fetchone()[0])


def newest_by_user(connection: sqlite3.Connection) -> dict[int, Seq]:
    """Return the newest event of every user, as far as `by_user` knows; some 5 us for each."""
    rows = connection.execute(
        "SELECT uid, coalesce((SELECT max(seq) FROM by_user WHERE by_user.uid = users.uid), floor) FROM users"
    )
    return {uid: Seq(seq) for uid, seq in rows if seq}


def load_recent(connection: sqlite3.Connection, recent: RecentEvents) -> None:
    """Add what the file has after the end: everything that is not folded at the start, later what other processes have stored."""
    for uid, seq in connection.execute(
        "SELECT uid, seq FROM events WHERE seq > ? ORDER BY seq", (recent.end,)
    ).fetchall():
        recent.add(uid, Seq(seq))


def fold(connection: sqlite3.Connection, newest: Seq) -> Seq:
    """Bring `by_user` up to the newest event, in the caller's transaction; return where it now ends."""
    upto = folded_upto(connection)
    connection.execute("INSERT INTO by_user SELECT uid, seq FROM events WHERE seq > ? ORDER BY uid, seq", (upto,))
    connection.execute("UPDATE folded SET upto = ?", (newest,))
    return newest
