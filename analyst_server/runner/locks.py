"""One flight a script: a lock file held while it runs, and the process group in it, so that what a killed runner left behind can be ended."""

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RUN_FOLDER_PREFIX", "Busy", "FlightLock", "is_flying", "single_flight"]

RUN_FOLDER_PREFIX = "analyst-run-"


class Busy(Exception):
    """The script runs already."""


@dataclass(frozen=True, slots=True)
class FlightLock:
    """A lock that is held."""

    descriptor: int

    def remember(self, pid: int, folder: Path) -> None:
        """Note the leader of the running process group, and the folder of the run."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps({"pid": pid, "born": _born(pid), "folder": str(folder)}).encode(), 0)


@contextmanager
def single_flight(path: Path) -> Iterator[FlightLock]:
    """Hold the lock of a script; end what a killed runner has left of an earlier flight. Raises `Busy`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Busy(path.stem) from exc
        _end_left_behind(os.pread(descriptor, 4096, 0))
        yield FlightLock(descriptor)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def is_flying(path: Path) -> bool:
    """Tell whether somebody holds the lock of a script."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _end_left_behind(content: bytes) -> None:
    """End the processes and remove the folder of a flight whose runner was killed."""
    try:
        left = json.loads(content)
        pid, born, folder = int(left["pid"]), left["born"], Path(left["folder"])
    except (ValueError, TypeError, KeyError):
        return
    if born is not None and born == _born(pid):  # the same process, not another that got its number
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    if folder.name.startswith(RUN_FOLDER_PREFIX) and folder.is_dir() and folder.stat().st_uid == os.getuid():
        shutil.rmtree(folder, ignore_errors=True)


def _born(pid: int) -> str | None:
    """Return when a process was started, in the kernel's ticks; None when it is gone or the system does not tell (proc(5), field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
