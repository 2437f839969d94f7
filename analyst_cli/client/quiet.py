"""Decide whether a notification may be announced outside of the terminal, and in which words. Pure.

Never for what is read, archived or snoozed already; below the smallest priority never; in quiet hours only what is critical; many at once are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import NamedTuple

from analyst_cli.client.rows import PRIORITIES, Row
from analyst_server.wire.inert import inert_line

__all__ = ["Announcement", "QuietHours", "announcement_of", "may_announce", "summary_of"]

_ONE_BY_ONE = 3  # more than so many within a moment become one announcement
_TITLE_CHARS, _BODY_CHARS = 120, 240  # notification centres cut sooner; a stranger's 10,000 characters stay out


class Announcement(NamedTuple):
    """What a desktop or terminal is asked to show; inert text."""

    title: str
    body: str
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily span of the clock, perhaps over midnight; equal ends mean none."""

    start: time
    end: time

    def include(self, moment: datetime) -> bool:
        """Tell whether a moment, in the zone of the quiet hours, lies within; the end does not."""
        clock = moment.time()
        if self.start == self.end:
            return False
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def may_announce(row: Row, *, min_level: int, quiet: QuietHours | None, now: datetime) -> bool:
    """Tell whether a notification may be announced now."""
    if row.is_read or row.archived or row.level < min_level:
        return False
    if row.snoozed_until is not None and row.snoozed_until > now.timestamp():
        return False
    is_critical = row.level == PRIORITIES.index("critical")
    return is_critical or quiet is None or not quiet.include(now)


def announcement_of(rows: Sequence[Row]) -> list[Announcement]:
    """Return what is shown for notifications that came together: each its own, or one for many."""
    if len(rows) > _ONE_BY_ONE:
        newest = rows[-1]
        is_urgent = any(row.level >= PRIORITIES.index("critical") for row in rows)
        return [Announcement(f"{len(rows)} new notifications", _cut(_name(newest), _BODY_CHARS), is_urgent)]
    return [
        Announcement(
            _cut(("Resolved: " if row.status == "resolved" else "") + _name(row), _TITLE_CHARS),
            _cut(row.preview, _BODY_CHARS),
            row.level >= PRIORITIES.index("critical"),
        )
        for row in rows
    ]


def summary_of(count: int, rows: Sequence[Row]) -> list[Announcement]:
    """Return the one announcement for what came while nobody was connected; none for nothing."""
    if count == 0:
        return []
    if count == 1 and len(rows) == 1:
        return announcement_of(rows)
    body = _cut(_name(rows[-1]), _BODY_CHARS) if rows else ""
    return [Announcement(f"{count} new while you were away", body)]


def _name(row: Row) -> str:
    return row.title if row.title.strip() else row.script or "Notification"


def _cut(words: str, length: int) -> str:
    line = inert_line(words[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"
