"""What is known of each script, gathered for those who show it: the command line, the portal, the bot."""

from typing import Any

from analyst_server.runner.explain import ago, explain
from analyst_server.runner.history import History
from analyst_server.runner.local_time import both_times
from analyst_server.runner.scripts import Script, find_scripts
from analyst_server.runner.settings import RunnerSettings

__all__ = ["explained", "overview"]

RUNS_LOOKED_AT = 300  # a day at one every 5 minutes


def overview(settings: RunnerSettings, history: History, *, now: float) -> list[dict[str, Any]]:
    """Return one record a script; `name`, `stem` and `last_run` are those of `GET /api/desktop/scripts`."""
    entries = []
    for script in find_scripts(settings.scripts_dir):
        last = next(iter(history.runs(script.stem, limit=1)), None)
        entries.append(
            {
                "name": script.path.name,
                "stem": script.stem,
                "last_run": ago(last.started_at, now) if last else None,
                "last_run_at": last.started_at if last else None,
                "last_outcome": last.outcome.value if last else None,
                "last_reason": last.reason if last else None,
                "next_run_at": _next_run(script, now),
                "schedule": script.schedule.text if script.has_schedule else "",
                "description": script.declaration.description,
                "failing": history.health(script.stem).failing_since is not None,
                "problem": script.problem,
            }
        )
    return entries


def explained(script: Script, history: History, *, now: float) -> list[str]:
    """Return the sentences of `analyst scripts explain`."""
    runs = history.runs(script.stem, limit=RUNS_LOOKED_AT)
    return explain(
        script,
        runs,
        history.health(script.stem),
        now=now,
        cooldown_until=next((run.cooldown_until for run in runs if run.cooldown_until is not None), None),
        last_beat=history.last_beat(),
        next_run=_next_run(script, now),
        times=both_times,
    )


def _next_run(script: Script, now: float) -> float | None:
    return script.schedule.next_after(now) if script.declaration.enabled and not script.problem else None
