"""Announce what arrives: wait a moment for more, look whether it was read meanwhile on another device, then show it once."""

import asyncio
from collections.abc import Callable
from datetime import datetime, time

from analyst_cli.client.events import CaughtUp, ClientEvent, NotificationArrived
from analyst_cli.client.native import Notifier
from analyst_cli.client.preferences import Preferences
from analyst_cli.client.quiet import Announcement, QuietHours, announcement_of, may_announce, summary_of
from analyst_cli.client.rows import PRIORITIES, Row

__all__ = ["Announcer", "next_pause"]

MOMENT_S = 0.4  # a mark of another device, and the rest of a burst, come within it
LONGEST_PAUSE_S = 3.0  # between two announcements of a flood


class Announcer:
    """Turns events into announcements. `row_now` reads a row again; `is_focused` tells whether the person looks anyway."""

    def __init__(
        self,
        notifier: Notifier,
        preferences: Preferences,
        *,
        row_now: Callable[[str], Row | None],
        is_focused: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._notifier = notifier
        self._min_level = PRIORITIES.index(preferences.minimum_priority)
        self._quiet = quiet_hours(preferences)
        self._zone = preferences.time_zone
        self._row_now = row_now
        self._is_focused = is_focused
        self._now = now
        self._waiting: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s = MOMENT_S
        self._announced_at = float("-inf")  # on the loop's clock
        self._showing: set[asyncio.Task[None]] = set()

    def take(self, event: ClientEvent) -> None:
        """Take an event of the connection, on the event loop; what is to be shown is shown a moment later."""
        match event:
            case NotificationArrived(row=row):
                self._waiting.append(row.id)
                if self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._pause_s = next_pause(self._pause_s, calm_s=loop.time() - self._announced_at)
                    self._timer = loop.call_later(self._pause_s, self._moment_passed)
            case CaughtUp(count=count, rows=rows):
                allowed = self._allowed(rows)
                if allowed:
                    self._show(summary_of(count if len(allowed) == len(rows) else len(allowed), allowed))
            case _:
                pass

    async def close(self) -> None:
        """Show what waits, and wait for what is being shown."""
        if self._timer is not None:
            self._timer.cancel()
            self._moment_passed()
        await asyncio.gather(*self._showing, return_exceptions=True)

    def _moment_passed(self) -> None:
        self._timer = None
        self._announced_at = asyncio.get_running_loop().time()
        ids, self._waiting = self._waiting, []
        rows = self._allowed([row for id_ in ids if (row := self._row_now(id_)) is not None])
        self._show(announcement_of(rows))

    def _allowed(self, rows: "list[Row] | tuple[Row, ...]") -> list[Row]:
        now = self._now_in_zone()
        return [row for row in rows if may_announce(row, min_level=self._min_level, quiet=self._quiet, now=now)]

    def _show(self, announcements: list[Announcement]) -> None:
        if not announcements or self._is_focused():
            return
        task = asyncio.create_task(self._show_all(announcements))
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)

    async def _show_all(self, announcements: list[Announcement]) -> None:
        """Ask the desktop in a thread, because D-Bus may take its time; write to the terminal here, because others write to it, too."""
        for announcement in announcements:
            if await asyncio.to_thread(self._notifier.show_on_desktop, announcement):
                self._notifier.ring(announcement)
            else:
                self._notifier.show(announcement)

    def _now_in_zone(self) -> datetime:
        if not self._zone:
            return self._now()
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        return self._now().astimezone(ZoneInfo(self._zone))


def next_pause(pause_s: float, *, calm_s: float) -> float:
    """Return how long to gather before the next announcement: twice as long each time while they follow one another, a moment after a calm."""
    return min(2 * pause_s, LONGEST_PAUSE_S) if calm_s < 2 * pause_s else MOMENT_S


def quiet_hours(preferences: Preferences) -> QuietHours | None:
    """Return the quiet hours that are set; None: none."""
    if not (preferences.quiet_from and preferences.quiet_until):
        return None
    return QuietHours(time.fromisoformat(preferences.quiet_from), time.fromisoformat(preferences.quiet_until))
