"""One notification in full: title, when, origin, chart, message, and what else is known."""

from datetime import datetime

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Static

from analyst_cli.client.rows import titled
from analyst_cli.tui.detail_text import alternative_text, facts, origin_line, state_line, when_line
from analyst_cli.tui.text import cells
from analyst_cli.tui.widgets.chart_view import ChartView, Drawable
from analyst_cli.tui.widgets.detail import Shown
from analyst_cli.tui.widgets.message_body import MessageBody

__all__ = ["NotificationView"]


class NotificationView(Vertical):
    """Shows what it is told."""

    def __init__(self) -> None:
        self._title, self._meta = Static(id="title", markup=False), Static(id="meta", markup=False)
        self._chart, self._alternative = ChartView(id="chart"), Static(id="alternative", markup=False)
        self._message, self._facts = MessageBody(id="message"), Static(id="facts", markup=False)
        super().__init__(self._title, self._meta, self._chart, self._alternative, self._message, self._facts)
        self._shown: Shown | None = None

    def show(self, shown: Shown | None, now: datetime) -> None:
        """Show this notification; None: nothing."""
        before, self._shown = self._shown, shown
        self.visible = shown is not None
        if shown is None:
            return
        notification = shown.notification
        self._title.update(Text(titled(cells(notification.title))))
        self._title.set_classes(f"-{shown.row.priority}")
        self.tick(now)
        if before is None or before.picture != shown.picture or before.notification != notification:
            self._chart.show(Drawable(notification.chart, shown.picture, shown.abilities))
            alternative = alternative_text(notification)
            self._alternative.update(Text(alternative))
            self._alternative.display = bool(alternative)
            self._message.show(notification.message)
        self._facts.update(_facts_text(facts(notification, list(shown.earlier), now)))

    def tick(self, now: datetime) -> None:
        """Let the time pass."""
        if self._shown is None:
            return
        lines = [
            when_line(self._shown.row, now),
            state_line(self._shown.row, now),
            origin_line(self._shown.notification),
        ]
        self._meta.update(Text("\n".join(filter(None, lines))))


def _facts_text(pairs: list[tuple[str, str]]) -> Text:
    text = Text()
    width = max(len(name) for name, _ in pairs)
    for number, (name, value) in enumerate(pairs):
        text.append("\n" if number else "")
        text.append(f"{name:>{min(width, 16)}}  ", "bold")
        text.append(value)
    return text
