"""`analyst service`: keep a background watch running at login."""

import sys
from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.client.background import Background, background, watch_command
from analyst_cli.commands import options
from analyst_cli.errors import UsageProblem
from analyst_cli.exit_codes import ExitCode

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Keep a background watch running at login."
)

Notify = Annotated[bool, typer.Option("--notify", help="The watch also announces what arrives on the desktop.")]


@app.command()
def install(
    *,
    notify: Notify = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Only print the file, and write nothing.")] = False,
    server: options.Server = None,
) -> None:
    """Start `analyst watch --quiet` at every login, so that the inbox and the badge are current; the file is shown before it is written.

    \b
    Examples:
      analyst service install
      analyst service install --notify --yes
      analyst service install --print
    """
    from analyst_cli.client.target import target_of  # noqa: PLC0415

    address = target_of(server).server if server else None
    wanted = background(watch_command(server=address, notify=notify))
    if show:
        output.raw(wanted.content)
        return
    _agree(wanted, is_agreed=yes)
    problem = wanted.install()
    output.note(f"Written: {wanted.path}")
    if problem:
        commands = " && ".join(" ".join(command) for command in wanted.start)
        output.note(f"It could not be started ({problem}). Where that works, start it with: {commands}")
    else:
        output.note("It runs now, and from now on at every login. See it with: analyst service status")


@app.command()
def uninstall() -> None:
    """Stop the background watch and remove its file.

    \b
    Example:
      analyst service uninstall
    """
    installed = background(watch_command(server=None, notify=False))
    was_there = installed.uninstall()
    output.note(f"Removed: {installed.path}" if was_there else "There was no background watch.")


@app.command()
def status(as_json: options.AsJson = False) -> None:
    """Tell whether the background watch is installed and running; ends with 1 when it does not run.

    \b
    Example:
      analyst service status
    """
    installed = background(watch_command(server=None, notify=False))
    state = installed.running()
    is_running = state.startswith(("active", installed.state[-1]))
    if as_json:
        output.json_line(
            {"path": str(installed.path), "installed": installed.path.exists(), "running": is_running, "state": state}
        )
    else:
        output.line(f"{'running' if is_running else state}: {installed.path}")
    raise typer.Exit(ExitCode.OK if is_running else ExitCode.FAILED)


def _agree(wanted: Background, *, is_agreed: bool) -> None:
    output.note(f"This is to be written to {wanted.path}:\n")
    output.note(wanted.content)
    if is_agreed:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageProblem("nobody is here to agree", "give --yes")
    if not typer.confirm("Write it and start it?", err=True):
        output.note("Nothing was written.")
        raise typer.Exit(ExitCode.FAILED)
