"""The settings of `config.py` that the inbox needs, as one typed record. Keys have a file of their own: `tui.keys`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analyst_cli import config

__all__ = ["Preferences", "load_preferences"]

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
