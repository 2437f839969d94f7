"""What is known of each script, gathered for those who show it: the command line, the portal, the bot."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analyst_server.runner.cooldown import decide, duration_s
from analyst_server.runner.cooldown_file import last_sent
from analyst_server.runner.explain import ago, explain
from analyst_server.runner.history import History
from analyst_server.runner.local_time import both_times
from analyst_server.runner.locks import is_flying
from analyst_server.runner.outcomes import Outcome, RunRecord
from analyst_server.runner.scripts import Script, find_scripts
from analyst_server.runner.settings import RunnerSettings

__all__ = ["explained", "known_runs", "overview"]

RUNS_LOOKED_AT = 300  # a day at one every 5 minutes


def known_runs(settings: RunnerSettings, history: History, stem: str = "", *, limit: int) -> list[RunRecord]:
    """Return the latest runs, newest first; one whose runner was killed is not said to run still."""
    return [
        replace(run, outcome=Outcome.INTERRUPTED, reason="the runner ended in the middle of it")
        if run.outcome is Outcome.RUNNING and not is_flying(settings.lock_file(run.stem))
        else run
        for run in history.runs(stem, limit=limit)
    ]


def overview(settings: RunnerSettings, history: History, *, now: float) -> list[dict[str, Any]]:
    """Return one record a script; `name`, `stem` and `last_run` are those of `GET /api/desktop/scripts`."""
    entries = []
    for script in find_scripts(settings.scripts_dir):
        last = next(iter(known_runs(settings, history, script.stem, limit=1)), None)
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


def explained(settings: RunnerSettings, script: Script, history: History, *, now: float) -> list[str]:
    """Return the sentences of `analyst scripts explain`."""
    runs = known_runs(settings, history, script.stem, limit=RUNS_LOOKED_AT)
    return explain(
        script,
        runs,
        history.health(script.stem),
        now=now,
        cooldown_until=_cooldown_until(settings, script, runs, now=now),
        last_beat=history.last_beat(),
        next_run=_next_run(script, now),
        times=both_times,
    )


def _cooldown_until(settings: RunnerSettings, script: Script, runs: Sequence[RunRecord], *, now: float) -> float | None:
    """Return until when an alert like the last one is held back. The file decides: the source system's runner, or a person, may have written it."""
    sent_at = last_sent(settings.cooldown_file(script.stem))
    told = next((run.cooldown_until for run in runs if run.cooldown_until is not None), None)
    seconds = duration_s(script.declaration.cooldown)
    if sent_at is not None and told is not None and told >= sent_at:
        seconds = round(told - sent_at)
    return decide(last_sent=sent_at, cooldown_s=seconds, now=now).until


def _next_run(script: Script, now: float) -> float | None:
    return script.schedule.next_after(now) if script.declaration.enabled and not script.problem else None
