"""The frame in which one notification is read: it scrolls, and knows what it shows. What is in it is made when it is needed first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from analyst_cli.client.rows import Row
from analyst_cli.tui.charts.detect import Abilities

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from analyst_cli.tui.widgets.notification_view import NotificationView
    from analyst_server.wire.messages import Notification

__all__ = ["Detail", "Shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the detail shows."""

    row: Row
    notification: "Notification"
    earlier: tuple[Row, ...] = ()  # repeats of the same key
    picture: "Path | None" = None  # None: there is none, or it is not here yet
    abilities: Abilities | None = None  # what the terminal can do for pictures; None: no charts are wanted


class Detail(VerticalScroll, inherit_bindings=False):
    """Shows what it is told; scrolls with the keys of the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,h,left,backspace", "screen.back", "Back", id="detail.back"),
        Binding("down,j", "scroll_down", "Scroll down", show=False, id="detail.down"),
        Binding("up,k", "scroll_up", "Scroll up", show=False, id="detail.up"),
        Binding("pagedown,ctrl+d,ctrl+f,space", "page_down", "A page down", show=False, id="detail.page_down"),
        Binding("pageup,ctrl+u,ctrl+b", "page_up", "A page up", show=False, id="detail.page_up"),
        Binding("home,g", "scroll_home", "Beginning", show=False, id="detail.first"),
        Binding("end,G", "scroll_end", "End", show=False, id="detail.last"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes="-keyed")
        self.shown: Shown | None = None

    def show(self, shown: Shown | None, now: "datetime") -> None:
        """Show this notification; None: nothing is chosen."""
        is_other = shown is None or self.shown is None or shown.row.id != self.shown.row.id
        self.shown = shown
        self._view().show(shown, now)
        if is_other:
            self.scroll_home(animate=False, immediate=True)

    def tick(self, now: "datetime") -> None:
        """Let the time pass."""
        if self.shown is not None:
            self._view().tick(now)

    def _view(self) -> "NotificationView":
        from analyst_cli.tui.widgets.notification_view import NotificationView  # noqa: PLC0415 - the list is on screen before

        found = self.query(NotificationView)
        if found:
            return found.first()
        view = NotificationView()
        self.mount(view)
        return view
