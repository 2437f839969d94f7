"""The settings of `config.py` that the inbox needs, as one typed record; and the person's keys, which have a file of their own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_cli import config
from analyst_cli.errors import SettingsProblem
from analyst_cli.paths import config_dir

__all__ = ["CHOICES", "Preferences", "keymap_file", "load_keymap", "load_preferences", "save_preference"]

CHOICES: dict[str, tuple[str, ...]] = {
    setting.key.partition(".")[2]: tuple(setting.allowed.removeprefix("one of ").split(", "))
    for setting in config.SETTINGS
    if setting.allowed.startswith("one of ")
}
"""Settings with a closed set of values, by their name."""

_KEYS = {setting.key.partition(".")[2]: setting.key for setting in config.SETTINGS}


@dataclass(frozen=True, slots=True)
class Preferences:
    """Settings of the inbox with their defaults."""

    theme: str = "auto"
    images: str = "auto"  # how charts are shown: auto takes the best that the terminal can
    mark_read_when_opened: bool = True
    keep: int = 100_000  # notifications on this machine
    agent: str = "claude"  # command line of the coding agent; {prompt} and {folder} are filled in
    agent_place: str = "auto"  # where it is started: a new tmux pane in tmux, else this terminal
    enabled: bool = True  # whether to notify outside of the terminal
    minimum_priority: str = "low"  # of native notifications
    via: str = "auto"  # how to notify
    bell: bool = False  # ring the terminal's bell for what is announced
    quiet_from: str = ""  # HH:MM; empty: no quiet hours
    quiet_until: str = ""
    time_zone: str = ""  # of the quiet hours; empty: this machine's


def load_preferences(environ: Mapping[str, str] = os.environ, path: Path | None = None) -> Preferences:
    """Return the settings from defaults < file < environment. Raises `SettingsProblem`."""
    held = {one.setting.key: one.value for one in config.held_settings(environ=environ, path=path)}
    names = Preferences.__dataclass_fields__
    return Preferences(**{name: held[_KEYS[name]] for name in names})  # type: ignore[arg-type]  # parsed by config


def save_preference(name: str, value: str | bool, path: Path | None = None) -> None:
    """Set one value in the settings file, which is made when it is not there. Raises `SettingsProblem`."""
    setting = config.setting_named(_KEYS.get(name, name))
    config.changed(setting.key, config.parsed(setting, str(value), name), path)


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
    if not path.exists():
        return {}
    import tomllib  # noqa: PLC0415 - only people with settings pay for it

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsProblem(f"{path} cannot be read ({error.strerror})", "check its owner and rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsProblem(f"{path} is no TOML: {error}", "correct the line, or move the file away") from error
