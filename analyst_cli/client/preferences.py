"""What a person has set for the inbox, in the tables `[inbox]`, `[investigate]` and `[notifications]` of the settings file.

Environment variables win over the file (`ANALYST_THEME`, `ANALYST_IMAGES`, `ANALYST_AGENT`). An unknown name or a value that cannot be meant is an
error that names it. Writing keeps the person's comments and order.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from analyst_cli.errors import LocalProblem, SettingsProblem
from analyst_cli.paths import config_dir, config_file

__all__ = ["CHOICES", "Preferences", "keymap_file", "load_keymap", "load_preferences", "save_preference"]

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("auto", "dark", "light", "contrast", "ansi"),
    "images": ("auto", "kitty", "sixel", "half", "chart", "off"),
    "agent_place": ("auto", "here", "tmux", "window"),
    "minimum_priority": ("low", "normal", "high", "critical"),
}
"""Settings with a closed set of values."""

_TABLES = {
    "inbox": ("theme", "images", "mark_read_when_opened"),
    "investigate": ("agent", "agent_place"),
    "notifications": ("minimum_priority", "bell", "quiet_from", "quiet_until"),
}
_ENVIRONMENT = {"ANALYST_THEME": "theme", "ANALYST_IMAGES": "images", "ANALYST_AGENT": "agent"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """Settings of the inbox with their defaults."""

    theme: str = "auto"
    images: str = "auto"  # how charts are shown: auto takes the best that the terminal can
    mark_read_when_opened: bool = True
    agent: str = "claude"  # command line of the coding agent; {prompt} and {folder} are filled in
    agent_place: str = "auto"  # where it is started: a new tmux pane in tmux, else this terminal
    minimum_priority: str = "low"  # of native notifications
    bell: bool = False  # ring the terminal's bell for what is announced
    quiet_from: str = ""  # HH:MM, the person's clock; empty: no quiet hours
    quiet_until: str = ""


def load_preferences(environ: Mapping[str, str] = os.environ, path: Path | None = None) -> Preferences:
    """Return the settings from defaults < file < environment. Raises `SettingsProblem`."""
    path = path or config_file()
    found = Preferences()
    tables = _read(path)
    for table, names in _TABLES.items():
        content = tables.get(table, {})
        if not isinstance(content, dict):
            raise SettingsProblem(f"{table!r} in {path} is no table", f"write [{table}] and its settings below")
        for name, value in content.items():
            if name not in names:
                raise SettingsProblem(
                    f"{path} sets {table}.{name}, which does not exist", f"known are {', '.join(names)}"
                )
            found = _with(found, name, value, f"{table}.{name} in {path}")
    for variable, name in _ENVIRONMENT.items():
        if environ.get(variable):
            found = _with(found, name, environ[variable], variable)
    return found


def save_preference(name: str, value: str | bool, path: Path | None = None) -> None:
    """Set one value in the settings file, which is made when it is not there. Raises `LocalProblem`, `SettingsProblem`."""
    import tomlkit  # noqa: PLC0415 - 22 ms that only writing needs

    _with(Preferences(), name, value, name)
    path = path or config_file()
    table = next(table for table, names in _TABLES.items() if name in names)
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        if table not in document:
            document[table] = tomlkit.table()
        document[table][name] = value
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(tomlkit.dumps(document), encoding="utf-8")
        draft.replace(path)
    except (OSError, ValueError) as error:
        raise LocalProblem(f"{path} cannot be changed ({error})", "check that you may write it") from error


def keymap_file() -> Path:
    """Return where the person's keys are."""
    return config_dir() / "keys.toml"


def load_keymap(known: Mapping[str, str], path: Path | None = None) -> dict[str, str]:
    """Return the person's keys by action; `known` are all actions with their keys. Raises `SettingsProblem`."""
    path = path or keymap_file()
    content = _read(path).get("keys", {})
    if not isinstance(content, dict):
        raise SettingsProblem(f"'keys' in {path} is no table", 'write [keys] and lines like "inbox.archive" = "e"')
    for action, keys in content.items():
        if action not in known:
            raise SettingsProblem(
                f"{path} gives keys to {action!r}, which does not exist", "see the actions in docs/themes-and-keys.md"
            )
        if not isinstance(keys, str) or not keys.strip():
            raise SettingsProblem(f"the keys of {action!r} in {path} are no text", 'write them like "e" or "e,ctrl+e"')
    return dict(content)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsProblem(f"{path} cannot be read ({error.strerror})", "check its owner and rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsProblem(f"{path} is no TOML: {error}", "correct the line, or move the file away") from error


def _with(preferences: Preferences, name: str, value: object, origin: str) -> Preferences:
    wanted = {field.name: field.type for field in fields(Preferences)}[name]
    if wanted is bool and not isinstance(value, bool):
        raise SettingsProblem(f"{origin} is {value!r}", "it must be true or false")
    if wanted is str and not isinstance(value, str):
        raise SettingsProblem(f"{origin} is {value!r}", "it must be text in quotes")
    if name in CHOICES and value not in CHOICES[name]:
        raise SettingsProblem(f"{origin} is {value!r}", f"it can be {', '.join(CHOICES[name])}")
    return replace(preferences, **{name: value})  # type: ignore[arg-type]
