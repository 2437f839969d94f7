"""Run what is due: once (`analyst runner once`, from cron) or for good (`analyst runner serve`), a bounded number at a time.

Due times come from `schedule.py`; this module keeps the clock, the threads and the order. A due time counts as dealt with when its run
has ended, so a crash or a shutdown in the middle of a run leads to one catch-up run, and one only.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field

from analyst_server.errors import ServerError
from analyst_server.runner.flight import Busy, Flight
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.runner.overdue import tell_of_late
from analyst_server.runner.schedule import Due
from analyst_server.runner.scripts import Script, find_scripts

__all__ = ["Reports", "Stop", "Timetable", "run_once", "serve"]

MAX_WAIT_S = 30.0  # a machine that slept, or whose clock was set, is noticed within this time


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a runner tells what it does; called from its threads."""

    ran: Callable[[RunRecord], None] = lambda _record: None
    problem: Callable[[str], None] = lambda _words: None


class Stop:
    """Ask a runner to end: its waits and its running scripts notice at once. Safe to call from a signal handler."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.readable, self._writable = os.pipe()

    def set(self) -> None:
        """Ask; asking twice is harmless."""
        if not self.event.is_set():
            self.event.set()
            os.write(self._writable, b"\0")

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self.readable)
        os.close(self._writable)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Which scripts are due, by what the history says has been dealt with."""

    flight: Flight

    def due(self, now: float) -> list[tuple[Script, Due]]:
        """Return the scripts with a due time, and that time."""
        found = []
        for script in self._enabled():
            until = self.flight.history.considered_until(script.stem, now=now)
            if (due := script.schedule.due(considered_until=until, now=now)) is not None:
                found.append((script, due))
        return found

    def next_due(self, now: float) -> float | None:
        """Return when the next script is due after `now`; None without scripts."""
        return min((script.schedule.next_after(now) for script in self._enabled()), default=None)

    def for_once(self, now: float) -> list[tuple[Script, Due | None]]:
        """Return what `once` runs: what is due, every script without a schedule of its own, and all of them if the settings say so."""
        if self.flight.settings.ignore_schedule:
            return [(script, None) for script in self._enabled()]
        due = {script.stem: moment for script, moment in self.due(now)}
        return [
            (script, due.get(script.stem))
            for script in self._enabled()
            if script.stem in due or not script.has_schedule
        ]

    def _enabled(self) -> list[Script]:
        return [script for script in find_scripts(self.flight.settings.scripts_dir) if script.declaration.enabled]


def run_once(flight: Flight, reports: Reports, stop: Stop | None = None) -> list[RunRecord]:
    """Run what is due now and return what became of it, when all of it has ended; `stop` keeps what has not begun from beginning."""
    now = flight.now()
    flight.history.beat("once", now=now)
    flight.flush_waiting()
    work = Timetable(flight).for_once(now)
    tell_of_late(flight.settings, flight.history, work, now=now)
    with ThreadPoolExecutor(flight.settings.parallel, thread_name_prefix="script") as pool:
        futures = [
            pool.submit(_run_one, flight, script, Trigger.ONCE, due, planned_at=now, reports=reports, stop=stop)
            for script, due in work
        ]
        records = [future.result() for future in as_completed(futures)]
    return [record for record in records if record is not None]


def serve(flight: Flight, reports: Reports, stop: Stop) -> None:
    """Run scripts by their schedules until asked to stop; then end those that run, and return when they have."""
    service = _Service(flight, reports)
    with ThreadPoolExecutor(flight.settings.parallel, thread_name_prefix="script") as pool:
        while not stop.event.is_set():
            now = flight.now()
            try:
                wait_s = service.tick(pool, now)
            except ServerError as exc:  # the history cannot be used just now: say so, try again
                reports.problem(str(exc))
                wait_s = MAX_WAIT_S
            stop.event.wait(wait_s)
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Service:
    flight: Flight
    reports: Reports
    flying: dict[str, Future[RunRecord | None]] = field(default_factory=dict)

    def tick(self, pool: ThreadPoolExecutor, now: float) -> float:
        """Start what is due and not in the air already; return how long to wait."""
        self.flight.history.beat("serve", now=now)
        self.flight.flush_waiting()
        self.flying = {stem: future for stem, future in self.flying.items() if not future.done()}
        timetable = Timetable(self.flight)
        due = [(script, moment) for script, moment in timetable.due(now) if script.stem not in self.flying]
        tell_of_late(self.flight.settings, self.flight.history, due, now=now)
        for script, moment in due:
            self.flying[script.stem] = pool.submit(
                _run_one, self.flight, script, Trigger.SCHEDULE, moment, planned_at=now, reports=self.reports
            )
        next_due = timetable.next_due(now)
        return MAX_WAIT_S if next_due is None else min(MAX_WAIT_S, max(0.01, next_due - self.flight.now()))


def _run_one(
    flight: Flight,
    script: Script,
    trigger: Trigger,
    due: Due | None,
    *,
    planned_at: float,
    reports: Reports,
    stop: Stop | None = None,
) -> RunRecord | None:
    """Run one script for the loop. Nothing may escape: the other scripts go on."""
    if stop is not None and stop.event.is_set():
        return None
    try:
        record = flight.run(script, trigger, due)
        if record.outcome is not Outcome.INTERRUPTED:
            flight.history.consider(script.stem, until=planned_at)
    except Busy:
        reports.problem(f"{script.stem} runs already; not started a second time")
        return None
    except (ServerError, OSError) as exc:
        reports.problem(f"{script.stem}: {exc}")
        return None
    except Exception as exc:  # noqa: BLE001 - a task root: a defect must not end the other scripts' runs
        reports.problem(f"{script.stem}: a defect of the runner ({type(exc).__name__}: {exc})")
        return None
    with suppress(ValueError):  # a reader of the reports that has gone away
        reports.ran(record)
    return record
