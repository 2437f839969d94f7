"""Start the person's coding agent on a prepared folder: in this terminal, in a new tmux pane, or in a new window."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from analyst_cli.client.workspace import Investigation
from analyst_cli.errors import LocalProblem, SettingsProblem

__all__ = ["Place", "command_line", "place_for", "start_elsewhere", "start_here"]

Place = Literal["here", "tmux", "window"]

_ASK = "Read PROMPT.md in this folder and do what it says."
_TERMINALS = ("x-terminal-emulator", "gnome-terminal", "konsole", "kitty", "alacritty", "foot", "wezterm", "xterm")
_TMUX_TIMEOUT_S = 10.0
_SEPARATOR = {"gnome-terminal": "--", "kitty": "", "foot": "", "wezterm": "start --"}
"""What stands between a terminal and the command it is to run; `-e` for the others."""


def command_line(template: str, investigation: Investigation) -> list[str]:
    """Return the agent's command. `{prompt}` is the prompt file, `{folder}` its folder; without either, one sentence is appended.

    Raises `SettingsProblem` for a template that cannot be read, `LocalProblem` when the program is not installed.
    """
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise SettingsProblem(f"investigate.agent is {template!r} ({error})", "close the quotes") from error
    if not words:
        raise SettingsProblem(
            "investigate.agent is empty", "name an agent: analyst config set investigate.agent claude"
        )
    if shutil.which(words[0]) is None:
        raise LocalProblem(
            f"the agent {words[0]!r} is not installed",
            "install it, or name another: analyst config set investigate.agent 'codex {prompt}', or ANALYST_AGENT",
        )
    if not any("{prompt}" in word or "{folder}" in word for word in words):
        return [*words, _ASK]
    return [
        word.replace("{prompt}", str(investigation.prompt)).replace("{folder}", str(investigation.folder))
        for word in words
    ]


def place_for(wanted: str, environ: Mapping[str, str] = os.environ) -> Place:
    """Return where the agent starts: `auto` is a new pane inside tmux, else this terminal."""
    match wanted:
        case "here" | "tmux" | "window":
            return wanted
        case _:
            return "tmux" if environ.get("TMUX") else "here"


def start_here(command: list[str], investigation: Investigation) -> int:
    """Run the agent in this terminal until it ends; return its exit code, 128 and the signal if one has ended it. Raises `LocalProblem`."""
    try:
        with _ctrl_c_left_to_it():
            code = subprocess.run(command, cwd=investigation.folder, check=False).returncode
    except OSError as error:
        raise LocalProblem(f"{command[0]!r} cannot be started ({error.strerror})", "check investigate.agent") from error
    return code if code >= 0 else 128 - code


@contextmanager
def _ctrl_c_left_to_it() -> Iterator[None]:
    """Keep a Ctrl-C that is meant for the agent from ending us; a handler does, because what is ignored stays ignored in the agent."""
    numbers = (signal.SIGINT, signal.SIGQUIT) if sys.platform != "win32" else (signal.SIGINT,)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_elsewhere(place: Place, command: list[str], investigation: Investigation) -> None:
    """Start the agent in a new tmux pane or a new window, and go on; without a desktop the window is one of tmux. Raises `LocalProblem`."""
    if place == "tmux":
        _start_in_tmux(["split-window", "-h"], command, investigation)
        return
    if not _has_desktop():
        if not os.environ.get("TMUX"):
            raise LocalProblem("there is no desktop to open a window on", "set investigate.agent_place to here")
        _start_in_tmux(["new-window"], command, investigation)
        return
    starter = _window(command, investigation)
    nowhere = subprocess.DEVNULL
    try:
        subprocess.Popen(
            starter, cwd=investigation.folder, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere
        )
    except OSError as error:
        raise LocalProblem(
            f"{starter[0]!r} cannot be started ({error.strerror})", "name another in TERMINAL"
        ) from error


def _has_desktop() -> bool:
    return sys.platform in {"darwin", "win32"} or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _start_in_tmux(way: list[str], command: list[str], investigation: Investigation) -> None:
    starter = ["tmux", *way, "-c", str(investigation.folder), shlex.join(command)]
    try:
        done = subprocess.run(starter, capture_output=True, text=True, timeout=_TMUX_TIMEOUT_S, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        raise LocalProblem(
            f"tmux cannot start it ({problem})", "enlarge the window, or set investigate.agent_place to here"
        )


def _window(command: list[str], investigation: Investigation) -> list[str]:
    if sys.platform == "darwin":
        words = f"cd {shlex.quote(str(investigation.folder))} && {shlex.join(command)}"
        script = f'tell application "Terminal" to do script {_applescript(words)}'
        return ["osascript", "-e", script]
    own = os.environ.get("TERMINAL")
    name = next((name for name in filter(None, (own, *_TERMINALS)) if shutil.which(name)), None)
    if name is None:
        raise LocalProblem(
            "there is no terminal program to open a window with",
            "name one in TERMINAL, or set investigate.agent_place to here",
        )
    return [name, *_SEPARATOR.get(name, "-e").split(), *command]


def _applescript(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
