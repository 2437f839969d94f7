"""Read evidence back: the index, one execution, and whether the chains hold. Blocks; for the command line and the screen."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli.desktop.hashchain import ChainFault, verify
from analyst_cli.desktop.retention import DELETED
from analyst_cli.errors import NotFound

__all__ = ["Verdict", "execution_folder", "index_entries", "last_event", "latest_execution", "verdicts"]


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


def last_event(folder: Path) -> str:
    """Name the last event of an execution and its time; empty when the evidence cannot be read any more."""
    try:
        event = json.loads((folder / "events.ndjson").read_bytes().splitlines()[-1])
        return f"{event['type']} at {event['timestamp']}"
    except (OSError, ValueError, LookupError):
        return ""


def verdicts(workspace: Path, execution_id: str | None = None) -> Iterator[Verdict]:
    """Check every execution: the chain of its events, the digests of its files that the last event names, and its line in the index."""
    lines = {entry["executionId"]: entry for entry in index_entries(workspace) if "executionId" in entry}
    folders = (
        [execution_folder(workspace, execution_id)]
        if execution_id
        else sorted((workspace / "artifacts" / "desktop").glob("????-??-??/*"))
    )
    seen = set()
    for folder in folders:
        seen.add(folder.name)
        yield _verdict(folder, lines.get(folder.name))
    if execution_id is None:
        for missing in sorted(lines.keys() - seen - _deleted(workspace)):
            yield Verdict(missing, 0, "the index names it, and its folder is gone")


def _deleted(workspace: Path) -> set[str]:
    """Return the executions that retention took away: they are no fault."""
    path = workspace / "artifacts" / "desktop" / DELETED
    if not path.is_file():
        return set()
    return {str(entry.get("executionId")) for entry in _entries(path.read_bytes().splitlines())}


def _verdict(folder: Path, line: dict[str, Any] | None) -> Verdict:
    try:
        events = (folder / "events.ndjson").read_bytes().splitlines(keepends=True)
        count, last_hash = verify(events)
    except OSError:
        return Verdict(folder.name, 0, "events.ndjson cannot be read")
    except ChainFault as exc:
        return Verdict(folder.name, 0, str(exc))
    if line is None:
        return Verdict(folder.name, count, "it did not end: the index has no line for it")
    if last_hash != line.get("lastHash"):
        return Verdict(folder.name, count, "its last event is not the one that the index names")
    first, last = json.loads(events[0]), json.loads(events[-1])
    return Verdict(folder.name, count, _fault_of_line(line, folder, first, last) or _fault_of_files(folder, last))


def _fault_of_line(line: dict[str, Any], folder: Path, first: dict[str, Any], last: dict[str, Any]) -> str | None:
    """Compare what the index says with the events, which are chained; the line itself is not."""
    truth = {
        "ts": last["timestamp"],
        "requestId": first.get("requestId"),
        "method": last["method"],
        "ok": last["type"] == "desktop.stop",
        "errorCode": last.get("error", {}).get("code"),
        "evidenceDir": "/".join(folder.parts[-4:]),
        "eventsPath": "events.ndjson",
        "durationMs": last.get("durationMs"),
        "peerDigest": first.get("peerDigest"),
    }
    wrong = [name for name, value in truth.items() if line.get(name) != value]
    return f"the index says something else than its events: {', '.join(wrong)}" if wrong else None


def _fault_of_files(folder: Path, last: dict[str, Any]) -> str | None:
    digests = last.get("files", {})
    found = {path.name: path for path in folder.iterdir() if path.name != "events.ndjson"}
    if added := sorted(found.keys() - digests.keys()):
        return f"{', '.join(added)} was added"
    for name, digest in sorted(digests.items()):
        try:
            content = found[name].read_bytes()
        except (KeyError, OSError):
            return f"{name} is gone"
        if hashlib.sha256(content).hexdigest() != digest:
            return f"{name} was changed"
    return None


def _entries(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
