"""What the runner tells about a run beside its alert: a line in the script's log, and a word to its owner when the script itself fails."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyst_server.errors import RequestRefused
from analyst_server.runner.dispatching import GatewayAway, dispatch
from analyst_server.runner.failures import after_run
from analyst_server.runner.history import History
from analyst_server.runner.outcomes import RunRecord
from analyst_server.runner.scripts import Script
from analyst_server.runner.settings import RunnerSettings
from analyst_server.wire.inert import inert_text

__all__ = ["tell", "tell_owner", "write_log"]

MAX_LOG_BYTES = 512 * 1024  # then it becomes `<stem>.log.1`


def write_log(path: Path, record: RunRecord) -> None:
    """Append one run to the script's log. A log that cannot be written is no reason to lose a run."""
    at = datetime.fromtimestamp(record.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [
        f"{at} {record.outcome.value} in {record.duration_s:.1f} s" + (f": {record.reason}" if record.reason else "")
    ]
    lines += [f"  warning: {warning}" for warning in record.warnings]
    lines += [f"  stderr: {line}" for line in record.stderr_tail.splitlines()[-20:]]
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a", encoding="utf-8") as log:
            log.write(inert_text("\n".join(lines)) + "\n")


def tell_owner(settings: RunnerSettings, history: History, script: Script, record: RunRecord, *, now: float) -> None:
    """Tell the owner of the first failure and of the recovery; what cannot be told now is told after the next run."""
    owner = script.declaration.owner or settings.user
    health, notice = after_run(history.health(record.stem), record, now=now, owner=owner)
    if notice is not None and settings.failure_alerts and script.declaration.failure_alerts:
        try:
            tell(settings, owner, notice)
        except GatewayAway:
            return  # the health stays as it was, so it is told next time
    history.set_health(record.stem, health)


def tell(settings: RunnerSettings, owner: str, notice: dict[str, Any]) -> None:
    """Tell the owner of a script, or the user if the gateway refuses the owner's name. Raises `GatewayAway`."""
    try:
        dispatch(settings.socket, user=owner, notification=notice)
    except RequestRefused as exc:
        if owner != settings.user:
            words = f"{notice['message']}\n\nThis is for its owner {owner[:100]!r}, but {exc.problem}."
            with suppress(RequestRefused):
                dispatch(settings.socket, user=settings.user, notification=notice | {"message": words})
