"""Where the host listens: a private folder, a lock for the one serving process, sockets that nobody else can reach (R-TR-1)."""

import fcntl
import os
import socket
import stat
from pathlib import Path

from analyst_cli import paths
from analyst_cli.errors import LocalProblem

__all__ = [
    "CLIENT_SOCKET",
    "OPERATOR_SOCKET",
    "HostLock",
    "bound_socket",
    "client_socket_path",
    "operator_socket_path",
    "private_folder",
]

CLIENT_SOCKET = "desktop.sock"
OPERATOR_SOCKET = "desktop-operator.sock"
PROBE_S = 0.5


def client_socket_path() -> Path:
    """Return where clients connect; `ANALYST_DESKTOP_SOCKET` names another place, for tests and several desktops."""
    named = os.environ.get("ANALYST_DESKTOP_SOCKET")
    return Path(named) if named else paths.runtime_dir() / CLIENT_SOCKET


def operator_socket_path() -> Path:
    """Return where the operator's screen and commands connect."""
    path = client_socket_path()
    return path.with_name(OPERATOR_SOCKET if path.name == CLIENT_SOCKET else f"{path.stem}-operator.sock")


def private_folder(path: Path) -> Path:
    """Create the folder, or check that it is ours alone. Raises LocalProblem for a link, a foreign owner, or an open mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise LocalProblem(f"{path} is a link or no folder", "the host's folder must be a real one; remove it")
    if found.st_uid != os.geteuid():
        raise LocalProblem(f"{path} belongs to another user", "set XDG_RUNTIME_DIR to a folder of your own")
    if found.st_mode & 0o077:
        raise LocalProblem(f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o})", f"chmod 700 {path}")
    return path


class HostLock:
    """Held by the one serving process of a socket, released by the kernel when it ends however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises LocalProblem when another process serves."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise LocalProblem(
                f"a desktop host is already running (pid {holder or 'unknown'})", "stop it first, or use it"
            ) from exc
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one serve."""
        os.close(self._fd)


def bound_socket(path: Path) -> socket.socket:
    """Bind and listen at a path with mode 0600; the caller holds the lock. A stale socket is removed after nobody answered there."""
    if path.is_symlink() or (path.exists() and not path.is_socket()):
        raise LocalProblem(f"{path} is there and is no socket", "remove it, or name another socket")
    if path.exists():
        if _answers(path):
            raise LocalProblem(f"somebody already serves at {path}", "stop that process first")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError as exc:
        listener.close()
        words = (
            "its path is longer than a socket's may be" if len(os.fspath(path).encode()) > 107 else str(exc.strerror)
        )
        raise LocalProblem(f"cannot listen at {path}: {words}", "name another with --socket") from exc
    finally:
        os.umask(before)
    listener.listen(128)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
