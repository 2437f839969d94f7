"""Decide when a script runs: cron expressions in a time zone, `every 10m`, catch-up of one missed run, jitter. No I/O, no clock.

Daylight saving time is cronsim's, which is Debian cron's: a run that falls into the skipped hour runs right after it, one that falls into the
repeated hour runs once, and `*` fields follow the clock on the wall. Times are unix seconds outside, time-zone-aware inside.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from analyst_server.runner.cooldown import duration_s

__all__ = ["BadSchedule", "Due", "Schedule", "parse_schedule"]

MAX_COUNTED = 1_000  # missed runs counted one by one; beyond that the count is a lower bound
DAY_S = 86_400


class BadSchedule(ValueError):
    """A schedule or a time zone cannot be meant."""


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is due: at what time it should have run, and how many earlier ones it stands for."""

    at: float
    missed: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a script runs; made by `parse_schedule`."""

    text: str
    zone: tzinfo
    every_s: int | None  # for `every 10m`; None: cron
    offset_s: float  # this script's own share of its jitter

    def next_after(self, moment: float) -> float:
        """Return the first time strictly after `moment` at which a run is due."""
        return next(self._times_after(moment - self.offset_s)) + self.offset_s

    def due(self, *, considered_until: float, now: float) -> Due | None:
        """Return the one run that stands for everything that fell due in (considered_until, now], at its latest time."""
        times = list(islice(self._due_times(considered_until, now), MAX_COUNTED))
        if len(times) == MAX_COUNTED:  # asleep for long: do not walk through every minute of a year to find the latest
            times += self._due_times(max(times[-1], now - DAY_S), now)
        return Due(at=times[-1], missed=len(times) - 1) if times else None

    def _due_times(self, considered_until: float, now: float) -> Iterator[float]:
        if self.every_s is not None:  # only the latest grid point can run: count, do not walk
            earliest, latest = self._grid(considered_until) + 1, self._grid(now)
            for step in range(max(earliest, latest - MAX_COUNTED + 1), latest + 1):
                yield step * self.every_s + self.offset_s
            return
        for moment in self._times_after(considered_until - self.offset_s):
            if moment + self.offset_s > now:
                return
            yield moment + self.offset_s

    def _grid(self, moment: float) -> int:
        assert self.every_s is not None  # noqa: S101 - only called for `every`
        return int((moment - self.offset_s) // self.every_s)

    def _times_after(self, moment: float) -> Iterator[float]:
        if self.every_s is not None:
            step = int(moment // self.every_s) + 1
            while True:
                yield float(step * self.every_s)
                step += 1
        for run in CronSim(self.text, datetime.fromtimestamp(moment, UTC).astimezone(self.zone)):
            if (at := run.timestamp()) > moment:
                yield at


def parse_schedule(text: str, *, zone: str, local: tzinfo, stem: str = "", jitter_s: float = 0) -> Schedule:
    """Return the schedule of a script; `local` is the machine's zone. Raises `BadSchedule` with a sentence."""
    every_s: int | None = None
    words = " ".join(text.split())
    if words.startswith("every "):
        try:
            every_s = duration_s(words.removeprefix("every "))
        except ValueError as exc:
            raise BadSchedule(f"schedule {words!r}: {exc}") from exc
        if every_s == 0:
            raise BadSchedule(f"schedule {words!r}: the time between two runs must be at least a minute")
    schedule = Schedule(text=words, zone=_zone(zone, local), every_s=every_s, offset_s=_share(stem) * jitter_s)
    if every_s is None:
        _check_cron(schedule)
    return schedule


def _check_cron(schedule: Schedule) -> None:
    if len(schedule.text.split()) != 5:
        raise BadSchedule(
            f"schedule {schedule.text!r} has not five fields (minute hour day month weekday), nor is it `every <n>m`"
        )
    try:
        next(schedule._times_after(0.0))  # noqa: SLF001 - 30 February parses, and never comes
    except CronSimError as exc:
        raise BadSchedule(f"schedule {schedule.text!r}: {str(exc).lower()}") from exc
    except StopIteration as exc:
        raise BadSchedule(f"schedule {schedule.text!r} never comes") from exc


def _zone(name: str, local: tzinfo) -> tzinfo:
    if not name:
        return local
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise BadSchedule(f"timezone {name!r} is not known; names look like Europe/Prague") from exc


def _share(stem: str) -> float:
    """Return a number in [0, 1) that is this script's own, so that scripts of one schedule spread and each stays where it is."""
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4], "big") / 2**32
