"""Read evidence back: the index, one execution, and whether the chains hold. Blocks; for the command line and the screen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli.desktop.hashchain import ChainFault, verify
from analyst_cli.desktop.retention import DELETED
from analyst_cli.errors import NotFound

__all__ = ["Verdict", "execution_folder", "index_entries", "latest_execution", "verdicts"]


class Verdict(msgspec.Struct, frozen=True):
    """What was found out about one execution; `fault` None: everything holds."""

    execution_id: str
    events: int
    fault: str | None


def index_entries(workspace: Path) -> list[dict[str, Any]]:
    """Return the lines of the index, oldest first; torn lines (the host was killed) are left out."""
    path = workspace / "artifacts" / "desktop" / "index.ndjson"
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError as exc:
        raise NotFound(f"there is no evidence in {workspace}", "analyst desktop observe writes some") from exc
    return list(_entries(lines))


def execution_folder(workspace: Path, execution_id: str) -> Path:
    """Return the folder of an execution, by its id or the beginning of it."""
    found = [
        day_folder
        for day_folder in sorted((workspace / "artifacts" / "desktop").glob("*/*"))
        if day_folder.is_dir() and day_folder.name.startswith(execution_id)
    ]
    if not found:
        raise NotFound(f"no execution {execution_id} in {workspace}", "analyst desktop evidence list shows them")
    if len(found) > 1:
        raise NotFound(f"{len(found)} executions begin with {execution_id}", "give more of the id")
    return found[0]


def latest_execution(workspace: Path) -> Path:
    """Return the newest execution of the newest day."""
    days = sorted(folder for folder in (workspace / "artifacts" / "desktop").glob("????-??-??") if folder.is_dir())
    newest = (
        sorted((folder for folder in days[-1].iterdir() if folder.is_dir()), key=lambda each: each.stat().st_mtime)
        if days
        else []
    )
    if not newest:
        raise NotFound(f"there is no evidence in {workspace}", "analyst desktop observe writes some")
    return newest[-1]


def verdicts(workspace: Path, execution_id: str | None = None) -> Iterator[Verdict]:
    """Check the chain of every execution's events, and that its end is the one that the index names."""
    last_hashes = {
        entry["executionId"]: entry.get("lastHash") for entry in index_entries(workspace) if "executionId" in entry
    }
    folders = (
        [execution_folder(workspace, execution_id)]
        if execution_id
        else sorted((workspace / "artifacts" / "desktop").glob("????-??-??/*"))
    )
    seen = set()
    for folder in folders:
        seen.add(folder.name)
        yield _verdict(folder, last_hashes.get(folder.name))
    if execution_id is None:
        for missing in sorted(last_hashes.keys() - seen - _deleted(workspace)):
            yield Verdict(missing, 0, "the index names it, and its folder is gone")


def _deleted(workspace: Path) -> set[str]:
    """Return the executions that retention took away: they are no fault."""
    path = workspace / "artifacts" / "desktop" / DELETED
    if not path.is_file():
        return set()
    return {str(entry.get("executionId")) for entry in _entries(path.read_bytes().splitlines())}


def _verdict(folder: Path, last_hash: str | None) -> Verdict:
    try:
        with (folder / "events.ndjson").open("rb") as file:
            count, found = verify(file)
    except OSError:
        return Verdict(folder.name, 0, "events.ndjson cannot be read")
    except ChainFault as exc:
        return Verdict(folder.name, 0, str(exc))
    if last_hash is None:
        return Verdict(folder.name, count, "it did not end: the index has no line for it")
    if found != last_hash:
        return Verdict(folder.name, count, "its last event is not the one that the index names")
    return Verdict(folder.name, count, None)


def _entries(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
