"""Real accounts of this machine for tests that run as root: two people, one of them of the group, and the account of the server."""

import contextlib
import shutil
import site
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Accounts", "accounts"]


@dataclass(frozen=True)
class Accounts:
    """Names of accounts, and the `analyst` that all of them can start."""

    member: str  # of `group`
    outsider: str
    server: str  # what sudoers allows to run `analyst runner exec-as` as a member
    group: str
    folder: Path  # readable by all; homes are below
    analyst: Path
    sudo: Path  # sudo as the server's account has it

    def home(self, name: str) -> Path:
        """Return the account's home folder, mode 0750."""
        return self.folder / name

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an account."""
        return subprocess.run(
            ["sudo", "-n", "-u", name, "--", *words], capture_output=True, text=True, timeout=30, check=False
        )


@contextlib.contextmanager
def accounts() -> Iterator[Accounts]:
    """Make the accounts, and take everything away again. Needs root."""
    tail = uuid.uuid4().hex[:6]
    folder = Path(tempfile.mkdtemp(prefix="analyst-accounts-"))
    folder.chmod(0o755)
    made = Accounts(
        f"anm{tail}", f"ano{tail}", f"ans{tail}", f"ang{tail}", folder, folder / "analyst", folder / "sudo-as-server"
    )
    sudoers = Path("/etc/sudoers.d") / f"analyst-{tail}"
    try:
        subprocess.run(["groupadd", made.group], check=True)
        for name in (made.member, made.outsider, made.server):
            more = ["-G", made.group] if name == made.member else []
            subprocess.run(
                ["useradd", "-m", "-d", made.home(name), "-s", "/bin/sh", *more, name], check=True, capture_output=True
            )
            made.home(name).chmod(0o750)
        python = _python_for_all(made.member)
        packages = ":".join([str(Path(__file__).parents[2]), *site.getsitepackages()])
        _program(made.analyst, f'PYTHONPATH={packages} exec {python} -m analyst_cli "$@"')
        _program(made.sudo, f'exec sudo -n -u {made.server} -- sudo "$@"')
        sudoers.write_text(f"{made.server} ALL=(%{made.group}) NOPASSWD: {made.analyst} runner exec-as *\n")
        sudoers.chmod(0o440)
        yield made
    finally:
        sudoers.unlink(missing_ok=True)
        for name in (made.member, made.outsider, made.server):
            subprocess.run(["crontab", "-u", name, "-r"], check=False, capture_output=True)
            subprocess.run(["userdel", name], check=False, capture_output=True)
        subprocess.run(["groupdel", made.group], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _python_for_all(name: str) -> str:
    """Return a Python of this version that an ordinary account can start: ours may lie in root's home."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin") or ""):
        asked = subprocess.run(
            ["sudo", "-n", "-u", name, "--", python, "-c", "import sys; print(sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip() == str(sys.version_info[:2]):
            return python
    raise LookupError("no Python of this version that an ordinary account can start")


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
