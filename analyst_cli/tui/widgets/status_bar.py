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

_LEAST_ACCOUNT = 6  # cells; less says nothing

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
    counts = [f"{status.unread:,} unread".replace(",", "\u202f")]
    if status.selected:
        counts.insert(0, f"{status.selected} selected")
    passed = "" if status.last_received is None else ago(status.last_received, now)
    last = f"last received {passed}" if width >= 90 else f"last {passed}"
    words = " " + cells(link_words(status.link, now))
    for left, right in (
        (words, [*counts, last] if passed else counts),
        (words, counts),
        (f"{words[:2]} {status.link.state}", counts),
    ):
        tail = " · ".join(right) + " "
        if cell_len(left) + cell_len(tail) + 2 <= width:
            break
    else:
        left = words[:2]
    room = width - cell_len(left) - cell_len(tail) - 4
    account = cells(status.account)
    start = f"{left}   {fit(account, min(room, cell_len(account)))}" if room >= _LEAST_ACCOUNT else left
    return fit(fit(start, max(1, width - cell_len(tail))) + tail, width)


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
        inked = len(words) if line.startswith(words) else max(2, line.find("  ", 2))
        return Content.assemble((line[:inked], _INKS[self._status.link.state]), line[inked:])
