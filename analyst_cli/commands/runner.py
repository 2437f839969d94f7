"""`analyst runner`: run the notification scripts of this account, once or for good."""

import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyst_cli import output, paths
from analyst_cli.commands.option_groups import Group, with_groups
from analyst_cli.commands.runner_options import (
    PYTHON,
    Places,
    runner_settings,
    server_errors,
    stopped_by_signals,
)
from analyst_cli.errors import UsageProblem
from analyst_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from analyst_server.runner.outcomes import RunRecord

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Run the notification scripts of this account and hand their alerts to the gateway.\n\nExample: analyst runner once",
)

_VARIABLES = {
    "--scripts": "ANALYST_SCRIPTS_DIR",
    "--state": "ANALYST_NOTIFICATIONS_DIR",
    "--socket": "WS_DISPATCH_SOCKET",
    "--user": "ANALYST_USER",
    "--python": "ANALYST_SCRIPT_PYTHON",
}


class Way(Group):
    """How scripts are run."""

    parallel: int = typer.Option(
        8, "--parallel", min=1, max=64, envvar="ANALYST_SCRIPTS_PARALLEL", help="Scripts that run at the same time."
    )
    failure_alerts: bool = typer.Option(
        True,
        "--failure-alerts/--no-failure-alerts",
        envvar="ANALYST_FAILURE_ALERTS",
        help="Tell the owner when a script fails, recovers, or is overdue.",
    )


@app.command()
@with_groups
def once(
    *,
    places: Places,
    python: Path | None = PYTHON,
    way: Way,
    now: bool = typer.Option(False, "--now", help="Run all scripts, whatever their schedules say."),
    no_cooldown: bool = typer.Option(False, "--no-cooldown", help="Send even what a cooldown would hold back."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Print nothing: for cron, which mails what is printed."),
    json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
) -> None:
    """Run what is due now and end: what cron calls every 5 minutes.

    A script without a schedule of its own runs every time. The exit code is 0 even when a script fails: its owner is told.

    Examples:
      analyst runner once
      analyst runner once --now --user petr --scripts ./notifications
    """
    from analyst_server.runner.flight import Flight  # noqa: PLC0415
    from analyst_server.runner.history import History  # noqa: PLC0415
    from analyst_server.runner.loop import Reports, run_once  # noqa: PLC0415
    from analyst_server.runner.scripts import find_scripts  # noqa: PLC0415

    settings = replace(
        runner_settings(**vars(places), python=python),
        **vars(way),
        ignore_schedule=now,
        ignore_cooldown=no_cooldown,
    )
    with server_errors(), stopped_by_signals() as stop:
        history = History(settings.history_file)
        try:
            reports = Reports(ran=_nothing if quiet else (_json if json else _line), problem=output.note)
            records = run_once(Flight(settings, history, stop_fd=stop.readable), reports, stop)
        finally:
            history.close()
        if stop.event.is_set():
            raise typer.Exit(ExitCode.INTERRUPTED)
    if not records and not quiet and not json:
        output.note(
            f"nothing was due in {settings.scripts_dir}; --now runs all scripts, whatever their schedules say"
            if find_scripts(settings.scripts_dir)
            else f"there are no scripts in {settings.scripts_dir}; make one with: analyst scripts new revenue_check"
        )


@app.command()
@with_groups
def serve(
    *,
    places: Places,
    python: Path | None = PYTHON,
    way: Way,
    json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
) -> None:
    """Run scripts by their own schedules until Ctrl-C or SIGTERM.

    Schedules are cron expressions in a time zone, or `every 10m`; they stand in the block at the top of a script (docs/scripts.md).
    A script without one runs every 5 minutes. After a sleep of the machine each script catches up once.

    Example:
      analyst runner serve
    """
    from analyst_server.runner.flight import Flight  # noqa: PLC0415
    from analyst_server.runner.history import History  # noqa: PLC0415
    from analyst_server.runner.loop import Reports  # noqa: PLC0415
    from analyst_server.runner.loop import serve as run_for_good  # noqa: PLC0415

    settings = replace(
        runner_settings(**vars(places), python=python),
        **vars(way),
    )
    with server_errors(), stopped_by_signals() as stop:
        history = History(settings.history_file)
        try:
            output.note(f"runs the scripts of {settings.scripts_dir} for {settings.user}; Ctrl-C ends")
            flight = Flight(settings, history, stop_fd=stop.readable)
            run_for_good(flight, Reports(ran=_json if json else _line, problem=output.note), stop)
        finally:
            history.close()


@app.command()
@with_groups
def overdue(
    *,
    places: Places,
    tell: bool = typer.Option(False, "--tell", help="Tell the owners, once for each missed time."),
) -> None:
    """List scripts that should have run and have not.

    The exit code is 1 when there are any. This is the dead man's switch: start it from something else than the runner,
    for instance from cron when `serve` runs as a service.

    Example:
      analyst runner overdue --tell
    """
    from analyst_server.runner import overdue as overdue_scripts  # noqa: PLC0415
    from analyst_server.runner.history import History  # noqa: PLC0415
    from analyst_server.runner.local_time import both_times  # noqa: PLC0415

    settings = runner_settings(**vars(places))
    with server_errors():
        history = History(settings.history_file)
        try:
            late = overdue_scripts.find_overdue(settings, history, now=time.time())
            for entry in late if tell else []:
                overdue_scripts.tell(settings, history, entry)
        finally:
            history.close()
    output.table(("SCRIPT", "DUE", "WHY"), [(entry.script.stem, both_times(entry.due_at), entry.why) for entry in late])
    if late:
        raise typer.Exit(1)


@app.command("exec-as")
def exec_as(
    command: str = typer.Argument(..., metavar="COMMAND", help="list, run or sync-status."),
    name: str = typer.Argument("", metavar="[NAME]", help="The script, for run."),
    *,
    group: str = typer.Option("dataread", "--group", help="Group that the account must be in."),
) -> None:
    """Answer the portal and the bot, with one JSON object.

    This is what a line in sudoers allows them: deploy ALL=(%dataread) NOPASSWD: /usr/local/bin/analyst runner exec-as *

    Examples:
      sudo -u petr analyst runner exec-as list
      sudo -u petr analyst runner exec-as run revenue_check.py
    """
    from analyst_server.errors import ServerError  # noqa: PLC0415
    from analyst_server.runner.exec_as import account_settings, answer_to  # noqa: PLC0415

    try:
        with stopped_by_signals() as stop:
            answer = answer_to(account_settings(os.environ, group=group), command, name, stop_fd=stop.readable)
    except ServerError as exc:
        answer = {"ok": False, "error": str(exc)}
    output.json_line(answer)
    if not answer["ok"]:
        raise typer.Exit(1)


@app.command()
@with_groups
def install(
    *,
    kind: str = typer.Option("", "--with", metavar="KIND", help="cron, systemd or launchd [what fits this system]."),
    remove: bool = typer.Option(False, "--remove", help="Take it away again."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    places: Places,
    python: Path | None = PYTHON,
) -> None:
    """Have the system run the scripts every five minutes.

    It shows the crontab line, systemd timer or launchd agent that it writes, and asks first.

    Examples:
      analyst runner install
      analyst runner install --with cron --socket /run/ws-gateway/ws.sock --yes
      analyst runner install --remove
    """
    from analyst_server.runner.install import KINDS, installation, usual_kind  # noqa: PLC0415

    if kind and kind not in KINDS:
        raise UsageProblem(f"unknown kind {kind!r}", f"choose one of {', '.join(KINDS)}")
    flags = {f"--{name}": value or None for name, value in (*vars(places).items(), ("python", python))}
    command = [*_this_program(), "runner", "once", "--quiet", *_named(flags)]
    with server_errors():
        plan = installation(kind or usual_kind(), command=command, home=Path.home())
        if remove:
            output.note("removed" if plan.remove() else f"there was nothing to remove from {plan.kind}")
            return
        output.text(plan.shown())
        if not yes:
            if not output.is_terminal(sys.stdin):
                raise UsageProblem("nobody can be asked here", "add --yes to install what is shown")
            typer.confirm("Install this?", abort=True, err=True)
        plan.install()
    output.note(f"installed; take it away with: analyst runner install --with {plan.kind} --remove")


def _named(flags: dict[str, Path | str | None]) -> list[str]:
    """Return the flags with which a runner that is started without this environment finds what it finds here."""
    here = {flag: os.environ.get(variable) or None for flag, variable in _VARIABLES.items()}
    socket = paths.dispatch_socket()
    if socket != paths.SYSTEM_DISPATCH_SOCKET and (here["--socket"] or socket.exists()):
        here["--socket"] = str(socket)  # cron has no XDG_RUNTIME_DIR
    words: list[str] = []
    for flag, given in flags.items():
        if (value := given or here[flag]) is not None:
            words += [flag, str(value if flag == "--user" else Path(value).absolute())]
    return words


def _this_program() -> list[str]:
    """Return how the system can start this very `analyst`."""
    program = shutil.which(sys.argv[0]) if not sys.argv[0].endswith("__main__.py") else None
    return [str(Path(program).absolute())] if program else [sys.executable, "-m", "analyst_cli"]


def _nothing(_record: "RunRecord") -> None:
    pass


def _line(record: "RunRecord") -> None:
    words = f"{record.stem}: {record.outcome.value}" + (
        f" (and for {record.missed} that {'was' if record.missed == 1 else 'were'} missed)" if record.missed else ""
    )
    detail = record.reason or record.title
    output.line(f"{words} - {detail}" if detail else words)


def _json(record: "RunRecord") -> None:
    from dataclasses import asdict  # noqa: PLC0415

    output.json_line(asdict(record))
