"""The dead man's switch: tell the owner of a script that has not run when it should have.

A runner tells of what it comes too late to. A runner that does not run at all cannot: `analyst runner overdue --tell`, started by something else,
looks at the same history and tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analyst_server.runner import notices
from analyst_server.runner.dispatching import GatewayAway
from analyst_server.runner.failures import overdue_alert
from analyst_server.runner.history import History
from analyst_server.runner.local_time import both_times
from analyst_server.runner.schedule import Due
from analyst_server.runner.scripts import Script, find_scripts
from analyst_server.runner.settings import RunnerSettings

__all__ = ["GRACE_S", "Overdue", "find_overdue", "tell", "tell_of_late"]

GRACE_S = 15 * 60  # later than this is worth a word


@dataclass(frozen=True, slots=True)
class Overdue:
    """A script that should have run at `due_at` (unix seconds), and why it seems it has not."""

    script: Script
    due_at: float
    why: str


def find_overdue(settings: RunnerSettings, history: History, *, now: float) -> list[Overdue]:
    """Return the scripts with a schedule whose due time passed more than the grace ago without a run."""
    beat = history.last_beat()
    why = (
        "No runner has ever run here."
        if beat is None
        else f"The runner last showed a sign of life at {both_times(beat)}."
    )
    overdue = []
    for script in find_scripts(settings.scripts_dir):
        if not (script.has_schedule and script.declaration.enabled):
            continue
        until = history.considered_until(script.stem, now=now)
        if (due := script.schedule.due(considered_until=until, now=now - GRACE_S)) is not None:
            overdue.append(Overdue(script, due.at, why))
    return overdue


def tell_of_late(
    settings: RunnerSettings, history: History, work: Sequence[tuple[Script, Due | None]], *, now: float
) -> None:
    """Tell the owners of scripts that run now and should have run long ago."""
    late = [(script, due) for script, due in work if due is not None and script.has_schedule and due.at < now - GRACE_S]
    for script, due in late:
        missed = f" It stands for {due.missed} earlier missed runs as well." if due.missed else ""
        tell(
            settings,
            history,
            Overdue(script, due.at, f"The runner was not running then; the script runs now, once.{missed}"),
        )


def tell(settings: RunnerSettings, history: History, overdue: Overdue) -> None:
    """Tell the owner, once for each due time and at most every six hours, unless that is switched off."""
    declared = overdue.script.declaration
    if not (settings.failure_alerts and declared.failure_alerts):
        return
    owner = declared.owner or settings.user
    stem = overdue.script.stem
    health, notice = overdue_alert(
        history.health(stem),
        stem=stem,
        due_at=overdue.due_at,
        due_words=both_times(overdue.due_at),
        why=overdue.why,
        owner=owner,
    )
    if notice is None:
        return
    try:
        notices.tell(settings, owner, notice)
    except GatewayAway:
        return  # told next time
    history.set_health(stem, health)
