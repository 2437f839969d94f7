"""The program: wires the desk, the connection and the screens together, and nothing else."""

import asyncio
import gc
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor
from textual.screen import Screen

from analyst_cli.client.preferences import Preferences, load_preferences
from analyst_cli.errors import AnalystError, SettingsProblem
from analyst_cli.tui.announcing import AnnouncingApp
from analyst_cli.tui.charts.detect import Abilities
from analyst_cli.tui.crash import crash_words
from analyst_cli.tui.desk import Desk
from analyst_cli.tui.keys import freed, keymap_file, read_keymap
from analyst_cli.tui.messages import LinkChanged, StoreChanged
from analyst_cli.tui.screens.inbox import InboxScreen
from analyst_cli.tui.themes import THEMES, theme_for
from analyst_cli.tui.widgets.status_bar import Link

if TYPE_CHECKING:
    from analyst_cli.client.events import ClientEvent

__all__ = ["Follow", "InboxApp"]

Follow = Callable[[asyncio.Event], AsyncIterator["ClientEvent"]]
"""Starts a connection; setting the event sends new marks at once."""

_LOOK_S = 0.25  # a flood of arrivals is drawn four times a second
_TICK_S = 20.0


class InboxApp(AnnouncingApp):
    """The live inbox of one account."""

    TITLE = "analyst"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False  # `palette` is ours
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "scripts", "Scripts", tooltip="Scripts: run, explain, history", id="app.scripts"),
        Binding("comma", "settings", "Settings", show=False, key_display=",", id="app.settings"),
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+p", "palette", "Commands", show=False, id="app.palette"),
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
        self.desk = desk
        super().__init__(desk.now)
        self.abilities = abilities
        self.preferences = preferences or Preferences()
        self._follow = follow
        self._nudge = asyncio.Event()
        self._revision = (-1, -1)
        for theme in THEMES:
            self.register_theme(theme)
        self.use_theme(self.preferences.theme)
        if (
            self.no_color
        ):  # Textual has chosen by the theme it begins with: shades of grey, which are colours to a terminal
            self._filters = [kept for kept in self._filters if not isinstance(kept, Monochrome)] + [NoColor()]

    def use_theme(self, wanted: str) -> None:
        """Take the colours of a theme of ours; `auto` looks at the terminal."""
        self.theme = self._theme_for(wanted)

    def _theme_for(self, wanted: str) -> str:
        return theme_for(wanted, no_color=self.no_color, colorfgbg=os.environ.get("COLORFGBG", ""))

    def get_default_screen(self) -> Screen[None]:
        """Begin with the inbox; what is stored after this moment is seen by the first look."""
        with suppress(AnalystError):  # told by whatever reads the rows
            self._revision = self.desk.revision()
        return InboxScreen()

    def on_mount(self) -> None:
        self.use_own_keys()
        self.set_interval(_LOOK_S, self._look)
        if not self.is_headless:
            self.set_interval(_LOOK_S, _end_without_terminal)
        self.set_interval(_TICK_S, self._tick)
        self.call_after_refresh(_collect_garbage_again)
        _resume_only_after_a_suspension(self._driver)
        self.app_resume_signal.subscribe(self, self._draw_everything)
        if self._follow is None:
            self._tell_link(Link("offline", self.now))
        else:
            self.call_after_refresh(self.run_worker, self._stay_connected(self._follow), group="connection")

    def watch_theme(self) -> None:
        if self.native_ansi_color != self.has_class("-plain"):
            self.set_class(self.native_ansi_color, "-plain")

    def changed_here(self) -> None:
        """Show a change of the inbox at once, and have it sent at once."""
        self._nudge.set()
        self._look()

    def action_help(self) -> None:
        """Show the keys that work here."""
        from analyst_cli.tui.screens.help import HelpScreen, key_lines  # noqa: PLC0415 - not needed for the first row

        self.push_screen(HelpScreen(key_lines(self.screen)))

    def action_palette(self) -> None:
        """Offer everything that keys do here, and the themes."""
        from analyst_cli.tui.palette import palette_of  # noqa: PLC0415 - not needed for the first row

        def chosen(command: Callable[[], object] | None) -> None:
            if command is not None:
                self.call_later(command)

        self.push_screen(palette_of(self), chosen)

    def action_suspend_process(self) -> None:
        """Go to the shell with all that was started together: a program that has started this one would keep the shell waiting."""
        if self._driver is None or not self._driver.can_suspend:
            return
        if os.getpgrp() == os.getsid(0):
            self.say("there is no shell below to go to")
            return
        self._suspend_signal()
        self._driver.suspend_application_mode()  # before the shell has the terminal again
        self._driver._must_signal_resume = True  # type: ignore[attr-defined]  # noqa: SLF001 - as its handler of SIGTSTP does
        os.kill(0, signal.SIGSTOP)

    def action_scripts(self, wanted: str = "") -> None:
        """Show the scripts."""
        from analyst_cli.tui.screens.scripts import ScriptsScreen  # noqa: PLC0415 - not needed for the first row

        if not isinstance(self.screen, ScriptsScreen):
            self.push_screen(ScriptsScreen(wanted))

    def action_settings(self) -> None:
        """Show the settings."""
        from analyst_cli.tui.screens.settings import SettingsScreen  # noqa: PLC0415

        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen())

    def preferences_changed(self) -> None:
        """Take over what has been set; how pictures are drawn and announced holds from the next start. Raises `SettingsProblem`."""
        self.preferences = load_preferences()
        self.use_theme(self.preferences.theme)

    def signed_out(self) -> None:
        """Leave the connection, as the token is forgotten, and come back when there is another."""
        self.workers.cancel_group(self, "connection")
        self.change_status(link=Link("stopped", self.now, reason="signed out"))
        if self._follow is not None and not os.environ.get("ANALYST_TOKEN"):
            self.run_worker(self._stay_connected(self._follow), group="connection")

    def use_own_keys(self) -> None:
        """Take over the person's keys; a file that cannot be meant is told and changes nothing."""
        if not keymap_file().exists():
            return
        from analyst_cli.tui.actions import all_actions  # noqa: PLC0415 - it imports every screen

        try:
            actions = all_actions()
            self.set_keymap(freed(read_keymap(action for action, _, _ in actions), actions))
        except SettingsProblem as problem:
            self.say(str(problem), is_problem=True)

    def _handle_exception(self, error: Exception) -> None:
        """End with one sentence instead of a traceback; the traceback goes to a file for those who mend it."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        self._return_code = 1
        self._exit_renderables.append(crash_words(error))
        self._close_messages_no_wait()

    # The inbox and the connection

    def _look(self) -> None:
        try:
            revision = self.desk.revision()
        except AnalystError as error:
            if self.said != str(error):
                self.say(str(error))
            return
        if revision != self._revision:
            self._revision = revision
            self._inbox_screen().post_message(StoreChanged())

    def _tick(self) -> None:
        self._inbox_screen().tick()

    def _draw_everything(self, _: object) -> None:
        self.refresh(layout=True)
        self.screen.refresh(repaint=True)

    def _inbox_screen(self) -> InboxScreen:
        return next(screen for screen in self.screen_stack if isinstance(screen, InboxScreen))

    def _tell_link(self, link: Link) -> None:
        self._inbox_screen().post_message(LinkChanged(link))

    async def _stay_connected(self, follow: Follow) -> None:
        self._tell_link(Link("connecting", self.now))
        from analyst_cli.client.events import Connected  # noqa: PLC0415 - not needed for the first row
        from analyst_cli.tui.connection_words import told  # noqa: PLC0415

        announcer = self.announcer(self.preferences, row_now=lambda id_: next(iter(self.desk.rows([id_])), None))
        async for event in follow(self._nudge):
            if isinstance(event, Connected) and event.username != self.desk.account.user:
                self.desk.move_to(self.desk.account._replace(user=event.username))
                self._inbox_screen().begin_again()
            if announcer is not None:
                announcer.take(event)
            for message in told(event, self.now):
                self._inbox_screen().post_message(message)


def _end_without_terminal() -> None:
    """End as a closed terminal ends programs: the system tells the first program on it alone, and Textual would read in a loop from then on."""
    terminal = select.poll()
    terminal.register(sys.__stdin__.fileno(), 0)  # type: ignore[union-attr]
    if any(events & (select.POLLHUP | select.POLLNVAL) for _, events in terminal.poll(0)):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGHUP)


def _resume_only_after_a_suspension(driver: object) -> None:
    """Textual 8.2 takes the terminal a second time when it is continued after a SIGSTOP (a debugger, `kill -STOP`), and never ends then.

    To be removed when `LinuxDriver._sigcont_application` looks at `_must_signal_resume` itself.
    """
    resume = getattr(driver, "_sigcont_application", None)
    if resume is not None:
        signal.signal(signal.SIGCONT, lambda *_: resume() if getattr(driver, "_must_signal_resume", True) else None)


def _collect_garbage_again() -> None:
    if gc.isenabled():
        return
    gc.freeze()  # what is there now stays: looking through it again and again would make keys wait
    gc.enable()
