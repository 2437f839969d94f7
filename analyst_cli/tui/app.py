"""The program: wires the desk, the connection and the screens together, and nothing else."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from analyst_cli.client.preferences import Preferences
from analyst_cli.errors import SettingsProblem
from analyst_cli.tui.charts.detect import Abilities
from analyst_cli.tui.desk import Desk
from analyst_cli.tui.keys import bound_actions, read_keymap
from analyst_cli.tui.messages import LinkChanged, Said, StoreChanged
from analyst_cli.tui.screens.inbox import InboxScreen
from analyst_cli.tui.themes import THEMES, theme_for
from analyst_cli.tui.widgets.detail import Detail
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_cli.tui.widgets.status_bar import Link

if TYPE_CHECKING:
    from analyst_cli.client.announcing import Announcer
    from analyst_cli.client.events import ClientEvent

__all__ = ["Follow", "InboxApp", "is_looked_at"]

Follow = Callable[[asyncio.Event], AsyncIterator["ClientEvent"]]
"""Starts a connection; setting the event sends new marks at once."""

_LOOK_S = 0.25  # a flood of arrivals is drawn four times a second
_TICK_S = 20.0
_AWAY_AFTER_S = 60.0


class InboxApp(App[None]):
    """The live inbox of one account."""

    TITLE = "analyst"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="app.help"),
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, id="app.palette"),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, id="app.suspend"),
    ]

    def __init__(
        self,
        desk: Desk,
        *,
        follow: Follow | None = None,
        preferences: Preferences | None = None,
        abilities: Abilities | None = None,
    ) -> None:
        """`follow` is None when nothing should be received (offline).

        `abilities` are the terminal's, found before this program owns it; None: no charts are wanted.
        """
        super().__init__()
        self.abilities = abilities
        self.desk = desk
        self.preferences = preferences or Preferences()
        self._follow = follow
        self._nudge = asyncio.Event()
        self._revision = (-1, -1)
        self._hears_of_focus = False  # whether this terminal tells when it is looked at
        self._input_at = time.monotonic()
        for theme in THEMES:
            self.register_theme(theme)
        self.use_theme(self.preferences.theme)

    def use_theme(self, wanted: str) -> None:
        """Take the colours of a theme of ours; `auto` looks at the terminal."""
        self.theme = theme_for(wanted, no_color=self.no_color, colorfgbg=os.environ.get("COLORFGBG", ""))

    def get_default_screen(self) -> Screen[None]:
        """Begin with the inbox."""
        return InboxScreen()

    def on_mount(self) -> None:
        self._use_own_keys()
        self._revision = self.desk.revision()
        self.set_interval(_LOOK_S, self._look)
        self.set_interval(_TICK_S, self._tick)
        self.call_after_refresh(_collect_garbage_again)
        if self._follow is None:
            self._tell_link(Link("offline", self.desk.now()))
        else:
            self.call_after_refresh(self.run_worker, self._stay_connected(self._follow), group="connection")

    def watch_theme(self) -> None:
        if self.native_ansi_color != self.has_class("-plain"):
            self.set_class(self.native_ansi_color, "-plain")

    def changed_here(self) -> None:
        """Show a change of the inbox at once, and have it sent at once."""
        self._nudge.set()
        self._look()

    async def action_help(self) -> None:
        """Show the keys that work here."""
        from analyst_cli.tui.screens.help import HelpScreen, key_lines  # noqa: PLC0415 - not needed for the first row

        self.push_screen(HelpScreen(key_lines(self.screen)))

    def _use_own_keys(self) -> None:
        classes = (InboxApp, InboxScreen, NotificationList, Detail)
        try:
            self.set_keymap(read_keymap(action for action, _, _ in bound_actions(classes)))
        except SettingsProblem as problem:
            self._inbox_screen().post_message(Said(str(problem), is_problem=True))

    # The inbox and the connection

    def _look(self) -> None:
        revision = self.desk.revision()
        if revision != self._revision:
            self._revision = revision
            self._inbox_screen().post_message(StoreChanged())

    def _tick(self) -> None:
        self._inbox_screen().tick()

    def _inbox_screen(self) -> InboxScreen:
        return next(screen for screen in self.screen_stack if isinstance(screen, InboxScreen))

    def _tell_link(self, link: Link) -> None:
        self._inbox_screen().post_message(LinkChanged(link))

    async def _stay_connected(self, follow: Follow) -> None:
        self._tell_link(Link("connecting", self.desk.now()))
        from analyst_cli.client.events import Connected  # noqa: PLC0415 - not needed for the first row
        from analyst_cli.tui.connection_words import told  # noqa: PLC0415

        announcer = self._announcer()
        async for event in follow(self._nudge):
            if isinstance(event, Connected) and event.username != self.desk.account.user:
                self.desk.move_to(self.desk.account._replace(user=event.username))
            if announcer is not None:
                announcer.take(event)
            for message in told(event, self.desk.now()):
                self._inbox_screen().post_message(message)

    # What is announced outside

    def _announcer(self) -> "Announcer | None":
        if not self.preferences.enabled:
            return None
        from analyst_cli.client.announcing import Announcer  # noqa: PLC0415
        from analyst_cli.client.native import Notifier  # noqa: PLC0415

        notifier = Notifier(via=self.preferences.via, ring=self.preferences.bell, write=self._write)
        return Announcer(
            notifier,
            self.preferences,
            row_now=lambda id_: next(iter(self.desk.rows([id_])), None),
            is_focused=lambda: is_looked_at(self.app_focus, self._hears_of_focus, time.monotonic() - self._input_at),
        )

    def _write(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.AppFocus | events.AppBlur):
            self._hears_of_focus = True
        elif isinstance(event, events.InputEvent):
            self._input_at = time.monotonic()
        await super().on_event(event)


def is_looked_at(has_focus: bool, hears_of_focus: bool, idle_s: float) -> bool:
    """Tell whether the person looks at this terminal; one that never tells is looked at while somebody types."""
    return has_focus if hears_of_focus else idle_s < _AWAY_AFTER_S


def _collect_garbage_again() -> None:
    if gc.isenabled():
        return
    gc.freeze()  # what is there now stays: looking through it again and again would make keys wait
    gc.enable()
