"""Find the scripts of a user, read what they declare, and make new ones from samples."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from analyst_server.errors import ServerError
from analyst_server.runner.declaration import BadDeclaration, Declaration, line_of_key, read_declaration
from analyst_server.runner.local_time import local_zone
from analyst_server.runner.schedule import BadSchedule, Schedule, parse_schedule

__all__ = [
    "EVERY_ONCE",
    "Script",
    "ScriptNotFound",
    "ScriptProblem",
    "create_script",
    "find_script",
    "find_scripts",
    "load",
    "sample_names",
    "sample_source",
]

EVERY_ONCE = "every 5m"  # without a schedule of its own: at every `once`, and as often under `serve` (the source system's cron line)
MAX_SOURCE_BYTES = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class ScriptProblem(ServerError):
    """A script cannot be made, read or run."""


class ScriptNotFound(ScriptProblem):
    """There is no script of this name."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and what it declares; `problem` says why the declaration cannot be used (then it is not run)."""

    path: Path
    declaration: Declaration
    schedule: Schedule
    content_hash: str
    problem: str = ""

    @property
    def stem(self) -> str:
        """Return the name without `.py`: what state files, logs and people call it."""
        return self.path.stem

    @property
    def has_schedule(self) -> bool:
        """Tell whether it declares when to run."""
        return bool(self.declaration.schedule)


def find_scripts(folder: Path) -> list[Script]:
    """Return the scripts of a folder by name; those whose names begin with `_` or `.` are none, nor is a missing folder an error."""
    return [load(path) for path in _paths(folder)]


def find_script(folder: Path, name: str) -> Script:
    """Return the script called `name` (with or without `.py`). Raises `ScriptNotFound`."""
    paths = {path.stem: path for path in _paths(folder)}
    path = paths.get(name.removesuffix(".py"))
    if path is None:
        there = f"there are: {', '.join(paths)}" if paths else "make one with: analyst scripts new revenue_check"
        raise ScriptNotFound(f"there is no script {name!r} in {folder}", there)
    return load(path)


def _paths(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.py")) if path.is_file() and not path.name.startswith(("_", "."))]


def load(path: Path) -> Script:
    """Read a script's declaration and schedule; what is wrong with them becomes its `problem`."""
    plain = parse_schedule(EVERY_ONCE, zone="", local=local_zone())
    try:
        content = path.read_bytes()[:MAX_SOURCE_BYTES]
    except OSError as exc:
        return Script(path, Declaration(), plain, "", problem=f"cannot be read: {exc.strerror}")
    content_hash = hashlib.sha256(content).hexdigest()
    source = content.decode("utf-8-sig", errors="replace")
    try:
        declared = read_declaration(source)
        schedule = parse_schedule(
            declared.schedule or EVERY_ONCE,
            zone=declared.timezone,
            local=local_zone(),
            stem=path.stem,
            jitter_s=declared.jitter_s,
        )
    except BadSchedule as exc:
        key = "timezone" if str(exc).startswith("timezone") else "schedule"
        return _unusable(path, content_hash, plain, BadDeclaration(str(exc), line_of_key(source, key)))
    except BadDeclaration as exc:
        return _unusable(path, content_hash, plain, exc)
    return Script(path, declared, schedule, content_hash)


def _unusable(path: Path, content_hash: str, plain: Schedule, problem: BadDeclaration) -> Script:
    return Script(path, Declaration(), plain, content_hash, problem=f"the block at its top cannot be used: {problem}")


def create_script(folder: Path, name: str, *, sample: str) -> Path:
    """Write a new script made from a sample. Raises `ScriptProblem` when the name is taken or cannot be one."""
    stem = name.removesuffix(".py")
    if not _NAME.fullmatch(stem) or "." in stem:
        raise ScriptProblem(f"{name!r} cannot be a script's name", "use letters, digits, - and _, as in revenue_check")
    source = sample_source(sample)
    path = folder / f"{stem}.py"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(source)
    except FileExistsError as exc:
        raise ScriptProblem(f"{path} is there already", "choose another name, or delete it first") from exc
    path.chmod(0o750)
    return path


def sample_names() -> list[str]:
    """Return the names of the samples in the package."""
    folder = resources.files("analyst_server.runner") / "samples"
    return sorted(
        entry.name.removesuffix(".py")
        for entry in folder.iterdir()
        if entry.name.endswith(".py") and entry.name[0] != "_"
    )


def sample_source(name: str) -> str:
    """Return the source of a sample. Raises `ScriptNotFound`."""
    stem = name.removesuffix(".py")
    if stem not in sample_names():
        raise ScriptNotFound(f"there is no sample {name!r}", f"there are: {', '.join(sample_names())}")
    return (resources.files("analyst_server.runner") / "samples" / f"{stem}.py").read_text("utf-8")
