"""Run one script and read what it says. Nothing is sent and nothing is remembered here: that is `flight.py`."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from analyst_server.runner.contract import BadOutput, Output, read_output
from analyst_server.runner.outcomes import Outcome, RunRecord
from analyst_server.runner.process import Finished, run_bounded
from analyst_server.runner.scripts import Script
from analyst_server.runner.settings import RunnerSettings

__all__ = ["Landed", "run_script"]

_SECRETS = (
    "DESKTOP_JWT_SECRET",
    "DESKTOP_JWT_SECRET_PREVIOUS",
    "TELEGRAM_BOT_TOKEN",
    "ANALYST_TOKEN",
)  # no business of a script


@dataclass(frozen=True, slots=True)
class Landed:
    """What a script said, before anything is sent: `notification` is set when it wants to notify."""

    record: RunRecord
    output: Output | None = None
    notification: dict[str, Any] | None = None


def run_script(
    settings: RunnerSettings,
    script: Script,
    record: RunRecord,
    *,
    folder: Path,
    stop_fd: int | None = None,
    started: Callable[[int], None] = lambda _pid: None,
) -> Landed:
    """Run a script and read its output; nothing is sent and nothing is remembered. `folder` is for its files."""
    if script.problem:
        return Landed(replace(record, outcome=Outcome.BAD_BLOCK, reason=f"{script.path.name}: {script.problem}"))
    interpreter = settings.interpreter()
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    try:
        finished = run_bounded(
            [str(interpreter), str(script.path)],
            cwd=settings.home,
            env=environment | {"HOME": str(settings.home), "ANALYST_RUN_DIR": str(folder)},
            run_id=record.id,
            timeout_s=script.declaration.timeout_s,
            kill_grace_s=settings.kill_grace_s,
            stop_fd=stop_fd,
            started=started,
        )
    except OSError as exc:
        problem, way_out = f"{interpreter} cannot be started", "name a Python with --python"
        if not settings.home.is_dir():
            problem, way_out = f"the home folder {settings.home} cannot be entered", "scripts run in it: make it"
        reason = f"{problem} ({exc.strerror}); {way_out}"
        return Landed(replace(record, outcome=Outcome.FAILED, reason=reason))
    return _landed(script, record, finished)


def _landed(script: Script, record: RunRecord, finished: Finished) -> Landed:
    ran = replace(
        record,
        duration_s=round(finished.duration_s, 3),
        exit_code=finished.exit_code,
        stderr_tail=finished.stderr_tail.decode(errors="replace"),
    )
    outcome, reason = _how_it_ended(script, finished)
    if outcome is not None:
        return Landed(replace(ran, outcome=outcome, reason=reason))
    try:
        output = read_output(finished.stdout)
    except BadOutput as exc:
        return Landed(replace(ran, outcome=Outcome.BAD_OUTPUT, reason=f"its output cannot be used: {exc}"))
    output, missing_image = _with_image_checked(output, script)
    said = replace(
        ran,
        title=output.title,
        message=output.message,
        status=output.status or "",
        warnings=output.warnings + missing_image,
    )
    if not output.notify:
        return Landed(replace(said, outcome=Outcome.QUIET, reason="the script said notify: false"), output)
    return Landed(said, output, _notification(script, said, output))


def _how_it_ended(script: Script, finished: Finished) -> tuple[Outcome | None, str]:
    match finished.ended:
        case "timed out":
            return (
                Outcome.TIMED_OUT,
                f"it ran longer than its limit of {script.declaration.timeout_s:.0f} s and was ended",
            )
        case "interrupted":
            return Outcome.INTERRUPTED, "the runner was stopped in the middle of it"
        case "too much output":
            return Outcome.BAD_OUTPUT, "it printed more than 1 MiB on stdout and was ended; print one JSON object"
        case "exited" if finished.exit_code < 0:
            return Outcome.FAILED, f"it was ended by signal {_signal_name(-finished.exit_code)}"
        case "exited" if finished.exit_code > 0:
            return Outcome.FAILED, f"it ended with exit code {finished.exit_code}"
    return None, ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time signals only the first and the last have names
        return str(number)


def _with_image_checked(output: Output, script: Script) -> tuple[Output, tuple[str, ...]]:
    """Leave out a chart that is not there: the text goes without it."""
    path = output.image_path
    if path is None or not (why := _image_problem(Path(path))):
        return output, ()
    return msgspec.structs.replace(output, image_path=None), (
        f"{script.stem}: image_path {path!r} was left out: {why}",
    )


def _image_problem(path: Path) -> str:
    if not path.is_absolute():
        return "the path must be absolute"
    try:
        return "" if path.is_file() else "there is no such file"
    except OSError as exc:
        return str(exc.strerror).lower()


def _notification(script: Script, record: RunRecord, output: Output) -> dict[str, Any]:
    """Return the notification in the words of section 2.5 of the protocol, without what is not there."""
    members = {
        "id": f"{script.stem[:90]}-{record.id}",  # the gateway takes 128 characters
        "title": output.title or script.stem,
        "message": output.message,
        "script": script.stem,
        "timestamp": datetime.fromtimestamp(record.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "image_path": output.image_path,
        "image_alt": output.image_alt,
        "priority": output.priority or script.declaration.priority,
        "tags": [*script.declaration.tags, *(tag for tag in output.tags if tag not in script.declaration.tags)],
        "key": output.key,
        "status": output.status,
        "url": output.url,
        "data": output.data,
        "chart": msgspec.to_builtins(output.chart),
        "run": {
            "id": record.id,
            "script": record.script,
            "hash": record.content_hash,
            "exit_code": record.exit_code,
            "duration_s": record.duration_s,
        },
    }
    return {name: value for name, value in members.items() if value not in (None, [])}
