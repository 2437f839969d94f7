"""`desktop_users.json`: who has linked the desktop app, in the source system's shape, for operators to look at.

The file is the state. It is replaced as a whole, never half-written, and read again when somebody else has replaced it.
"""

import os
import tempfile
from pathlib import Path

import msgspec

from analyst_server.errors import StoreUnavailable

__all__ = ["LinkState"]


class LinkState:
    """Read and write one such file; to be used from one thread (the database's)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None  # of the file that `_linked` was read from
        self._linked: dict[str, dict[str, object]] = {}

    def linked_at(self, user: str) -> str | None:
        """Return since when the user is linked (RFC 3339), or None. Raises `StoreUnavailable`."""
        entry = self._current().get(user)
        return None if entry is None else str(entry.get("linked_at", ""))

    def link(self, user: str, *, at: str) -> None:
        """Mark the user as linked; nothing happens when that is known already. Raises `StoreUnavailable`."""
        if user not in self._current():
            self._replace({**self._linked, user: {"linked_at": at}})

    def unlink(self, user: str) -> bool:
        """Forget the user; tell whether there was a link. Raises `StoreUnavailable`."""
        linked = dict(self._current())
        if linked.pop(user, None) is None:
            return False
        self._replace(linked)
        return True

    def _current(self) -> dict[str, dict[str, object]]:
        try:
            found = self._path.stat()
            if self._seen != (found.st_mtime_ns, found.st_ino):
                self._linked = msgspec.json.decode(self._path.read_bytes(), type=dict[str, dict[str, object]])
                self._seen = (found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            self._linked, self._seen = {}, None
        except (OSError, msgspec.DecodeError) as exc:
            raise StoreUnavailable(f"cannot read {self._path} ({exc})", "repair the file or move it away") from exc
        return self._linked

    def _replace(self, linked: dict[str, dict[str, object]]) -> None:
        try:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(linked), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except OSError as exc:
            raise StoreUnavailable(f"cannot write {self._path} ({exc.strerror})", "is the disk full?") from exc
        self._seen = None
