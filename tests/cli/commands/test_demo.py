"""The demo ended from outside leaves nothing behind: no gateway, no folder. The whole run is in `tests/e2e/test_chain.py`."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from eventually import eventually

pytestmark = [
    pytest.mark.real("python:duckdb", "python:matplotlib", "python:vega_datasets"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
DEMO = [sys.executable, "-m", "analyst_cli", "demo"]


@pytest.fixture
def short_path(home: Path) -> Path:
    """A folder for temporary files whose path leaves room for a socket's: 107 bytes, and `tmp_path` grows with the test's name and run."""
    (home / "tmp").mkdir()
    return home / "tmp"


def left_behind(folder: Path) -> list[str]:
    """Return the processes that were started with this folder for temporary files, the demo's own not."""
    mark = f"TMPDIR={folder}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # gone, or somebody else's
            continue
    return found


def begun(folder: Path) -> subprocess.Popen[str]:
    """Start a demo whose gateway runs already."""
    demo = subprocess.Popen(
        [*DEMO, "--once"], env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert demo.stderr is not None
    assert any("look at the data" in line for line in demo.stderr)
    return demo


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_by_a_signal_it_takes_its_gateway_and_its_folder_with_it(
    short_path: Path, number: signal.Signals
) -> None:
    demo = begun(short_path)
    assert any("gateway serve" in one for one in left_behind(short_path))
    demo.send_signal(number)
    with demo:
        assert demo.wait(20) == 128 + number
    assert not list(short_path.iterdir())
    assert eventually(lambda: not left_behind(short_path)), left_behind(short_path)


def test_killed_it_leaves_no_gateway_and_a_folder_that_nobody_uses(short_path: Path) -> None:
    with begun(short_path) as demo:
        demo.kill()
    assert eventually(lambda: not left_behind(short_path)), left_behind(short_path)
    (remains,) = short_path.iterdir()
    os.close(locked(remains))


def test_it_removes_what_killed_ones_have_left_and_nothing_else(short_path: Path) -> None:
    remains, used, just_made, link = (
        short_path / f"analyst-demo-{name}" for name in ("remains", "used", "new", "link")
    )
    for folder in (remains, used):
        (folder / "files").mkdir(parents=True)
    just_made.mkdir()
    link.symlink_to(used)
    lock = locked(used)
    with begun(short_path) as demo:
        demo.terminate()
    os.close(lock)
    assert sorted(short_path.iterdir()) == sorted([used, just_made, link])
    assert (used / "files").exists()


def locked(folder: Path) -> int:
    """Take the lock of a folder that nobody uses, as a demo has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor
