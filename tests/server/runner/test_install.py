"""What `analyst runner install` would write is what the systems read."""

import plistlib
import subprocess
from pathlib import Path

import pytest

from analyst_server.runner.install import InstallProblem, installation

ODD = ["/opt/my tools/analyst", "runner", "once", "--user", 'a "b" 100% $c \\d', "--scripts", "/home/petr/<&>"]


def test_the_launchd_agent_is_a_property_list_with_the_command_as_it_is(tmp_path: Path) -> None:
    plan = installation("launchd", command=ODD, home=tmp_path)
    ((path, text),) = plan.files
    agent = plistlib.loads(text.encode())
    assert agent["ProgramArguments"] == ODD
    assert (agent["StartInterval"], path.stem) == (300, agent["Label"])


@pytest.mark.real("systemd-analyze")
def test_systemd_accepts_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    plan = installation("systemd", command=["/bin/true", *ODD[1:]], home=tmp_path)
    for path, text in plan.files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(path for path, _ in plan.files)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "analyst-runner" in line]
    assert ours == []


def test_a_percent_sign_does_not_end_a_crontab_line() -> None:
    line = installation("cron", command=["analyst", "--user", "100%"], home=Path("/")).line
    assert line == "*/5 * * * * analyst --user 100\\% # analyst runner"


def test_what_is_loaded_already_is_taken_out_before_it_is_installed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launchctl that does as Apple's: bootstrap refuses what is loaded, bootout what is not."""
    (tmp_path / "bin").mkdir()
    launchctl = tmp_path / "bin" / "launchctl"
    launchctl.write_text(
        f"#!/bin/sh\ncase $1 in bootstrap) set -o noclobber; : > {tmp_path}/loaded ;; bootout) rm {tmp_path}/loaded ;; esac\n"
    )
    launchctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for user in ("petr", "jana"):
        installation("launchd", command=["analyst", "--user", user], home=tmp_path).install()
    plan = installation("launchd", command=["analyst"], home=tmp_path)
    assert "jana" in plan.files[0][0].read_text()
    assert [plan.remove(), plan.remove()] == [True, False]
    assert not (tmp_path / "loaded").exists()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InstallProblem, match="choose one of cron, systemd, launchd"):
        installation("at", command=["analyst"], home=Path("/"))
