"""What one execution leaves behind: a folder of its own in the workspace, and a line in the index (§5.4 to §5.7).

Every file is created anew (never over another) and appears complete: it is written under a hidden name first. Lines are one write each, so the files
can be read after a crash at any moment. The terminal event names the SHA-256 of every file, and the index the hash of that event, so that a change to
any of them shows. All functions block; the host calls them in its evidence thread.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from analyst_cli.desktop.errors import DesktopProblem
from analyst_cli.desktop.hashchain import ChainedLines
from analyst_cli.desktop.workspace import Workspace, make_folders

__all__ = ["Execution", "iso_time"]


def iso_time(epoch_s: float) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Execution:
    """The evidence folder of one request, open from its `start` event to its index line."""

    def __init__(
        self, workspace: Workspace, execution_id: str, method: str, request_id: str, wall: Callable[[], float]
    ) -> None:
        """Create the folder. Raises DesktopProblem WORKSPACE_FORBIDDEN for links on the way, OSError for what the disk says."""
        self.id = execution_id
        self.method = method
        self.request_id = request_id
        self._wall = wall
        self.started_at = wall()
        day = datetime.fromtimestamp(self.started_at, UTC).strftime("%Y-%m-%d")
        self.relative_dir = f"artifacts/desktop/{day}/{execution_id}"
        self.dir = f"{workspace.real}/{self.relative_dir}"
        with make_folders(workspace.fd, "artifacts", "desktop") as parent:
            self._index_fd = os.open(
                "index.ndjson",
                os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
                dir_fd=parent,
            )
            try:
                _require_file(self._index_fd)
                with make_folders(parent, day) as day_fd:
                    os.mkdir(execution_id, 0o700, dir_fd=day_fd)
                    self._fd = os.open(
                        execution_id, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=day_fd
                    )
            except BaseException:
                os.close(self._index_fd)
                raise
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._events_fd = os.open("events.ndjson", flags, 0o600, dir_fd=self._fd)
        except BaseException:
            self._remove(workspace)
            os.close(self._index_fd)
            os.close(self._fd)
            raise
        self._events = ChainedLines(self._events_fd)
        self.files: dict[str, str] = {}  # name -> SHA-256

    def event(self, kind: str, **members: Any) -> str:
        """Append an event and return its time; the line is on its way to the disk by then."""
        timestamp = iso_time(self._wall())
        base = {"type": kind, "timestamp": timestamp, "executionId": self.id, "method": self.method}
        self._events.append({**base, **members})
        return timestamp

    def write(self, name: str, content: bytes) -> None:
        """Create a file with its whole content. Raises OSError, FileExistsError among them."""
        if name in self.files:
            raise FileExistsError(name)
        hidden = f".{name}.part"
        fd = os.open(
            hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._fd
        )
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            os.rename(hidden, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except BaseException:
            os.unlink(hidden, dir_fd=self._fd)
            raise
        self.files[name] = hashlib.sha256(content).hexdigest()

    def write_json(self, name: str, members: Any) -> None:
        """Create a JSON file."""
        self.write(name, msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n")

    def keep(self, files: Iterable[tuple[str, Any]], events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write what a method left: files (bytes as they are, anything else as JSON), then events."""
        for name, content in files:
            if isinstance(content, bytes):
                self.write(name, content)
            else:
                self.write_json(name, content)
        for kind, members in events:
            self.event(kind, **members)

    def finish(
        self, *, result: dict[str, Any] | None, error: dict[str, Any] | None, facts: dict[str, Any], peer_digest: str
    ) -> None:
        """Write `result.json`, the one terminal event with the digests of all files, and the index line, in this order."""
        duration_ms = round((self._wall() - self.started_at) * 1000)
        outcome = {"result": result} if error is None else {"error": error}
        base = {"executionId": self.id, "requestId": self.request_id, "method": self.method, "ok": error is None}
        self.write_json("result.json", {**base, "durationMs": duration_ms, **outcome, **facts})
        kind = "desktop.stop" if error is None else "desktop.error"
        line = {
            "ts": self.event(kind, **outcome, **facts, durationMs=duration_ms, files=self.files),
            **base,
            "errorCode": None if error is None else error["code"],
            "evidenceDir": self.relative_dir,
            "eventsPath": "events.ndjson",
            "durationMs": duration_ms,
            "peerDigest": peer_digest,
            "lastHash": self._events.last_hash,
        }
        self._index(msgspec.json.encode(line) + b"\n")

    def discard(self, workspace: Workspace) -> None:
        """Take away an execution that could not even be begun (a full disk, mostly), and close it: nothing was done, so nothing is left."""
        self._remove(workspace)
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for fd in (self._events_fd, self._fd, self._index_fd):
            os.close(fd)

    def _remove(self, workspace: Workspace) -> None:
        with suppress(OSError, DesktopProblem):
            with os.scandir(self._fd) as entries:
                names = [entry.name for entry in entries]
            for name in names:
                os.unlink(name, dir_fd=self._fd)
            with make_folders(workspace.fd, *self.relative_dir.split("/")[:-1]) as day_fd:
                os.rmdir(self.id, dir_fd=day_fd)

    def _index(self, line: bytes) -> None:
        fcntl.flock(self._index_fd, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._index_fd).st_size
            # a host was killed in the middle of a line
            torn = size > 0 and os.pread(self._index_fd, 1, size - 1) != b"\n"
            line = (b"\n" if torn else b"") + line
            if os.write(self._index_fd, line) != len(line):
                raise OSError(errno.ENOSPC, "the line was written only in part")
        finally:
            fcntl.flock(self._index_fd, fcntl.LOCK_UN)


def _require_file(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "index.ndjson is no file")  # a pipe would swallow every line
