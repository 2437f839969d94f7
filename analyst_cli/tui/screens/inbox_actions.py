"""What keys do to notifications: mark, snooze, undo, copy, open. Changes happen in workers and are told when they have happened."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from analyst_cli.client.rows import Row
from analyst_cli.client.when import NotATime, parse_when, presets
from analyst_cli.errors import AnalystError
from analyst_cli.tui.messages import Said
from analyst_cli.tui.outside import copy_in_tmux, open_outside
from analyst_cli.tui.screens.choice import Choice, ChoiceScreen
from analyst_cli.tui.screens.inbox_narrowing import InboxNarrowing
from analyst_cli.tui.text import count_of, until
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_server.wire.inert import inert_text

__all__ = ["InboxActions"]

_MOST_SELECTED = 5_000  # ten marks' worth; more at once is a mistake more often than a wish


class InboxActions(InboxNarrowing):
    """What `r`, `a`, `z`, `A`, `u`, `y`, `o` and `*` do."""

    def __init__(self) -> None:
        super().__init__()
        self._undo_tokens: list[str] = []

    def forget_changes(self) -> None:
        """Have nothing to undo."""
        self._undo_tokens.clear()

    def opened_row(self, row: Row) -> None:
        """Mark what is read as read, if the person wants that."""
        if not row.is_read and self.inbox_app.preferences.mark_read_when_opened:
            self._mark([row.id], "read", "")

    def action_toggle_read(self) -> None:
        ids = self.targets
        state = "read" if any(not row.is_read for row in self.rows_of(ids)) else "unread"
        self._mark(ids, state, f"marked {state}")

    def action_archive(self) -> None:
        ids = self.targets
        is_archived = all(row.archived for row in self.rows_of(ids))
        state, words = ("unarchived", "taken out of the archive") if is_archived else ("archived", "archived")
        self._mark(ids, state, words)
        if self.has_class("-reading") and not self.is_wide:
            self.leave_message()

    def action_acknowledge(self) -> None:
        self._mark(self.targets, "acknowledged", "acknowledged")

    def action_snooze(self) -> None:
        ids, now = self.targets, self.now.replace(tzinfo=None)
        if not ids:
            return
        offers = [Choice(name, at, until(at, now)) for name, at in presets(now)]

        def read(typed: str) -> Choice[datetime] | str:
            try:
                at = parse_when(typed, now)
            except NotATime as problem:
                return str(problem)
            return Choice(f"until {until(at, now)}", at, typed.strip())

        def chosen(at: datetime | None) -> None:
            if at is not None:
                self._mark(ids, "snoozed", f"snoozed until {until(at, now)}", until_s=at.timestamp())
                self.leave_message()

        self.app.push_screen(
            ChoiceScreen("Snooze until", offers, placeholder="tomorrow 9:00, 2h, mon 8:30, 2026-12-24 …", read=read),
            chosen,
        )

    def action_undo(self) -> None:
        if not self._undo_tokens:
            self.post_message(Said("nothing to undo"))
            return
        self.run_worker(self._undo(self._undo_tokens.pop()), group="marks")

    def action_select_all(self) -> None:
        if self.listing is None:
            return
        rows = [row for index in range(min(self.listing.count, _MOST_SELECTED)) if (row := self.listing.row(index))]
        self.query_one(NotificationList).select_all(rows)
        if self.listing.count > _MOST_SELECTED:
            self.post_message(Said(f"the newest {count_of(_MOST_SELECTED, 'notification')} are selected"))

    def action_copy(self) -> None:
        chosen_one = self.current_shown()
        if chosen_one is None:
            return
        from analyst_cli.tui.detail_text import share_text  # noqa: PLC0415 - not needed for the first row

        notification, row = chosen_one.notification, chosen_one.row
        texts = [
            Choice("a block to share", share_text(notification, row, self.now)),
            Choice("the message", inert_text(notification.message)),
            Choice("the id", notification.id, notification.id),
        ]
        if notification.url:
            texts.append(Choice("the link", notification.url, notification.url))

        def chosen(text: str | None) -> None:
            if text is not None:
                self.app.copy_to_clipboard(text)
                self.run_worker(partial(copy_in_tmux, text), thread=True, group="copy")
                self.post_message(Said("copied"))

        self.app.push_screen(ChoiceScreen("Copy", texts), chosen)

    def action_open_outside(self) -> None:
        chosen_one = self.current_shown()
        if chosen_one is None:
            return
        url = chosen_one.notification.image_url
        picture = self.inbox_app.desk.picture(url) if url else None
        self.post_message(Said(open_outside(chosen_one.notification.url, picture)))

    def action_investigate(self) -> None:
        chosen_one = self.current_shown()
        if chosen_one is None:
            return
        from analyst_cli.tui.screens.inbox_agent import investigate  # noqa: PLC0415 - not needed for the first row

        self.run_worker(investigate(self, chosen_one), group="agent", exclusive=True)

    def action_script_history(self) -> None:
        row = self.query_one(NotificationList).current
        if row is not None:
            self.inbox_app.action_scripts(row.script)

    def action_run_again(self) -> None:
        row = self.query_one(NotificationList).current
        if row is None or not row.script:
            self.post_message(Said("this notification names no script"))
            return
        self.run_worker(self._run_again(row.script), group=f"run-{row.script}", exclusive=True)

    async def _run_again(self, stem: str) -> None:
        from analyst_cli.client.scripts import run_script, script_named  # noqa: PLC0415 - not needed for the first row

        server = self.inbox_app.desk.account.server
        self.inbox_app.say(f"{stem} is running …")
        try:
            words = await run_script(await script_named(stem, server), server)
        except AnalystError as error:
            self.inbox_app.say(str(error), is_problem=True)
            return
        self.inbox_app.say(f"{stem}: {words}")

    def _mark(self, ids: Sequence[str], state: str, words: str, *, until_s: float | None = None) -> None:
        if ids:
            self.run_worker(self._marked(ids, state, words, until_s), group="marks")

    async def _marked(self, ids: Sequence[str], state: str, words: str, until_s: float | None) -> None:
        try:
            marked = await self.inbox_app.desk.change(lambda inbox: inbox.mark(ids, state, until=until_s))
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
            return
        if marked.undo and words:
            self._undo_tokens.append(marked.undo)
            self.post_message(
                Said(
                    f"{count_of(len(ids), 'notification')} {words} · u undoes"
                    if len(ids) > 1
                    else f"{words} · u undoes"
                )
            )
            self.query_one(NotificationList).clear_selection()
        self.inbox_app.changed_here()

    async def _undo(self, token: str) -> None:
        try:
            marked = await self.inbox_app.desk.change(lambda inbox: inbox.undo(token))
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
            return
        words = (
            f"taken back for {count_of(len(marked.ids), 'notification')}"
            if marked.ids
            else "cannot be taken back any more"
        )
        self.post_message(Said(words))
        self.inbox_app.changed_here()
