"""Answer "why did I not get it?" in words. No I/O, no clock."""

from collections.abc import Callable, Sequence

from analyst_server.runner.failures import Health
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.runner.scripts import Script

__all__ = ["ago", "explain"]

LAST_WORDS_CHARS = 500
LATE_S = 15 * 60  # `once` comes up to five minutes late by its nature

_STARTED_BY = {
    Trigger.ONCE: "`analyst runner once`",
    Trigger.SCHEDULE: "its schedule",
    Trigger.PERSON: "a person (`analyst scripts run`)",
    Trigger.PORTAL: "the portal or the bot",
}


def explain(
    script: Script,
    runs: Sequence[RunRecord],
    health: Health,
    *,
    now: float,
    cooldown_until: float | None,
    last_beat: float | None,
    next_run: float | None,
    times: Callable[[float], str],
) -> list[str]:
    """Return sentences: when it last ran, what it said, why nothing was sent, when it could be sent next, when it runs next.

    `runs` are newest first; `times` writes a moment in local time and UTC.
    """
    lines = []
    if script.problem:
        lines.append(f"It cannot run: {script.problem}.")
    if not script.declaration.enabled:
        lines.append("It is switched off by `enabled = false` in the block at its top.")
    lines += _last_run(runs[0], now, times) if runs else ["It has never run here."]
    lines += _last_alert(runs, now, times)
    lines += _failing(health, runs, now, times)
    if cooldown_until is not None and cooldown_until > now:
        lines.append(
            f"Its cooldown lasts until {times(cooldown_until)}; nothing is sent before, unless its status changes or a person runs it."
        )
    elif not script.problem:
        lines.append("No cooldown holds it back: what it says next is sent.")
    lines += _next_run(script, now, next_run, last_beat, times)
    return lines


def ago(moment: float, now: float) -> str:
    """Return `40s ago`, `5m ago`, `3h ago`, `2d ago`: what the source system's list of scripts shows."""
    seconds = max(0, int(now - moment))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def _last_run(run: RunRecord, now: float, times: Callable[[float], str]) -> list[str]:
    took = f"{run.duration_s:.1f} s" + ("" if run.exit_code is None else f", exit code {run.exit_code}")
    started = f"started by {_STARTED_BY[run.trigger]}"
    lines = [f"It last ran {ago(run.started_at, now)}, at {times(run.started_at)}, {started}; {took}."]
    if run.missed or (run.due_at is not None and run.started_at - run.due_at > LATE_S):
        due = times(run.due_at) if run.due_at is not None else "an earlier time"
        more = f", and stood for {run.missed} earlier missed runs" if run.missed else ""
        lines.append(f"That was a catch-up run: it was due at {due}{more}.")
    if run.title or run.message:
        lines.append(f"It said: {run.title or run.stem}" + (f" - {run.message.splitlines()[0]}" if run.message else ""))
    lines.append(_became(run))
    lines += [f"Warning: {warning}" for warning in run.warnings]
    if run.outcome in {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.BAD_OUTPUT} and run.stderr_tail.strip():
        lines.append(f"Its last words on stderr: {run.stderr_tail.strip().splitlines()[-1][-LAST_WORDS_CHARS:]}")
    return lines


def _became(run: RunRecord) -> str:
    match run.outcome:
        case Outcome.SENT:
            return f"It was sent as {run.notification_id}." + (f" ({run.reason})" if run.reason else "")
        case Outcome.HANDED_OVER:
            return "It was handed to whoever asked for the run."
        case Outcome.RUNNING:
            return "It is running now."
        case Outcome.DUPLICATE:
            return "The gateway had it already, so it was not shown again."
        case outcome:
            return f"Nothing was sent ({outcome.value}): {run.reason}."


def _last_alert(runs: Sequence[RunRecord], now: float, times: Callable[[float], str]) -> list[str]:
    if not runs or runs[0].outcome is Outcome.SENT:
        return []
    sent = next((run for run in runs if run.outcome is Outcome.SENT), None)
    if sent is None:
        return ["None of the runs that are remembered was sent."]
    return [f"The last alert that was sent: {sent.title}, {ago(sent.started_at, now)}, at {times(sent.started_at)}."]


def _failing(health: Health, runs: Sequence[RunRecord], now: float, times: Callable[[float], str]) -> list[str]:
    if health.failing_since is None or not runs:
        return []
    told = (
        f"its owner was told at {times(health.told_failing_at)}"
        if health.told_failing_at
        else "its owner has not been told"
    )
    return [f"It has been failing since {times(health.failing_since)} ({ago(health.failing_since, now)}); {told}."]


def _next_run(
    script: Script, now: float, next_run: float | None, last_beat: float | None, times: Callable[[float], str]
) -> list[str]:
    if script.problem:
        return [f"It does not run before that is mended: analyst scripts edit {script.stem}"]
    if next_run is None:
        return ["It does not run by itself."]
    when = (
        f"`{script.schedule.text}`"
        if script.has_schedule
        else "no schedule of its own: at every `runner once`, every 5 minutes under `runner serve`"
    )
    lines = [f"It runs next at {times(next_run)} ({when})."]
    if last_beat is None:
        lines.append(
            "But no runner has ever run here: start one with `analyst runner serve`, or see `analyst runner install --help`."
        )
    elif now - last_beat > 900:
        lines.append(
            f"But the runner has shown no sign of life since {times(last_beat)}: see `analyst runner install --help`."
        )
    return lines
