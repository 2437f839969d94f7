"""Delete old evidence (R-EV-3): by age, and by size, oldest first. Blocks; the host calls it in a file thread once an hour.

It touches only what looks like the host's own: `artifacts/desktop/YYYY-MM-DD/<uuid>` in a workspace, real folders, never through a link. The index
keeps its lines; `deleted.ndjson` beside it names what went, so that whoever verifies the evidence can tell it from what somebody else took away.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

__all__ = ["DELETED", "executions", "purge", "workspaces_below"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EXECUTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DELETED = "deleted.ndjson"
MAX_DEPTH = 4  # how deep below a root workspaces are looked for


class Kept(NamedTuple):
    """An execution's folder."""

    path: Path
    day: str
    modified: float


def purge(root: str, max_age_days: int, max_bytes: int, now: float) -> int:
    """Delete what is too old or too much in every workspace below a root; return how many executions went."""
    gone = 0
    oldest_day = (datetime.fromtimestamp(now, UTC) - timedelta(days=max_age_days)).strftime("%Y-%m-%d")
    for workspace in workspaces_below(Path(root)):
        kept = sorted(executions(workspace), key=lambda each: (each.day, each.modified))
        old = [each for each in kept if max_age_days and each.day < oldest_day]
        rest = kept[len(old) :]
        if max_bytes:
            sizes = [_size(each.path) for each in rest]
            too_much, excess = 0, sum(sizes) - max_bytes
            while excess > 0:
                excess -= sizes[too_much]
                too_much += 1
            old += rest[:too_much]
        for each in old:
            shutil.rmtree(each.path, ignore_errors=True)  # it refuses to go through links
            gone += 1
            if not any(each.path.parent.iterdir()):
                each.path.parent.rmdir()
        if old:
            with suppress(OSError):  # a full disk must not keep evidence from being deleted
                _note(workspace / "artifacts" / "desktop" / DELETED, old, now)
    return gone


def executions(workspace: Path) -> Iterator[Kept]:
    """Give the executions of a workspace."""
    for day in _folders(workspace / "artifacts" / "desktop"):
        if _DAY.fullmatch(day.name):
            for folder in _folders(day):
                if _EXECUTION.fullmatch(folder.name):
                    yield Kept(folder, day.name, folder.stat().st_mtime)


def workspaces_below(root: Path, depth: int = MAX_DEPTH) -> Iterator[Path]:
    """Give the folders at and below a root that hold evidence."""
    if (root / "artifacts" / "desktop").is_dir() and not (root / "artifacts").is_symlink():
        yield root
    if depth > 0:
        for folder in _folders(root):
            if folder.name != "artifacts" and not folder.name.startswith("."):
                yield from workspaces_below(folder, depth - 1)


def _note(path: Path, gone: list[Kept], now: float) -> None:
    when = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = "".join(json.dumps({"ts": when, "executionId": each.path.name}) + "\n" for each in gone)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(lines.encode())


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _size(path: Path) -> int:
    return sum(each.lstat().st_size for each in path.rglob("*"))
