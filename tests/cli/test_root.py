"""The root command: every command exists, explains itself, and loads only what it needs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from analyst_cli import __version__
from analyst_cli.app import COMMANDS, app
from analyst_cli.errors import AnalystError, SettingsProblem, SignInNeeded, UsageProblem
from analyst_cli.exit_codes import exit_code_of


def analyst(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "analyst_cli", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_registry_exists_and_shows_an_example(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(import_module(module), attribute or "app")
    commands = found.registered_commands if isinstance(found, typer.Typer) else []
    for callback in [command.callback for command in commands] or [found]:
        if isinstance(callback, typer.Typer):
            continue
        assert "Example" in (callback.__doc__ or ""), f"{name} {callback.__name__} shows no example"


def test_the_version_is_the_one_of_the_package() -> None:
    assert analyst("--version").stdout == analyst("-V").stdout == f"analyst {__version__}\n"


def test_help_names_every_command_and_a_wrong_one_gets_a_suggestion() -> None:
    shown = analyst("--help").stdout
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    wrong = analyst("lst")
    assert wrong.returncode == 2
    assert "Did you mean 'list'?" in wrong.stderr


def test_a_bad_colour_is_a_usage_problem() -> None:
    done = analyst("--color", "sometimes", "server", "list")
    assert done.returncode == 2
    assert "'sometimes' is none of auto, always, never" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(AnalystError("a"), 1), (UsageProblem("a"), 2), (SettingsProblem("a"), 2), (SignInNeeded("a"), 4)],
)
def test_errors_have_exit_codes(error: AnalystError, code: int) -> None:
    assert exit_code_of(error) == code


def test_an_error_says_what_happened_and_the_way_out() -> None:
    assert str(AnalystError("port 1 is taken", "choose another")) == "port 1 is taken; choose another"
    assert str(AnalystError("port 1 is taken")) == "port 1 is taken"


def test_a_closed_pipe_ends_quietly(home: Path) -> None:
    command = f"{sys.executable} -m analyst_cli --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


def commands(command: Any, path: tuple[str, ...], parent: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield each command with its name and context, groups and their subcommands too."""
    context = command.make_context(path[-1], [], parent=parent, resilient_parsing=True)
    yield " ".join(path), context.command, context
    for name, child in getattr(context.command, "commands", {}).items():
        yield from commands(child, (*path, name), context)


def test_every_help_fits_80_columns_and_names_and_explains_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = list(commands(typer.main.get_command(app), ("analyst",)))
    assert len(found) > 90
    for name, command, context in found:
        lines = command.get_help(context).splitlines()
        assert [line for line in lines if len(line) > 80] == [], name
        assert [line for line in lines if re.search(r"<(str|int|float|path|file|directory)\b|: .*{\w+}", line)] == [], (
            name
        )
        assert [parameter.name for parameter in command.params if not (parameter.help or parameter.hidden)] == [], name


def test_no_option_takes_what_is_no_number() -> None:
    refused = []
    for name, command, context in commands(typer.main.get_command(app), ("analyst",)):
        for parameter in command.params:
            if "float" in parameter.type.name:
                for value in ("nan", "inf", "-inf"):
                    with pytest.raises(typer.BadParameter):
                        parameter.process_value(context, value)
                refused.append(f"{name} {parameter.opts[0]}")
    assert "analyst dispatch --wait-timeout" in refused
    assert len(refused) >= 5
    done = analyst("dispatch", "-u", "petr", "-t", "T", "--wait", "--wait-timeout", "nan")
    assert done.returncode == 2
    assert "nan is no number" in done.stderr
