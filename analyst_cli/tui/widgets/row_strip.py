"""One row of the list as a strip of cells. Columns come and go with the width; every mark is a sign as well as a colour."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from analyst_cli.client.rows import Row, titled
from analyst_cli.tui.text import PRIORITY_MARKS, cells, day_title, fit, list_time

__all__ = ["Columns", "Look", "columns_for", "row_strip"]

_TIME_WIDTH = 6


class Columns(NamedTuple):
    """Widths in cells; 0: the column is not shown."""

    day: int
    title: int
    script: int


class Look(NamedTuple):
    """How this row is shown now; together with the row it is everything the strip depends on."""

    is_cursor: bool
    is_selected: bool
    begins_day: bool
    width: int
    minute: int  # the list's clock; changes the strip only within the first hour


def columns_for(width: int) -> Columns:
    """Share the width out: the title gets what is left, and at least half of it."""
    day = 10 if width >= 84 else 6 if width >= 44 else 0
    script = 18 if width >= 100 else 14 if width >= 72 else 0
    rest = width - 1 - (day + 1 if day else 0) - 6 - (script + 1 if script else 0) - 1 - _TIME_WIDTH - 1
    return Columns(day, max(rest, 1), script)


def row_strip(row: Row, look: Look, now: datetime, styles: Mapping[str, Style]) -> Strip:
    """Return the row in exactly `look.width` cells."""
    columns = columns_for(look.width)
    base = styles["cursor" if look.is_cursor else "selected" if look.is_selected else "plain"]

    def style(name: str) -> Style:
        return base if look.is_cursor else base + styles[name]  # one ground, one ink: the cursor is seen from afar

    then = datetime.fromtimestamp(row.at).astimezone()
    title_style = style("resolved") if row.status == "resolved" and row.is_read else base
    if not row.is_read:
        title_style = title_style + Style(bold=True)
    counter = f" ×{row.repeats}" if row.repeats > 1 else ""
    segments = [Segment("▌" if look.is_cursor else " ", style("bar"))]
    if columns.day:
        words = _day(then, now, columns.day) if look.begins_day else ""
        segments.append(Segment(fit(words, columns.day) + " ", style("day")))
    segments += [
        Segment("✓" if look.is_selected else " ", style("bar")),
        Segment(_state_mark(row), style("unread" if not row.is_read else "muted")),
        Segment(PRIORITY_MARKS[row.priority], style(row.priority)),
        Segment(_status_mark(row) + " ", style(row.status or "muted")),
        Segment(fit(titled(cells(row.title)), columns.title - cell_len(counter)), title_style),
        Segment(counter, style("muted")),
    ]
    if columns.script:
        segments.append(Segment(" " + fit(cells(row.script), columns.script), style("muted")))
    segments.append(Segment(" " + list_time(then, now).rjust(_TIME_WIDTH) + " ", style("muted")))
    return Strip(segments).adjust_cell_length(look.width, base)


def _state_mark(row: Row) -> str:
    if not row.is_read:
        return "●"
    if row.acknowledged:
        return "◆"
    return "▫" if row.archived else " "


def _status_mark(row: Row) -> str:
    if row.snoozed_until is not None and row.snoozed_until > row.at:
        return "z"
    return {"firing": "▲", "resolved": "▽"}.get(row.status, " ")


def _day(then: datetime, now: datetime, width: int) -> str:
    days = (now.date() - then.date()).days
    if width >= 10:
        title = day_title(then.date(), now.date())
        if len(title) <= width:
            return title
        return f"{then:%a} {then.day} {then:%b}" if then.year == now.year else f"{then:%d %b %y}"
    if days in {0, 1}:
        return ("Today", "Yest.")[days]
    return f"{then.day} {then:%b}" if then.year == now.year else f"{then:%b %y}"
