"""Search and filters of the inbox screen."""

from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.widgets import Input

from analyst_cli.client.rows import Filter
from analyst_cli.errors import AnalystError
from analyst_cli.tui.filters import chips, read_typed
from analyst_cli.tui.messages import Said
from analyst_cli.tui.screens.choice import Choice, ChoiceScreen
from analyst_cli.tui.screens.inbox_base import InboxBase
from analyst_cli.tui.widgets.bottom_line import BottomLine
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_cli.tui.widgets.search_box import SearchBox
from analyst_cli.tui.widgets.status_bar import StatusBar

__all__ = ["InboxNarrowing"]


class InboxNarrowing(InboxBase):
    """What `/`, `f`, `U`, `C` and the chips do."""

    def __init__(self) -> None:
        super().__init__()
        self._before_search = Filter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let the letters of a search be letters."""
        del parameters
        return not (action in {"search", "filter", "snooze"} and isinstance(self.focused, SearchBox))

    async def action_search(self) -> None:
        self._before_search = self.wanted
        if self.query(SearchBox):
            self.set_focus(self.query_one(SearchBox))
            return
        box = SearchBox(self.wanted.search)
        await self.mount(box, before=self.query_one(StatusBar))
        self.set_focus(box)  # at once: `focus()` would let keys pass before it

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        typed = read_typed(event.value, self.now.replace(tzinfo=None), replace(self._before_search, search=""))
        event.input.set_class(bool(typed.problems), "-problem")
        self.query_one(BottomLine).say(_not_understood(typed.problems))
        if typed.filter != self.wanted:
            self.narrow(typed.filter)

    @on(Input.Submitted, "#search")
    async def _search_kept(self, event: Input.Submitted) -> None:
        typed = read_typed(event.value, self.now.replace(tzinfo=None))
        if typed.problems:
            self.post_message(Said(_not_understood(typed.problems)))
        await self._leave_search()

    @on(SearchBox.Left)
    async def _search_left(self, event: SearchBox.Left) -> None:
        if not event.keep:
            self.narrow(self._before_search, keep=True)
        await self._leave_search()

    async def _leave_search(self) -> None:
        self.query_one(NotificationList).focus()
        await self.query(SearchBox).remove()

    def action_filter(self) -> None:
        self.app.push_screen(ChoiceScreen("Show", self._filters()), self._filter_chosen)

    def _filter_chosen(self, wanted: Filter | None) -> None:
        if wanted is not None:
            self.narrow(wanted)

    def action_unread_only(self) -> None:
        self.narrow(replace(self.wanted, unread=not self.wanted.unread), keep=True)

    def action_collapse(self) -> None:
        self.narrow(replace(self.wanted, collapsed=not self.wanted.collapsed), keep=True)

    def action_drop_chip(self, number: int) -> None:
        """Take one condition off (a click on its chip)."""
        found = chips(self.wanted, self.now.replace(tzinfo=None))
        if number < len(found):
            self.narrow(found[number].without, keep=True)

    def _filters(self) -> list[Choice[Filter]]:
        wanted, now, desk = self.wanted, self.now.replace(tzinfo=None), self.inbox_app.desk
        current = self.query_one(NotificationList).current
        found = [
            Choice("the inbox as it opens", Filter(), "no filter"),
            Choice("unread only", replace(wanted, unread=True), "U"),
            Choice("high and critical", replace(wanted, min_level=2), "priority:high"),
            Choice("critical only", replace(wanted, min_level=3), "priority:critical"),
            Choice("today", read_typed("since:today", now, wanted).filter, "since:today"),
            Choice("the last seven days", read_typed("since:7d", now, wanted).filter, "since:7d"),
            Choice("archived", read_typed("is:archived", now, wanted).filter, "is:archived"),
            Choice("snoozed", read_typed("is:snoozed", now, wanted).filter, "is:snoozed"),
            Choice("all, with archived and snoozed", read_typed("is:all", now, wanted).filter, "is:all"),
            Choice("repeats one by one", replace(wanted, collapsed=False), "C"),
        ]
        if current is not None and current.script:
            found.insert(2, Choice(f"this script: {current.script}", replace(wanted, script=current.script)))
        try:
            found += [Choice(f"script {name}", replace(wanted, script=name)) for name in desk.known_scripts()[:50]]
            found += [Choice(f"tag {name}", replace(wanted, tag=name)) for name in desk.known_tags()[:50]]
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
        return found


def _not_understood(words: Sequence[str]) -> str:
    return f"not understood: {' '.join(words)}" if words else ""
