"""The host's own record (R-AU): refusals, confirmations, aborts, settings, changes of state, deletions. Append-only, chained, 0600, rotated by size.

It holds what the workspace's evidence cannot: requests that were refused before a folder existed. Texts follow the same redaction.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.hashchain import NO_HASH, ChainedLines, verify

__all__ = ["AuditLog"]

MAX_FILE_BYTES = 8 * 1024 * 1024
KEPT_FILES = 4


class AuditLog:
    """`audit.ndjson` in the host's state folder. Safe for threads. A full disk loses lines, never requests: `lost` counts them for doctor."""

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        self.path = folder / "audit.ndjson"
        self._wall = wall
        self._lock = threading.Lock()
        self.lost = 0
        self._open(*self._tail())

    def write(self, kind: str, **members: Any) -> None:
        """Append one line."""
        with self._lock:
            try:
                self._lines.append({"ts": iso_time(self._wall()), "type": kind, **members})
                if os.fstat(self._fd).st_size > MAX_FILE_BYTES:
                    self._rotate()
            except OSError:
                self.lost += 1

    def tail(self, lines: int) -> list[str]:
        """Return the last lines, oldest first."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - lines * 2_000))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _open(self, seq: int, last_hash: str) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._lines = ChainedLines(self._fd, seq=seq, last_hash=last_hash)

    def _tail(self) -> tuple[int, str]:
        """Find where the chain ends; a torn or foreign file is set aside, so that no line is appended to a broken chain."""
        try:
            with self.path.open("rb") as file:
                return verify(file, first_hash=None) if self.path.stat().st_size else (0, NO_HASH)
        except FileNotFoundError:
            return 0, NO_HASH
        except ValueError:
            self.path.replace(self.path.with_name(f"audit-damaged-{int(self._wall())}.ndjson"))
            return 0, NO_HASH

    def _rotate(self) -> None:
        os.close(self._fd)
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self.path.with_name(f"audit.{number}.ndjson")
            if older.exists():
                older.replace(self.path.with_name(f"audit.{number + 1}.ndjson"))
        self.path.replace(self.path.with_name("audit.1.ndjson"))
        self._open(0, self._lines.last_hash)
