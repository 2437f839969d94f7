"""The inbox: list and message, side by side where there is room, else one after the other.

It puts the parts together and says what keys do; what is done to notifications is in `inbox_actions`, how the list is narrowed in `inbox_narrowing`.
"""

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from analyst_cli.client.rows import Filter
from analyst_cli.tui.keys import HELP
from analyst_cli.tui.messages import Said, StoreChanged
from analyst_cli.tui.screens.inbox_actions import InboxActions
from analyst_cli.tui.screens.inbox_base import WIDE
from analyst_cli.tui.widgets.bottom_line import BottomLine
from analyst_cli.tui.widgets.detail import Detail
from analyst_cli.tui.widgets.filter_bar import FilterBar
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_cli.tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from textual.timer import Timer

__all__ = ["InboxScreen"]

_DETAIL_DELAY_S = 0.05  # a key that is held down passes over messages without laying them out


class InboxScreen(InboxActions):
    """List, message, search, status."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's instance variable
    BINDINGS: ClassVar[list[BindingType]] = [
        HELP,
        Binding("r", "toggle_read", "Read", tooltip="Mark read, or unread", id="inbox.read"),
        Binding("a,e", "archive", "Archive", tooltip="Archive, or take back out of the archive", id="inbox.archive"),
        # What asks for words has priority: its key is handled before the next one is given to a widget, so that words typed ahead
        # go into the question and do not archive notifications.
        Binding("z", "snooze", "Snooze", tooltip="Put aside until later", priority=True, id="inbox.snooze"),
        Binding("slash", "search", "Search", key_display="/", priority=True, id="inbox.search"),
        Binding("f", "filter", "Filter", priority=True, id="inbox.filter"),
        Binding("i", "investigate", "Investigate", tooltip="Start the coding agent on it", id="inbox.investigate"),
        Binding("R", "run_again", "Run again", show=False, tooltip="Run its script again", id="inbox.run_again"),
        Binding(
            "H", "script_history", "History", show=False, tooltip="Its script: runs, explanation", id="inbox.script"
        ),
        Binding("u", "undo", "Undo", show=False, tooltip="Take the last change back", id="inbox.undo"),
        Binding("A", "acknowledge", "Acknowledge", show=False, id="inbox.acknowledge"),
        Binding("U", "unread_only", "Unread only", show=False, id="inbox.unread_only"),
        Binding("C", "collapse", "Repeats", show=False, tooltip="Collapse or show repeats", id="inbox.collapse"),
        Binding("n", "next_unread(1)", "Next unread", show=False, id="inbox.next_unread"),
        Binding("N,p", "next_unread(-1)", "Previous unread", show=False, id="inbox.previous_unread"),
        Binding("J,ctrl+n", "neighbour(1)", "Next notification", show=False, id="inbox.next"),
        Binding("K", "neighbour(-1)", "Previous notification", show=False, id="inbox.previous"),
        Binding("asterisk,ctrl+a", "select_all", "Select all", show=False, key_display="*", id="inbox.select_all"),
        Binding(
            "o", "open_outside", "Open link", show=False, tooltip="Open the link or picture outside", id="inbox.open"
        ),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy id, message or a block to share", id="inbox.copy"),
        Binding("escape,h,left,backspace", "back", "Back", show=False, id="inbox.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._detail_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield FilterBar(id="filters")
        with Horizontal(id="panes"):
            yield NotificationList(id="list")
            yield Detail(id="detail")
        yield StatusBar(self.inbox_app.status, self.now)
        yield BottomLine()

    def on_mount(self) -> None:
        self.narrow(self.wanted)
        self.query_one(NotificationList).focus()

    # What it is told

    @on(StoreChanged)
    def store_changed(self) -> None:
        """Read the rows again; the cursor stays on its notification."""
        self.narrow(self.wanted, keep=True)
        shown = self.query_one(Detail).shown
        if shown is not None:
            self.show_detail(shown.row)

    def begin_again(self) -> None:
        """Show the inbox of another account from its beginning: nothing of the one before is meant any more."""
        self.forget_changes()
        self.query_one(NotificationList).clear_selection()
        self.query_one(Detail).show(None, self.now)
        self.leave_message()
        self.narrow(Filter())

    def tick(self) -> None:
        """Let the time pass; what was snoozed until now comes back."""
        if self.is_due:
            self.narrow(self.wanted, keep=True)
        self.query_one(NotificationList).tick(self.now)
        self.query_one(Detail).tick(self.now)
        self.show_counts()

    @on(NotificationList.Highlighted)
    def highlighted(self, event: NotificationList.Highlighted) -> None:
        if not self.is_wide or (self.is_reading and not event.by_person):
            return
        if self._detail_timer is not None:
            self._detail_timer.stop()
        self._detail_timer = self.set_timer(_DETAIL_DELAY_S, self._show_current)

    @on(NotificationList.Opened)
    def opened(self, event: NotificationList.Opened) -> None:
        self.set_class(True, "-reading")
        self.show_detail(event.row)
        self.query_one(Detail).focus()
        self.opened_row(event.row)

    @on(NotificationList.SelectionChanged)
    def selection_changed(self, event: NotificationList.SelectionChanged) -> None:
        self.inbox_app.change_status(selected=event.count)

    def on_resize(self) -> None:
        if self.is_wide and self.query_one(Detail).shown is None:
            self._show_current()

    # Ways around

    def action_back(self) -> None:
        """One step back: from the message to the list, then the selection, then the filter."""
        notifications = self.query_one(NotificationList)
        if self.is_reading or self.has_class("-reading"):
            self.leave_message()
        elif notifications.selected:
            notifications.clear_selection()
        elif self.wanted != Filter():
            self.narrow(Filter(), keep=True)

    def action_neighbour(self, step: int) -> None:
        """Go to the next or previous notification, also while reading."""
        notifications = self.query_one(NotificationList)
        before = notifications.cursor
        notifications.cursor += step
        if notifications.cursor != before and self.is_reading and notifications.current:
            self.show_detail(notifications.current)
            self.opened_row(notifications.current)

    def action_next_unread(self, step: int) -> None:
        """Go to the next unread one below (or above)."""
        notifications = self.query_one(NotificationList)
        index = notifications.cursor + step
        while self.listing is not None and (row := self.listing.row(index)) is not None:
            if not row.is_read:
                self.action_neighbour(index - notifications.cursor)
                return
            index += step
        self.post_message(Said("no unread notification " + ("below" if step > 0 else "above")))
