"""One notification in full: title, when, origin, chart, message, and what else is known."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from analyst_cli.client.rows import Row
from analyst_cli.tui.detail_text import alternative_text, facts, origin_line, state_line, when_line
from analyst_cli.tui.text import cells
from analyst_cli.tui.widgets.chart_view import ChartView, Drawable
from analyst_cli.tui.widgets.message_body import MessageBody

if TYPE_CHECKING:
    from pathlib import Path

    from analyst_server.wire.messages import Notification

__all__ = ["Detail", "Shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the detail shows."""

    row: Row
    notification: "Notification"
    earlier: tuple[Row, ...] = ()  # repeats of the same key
    picture: "Path | None" = None  # None: there is none, or it is not here yet


class Detail(VerticalScroll):
    """Shows what it is told; scrolls with the keys of the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll down", show=False, id="detail.down"),
        Binding("up,k", "scroll_up", "Scroll up", show=False, id="detail.up"),
        Binding("pagedown,ctrl+d,ctrl+f,space", "page_down", "A page down", show=False, id="detail.page_down"),
        Binding("pageup,ctrl+u,ctrl+b", "page_up", "A page up", show=False, id="detail.page_up"),
        Binding("home,g", "scroll_home", "Beginning", show=False, id="detail.first"),
        Binding("end,G", "scroll_end", "End", show=False, id="detail.last"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.shown: Shown | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="meta", markup=False)
        yield ChartView(id="chart")
        yield Static(id="alternative", markup=False)
        yield MessageBody(id="message")
        yield Static(id="facts", markup=False)

    def show(self, shown: Shown | None, now: datetime) -> None:
        """Show this notification; None: nothing is chosen."""
        is_other = shown is None or self.shown is None or shown.row.id != self.shown.row.id
        before, self.shown = self.shown, shown
        for child in self.children:
            child.visible = shown is not None
        if shown is None:
            return
        notification = shown.notification
        self.query_one("#title", Static).update(Text(cells(notification.title) or "(no title)"))
        self.query_one("#title").set_classes(f"-{shown.row.priority}")
        self.tick(now)
        if is_other or before is None or before.picture != shown.picture or before.notification != notification:
            self.query_one(ChartView).show(Drawable(notification.chart, shown.picture))
            alternative = alternative_text(notification)
            self.query_one("#alternative", Static).update(Text(alternative))
            self.query_one("#alternative").display = bool(alternative)
            self.query_one(MessageBody).show(notification.message)
        self.query_one("#facts", Static).update(_facts_text(facts(notification, list(shown.earlier), now)))
        if is_other:
            self.scroll_home(animate=False, immediate=True)

    def tick(self, now: datetime) -> None:
        """Let the time pass."""
        if self.shown is None:
            return
        lines = [when_line(self.shown.row, now), state_line(self.shown.row, now), origin_line(self.shown.notification)]
        self.query_one("#meta", Static).update(Text("\n".join(filter(None, lines))))


def _facts_text(pairs: list[tuple[str, str]]) -> Text:
    text = Text()
    width = max(len(name) for name, _ in pairs)
    for number, (name, value) in enumerate(pairs):
        text.append("\n" if number else "")
        text.append(f"{name:>{min(width, 16)}}  ", "bold")
        text.append(value)
    return text
