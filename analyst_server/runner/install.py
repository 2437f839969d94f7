"""Make the system start `analyst runner once` every five minutes: the text of a crontab line, a systemd user timer or a launchd agent, and how to put
it there and take it away. What it writes is shown first; what it finds of others stays.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from analyst_server.errors import ServerError

__all__ = ["KINDS", "InstallProblem", "Installation", "installation", "usual_kind"]

KINDS = ("cron", "systemd", "launchd")
MARK = "# analyst runner"  # at the end of the crontab line: what `--remove` looks for
LABEL = "inbox.analyst.runner"


class InstallProblem(ServerError):
    """The system's own program refused."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What would be written where, and the commands that make it known to the system."""

    kind: str
    files: tuple[tuple[Path, str], ...]  # empty for cron: its table is changed by crontab(1)
    line: str = ""  # cron only
    before: tuple[tuple[str, ...], ...] = ()  # may fail
    enable: tuple[tuple[str, ...], ...] = ()
    disable: tuple[tuple[str, ...], ...] = ()

    def shown(self) -> str:
        """Return what a person is shown before anything is written."""
        if self.kind == "cron":
            return f"crontab line:\n{self.line}"
        written = "\n".join(f"{path}:\n{text}" for path, text in self.files)
        return written + "then: " + "; ".join(shlex.join(command) for command in self.enable)

    def install(self) -> None:
        """Put it there, in the place of an earlier one. Raises `InstallProblem`."""
        if self.kind == "cron":
            _write_crontab([*_without_ours(_read_crontab()), self.line])
            return
        for path, text in self.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        for command in self.before:
            with suppress(InstallProblem):  # an earlier one is not there
                _run(command)
        for command in self.enable:
            _run(command)

    def remove(self) -> bool:
        """Take it away; tell whether it was there. Raises `InstallProblem`."""
        if self.kind == "cron":
            before = _read_crontab()
            after = _without_ours(before)
            if not after and before:
                _run(("crontab", "-r"))
            elif after != before:
                _write_crontab(after)
            return after != before
        there = [path for path, _ in self.files if path.exists()]
        if there:
            for command in self.disable:
                _run(command)
        for path in there:
            path.unlink()
        return bool(there)


def installation(kind: str, *, command: Sequence[str], home: Path) -> Installation:
    """Return how to have `command` started every five minutes by cron, systemd or launchd."""
    match kind:
        case "cron":
            return Installation("cron", (), line=f"*/5 * * * * {_cron_quoted(command)} {MARK}")
        case "systemd":
            folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user"
            files = (
                (folder / "analyst-runner.service", _SERVICE.format(command=_systemd_quoted(command))),
                (folder / "analyst-runner.timer", _TIMER),
            )
            systemctl = ("systemctl", "--user")
            return Installation(
                "systemd",
                files,
                enable=((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", "analyst-runner.timer")),
                disable=((*systemctl, "disable", "--now", "analyst-runner.timer"),),
            )
        case "launchd":
            path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
            words = "\n".join(f"    <string>{escape(word)}</string>" for word in command)
            domain = f"gui/{os.getuid()}"
            return Installation(
                "launchd",
                ((path, _PLIST.format(label=LABEL, words=words)),),
                before=(("launchctl", "bootout", domain, str(path)),),  # bootstrap refuses what is loaded already
                enable=(("launchctl", "bootstrap", domain, str(path)),),
                disable=(("launchctl", "bootout", domain, str(path)),),
            )
    raise InstallProblem(f"unknown kind {kind!r}", f"choose one of {', '.join(KINDS)}")


def usual_kind() -> str:
    """Return what fits this system."""
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if os.environ.get("XDG_RUNTIME_DIR") and Path("/run/systemd/system").is_dir() else "cron"


_SERVICE = """\
[Unit]
Description=analyst: run the notification scripts that are due

[Service]
Type=oneshot
ExecStart={command}
Nice=5
"""

_TIMER = """\
[Unit]
Description=analyst: look every five minutes which notification scripts are due

[Timer]
OnCalendar=*:0/5
Persistent=true

[Install]
WantedBy=timers.target
"""

_PLIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{label}</string>
  <key>ProgramArguments</key>
  <array>
{words}
  </array>
  <key>StartInterval</key><integer>300</integer>
  <key>ProcessType</key><string>Background</string>
</dict>
</plist>
"""


def _cron_quoted(command: Sequence[str]) -> str:
    return shlex.join(command).replace("%", r"\%")  # crontab(5): an unescaped % is a newline


def _systemd_quoted(command: Sequence[str]) -> str:
    """Quote as systemd.service(5), "Command lines", has it: % begins a specifier, $ a variable."""
    words = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") for word in command)
    return " ".join(f'"{word}"' for word in words)


def _read_crontab() -> list[str]:
    try:
        listed = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    except OSError as exc:
        raise InstallProblem("crontab is not installed", "install cron, or choose systemd") from exc
    if listed.returncode != 0 and "no crontab" not in listed.stderr:
        raise InstallProblem(f"crontab -l: {listed.stderr.strip()}")
    return listed.stdout.splitlines() if listed.returncode == 0 else []


def _without_ours(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.rstrip().endswith(MARK)]


def _write_crontab(lines: list[str]) -> None:
    _run(("crontab", "-"), "".join(f"{line}\n" for line in lines))


def _run(command: Sequence[str], text: str | None = None) -> None:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise InstallProblem(f"{command[0]} is not installed", f"choose another of {', '.join(KINDS)}") from exc
    if done.returncode != 0:
        raise InstallProblem(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
