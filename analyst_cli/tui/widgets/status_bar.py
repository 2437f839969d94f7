"""The bottom line that is always there: the connection, whose inbox it is, how much is unread, when the last one came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from analyst_cli.tui.text import ago, cells, fit

__all__ = ["Link", "Status", "StatusBar", "link_words", "status_line"]

_INKS = {
    "connecting": "$warning",
    "live": "$success",
    "waiting": "$warning",
    "offline": "$error",
    "stopped": "$error bold",
}

LinkState = Literal["connecting", "live", "waiting", "offline", "stopped"]


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the server as the person should know it."""

    state: LinkState
    since: datetime
    retry_at: datetime | None = None  # with "waiting"
    reason: str = ""  # with "stopped" and "offline": why, in words


@dataclass(frozen=True, slots=True)
class Status:
    """What the bar shows."""

    link: Link
    account: str = ""
    unread: int = 0
    last_received: datetime | None = None
    selected: int = 0
    said: str = ""  # what has just happened; shown in place of the account


def link_words(link: Link, now: datetime) -> str:
    """Return the connection as a sign and words."""
    match link.state:
        case "live":
            return "● live"
        case "connecting":
            return "◐ connecting"
        case "waiting":
            seconds = max(0, round((link.retry_at - now).total_seconds())) if link.retry_at else 0
            return f"◐ reconnecting in {seconds} s" if seconds else "◐ reconnecting"
        case "stopped":
            return f"○ {link.reason}"
        case _:
            clock = f"{link.since:%H:%M}" if link.since.date() == now.date() else f"{link.since:%a %H:%M}"
            return f"○ offline since {clock}" + (f": {link.reason}" if link.reason else "")


def status_line(status: Status, now: datetime, width: int) -> str:
    """Return the bar in exactly `width` cells: what matters most stays longest when it gets narrow."""
    left = " " + cells(link_words(status.link, now))
    right = [f"{status.unread:,} unread".replace(",", "\u202f")]
    if status.selected:
        right.insert(0, f"{status.selected} selected")
    if status.last_received and width >= 90:
        right.append(f"last received {ago(status.last_received, now)}")
    tail = " · ".join(right) + " "
    middle = cells(status.said or status.account)
    room = width - cell_len(left) - cell_len(tail) - 4
    if status.said and room < cell_len(middle):  # what has just happened is told rather than the connection
        left, room = left[:3], width - 3 - cell_len(tail) - 4
    middle = fit(middle, max(0, min(room, cell_len(middle))))
    gap = max(1, width - cell_len(left) - cell_len(middle) - cell_len(tail) - 3)
    return fit(f"{left}   {middle}{' ' * gap}{tail}", width)


class StatusBar(Widget):
    """Draws a `Status`."""

    DEFAULT_CSS = "StatusBar { height: 1; background: $panel; color: $foreground; }"

    def __init__(self, status: Status, now: datetime) -> None:
        super().__init__()
        self._status, self._now = status, now

    def show(self, status: Status, now: datetime) -> None:
        """Show this; draw only if it is another line."""
        width = self.size.width
        is_same = status_line(status, now, width) == status_line(self._status, self._now, width)
        self._status, self._now = status, now
        if not is_same:
            self.refresh()

    def render(self) -> Content:
        line = status_line(self._status, self._now, self.size.width)
        words = " " + cells(link_words(self._status.link, self._now))
        inked = len(words) if line.startswith(words) else 2  # the sign alone, where something was said instead
        return Content.assemble((line[:inked], _INKS[self._status.link.state]), line[inked:])
