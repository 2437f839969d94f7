"""Announce outside of the program what arrives while nobody looks at it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events

from analyst_cli.client.preferences import Preferences
from analyst_cli.client.rows import Row
from analyst_cli.tui.status import StatusApp

if TYPE_CHECKING:
    from datetime import datetime

    from analyst_cli.client.announcing import Announcer

__all__ = ["AnnouncingApp", "is_looked_at"]

_AWAY_AFTER_S = 60.0


class AnnouncingApp(StatusApp):
    """Knows whether the person looks, and can write to the terminal around Textual's cells."""

    def __init__(self, now: "Callable[[], datetime]") -> None:
        super().__init__(now)
        self._hears_of_focus = False  # whether this terminal tells when it is looked at
        self._input_at = time.monotonic()
        self._title = ""

    def show_title(self, sequence: str) -> None:
        """Give the terminal's window a title, if it is another one; `analyst inbox` keeps the one before and brings it back."""
        if sequence != self._title:
            self._title = sequence
            self._write(sequence)

    def announcer(self, preferences: Preferences, *, row_now: Callable[[str], Row | None]) -> "Announcer | None":
        """Return what announces; None when the person does not want that."""
        if not preferences.enabled:
            return None
        from analyst_cli.client.announcing import Announcer  # noqa: PLC0415 - not needed for the first row
        from analyst_cli.client.native import Notifier  # noqa: PLC0415

        notifier = Notifier(via=preferences.via, ring=preferences.bell, write=self._write)
        return Announcer(notifier, preferences, row_now=row_now, is_focused=self._is_looked_at)

    def _is_looked_at(self) -> bool:
        return is_looked_at(self.app_focus, self._hears_of_focus, time.monotonic() - self._input_at)

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
