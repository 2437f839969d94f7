"""`analyst scripts`: list, run, test, create and explain the notification scripts of this account."""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from analyst_cli import output
from analyst_cli.commands import scripts_remote
from analyst_cli.commands.runner_options import (
    PYTHON,
    SCRIPTS,
    SOCKET,
    STATE,
    USER,
    runner_settings,
    server_errors,
    stopped_by_signals,
)
from analyst_cli.errors import LocalProblem, UsageProblem

if TYPE_CHECKING:
    from analyst_server.runner.history import History
    from analyst_server.runner.outcomes import RunRecord
    from analyst_server.runner.settings import RunnerSettings

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="List, run, test, create and explain notification scripts.\n\nExample: analyst scripts explain revenue_check",
)

STDERR_SHOWN_CHARS = 2_000  # of up to 16 KiB that history keeps

NAME = typer.Argument(..., metavar="NAME", help="The script's name, with or without .py.")
JSON = typer.Option(False, "--json", help="Print one JSON object a line.")
PLAIN = typer.Option(False, "--plain", help="Print sentences without columns, for screen readers.")
REMOTE = typer.Option(
    False, "--remote", help="The scripts on the server, asked through the portal, not those of this machine."
)
SERVER = typer.Option(
    None, "--server", metavar="URL", help="Which server, with --remote; else ANALYST_SERVER, else the server used last."
)


@app.command("list")
def list_(
    *,
    scripts: Path | None = SCRIPTS,
    state: Path | None = STATE,
    remote: bool = REMOTE,
    server: str | None = SERVER,
    json: bool = JSON,
    plain: bool = PLAIN,
) -> None:
    """List the scripts, their last run and their next.

    Examples:
      analyst scripts list
      analyst scripts list --remote
    """
    if remote:
        scripts_remote.list_remote(server, json=json, plain=plain)
        return
    from analyst_server.runner.explain import ago  # noqa: PLC0415
    from analyst_server.runner.overview import overview  # noqa: PLC0415

    settings = runner_settings(scripts=scripts, state=state)
    now = time.time()
    with server_errors(), _history(settings) as history:
        entries = overview(settings, history, now=now)
    if json:
        for entry in entries:
            output.json_line(entry)
        return
    if not entries:
        output.note(f"there are no scripts in {settings.scripts_dir}; make one with: analyst scripts new revenue_check")
    rows = [
        (
            entry["stem"],
            entry["problem"] or entry["schedule"],
            ago(entry["last_run_at"], now) if entry["last_run_at"] else "never",
            entry["last_outcome"] or "",
            time.strftime("%a %H:%M", time.localtime(entry["next_run_at"])) if entry["next_run_at"] else "",
        )
        for entry in entries
    ]
    output.table(("SCRIPT", "SCHEDULE", "LAST RUN", "OUTCOME", "NEXT"), rows, plain=plain)


@app.command()
def run(
    name: str = NAME,
    *,
    scripts: Path | None = SCRIPTS,
    state: Path | None = STATE,
    socket: Path | None = SOCKET,
    user: str = USER,
    python: Path | None = PYTHON,
    remote: bool = REMOTE,
    server: str | None = SERVER,
    json: bool = JSON,
) -> None:
    """Run one script now and send what it says.

    No cooldown holds it back, and none begins: trying something out mutes nothing.

    Examples:
      analyst scripts run revenue_check
      analyst scripts run revenue_check --remote
    """
    if remote:
        scripts_remote.run_remote(name, server, json=json)
        return
    from analyst_server.runner.flight import Busy, Flight  # noqa: PLC0415
    from analyst_server.runner.outcomes import FAILURES, Outcome, Trigger  # noqa: PLC0415
    from analyst_server.runner.scripts import find_script  # noqa: PLC0415

    settings = runner_settings(scripts=scripts, state=state, socket=socket, user=user, python=python)
    with server_errors(), _history(settings) as history, stopped_by_signals() as stop:
        flight = Flight(settings, history, stop_fd=stop.readable)
        try:
            record = flight.run(find_script(settings.scripts_dir, name), Trigger.PERSON)
        except Busy as exc:
            raise LocalProblem(
                f"{name} is running already", "wait until it has ended, or see: analyst scripts history"
            ) from exc
    if json:
        output.json_line(asdict(record))
    else:
        _show_run(record)
    if record.outcome in FAILURES | {Outcome.WAITING, Outcome.INTERRUPTED}:
        raise typer.Exit(1)


@app.command("test")
def try_out(
    name: str = NAME, *, scripts: Path | None = SCRIPTS, python: Path | None = PYTHON, json: bool = JSON
) -> None:
    """Run one script and show what it would send.

    Nothing is sent, nothing is remembered. NAME may also be the path of a script that lies elsewhere.

    Examples:
      analyst scripts test revenue_check
      analyst scripts test ./draft.py
    """
    from analyst_server.runner.landing import run_script  # noqa: PLC0415
    from analyst_server.runner.outcomes import RunRecord, Trigger  # noqa: PLC0415
    from analyst_server.runner.scripts import find_script, load  # noqa: PLC0415

    settings = runner_settings(scripts=scripts, python=python)
    with (
        server_errors(),
        tempfile.TemporaryDirectory(prefix="analyst-test-") as folder,
        stopped_by_signals() as stop,
    ):
        is_path = "/" in name and Path(name).is_file()
        script = load(Path(name).absolute()) if is_path else find_script(settings.scripts_dir, name)
        record = RunRecord(uuid.uuid4().hex, script.stem, str(script.path), Trigger.PERSON, time.time())
        landed = run_script(settings, script, record, folder=Path(folder), stop_fd=stop.readable)
        if json:
            output.json_line({"run": asdict(landed.record), "notification": landed.notification})
        else:
            _show_test(landed.record, landed.notification)
    if landed.output is None:
        raise typer.Exit(1)


@app.command()
def new(
    name: str = typer.Argument(..., metavar="NAME", help="Name of the new script: letters, digits, - and _."),
    *,
    sample: str = typer.Option(
        "first_alert", "--from", metavar="SAMPLE", help="The sample to begin with; `--samples` lists them."
    ),
    samples: bool = typer.Option(
        False,
        "--samples",
        help="List the samples and end.",
        is_eager=True,
        callback=lambda value: _list_samples(asked=value),
    ),
    scripts: Path | None = SCRIPTS,
) -> None:
    """Write a new script from a sample, ready to run and to change.

    Examples:
      analyst scripts new revenue_check --from revenue_drop
      analyst scripts new --samples
    """
    from analyst_server.runner.scripts import create_script  # noqa: PLC0415

    assert not samples  # noqa: S101 - its callback has ended the command
    settings = runner_settings(scripts=scripts)
    with server_errors():
        path = create_script(settings.scripts_dir, name, sample=sample)
    output.line(str(path))
    output.note(f"try it with: analyst scripts test {path.stem}")


@app.command()
def explain(name: str = NAME, *, scripts: Path | None = SCRIPTS, state: Path | None = STATE) -> None:
    """Tell why an alert was sent, or was not.

    When the script last ran, what it said, what became of it, when it could be sent next, and when it runs next.

    Example:
      analyst scripts explain revenue_check
    """
    from analyst_server.runner.overview import explained  # noqa: PLC0415
    from analyst_server.runner.scripts import find_script  # noqa: PLC0415

    settings = runner_settings(scripts=scripts, state=state)
    with server_errors(), _history(settings) as history:
        script = find_script(settings.scripts_dir, name)
        for sentence in explained(settings, script, history, now=time.time()):
            output.line(sentence)


@app.command()
def history(
    name: str = typer.Argument("", metavar="[NAME]", help="One script; without it, all."),
    *,
    scripts: Path | None = SCRIPTS,
    state: Path | None = STATE,
    limit: int = typer.Option(20, "--limit", "-n", min=1, max=2000, help="How many runs."),
    json: bool = JSON,
    plain: bool = PLAIN,
) -> None:
    """List the latest runs, and why nothing was sent.

    Examples:
      analyst scripts history
      analyst scripts history revenue_check --limit 100 --json
    """
    from analyst_server.runner.overview import known_runs  # noqa: PLC0415
    from analyst_server.runner.scripts import find_script  # noqa: PLC0415

    settings = runner_settings(scripts=scripts, state=state)
    with server_errors(), _history(settings) as past:
        runs = known_runs(settings, past, name.removesuffix(".py"), limit=limit)
        if name and not runs:
            # a slip of the keyboard is told apart from a script that has not run
            find_script(settings.scripts_dir, name)
    if json:
        for record in runs:
            output.json_line(asdict(record))
        return
    if not runs:
        output.note("no run is remembered here" if not name else f"{name} has never run here")
    rows = [
        (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started_at)),
            record.stem,
            record.outcome.value,
            f"{record.duration_s:.1f}s",
            record.reason or record.title,
        )
        for record in runs
    ]
    output.table(("WHEN", "SCRIPT", "OUTCOME", "TOOK", "WHY OR WHAT"), rows, plain=plain)


@app.command()
def edit(name: str = NAME, *, scripts: Path | None = SCRIPTS) -> None:
    """Open a script in $VISUAL or $EDITOR, then check it.

    Example:
      EDITOR=nano analyst scripts edit revenue_check
    """
    from analyst_server.runner.scripts import find_script, load  # noqa: PLC0415

    settings = runner_settings(scripts=scripts)
    with server_errors():
        script = find_script(settings.scripts_dir, name)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    if not editor or shutil.which(editor[0]) is None:
        raise LocalProblem(f"the editor {' '.join(editor)!r} is not installed", "name one in EDITOR, as in EDITOR=nano")
    code = subprocess.run([*editor, str(script.path)], check=False).returncode
    if code != 0:
        raise LocalProblem(f"the editor ended with exit code {code}")
    if problem := load(script.path).problem:
        raise UsageProblem(f"{script.path}: {problem}", f"change it with: analyst scripts edit {script.stem}")


def _list_samples(*, asked: bool) -> None:
    if asked:
        from analyst_server.runner.scripts import sample_names  # noqa: PLC0415

        for name in sample_names():
            output.line(name)
        raise typer.Exit


@contextmanager
def _history(settings: "RunnerSettings") -> Iterator["History"]:
    from analyst_server.runner.history import History  # noqa: PLC0415

    opened = History(settings.history_file)
    try:
        yield opened
    finally:
        opened.close()


def _show_run(record: "RunRecord") -> None:
    output.line(f"{record.stem}: {record.outcome.value}" + (f" - {record.reason}" if record.reason else ""))
    if record.title:
        output.line(record.title)
    for warning in record.warnings:
        output.note(f"warning: {warning}")
    if record.exit_code and record.stderr_tail.strip():
        output.note(record.stderr_tail.rstrip()[-STDERR_SHOWN_CHARS:])


def _show_test(record: "RunRecord", notification: dict[str, Any] | None) -> None:
    for warning in record.warnings:
        output.note(f"warning: {warning}")
    if notification is None:
        output.line(f"{record.stem} would send nothing: {record.reason} ({record.duration_s:.1f} s)")
        if record.exit_code and record.stderr_tail.strip():
            output.note(record.stderr_tail.rstrip()[-STDERR_SHOWN_CHARS:])
        return
    output.line(f"{record.stem} would send ({record.duration_s:.1f} s):")
    for member, value in notification.items():
        if member in {"id", "timestamp", "run"}:
            continue
        shown = (
            f"{value['kind']}, {sum(len(series['y']) for series in value['series'])} points"
            if member == "chart"
            else str(value)
        )
        output.text(f"  {member}: {shown}")
