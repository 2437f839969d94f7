"""Which folders the host may write evidence to, and how it gets there without being led astray (R-WS).

A workspace must lie at or below a configured root by path component after all symbolic links are resolved. From the root's open handle down, every
component is opened relative to its parent and never through a link, so a folder that is swapped meanwhile leads to a refusal, not elsewhere.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from analyst_cli.desktop.errors import Code, DesktopProblem

__all__ = ["Root", "Workspace", "make_folders", "open_roots", "open_workspace"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ASTRAY = {errno.ELOOP, errno.ENOTDIR}  # what O_NOFOLLOW | O_DIRECTORY answers for a link, depending on the system
MAX_ALLOWLIST_BYTES = 64 * 1024


class Root:
    """A configured root, resolved and opened once at start (R-WS-1)."""

    def __init__(self, path: Path) -> None:
        self.real = os.path.realpath(path, strict=True)
        self.fd = os.open(self.real, _FOLDER)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self.fd)


class Workspace:
    """An open workspace; `real` is its path without links, `fd` the handle that every check and write goes through."""

    def __init__(self, real: str, fd: int) -> None:
        self.real = real
        self.fd = fd

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self.fd)

    def allowlist_text(self) -> str | None:
        """Return `allowlist.json`, None where there is none, and an empty text (which allows nobody) for one that cannot be read."""
        try:
            fd = os.open("allowlist.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError:
            return ""
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            content = file.read(MAX_ALLOWLIST_BYTES + 1)
        return "" if len(content) > MAX_ALLOWLIST_BYTES else content.decode("utf-8", "replace")


def open_roots(paths: Iterable[Path]) -> tuple[Root, ...]:
    """Open the roots that exist; the others are told by doctor."""
    roots = []
    for path in paths:
        try:
            roots.append(Root(path))
        except OSError:
            continue
    return tuple(roots)


def open_workspace(path: str, roots: tuple[Root, ...], own_uid: int) -> Workspace:
    """Check a `workspacePath` and open it. Raises DesktopProblem WORKSPACE_FORBIDDEN; the caller closes the workspace."""
    if not roots:
        raise _forbidden("no workspace root is configured", "no_root")
    if "\0" in path or not path.startswith("/"):
        raise _forbidden("workspacePath must be an absolute path", "not_absolute")
    try:
        real = os.path.realpath(path, strict=True)
    except (OSError, ValueError) as exc:
        raise _forbidden("workspacePath does not exist", "not_found") from exc
    root = next((root for root in roots if real == root.real or real.startswith(root.real.rstrip("/") + "/")), None)
    if root is None:
        raise _forbidden("workspacePath lies outside the workspace roots", "outside_roots")
    fd = _descend(root, Path(real).relative_to(root.real).parts)
    if os.fstat(fd).st_uid != own_uid:
        os.close(fd)
        raise _forbidden("workspacePath belongs to another user", "foreign_owner")
    return Workspace(real, fd)


@contextmanager
def make_folders(fd: int, *names: str) -> Iterator[int]:
    """Open, and create where needed (0700), folders below a handle, never through a link; give the handle of the last."""
    opened: list[int] = []
    try:
        for name in names:
            try:  # first, since it is there nearly always, and a mkdir that finds it locks the folder above all the same
                fd = os.open(name, _FOLDER, dir_fd=fd)
            except FileNotFoundError:
                with suppress(FileExistsError):  # somebody else was faster; what it is shows when it is opened
                    os.mkdir(name, 0o700, dir_fd=fd)
                fd = os.open(name, _FOLDER, dir_fd=fd)
            opened.append(fd)
        yield fd
    except OSError as exc:
        if exc.errno in _ASTRAY:
            raise _forbidden("a folder on the way to the evidence is a link or no folder", "link") from exc
        raise
    finally:
        for handle in opened:
            os.close(handle)


def _descend(root: Root, parts: tuple[str, ...]) -> int:
    fd = os.dup(root.fd)
    try:
        for part in parts:
            fd, above = os.open(part, _FOLDER, dir_fd=fd), fd
            os.close(above)
    except OSError as exc:
        os.close(fd)
        raise _forbidden("workspacePath is no folder that can be opened", "not_a_folder") from exc
    return fd


def _forbidden(message: str, reason: str) -> DesktopProblem:
    return DesktopProblem(Code.WORKSPACE_FORBIDDEN, message, reason=reason)
