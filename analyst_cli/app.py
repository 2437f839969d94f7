"""The root command: knows every command by name and one line of help, and imports it only when it is used.

A command lives in `analyst_cli/commands/<file>.py` as a `typer.Typer` named `app`, or as a plain function. `COMMANDS` is the whole registry.
"""

import errno
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from analyst_cli import output
from analyst_cli.errors import AnalystError
from analyst_cli.exit_codes import ExitCode, exit_code_of

__all__ = ["COMMANDS", "app", "output_lost", "run"]


class Entry(NamedTuple):
    """Where a command lives and the line that `analyst --help` shows."""

    target: str
    help: str
    panel: str


_READ, _ACT, _ACCOUNT, _SERVER, _AGENTS = "Read", "Act", "Account and settings", "Server", "Agents"

_EXAMPLES = re.compile(r"\n\n(Examples?:)")

COMMANDS: dict[str, Entry] = {
    "inbox": Entry("analyst_cli.commands.inbox:inbox", "Open the live inbox.", _READ),
    "list": Entry("analyst_cli.commands.read:list_", "List notifications, newest first.", _READ),
    "show": Entry("analyst_cli.commands.read:show", "Show one notification, with its chart.", _READ),
    "watch": Entry("analyst_cli.commands.watch:watch", "Print notifications as they arrive.", _READ),
    "search": Entry("analyst_cli.commands.read:search", "Search titles and messages.", _READ),
    "badge": Entry("analyst_cli.commands.badge:badge", "Print the unread count for a status bar.", _READ),
    "mark": Entry("analyst_cli.commands.act:mark", "Mark notifications read, unread, archived, acknowledged.", _ACT),
    "snooze": Entry("analyst_cli.commands.act:snooze", "Put notifications aside until later.", _ACT),
    "investigate": Entry(
        "analyst_cli.commands.investigate:investigate", "Start a coding agent on a notification.", _ACT
    ),
    "scripts": Entry("analyst_cli.commands.scripts", "List, run, test, create and explain scripts.", _ACT),
    "login": Entry("analyst_cli.commands.login:login", "Sign in to a server.", _ACCOUNT),
    "logout": Entry("analyst_cli.commands.login:logout", "Forget the token of this machine.", _ACCOUNT),
    "whoami": Entry("analyst_cli.commands.login:whoami", "Tell who is signed in, and where the token lies.", _ACCOUNT),
    "server": Entry("analyst_cli.commands.server", "List and choose servers.", _ACCOUNT),
    "config": Entry("analyst_cli.commands.config", "Show and change settings.", _ACCOUNT),
    "doctor": Entry("analyst_cli.commands.doctor:doctor", "Check everything and tell the remedies.", _ACCOUNT),
    "service": Entry("analyst_cli.commands.service", "Keep a background watch running at login.", _ACCOUNT),
    "completion": Entry(
        "analyst_cli.commands.completion:completion", "Print the completion script of a shell.", _ACCOUNT
    ),
    "demo": Entry("analyst_cli.commands.demo:demo", "Try everything out in a temporary folder.", _ACCOUNT),
    "gateway": Entry("analyst_cli.commands.gateway", "Serve and administrate the gateway and the portal.", _SERVER),
    "dispatch": Entry("analyst_cli.commands.dispatch:dispatch", "Send a notification to a user.", _SERVER),
    "status": Entry("analyst_cli.commands.dispatch:status", "Tell what became of a notification, per device.", _SERVER),
    "token": Entry("analyst_cli.commands.token", "Issue, inspect and refresh tokens.", _SERVER),
    "runner": Entry("analyst_cli.commands.runner", "Run the notification scripts.", _SERVER),
    "telegram": Entry("analyst_cli.commands.telegram", "Serve the Telegram bot.", _SERVER),
    "desktop": Entry("analyst_cli.commands.desktop", "Guarded desktop bridge for coding agents.", _AGENTS),
}


class _LazyCommand(TyperCommand):
    """Stand in for a command until somebody calls, completes or asks help of it."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name=name, help=entry.help, callback=lambda: None, rich_help_panel=entry.panel)
        self._target = entry.target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self._real().make_context(info_name, args, parent=parent, **extra)

    def _real(self) -> Any:
        module, _, attribute = self._target.partition(":")
        found = getattr(import_module(module), attribute or "app")
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(name=self.name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = self.name
        _make_help_readable(command)
        return command


def _make_help_readable(command: Any) -> None:
    """Show examples line by line (click's `\\b`) instead of wrapping them, values by a name instead of a type, and no braces around arguments."""
    command.help = _EXAMPLES.sub("\n\n\b\n\\1", command.help) if command.help else command.help
    for parameter in command.params:
        if parameter.metavar is None and not getattr(parameter, "is_flag", False):
            parameter.metavar = _value_name(parameter)
    usage_pieces = command.collect_usage_pieces
    command.collect_usage_pieces = lambda context: [piece.strip("{}") for piece in usage_pieces(context)]
    for subcommand in getattr(command, "commands", {}).values():
        _make_help_readable(subcommand)


def _value_name(parameter: Any) -> str:
    """Name a value by what it is: `--port N`, `--text-file PATH`, `--device-name NAME`, `KEY`."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).strip("_").upper()
    kind = parameter.type.name
    if kind in {"path", "file", "directory"}:
        return "DIR" if kind == "directory" else "PATH"
    if kind.startswith(("int", "float")):
        return "N"
    return str(max(parameter.opts, key=len)).rpartition("-")[2].upper()


class _Root(TyperGroup):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, entry in COMMANDS.items():
            self.commands[name] = _LazyCommand(name, entry)


app = typer.Typer(
    name="analyst",
    cls=_Root,
    help="Alerts of a data team, in the terminal of the person who must act.",
    epilog="Documentation: man analyst, and docs/index.md of the source. Report what surprises you: every error message should tell the way out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,  # `analyst completion` knows ids, scripts and users
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    *,
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit.", is_eager=True),
    color: str = typer.Option("auto", "--color", help="auto, always or never.", metavar="WHEN"),
) -> None:
    """Alerts of a data team, in the terminal of the person who must act."""
    if version:
        from analyst_cli import __version__  # noqa: PLC0415

        output.line(f"analyst {__version__}")
        raise typer.Exit
    if color not in {"auto", "always", "never"}:
        raise typer.BadParameter(f"{color!r} is none of auto, always, never", param_hint="--color")
    if color != "auto":
        os.environ["ANALYST_COLOR"] = color


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors become one sentence on stderr."""
    try:
        code = app(args=list(argv), standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        return output_lost(ended.__context__)  # Typer makes it exit code 1
    except Exception as error:  # noqa: BLE001 - the root of the program: a person gets a sentence, the traceback goes to a file
        return _ended_by(error, argv)
    return code if isinstance(code, int) else ExitCode.OK


def output_lost(problem: OSError) -> int:
    """End when nothing more can be printed: quietly if the reader has gone (`analyst list | head`), else (a full disk) with a sentence."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
    if isinstance(problem, BrokenPipeError):
        return ExitCode.PIPE_CLOSED
    output.note(f"analyst: cannot write: {problem.strerror}")
    return ExitCode.FAILED


def _ended_by(error: Exception, argv: Sequence[str]) -> int:
    match error:
        case AnalystError():
            output.note(f"analyst: {error}")
            return exit_code_of(error)
        case typer._click.ClickException():  # noqa: SLF001 - typer vendors click without a public name for it
            error.show()
            return error.exit_code
        case BrokenPipeError() | OSError(filename=None, errno=errno.ENOSPC | errno.EIO | errno.EBADF):
            return output_lost(error)
        case UnicodeEncodeError() if typed := [word for word in argv if not _is_unicode(word)]:
            output.note(f"analyst: {typed[0]!r} is no valid Unicode; give it as UTF-8")
            return ExitCode.USAGE
        case _:
            return _unexpected(error)


def _is_unicode(word: str) -> bool:
    """Bytes of the command line that are no UTF-8 come as lone surrogates."""
    return not any("\ud800" <= sign <= "\udfff" for sign in word)


def _unexpected(error: Exception) -> int:
    """Keep the traceback of a defect of ours in a file and tell the person where; with ANALYST_DEBUG show it."""
    import traceback  # noqa: PLC0415

    from analyst_cli import paths  # noqa: PLC0415

    report = "".join(traceback.format_exception(error))
    if os.environ.get("ANALYST_DEBUG"):
        output.note(report)
    words = f"analyst: this should not have happened ({type(error).__name__}: {error})"
    try:
        file = paths.private_folder(paths.state_dir()) / "crash.txt"
        file.write_text(report)
        file.chmod(0o600)
    except OSError:
        output.note(f"{words}; run it again with ANALYST_DEBUG=1 to see where, and report it")
    else:
        output.note(f"{words}; {file} tells where: please report it")
    return ExitCode.FAILED
