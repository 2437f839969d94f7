"""What all keys of the inbox screen act on: the rows that are shown, the message that is shown, and how both are shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from analyst_cli.client.rows import Filter, Row
from analyst_cli.errors import AnalystError
from analyst_cli.tui.filters import chips
from analyst_cli.tui.messages import Said
from analyst_cli.tui.title import set_title
from analyst_cli.tui.widgets.detail import Detail, Shown
from analyst_cli.tui.widgets.filter_bar import FilterBar
from analyst_cli.tui.widgets.notification_list import NotificationList

if TYPE_CHECKING:
    from analyst_cli.tui.app import InboxApp
    from analyst_cli.tui.desk import Listing

__all__ = ["WIDE", "InboxBase"]

WIDE = 100
"""Cells from which list and message stand side by side."""


class InboxBase(Screen[None]):
    """State of the screen, and showing it."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = Filter()
        self.listing: Listing | None = None
        self._due_at: datetime | None = None  # when the next snoozed one comes back

    @property
    def inbox_app(self) -> "InboxApp":
        return cast("InboxApp", self.app)

    @property
    def now(self) -> datetime:
        return self.inbox_app.desk.now()

    @property
    def is_wide(self) -> bool:
        return self.app.size.width >= WIDE

    @property
    def is_reading(self) -> bool:
        return self.query_one(Detail).has_focus

    def narrow(self, wanted: Filter, *, keep: bool = False) -> None:
        """Show the rows of a filter."""
        try:
            with self.inbox_app.desk.reading():  # rows, and where the cursor's one stands among them, are of one moment
                self._list(wanted, keep=keep)
        except AnalystError as error:
            self._due_at = self.now  # looked at again with the next tick
            self.post_message(Said(str(error), is_problem=True))

    def _list(self, wanted: Filter, *, keep: bool) -> None:
        notifications = self.query_one(NotificationList)
        self.listing = self.inbox_app.desk.listing(wanted)
        self._due_at = self.inbox_app.desk.next_snooze_end()
        self.wanted = wanted
        shown_chips = chips(wanted, self.now.replace(tzinfo=None))
        notifications.empty_words = (
            "Nothing matches. Escape shows everything again."
            if shown_chips
            else "Nothing here yet. Alerts arrive by themselves."
        )
        notifications.show(self.listing, self.now, keep=keep)
        self.query_one(FilterBar).show(shown_chips, self.listing.count, capped=self.listing.capped)
        self.show_counts()
        if self.listing.problem:
            self.post_message(Said(self.listing.problem, is_problem=True))

    @property
    def is_due(self) -> bool:
        """Whether a snoozed one has come back since the rows were read."""
        return self._due_at is not None and self._due_at <= self.now

    def show_counts(self) -> None:
        """Show unread count and last arrival."""
        desk = self.inbox_app.desk
        try:
            unread, last, newest = desk.unread_count(), desk.last_received(), desk.newest_unread_title()
        except AnalystError:  # told by whatever reads the rows
            return
        self.inbox_app.change_status(unread=unread, last_received=last, account=desk.account_words)
        self.inbox_app.show_title(set_title(unread, newest))

    def show_detail(self, row: Row) -> None:
        """Show a notification in full; a picture that is not here yet comes when it has been fetched."""
        detail = self.query_one(Detail)
        try:
            shown = self.inbox_app.desk.shown(row)
        except AnalystError:  # it is gone: replaced by a snapshot meanwhile
            detail.show(None, self.now)
            return
        abilities, url = self.inbox_app.abilities, shown.notification.image_url
        is_wanted = abilities is not None and (abilities.images != "half" or shown.notification.chart is None)
        picture = self.inbox_app.desk.picture(url) if url else None
        detail.show(replace(shown, picture=picture, abilities=abilities), self.now)
        if url and is_wanted and picture is None:
            self.run_worker(self._fetch_picture(row, url), group="picture", exclusive=True)

    async def _fetch_picture(self, row: Row, url: str) -> None:
        try:
            picture = await self.inbox_app.desk.fetch_picture(url)
        except AnalystError as error:
            self.post_message(Said(f"the picture cannot be shown: {error.problem}"))
            return
        shown = self.query_one(Detail).shown
        if shown is not None and shown.row.id == row.id:
            self.query_one(Detail).show(replace(shown, picture=picture), self.now)

    def _show_current(self) -> None:
        row = self.query_one(NotificationList).current
        if row is None:
            self.query_one(Detail).show(None, self.now)
        else:
            self.show_detail(row)

    @property
    def targets(self) -> Sequence[str]:
        """The ids that an action is for."""
        shown = self.query_one(Detail).shown
        if self.is_reading and shown is not None:
            return (shown.row.id,)
        return self.query_one(NotificationList).targets

    def current_shown(self) -> Shown | None:
        """Return all of the notification under the cursor; None when there is none, or when it cannot be read, which is told."""
        row = self.query_one(NotificationList).current
        if row is None:
            return None
        try:
            return self.inbox_app.desk.shown(row)
        except AnalystError as error:  # replaced by a snapshot meanwhile, or the store is gone
            self.post_message(Said(str(error), is_problem=True))
            return None

    def rows_of(self, ids: Sequence[str]) -> list[Row]:
        """Return the rows of these ids as far as they can be read."""
        try:
            return self.inbox_app.desk.rows(ids)
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
            return []

    def leave_message(self) -> None:
        """Go from the message to the list."""
        self.remove_class("-reading")
        self.query_one(NotificationList).focus()
