"""What `analyst runner` and `analyst scripts` share: where scripts, state and gateway are, and how the server's errors reach a person."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyst_cli import paths
from analyst_cli.commands.option_groups import Group
from analyst_cli.errors import AnalystError, LocalProblem, NotFound, ServerRefused, ServerUnreachable, SettingsProblem

if TYPE_CHECKING:
    from analyst_server.runner.loop import Stop
    from analyst_server.runner.settings import RunnerSettings

__all__ = [
    "PYTHON",
    "SCRIPTS",
    "SOCKET",
    "STATE",
    "USER",
    "Places",
    "runner_settings",
    "server_errors",
    "stopped_by_signals",
]

SCRIPTS = typer.Option(
    None, "--scripts", metavar="DIR", help="Folder of the scripts [ANALYST_SCRIPTS_DIR, ~/user/notifications]."
)
STATE = typer.Option(
    None,
    "--state",
    metavar="DIR",
    help="Folder of history, cooldowns and logs [ANALYST_NOTIFICATIONS_DIR, ~/.notifications].",
)
SOCKET = typer.Option(
    None,
    "--socket",
    metavar="PATH",
    help="The gateway's dispatch socket [WS_DISPATCH_SOCKET, /run/ws-gateway/ws.sock, this account's own].",
)
USER = typer.Option("", "--user", metavar="NAME", help="Who gets the alerts [ANALYST_USER, the account's name].")
PYTHON = typer.Option(
    None,
    "--python",
    metavar="PATH",
    help="Python that runs the scripts [ANALYST_SCRIPT_PYTHON, ~/.venv/bin/python, python3].",
)


class Places(Group):
    """Where the runner finds what it needs, and for whom it runs."""

    scripts: Path | None = SCRIPTS
    state: Path | None = STATE
    socket: Path | None = SOCKET
    user: str = USER


def runner_settings(
    *,
    scripts: Path | None = None,
    state: Path | None = None,
    socket: Path | None = None,
    user: str = "",
    python: Path | None = None,
) -> "RunnerSettings":
    """Return the runner's settings: flags over environment over defaults."""
    from analyst_server.runner.settings import RunnerSettings  # noqa: PLC0415

    found = RunnerSettings.of_this_user()
    return replace(
        found,
        scripts_dir=(scripts or found.scripts_dir).absolute(),
        state_dir=(state or found.state_dir).absolute(),
        socket=socket or paths.dispatch_socket(),
        user=user or found.user,
        python=python or found.python,
    )


@contextmanager
def stopped_by_signals() -> Iterator["Stop"]:
    """Yield what SIGTERM, SIGINT and SIGHUP set: running scripts are ended with all they have started, instead of left behind."""
    from analyst_server.runner.loop import Stop  # noqa: PLC0415

    stop = Stop()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn the errors of the server's parts into those that the command line shows."""
    from analyst_server.errors import ConfigProblem, RequestRefused, ServerError  # noqa: PLC0415
    from analyst_server.runner.dispatching import GatewayAway  # noqa: PLC0415
    from analyst_server.runner.scripts import ScriptNotFound  # noqa: PLC0415

    try:
        yield
    except ServerError as exc:
        kinds: dict[type[ServerError], type[AnalystError]] = {
            ConfigProblem: SettingsProblem,
            ScriptNotFound: NotFound,
            GatewayAway: ServerUnreachable,
            RequestRefused: ServerRefused,
        }
        kind = next((ours for theirs, ours in kinds.items() if isinstance(exc, theirs)), LocalProblem)
        raise kind(exc.problem, exc.way_out) from exc
