"""Decide when the owner of a script hears that the script itself fails, works again, or has not run when it should have. No I/O, no clock."""

from dataclasses import dataclass, replace
from typing import Any

from analyst_server.runner.outcomes import FAILURES, Outcome, RunRecord

__all__ = ["Health", "after_run", "overdue_alert"]

REPEAT_AFTER_S = 6 * 3_600  # a script that flaps is told about this often at most
STDERR_SHOWN_CHARS = 1_500

_NEUTRAL = frozenset({Outcome.INTERRUPTED, Outcome.RUNNING})  # these say nothing about the script


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a script between runs; times are unix seconds, None: never."""

    failing_since: float | None = None
    told_failing_at: float | None = None  # None as well when the recovery has been told
    last_told_at: float | None = None
    told_overdue_for: float | None = None  # the due time that was missed


def after_run(health: Health, record: RunRecord, *, now: float, owner: str) -> tuple[Health, dict[str, Any] | None]:
    """Return the health after a run, and the notification for the owner if there is something to tell: the first failure, or the recovery."""
    if record.outcome in _NEUTRAL:
        return health, None
    if record.outcome in FAILURES:
        failing = replace(health, failing_since=health.failing_since or record.started_at)
        told_lately = health.last_told_at is not None and now - health.last_told_at < REPEAT_AFTER_S
        if health.told_failing_at is not None or told_lately:
            return failing, None
        return replace(failing, told_failing_at=now, last_told_at=now), _failure(record, owner)
    well = replace(health, failing_since=None, told_failing_at=None)
    if health.told_failing_at is None:
        return well, None
    return well, _recovery(record, owner, since=health.failing_since, now=now)


def overdue_alert(
    health: Health, *, stem: str, due_at: float, due_words: str, why: str, owner: str
) -> tuple[Health, dict[str, Any] | None]:
    """Return the notification that a script has not run at `due_at`; not again for a due time soon after one that has been told."""
    if health.told_overdue_for is not None and due_at - health.told_overdue_for < REPEAT_AFTER_S:
        return health, None
    return replace(health, told_overdue_for=due_at), {
        "id": f"overdue-{stem}-{int(due_at)}",
        "title": f"Script {stem} has not run when it should have",
        "message": f"It was due at {due_words}. {why}\nWhat is known of it: analyst scripts explain {stem}",
        "priority": "high",
        "tags": ["runner", "overdue"],
        "key": f"runner:overdue:{stem}",
        "script": stem,
        "data": {"owner": owner},
    }


def _failure(record: RunRecord, owner: str) -> dict[str, Any]:
    stderr = record.stderr_tail[-STDERR_SHOWN_CHARS:].strip()
    shown = f"\n\nIts last words on stderr:\n{stderr}" if stderr else ""
    return {
        "id": f"failure-{record.id}",
        "title": f"Script {record.stem} fails: {record.outcome.value}",
        "message": f"{record.reason}{shown}\n\nMore: analyst scripts explain {record.stem}",
        "priority": "high",
        "tags": ["runner", "failure"],
        "key": f"runner:failure:{record.stem}",
        "status": "firing",
        "script": record.stem,
        "data": {"owner": owner},
    }


def _recovery(record: RunRecord, owner: str, *, since: float | None, now: float) -> dict[str, Any]:
    minutes = max(1, round((now - (since or now)) / 60))
    return {
        "id": f"recovery-{record.id}",
        "title": f"Script {record.stem} works again",
        "message": f"It ran in {record.duration_s:.1f} s after failing for {minutes} min.",
        "priority": "normal",
        "tags": ["runner", "recovery"],
        "key": f"runner:failure:{record.stem}",
        "status": "resolved",
        "script": record.stem,
        "data": {"owner": owner},
    }
