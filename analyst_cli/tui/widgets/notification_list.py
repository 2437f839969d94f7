"""The list: virtual, one line a notification, as fast with a million rows as with ten.

It is told its rows (`show`), which answer by index; it keeps only the cursor, the selection and the strips it has drawn. Moving the cursor repaints
two lines. A cursor stays on its notification while others arrive above it.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from analyst_cli.client.rows import Row
from analyst_cli.tui.text import fit
from analyst_cli.tui.widgets.row_strip import Look, row_strip

__all__ = ["NotificationList", "Rows"]

_STRIPS_KEPT = 2_000
_LOOKS = (
    "plain",
    "cursor",
    "selected",
    "bar",
    "day",
    "unread",
    "muted",
    "critical",
    "high",
    "normal",
    "low",
    "firing",
    "resolved",
)


class Rows(Protocol):
    """What the list shows; `row` answers within a millisecond or so."""

    @property
    def count(self) -> int:
        """How many rows there are."""
        ...

    def row(self, index: int) -> Row | None:
        """Return the row at an index, 0 is the newest; None past the end."""
        ...

    def index_of(self, pos: int) -> int:
        """Return where a notification stands, or would stand."""
        ...


class NotificationList(ScrollView, can_focus=True, inherit_bindings=False):
    """A list of notifications with a cursor and a selection."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("pagedown,ctrl+d,ctrl+f", "page(1)", "A page down", show=False, id="list.page_down"),
        Binding("pageup,ctrl+u,ctrl+b", "page(-1)", "A page up", show=False, id="list.page_up"),
        Binding("home,g", "first", "Newest", show=False, id="list.first"),
        Binding("end,G", "last", "Oldest", show=False, id="list.last"),
        Binding("enter,l,right", "open", "Open", id="list.open"),
        Binding("space,x", "select", "Select", show=False, id="list.select"),
        Binding("X,shift+down", "select_range", "Select up to here", show=False, id="list.select_range"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"list--{name}" for name in _LOOKS}

    cursor: reactive[int] = reactive(0, repaint=False, init=False)

    class Highlighted(Message):
        """The cursor is on another notification (None: the list is empty); `by_person`: somebody has moved it there."""

        def __init__(self, row: Row | None, *, by_person: bool) -> None:
            super().__init__()
            self.row = row
            self.by_person = by_person

    class Opened(Message):
        """A notification is to be read."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class SelectionChanged(Message):
        """Other notifications are selected."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes="-keyed")
        self.selected: dict[str, int] = {}  # id -> pos, in the order of selection
        self.empty_words = ""
        self._rows: Rows | None = None
        self._now = datetime.fromtimestamp(0).astimezone()
        self._strips: dict[tuple[Row, Look], Strip] = {}
        self._styles: dict[str, Style] = {}
        self._range_from = 0

    # What it is told

    def show(self, rows: Rows, now: datetime, *, keep: bool = True) -> None:
        """Show these rows; with `keep` the cursor stays on its notification and what is on screen does not move, else it goes to the newest."""
        held = self.current if keep and self._rows is not None else None
        self._rows, self._now = rows, now
        self._strips.clear()
        self._measure()
        if held is None:
            self.set_reactive(NotificationList.cursor, 0)
            self.scroll_to(y=0, animate=False, immediate=True)
        else:
            self._keep(held)
        self.refresh()
        self.post_message(self.Highlighted(self.current, by_person=False))

    def updated(self, now: datetime) -> None:
        """Draw again after the rows (the same object) have changed: the cursor stays on its notification."""
        if self._rows is not None:
            self.show(self._rows, now)

    def tick(self, now: datetime) -> None:
        """Let the minutes of fresh rows pass; repaints only the lines whose words change."""
        before, self._now = self._now, now
        if self._rows is None or before.date() != now.date():
            self.refresh()
            return
        top = self.scroll_offset.y
        for index in range(top, min(top + self.size.height, self._rows.count)):
            row = self._rows.row(index)
            if row is not None and now.timestamp() - row.at < 3700:
                self.refresh_line(index)

    @property
    def current(self) -> Row | None:
        """The notification under the cursor."""
        return self._rows.row(self.cursor) if self._rows is not None else None

    @property
    def targets(self) -> Sequence[str]:
        """The ids that an action is for: what is selected, else what the cursor is on."""
        if self.selected:
            return tuple(self.selected)
        return (self.current.id,) if self.current else ()

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selected:
            self.selected.clear()
            self.refresh()
            self.post_message(self.SelectionChanged(0))

    def select_all(self, rows: Sequence[Row]) -> None:
        """Select these."""
        self.selected.update((row.id, row.pos) for row in rows)
        self.refresh()
        self.post_message(self.SelectionChanged(len(self.selected)))

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen (Textual calls it)."""
        index, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        row = self._rows.row(index) if self._rows is not None else None
        if row is None:
            return self._empty_line(y, width)
        look = Look(
            index == self.cursor,
            row.id in self.selected,
            y == 0 or self._begins_day(index, row),
            width,
            self._minute(row),
        )
        strip = self._strips.get((row, look))
        if strip is None:
            if len(self._strips) > _STRIPS_KEPT:
                self._strips.clear()
            strip = self._strips[row, look] = row_strip(row, look, self._now, self._looks())
        return strip

    def notify_style_update(self) -> None:
        """Forget what was drawn in another theme."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def on_resize(self) -> None:
        self._strips.clear()
        self._measure()
        self._reveal()

    def watch_cursor(self, before: int, after: int) -> None:
        self.refresh_line(before)
        self.refresh_line(after)
        self._reveal()
        self.post_message(self.Highlighted(self.current, by_person=True))

    def validate_cursor(self, index: int) -> int:
        return max(0, min(index, (self._rows.count if self._rows else 0) - 1))

    # Keys and mouse

    def action_move(self, lines: int) -> None:
        self.cursor += lines

    def action_page(self, pages: int) -> None:
        self.cursor += pages * max(1, self.size.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self._rows.count if self._rows else 0

    def action_open(self) -> None:
        if self.current:
            self.post_message(self.Opened(self.current))

    def action_select(self) -> None:
        row = self.current
        if row is None:
            return
        if self.selected.pop(row.id, None) is None:
            self.selected[row.id] = row.pos
        self._range_from = self.cursor
        self.refresh_line(self.cursor)
        self.post_message(self.SelectionChanged(len(self.selected)))
        self.cursor += 1

    def action_select_range(self) -> None:
        if self._rows is None or not self._rows.count:
            return
        first, last = sorted((min(self._range_from, self._rows.count - 1), self.cursor))
        self.select_all([row for index in range(first, last + 1) if (row := self._rows.row(index))])

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if self._rows is None or index >= self._rows.count:
            return
        again = index == self.cursor and event.chain > 1
        if event.ctrl or event.meta:
            self.cursor = index
            self.action_select()
            return
        self.cursor = index
        if again:
            self.action_open()

    # Private

    def _measure(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self._rows.count if self._rows else 0)

    def _keep(self, held: Row) -> None:
        assert self._rows is not None  # noqa: S101 - `show` has set it
        index = self._rows.index_of(held.pos)
        moved = index - self.cursor
        self.set_reactive(NotificationList.cursor, self.validate_cursor(index))
        at_top = self.scroll_offset.y == 0
        if moved and not (at_top and index < self.size.height):
            self.scroll_to(y=max(0, self.scroll_offset.y + moved), animate=False, immediate=True)
        self._reveal()

    def _reveal(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def _minute(self, row: Row) -> int:
        """Return what the words for the row's time depend on: minutes within the hour, else the day."""
        seconds = self._now.timestamp() - row.at
        return int(seconds // 60) if 0 <= seconds < 3600 else -self._now.toordinal()

    def _begins_day(self, index: int, row: Row) -> bool:
        above = self._rows.row(index - 1) if index and self._rows is not None else None
        return above is None or _day(above) != _day(row)

    def _empty_line(self, y: int, width: int) -> Strip:
        style = self.rich_style
        if self._rows is None or self._rows.count or y != 1:
            return Strip.blank(max(width, 0), style)
        return Strip([Segment(fit(f"  {self.empty_words}", width), style)], max(width, 0))

    def _looks(self) -> dict[str, Style]:
        if not self._styles:
            own = {name: self.get_component_rich_style(f"list--{name}") for name in _LOOKS}
            # colour and attributes alone, so that they can be laid over the row's ground
            inks = {name: Style(color=style.color, bold=style.bold, dim=style.dim) for name, style in own.items()}
            self._styles = inks | {"cursor": own["cursor"], "selected": own["selected"], "plain": self.rich_style}
        return self._styles


def _day(row: Row) -> date:
    return datetime.fromtimestamp(row.at).astimezone().date()
