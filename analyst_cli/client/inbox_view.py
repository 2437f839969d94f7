"""One filtered list of the local inbox, read a page at a time, however long it is.

A page of 128 rows is fetched from its anchor (the `pos` that begins it); a jump walks from the nearest known anchor, or from the tail when that
is nearer. A view shows the inbox as of its last `refresh`, except that rows themselves are read when they are first wanted.
Reading may raise `LocalProblem`, as all reading of the inbox.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from analyst_cli.client.query import COLUMNS, Query, query_of, row_of
from analyst_cli.client.rows import Filter, Row

__all__ = ["PAGE_ROWS", "SEARCH_CAP", "InboxView"]

PAGE_ROWS = 128
SEARCH_CAP = (
    2_000  # matches of a search (or of a tag) that are listed: more would make typing wait, and nobody scrolls that far
)
_PAGES_KEPT = 64


class InboxView:
    """Rows of a filter, newest first; `count` of them, `capped` when a search matched more."""

    def __init__(
        self,
        db: sqlite3.Connection,
        wanted: Filter,
        *,
        now: float,
        translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`translated` turns errors of the database into those of the inbox."""
        self._db = db
        self._translated = translated
        self.filter = wanted
        self.count = 0
        self.capped = False
        self._pages: OrderedDict[int, list[Row]] = OrderedDict()
        self._anchors: dict[int, int] = {}
        self._query: Query = query_of(wanted, now=now)
        self.refresh(now=now)

    def refresh(self, *, now: float) -> None:
        """Forget what was read: the inbox has changed, or a snoozed one may be due."""
        self._query = query_of(self.filter, now=now)
        self._pages.clear()
        self._anchors.clear()
        self.count, self.capped = self._counted(now)

    def row(self, index: int) -> Row | None:
        """Return the row at an index (0 is the newest); None past the end, or where the inbox has shrunk since the last refresh."""
        if not 0 <= index < self.count:
            return None
        page = self._page(index // PAGE_ROWS)
        within = index % PAGE_ROWS
        return page[within] if within < len(page) else None

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows of a range of indexes, as far as they exist."""
        return [row for index in range(max(start, 0), min(stop, self.count)) if (row := self.row(index)) is not None]

    def __iter__(self) -> Iterator[Row]:
        """Yield all rows, newest first."""
        for index in range(self.count):
            if (row := self.row(index)) is not None:
                yield row

    def index_of(self, pos: int) -> int:
        """Return the index at which the notification `pos` stands, or would stand if the filter let it in."""
        source, params, column = self._query
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {source} AND {column} > ? LIMIT ?)"  # noqa: S608 - built of constants
        with self._translated():
            return int(self._db.execute(counted, (*params, pos, self.count)).fetchone()[0])

    def _counted(self, now: float) -> tuple[int, bool]:
        if self.filter.is_plain:
            return plain_count(self._db, unread=self.filter.unread, now=now), False
        source, params, _ = self._query
        if not self.filter.search.strip() and self.filter.tag is None:
            return int(self._db.execute(f"SELECT count(*) FROM {source}", params).fetchone()[0]), False  # noqa: S608
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?)"  # noqa: S608
        matches = int(self._db.execute(counted, (*params, SEARCH_CAP + 1)).fetchone()[0])
        return min(matches, SEARCH_CAP), matches > SEARCH_CAP

    def _page(self, number: int) -> list[Row]:
        page = self._pages.get(number)
        if page is not None:
            self._pages.move_to_end(number)
            return page
        with self._translated():
            fetched = self._fetch(number)
        if fetched:
            self._anchors[number] = fetched[0].pos
        if len(fetched) > PAGE_ROWS:  # the extra row begins the next page
            self._anchors[number + 1] = fetched.pop().pos
        self._pages[number] = fetched
        if len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)
        return fetched

    def _fetch(self, number: int) -> list[Row]:
        source, params, column = self._query
        select = f"SELECT {COLUMNS} FROM {source}"  # noqa: S608 - built of constants; values are parameters
        base = max((known for known in self._anchors if known <= number), default=None)
        if not self.capped and number * PAGE_ROWS > self.count // 2 and (base is None or number - base > 8):
            below = self.count - (number + 1) * PAGE_ROWS - 1  # rows after this page and its extra row
            wanted = PAGE_ROWS + 1 + min(below, 0)
            from_tail = f"{select} ORDER BY {column} ASC LIMIT ? OFFSET ?"
            found = self._db.execute(from_tail, (*params, wanted, max(below, 0))).fetchall()[::-1]
        elif base is None:
            from_top = f"{select} ORDER BY {column} DESC LIMIT ? OFFSET ?"
            found = self._db.execute(from_top, (*params, PAGE_ROWS + 1, number * PAGE_ROWS)).fetchall()
        else:
            from_anchor = f"{select} AND {column} <= ? ORDER BY {column} DESC LIMIT ? OFFSET ?"
            skipped = (number - base) * PAGE_ROWS
            found = self._db.execute(from_anchor, (*params, self._anchors[base], PAGE_ROWS + 1, skipped)).fetchall()
        return [row_of(columns) for columns in found]


def plain_count(db: sqlite3.Connection, *, unread: bool, now: float) -> int:
    """Count the inbox (or its unread ones) without walking it: the tally less what is snoozed now."""
    column = "unread" if unread else "listed"
    narrowed = " AND is_read = 0" if unread else ""
    counted = (
        f"SELECT (SELECT {column} FROM tally) - (SELECT count(*) FROM notification INDEXED BY notification_snoozed"  # noqa: S608
        f" WHERE snoozed_until > ? AND head = 1 AND archived = 0{narrowed})"
    )
    return int(db.execute(counted, (now,)).fetchone()[0])
