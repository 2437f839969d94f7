"""Keep the desktop host running at login: a systemd user unit on Linux, a launch agent on macOS (R-SV-2)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import typer

from analyst_cli import output, paths
from analyst_cli.commands.desktop_calls import BadUse
from analyst_cli.errors import LocalProblem

__all__ = ["service"]

service = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Start the desktop host at login."
)

HOOKS = "ANALYST_DESKTOP_TEST_HOOKS"


@service.command()
def install(
    *,
    backend: str = typer.Option("linux" if sys.platform == "linux" else "fake", "--backend", help="linux or fake."),
    workspace_root: list[Path] = typer.Option(
        [], "--workspace-root", help="Where evidence may be written.", file_okay=False
    ),
    test: bool = typer.Option(False, "--test", help="With test hooks; only for the fake backend."),
) -> int:
    """Write the service file and start the host.

    Example: analyst desktop service install
    """
    if test and backend != "fake":
        raise BadUse("--test opens test hooks, and is refused for a real desktop", "use it with --backend fake")
    command = [_program(), "desktop", "serve", "--backend", backend]
    for root in workspace_root:
        command += ["--workspace-root", str(root.absolute())]
    changed = _write(_file(), _content(command, {HOOKS: "1"} if test else {}))
    output.line(f"{'wrote' if changed else 'unchanged'}: {_file()}")
    if sys.platform == "darwin":
        domain = f"gui/{os.getuid()}"
        _run(["launchctl", "bootout", f"{domain}/{_label()}"], quiet=True)
        _run(["launchctl", "bootstrap", domain, str(_file())])
    else:
        _run(["systemctl", "--user", "daemon-reload"])
        _run(["systemctl", "--user", "enable", "--now", _file().name])
        if changed:
            _run(["systemctl", "--user", "restart", _file().name])
    output.line("the host starts with the graphical session, and now")
    return 0


@service.command()
def uninstall() -> int:
    """Stop the host and remove the service file.

    Example: analyst desktop service uninstall
    """
    if not _file().exists():
        output.line(f"not installed: {_file()}")
        return 0
    if sys.platform == "darwin":
        _run(["launchctl", "bootout", f"gui/{os.getuid()}/{_label()}"], quiet=True)
    else:
        _run(["systemctl", "--user", "disable", "--now", _file().name], quiet=True)
    _file().unlink()
    if sys.platform != "darwin" and not _run(["systemctl", "--user", "daemon-reload"], quiet=True):
        output.note("systemctl --user does not answer here; a host that still runs must be stopped by hand")
    output.line(f"removed: {_file()}")
    return 0


@service.command()
def status() -> int:
    """Tell whether the service is installed and runs; exit 1 when it does not.

    Example: analyst desktop service status
    """
    installed = _file().exists()
    output.line(f"{'installed' if installed else 'not installed'}: {_file()}")
    if installed and HOOKS in _file().read_text(errors="replace"):
        output.line("TEST HOOKS ARE ON in the service file", "bold")
    if not installed:
        return 1
    if sys.platform == "darwin":
        running = _run(["launchctl", "print", f"gui/{os.getuid()}/{_label()}"], quiet=True)
    else:
        running = _run(["systemctl", "--user", "is-active", "--quiet", _file().name], quiet=True)
    output.line("running" if running else "not running")
    return 0 if running else 1


def _label() -> str:
    from analyst_cli.desktop.unit_files import LABEL  # noqa: PLC0415 - loads plistlib

    return LABEL


def _file() -> Path:
    from analyst_cli.desktop.unit_files import LABEL, UNIT_NAME  # noqa: PLC0415 - see above

    if sys.platform == "darwin":
        return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    return paths.config_dir().parent / "systemd" / "user" / UNIT_NAME


def _content(command: list[str], environment: dict[str, str]) -> bytes:
    from analyst_cli.desktop.unit_files import launchd_plist, systemd_unit  # noqa: PLC0415 - see above

    if sys.platform == "darwin":
        return launchd_plist(command, environment, str(paths.state_dir() / "desktop.log"))
    return systemd_unit(command, environment).encode()


def _write(path: Path, content: bytes) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


def _program() -> str:
    found = shutil.which("analyst") or sys.argv[0]
    return str(Path(found).absolute())


def _run(command: list[str], *, quiet: bool = False) -> bool:
    """Run a command of the service manager; return whether it succeeded. Raises LocalProblem unless quiet."""
    way_out = f"the file is written; start the host by hand: {_program()} desktop serve"
    try:
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as exc:
        if quiet:
            return False
        raise LocalProblem(f"{command[0]} cannot be run here", way_out) from exc
    if ended.returncode and not quiet:
        words = (ended.stderr or ended.stdout).strip().splitlines()
        raise LocalProblem(f"{' '.join(command)} failed: {words[0] if words else ended.returncode}", way_out)
    return ended.returncode == 0
