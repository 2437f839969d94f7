"""`analyst service`: files that the system can read, shown before they are written, and what is said where they cannot be started."""

import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from analyst_cli.app import run
from analyst_cli.client.background import background, launchd_agent, start_again, systemd_unit
from analyst_cli.errors import LocalProblem

COMMAND = ["/opt/an alyst/bin/analyst", "watch", "--quiet", "--server", 'https://example.com/%20$x"\\']


def test_the_unit_is_shown_before_it_is_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = home / ".config/systemd/user/analyst-watch.service"
    assert run(["service", "install", "--print"]) == 0
    printed = capsys.readouterr().out
    assert "watch --quiet\n" in printed
    assert run(["service", "install"]) == 2  # nobody is here to agree
    assert not unit.exists()
    capsys.readouterr()
    assert run(["service", "install", "--yes"]) == 0
    assert unit.read_text() == printed
    assert run(["service", "status"]) == 1
    assert run(["service", "uninstall"]) == 0
    assert not unit.exists()
    assert run(["service", "uninstall"]) == 0


def test_flags_are_in_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(["service", "install", "--print", "--notify", "--server", "https://analyst.example.com"])
    assert "watch --quiet --notify --server https://analyst.example.com\n" in capsys.readouterr().out


@pytest.mark.real("systemd-analyze")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "analyst-watch.service"
    unit.write_text(systemd_unit([str(shutil.which("true")), "watch", "a b", "%h", "$x"]))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert unit.name not in checked.stderr


def test_words_that_systemd_would_expand_are_quoted() -> None:
    line = next(line for line in systemd_unit(COMMAND).splitlines() if line.startswith("ExecStart="))
    assert line == r'ExecStart="/opt/an alyst/bin/analyst" watch --quiet --server "https://example.com/%%20$$x\"\\"'


def test_the_launch_agent_is_a_property_list_with_the_command() -> None:
    agent = plistlib.loads(launchd_agent(COMMAND, log=Path("/tmp/log")).encode())
    assert (agent["ProgramArguments"], agent["RunAtLoad"]) == (COMMAND, True)
    assert background(COMMAND, platform="darwin").path.name == "com.keboola.analyst.watch.plist"


SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$HOME/asked"
case "$*" in *is-failed*) test -e "$HOME/failed";; esac
"""


def test_a_sign_in_starts_the_watch_that_ended_without_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = home / "bin/systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(systemctl.parent), prepend=os.pathsep)
    start_again()
    assert not (home / "asked").exists(), "nothing is installed"
    run(["service", "install", "--yes"])
    (home / "asked").unlink()
    start_again()
    (home / "failed").touch()
    start_again()
    asks, starts = "--user is-failed --quiet analyst-watch.service", "--user start analyst-watch.service"
    assert (home / "asked").read_text().splitlines() == [asks, asks, starts]


def test_another_system_is_told_what_to_run() -> None:
    with pytest.raises(LocalProblem, match="watch --quiet"):
        background(COMMAND, platform="win32")
