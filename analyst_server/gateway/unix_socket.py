"""Bind a Unix socket as an administrator expects it.

Mode 0770 from the first moment, the owner of the one before kept, a stale one replaced only when nobody answers.
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analyst_server.errors import ListenProblem

__all__ = ["BoundSocket", "bind_unix_socket"]

MODE = 0o770  # protocol 1.2: the owner and the group dispatch, others do not
MAX_PATH_BYTES = 107  # of sun_path on Linux, see unix(7); 103 on macOS
ANSWER_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A bound socket and which file it is."""

    socket: socket.socket
    path: Path
    identity: tuple[int, int]  # inode and time of making: an inode alone is given out again

    def remove_file(self) -> None:
        """Remove the file if it is still ours: a gateway that was started meanwhile may have replaced it."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()


def bind_unix_socket(path: Path) -> BoundSocket:
    """Bind the socket. Raises `ListenProblem`. Call before other threads start: the mode is set through the umask."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ListenProblem(
            f"the path of the dispatch socket, {path}, has more than {MAX_PATH_BYTES} bytes",
            "choose a shorter one: --socket, WS_DISPATCH_SOCKET",
        )
    with _locked_folder(path.parent), _translated(path):
        replaced = _clear_way(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            _with_umask(0o777 & ~MODE, lambda: bound.bind(str(path)))
            path.chmod(MODE)
            if replaced is not None:
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.chown(path, replaced.st_uid, replaced.st_gid, follow_symlinks=False)
            return BoundSocket(bound, path, _identity(path))
        except BaseException:
            bound.close()
            raise


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_ino, found.st_mtime_ns


def _clear_way(path: Path) -> os.stat_result | None:
    """Remove a socket on which nobody answers; return what it was. Anything else in the way is left alone."""
    try:
        found = path.lstat()  # not through a symbolic link: somebody else may have put it there
    except FileNotFoundError:
        return None
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenProblem(f"{path} is in the way: it is no socket", "move it away, or choose another path: --socket")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(ANSWER_TIMEOUT_S)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
        return found
    except OSError as exc:
        raise ListenProblem(
            f"{path} exists and cannot be asked whether it is in use: {exc.strerror or exc}",
            "remove it if no gateway runs",
        ) from exc
    else:
        raise ListenProblem(
            f"another gateway answers on {path}", "stop it (systemctl stop ...), or choose another path: --socket"
        )
    finally:
        probe.close()


@contextlib.contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, so that two gateways that start together do not both find the socket stale."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise ListenProblem(
            f"the folder of the dispatch socket, {folder}, cannot be used: {exc.strerror}",
            f"make it (sudo install -d -m 0755 -o $USER {folder}), or choose another path: --socket",
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        way_out = "choose another path: --socket, WS_DISPATCH_SOCKET"
        if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            way_out = f"run as the owner of {path.parent}, or {way_out}"
        raise ListenProblem(f"cannot make the dispatch socket {path}: {exc.strerror or exc}", way_out) from exc


def _with_umask(mask: int, act: Callable[[], None]) -> None:
    before = os.umask(mask)
    try:
        act()
    finally:
        os.umask(before)
