"""The background `analyst watch` that starts at login: a systemd user unit on Linux, a launchd agent on macOS."""

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from analyst_cli import paths
from analyst_cli.errors import LocalProblem

__all__ = ["Background", "background", "launchd_agent", "start_again", "systemd_unit", "watch_command"]

LABEL = "com.keboola.analyst.watch"
UNIT = "analyst-watch.service"
_TIMEOUT_S = 15.0
_RESTART_S = 10  # of a program that ended: a server that is away is waited for by `watch` itself


class Background(NamedTuple):
    """What is installed: a file, and the commands that make the system take it up, let it go, and tell its state."""

    path: Path
    content: str
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    state: tuple[str, ...]

    def install(self) -> str:
        """Write the file and start the watch; return why it could not be started now, or an empty string. Raises `LocalProblem`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.content, encoding="utf-8")
        except OSError as exc:
            raise LocalProblem(
                f"{self.path} cannot be written ({exc.strerror})", "check the folder's owner and rights"
            ) from exc
        return self._run_all(self.start)

    def uninstall(self) -> bool:
        """Stop the watch and remove the file; tell whether there was one. Raises `LocalProblem`."""
        if not self.path.exists():
            return False
        self._run_all(self.stop)
        try:
            self.path.unlink()
        except OSError as exc:
            raise LocalProblem(f"{self.path} cannot be removed ({exc.strerror})", "remove it yourself") from exc
        self._run_all(self.start[:1] if self.path.name == UNIT else ())  # systemd has to read its units again
        return True

    def running(self) -> str:
        """Return what the system says of it."""
        if not self.path.exists():
            return "not installed"
        problem, answer = _run(self.state)
        return answer.strip().splitlines()[0] if answer.strip() else problem or "not running"

    def _run_all(self, commands: Sequence[tuple[str, ...]]) -> str:
        for command in commands:
            problem, _ = _run(command)
            if problem:
                return f"{shlex.join(command)}: {problem}"
        return ""


def start_again() -> None:
    """Start the installed watch after a sign-in, if it has failed: it ends when its token is refused, and only launchd tries again."""
    if sys.platform == "linux" and background(()).path.exists():
        not_failed, _ = _run(("systemctl", "--user", "is-failed", "--quiet", UNIT))
        if not not_failed:
            _run(("systemctl", "--user", "start", UNIT))


def background(command: Sequence[str], *, platform: str = sys.platform) -> Background:
    """Return what this system takes. Raises `LocalProblem` on a system that has neither systemd nor launchd."""
    if platform == "darwin":
        path = Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"
        domain = f"gui/{os.getuid()}"
        return Background(
            path,
            launchd_agent(command, log=paths.state_dir() / "watch.log"),
            start=(("launchctl", "bootstrap", domain, str(path)),),
            stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
            state=("launchctl", "print", f"{domain}/{LABEL}"),
        )
    if platform != "linux":
        raise LocalProblem(
            f"there is no way known to start programs at login on {platform}", f"have it run {shlex.join(command)}"
        )
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(base) if base else Path.home() / ".config"
    return Background(
        folder / "systemd/user" / UNIT,
        systemd_unit(command),
        start=(("systemctl", "--user", "daemon-reload"), ("systemctl", "--user", "enable", "--now", UNIT)),
        stop=(("systemctl", "--user", "disable", "--now", UNIT),),
        state=("systemctl", "--user", "is-active", UNIT),
    )


def watch_command(*, server: str | None, notify: bool) -> list[str]:
    """Return the command line that is started at login."""
    started = Path(sys.argv[0])
    found = str(started.resolve()) if started.name == "analyst" and started.exists() else shutil.which("analyst")
    program = [found] if found else [sys.executable, "-m", "analyst_cli"]
    options = ["--notify"] if notify else []
    return [*program, "watch", "--quiet", *options, *(["--server", server] if server else [])]


def systemd_unit(command: Sequence[str]) -> str:
    """Return a user unit (systemd.service(5)). Exit code 4, a sign-in is needed, is not tried again and again; 2 neither."""
    return f"""\
[Unit]
Description=analyst: keep the local inbox and the badge current
Documentation=https://github.com/analyst-inbox/analyst-inbox/tree/main/docs

[Service]
ExecStart={" ".join(_systemd_quoted(word) for word in command)}
Restart=always
RestartSec={_RESTART_S}
RestartPreventExitStatus=2 4
# it reads and writes its own inbox, and speaks to its server: nothing more
NoNewPrivileges=yes
LockPersonality=yes

[Install]
WantedBy=default.target
"""


def launchd_agent(command: Sequence[str], *, log: Path) -> str:
    """Return a launch agent (launchd.plist(5)): started at login, again when it fails."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_S,
        "ProcessType": "Background",
        "StandardErrorPath": str(log),
    }
    return plistlib.dumps(agent).decode()


def _systemd_quoted(word: str) -> str:
    """Quote for `ExecStart=`: `%` and `$` are expanded there, quotes and backslashes as in C (systemd.syntax(7))."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if plain and all(sign.isalnum() or sign in "/._-:=@%$" for sign in plain):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _run(command: Sequence[str]) -> tuple[str, str]:
    """Run a command of the system; return what is wrong (or an empty string), and what it printed."""
    try:
        ran = subprocess.run(list(command), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed", ""
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc), ""
    return (ran.stderr.strip() or f"it ended with {ran.returncode}") if ran.returncode else "", ran.stdout
