"""What is visible whichever screen is on top: always the connection and the unread count, and for a moment what has just happened."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from textual import on
from textual.app import App

from analyst_cli.tui.messages import LinkChanged, Said
from analyst_cli.tui.widgets.bottom_line import BottomLine
from analyst_cli.tui.widgets.status_bar import Link, Status, StatusBar

if TYPE_CHECKING:
    from textual.timer import Timer

__all__ = ["StatusApp"]

_SAID_FOR_S = 6.0
_PROBLEM_FOR_S = 12.0


class StatusApp(App[None]):
    """Keeps one status and shows it in the bars of all screens."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` tells the time in the person's zone."""
        super().__init__()
        self._now = now
        self.status = Status(Link("connecting", now()))
        self.said = ""
        """What has just happened, while it is shown."""
        self._said_timer: Timer | None = None
        self._countdown: Timer | None = None

    @property
    def now(self) -> datetime:
        """The time in the person's zone."""
        return self._now()

    def change_status(self, **changes: object) -> None:
        """Change parts of the status; a bar draws only what has changed."""
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]
        for screen in self.screen_stack:
            for bar in screen.query(StatusBar):
                bar.show(self.status, self.now)

    def say(self, words: str, *, is_problem: bool = False) -> None:
        """Tell the person what has happened."""
        self.post_message(Said(words, is_problem=is_problem))

    @on(LinkChanged)
    def _link_changed(self, event: LinkChanged) -> None:
        if self._countdown is not None:
            self._countdown.stop()
            self._countdown = None
        if event.link.state == "waiting":
            self._countdown = self.set_interval(1, self.change_status)
        self.change_status(link=event.link)

    @on(Said)
    def _said(self, event: Said) -> None:
        """Show it in the bottom line for a while, a problem for longer."""
        if self._said_timer is not None:
            self._said_timer.stop()
        self._show_said(event.words, is_problem=event.is_problem)
        self._said_timer = self.set_timer(_PROBLEM_FOR_S if event.is_problem else _SAID_FOR_S, self._show_said)

    def _show_said(self, words: str = "", *, is_problem: bool = False) -> None:
        """Say it on the screen that the person sees and on no other; without words, nothing more is said."""
        self.said = words
        lines = [line for screen in reversed(self.screen_stack) for line in screen.query(BottomLine)]
        for line in lines:
            line.say(words if line is lines[0] else "", is_problem=is_problem)
