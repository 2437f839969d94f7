"""One program within bounds (X1): time, output, and nothing of it left behind."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from analyst_server.runner.process import MAX_STDOUT_BYTES, STDERR_TAIL_BYTES, Finished, run_bounded
from tests.support.eventually import eventually, is_gone


def run(source: str, *, timeout_s: float = 20.0, grace_s: float = 0.2, stop_fd: int | None = None) -> Finished:
    return run_bounded([sys.executable, "-c", source], cwd=Path("/"), env=dict(os.environ), run_id=os.urandom(8).hex(),
        timeout_s=timeout_s, kill_grace_s=grace_s, stop_fd=stop_fd)  # fmt: skip


def test_what_it_prints_and_how_it_ends() -> None:
    finished = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (finished.ended, finished.exit_code, finished.stdout, finished.stderr_tail) == (
        "exited",
        3,
        b"out\n",
        b"err\n",
    )


def test_output_that_is_not_utf8_is_kept_as_it_is() -> None:
    assert run("import os; os.write(1, b'\\xff\\xfe')").stdout == b"\xff\xfe"


def test_a_program_that_hangs_and_ignores_term_is_killed_with_its_child(tmp_path: Path) -> None:
    """In the shell, which has begun long before the limit on however busy a machine; what is ignored, a child ignores as well."""
    source = f"trap '' TERM; sleep 600 & echo $! > {tmp_path / 'child'}; wait"
    finished = run_bounded(["/bin/sh", "-c", source], cwd=Path("/"), env=dict(os.environ), run_id=os.urandom(8).hex(),
        timeout_s=2.0, kill_grace_s=0.2)  # fmt: skip
    assert (finished.ended, finished.exit_code) == ("timed out", -signal.SIGKILL)
    assert finished.duration_s < 15
    child = int((tmp_path / "child").read_text())
    assert eventually(lambda: is_gone(child))


def test_a_program_that_heeds_term_has_the_time_to_tidy_up(tmp_path: Path) -> None:
    """It is stopped when it is ready, however long a busy machine takes to start it."""
    readable, writable = os.pipe()

    def stop_when_ready() -> None:
        if eventually((tmp_path / "ready").exists, within_s=20):
            os.write(writable, b"x")

    stopper = threading.Thread(target=stop_when_ready)
    stopper.start()
    finished = run(
        f"""
import signal, sys, time
def tidy(*_):
    time.sleep(0.3)
    open({str(tmp_path / "tidy")!r}, 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
open({str(tmp_path / "ready")!r}, 'w').close()
time.sleep(600)
""",
        timeout_s=30.0,
        grace_s=30.0,
        stop_fd=readable,
    )
    stopper.join()
    os.close(readable)
    os.close(writable)
    assert (finished.ended, finished.exit_code, (tmp_path / "tidy").exists()) == ("interrupted", 0, True)


def test_a_child_that_outlives_its_parent_is_ended_too(tmp_path: Path) -> None:
    finished = run(
        f"import os, time\npid = os.fork()\nif pid == 0: time.sleep(600)\nopen({str(tmp_path / 'child')!r}, 'w').write(str(pid))"
    )
    assert finished.ended == "exited"
    assert finished.duration_s < 15
    child = int((tmp_path / "child").read_text())
    assert eventually(lambda: is_gone(child))


@pytest.mark.skipif(sys.platform != "linux", reason="descendants that left the group are found in /proc")
def test_a_daemon_in_a_session_of_its_own_is_ended_too(tmp_path: Path) -> None:
    finished = run(
        f"""
import os, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({str(tmp_path / "child")!r}, 'w').write(str(os.getpid()))
        os.write(write, b'x')
        time.sleep(600)
    os._exit(0)
os.read(read, 1)
"""
    )
    assert finished.duration_s < 15
    child = int((tmp_path / "child").read_text())
    assert eventually(lambda: is_gone(child))


def test_a_program_that_prints_a_gigabyte_is_ended_at_the_bound() -> None:
    finished = run("import os\nfor _ in range(16384): os.write(1, b'x' * 65536)")
    assert finished.ended == "too much output"
    assert len(finished.stdout) <= MAX_STDOUT_BYTES
    assert finished.duration_s < 20


def test_of_much_stderr_the_tail_is_kept() -> None:
    finished = run("import os\nfor n in range(200): os.write(2, b'y' * 65536)\nos.write(2, b'the end')")
    assert finished.exit_code == 0
    assert len(finished.stderr_tail) == STDERR_TAIL_BYTES
    assert finished.stderr_tail.endswith(b"the end")


def test_it_ends_when_the_runner_is_stopped() -> None:
    readable, writable = os.pipe()
    timer = threading.Timer(0.3, os.write, (writable, b"x"))
    timer.start()
    finished = run("import time; time.sleep(600)", stop_fd=readable)
    timer.join()
    os.close(readable)
    os.close(writable)
    assert (finished.ended, finished.exit_code) == ("interrupted", -signal.SIGTERM)


def test_what_cannot_be_started_says_so() -> None:
    with pytest.raises(FileNotFoundError):
        run_bounded(["/nowhere/python"], cwd=Path("/"), env={}, run_id="x", timeout_s=1)
