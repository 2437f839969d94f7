"""The settings of the client: what there is, and what holds now.

Precedence, highest first: flag, environment (`Setting.variable`), file (`config.toml`, see `paths.config_file`),
default. A key that does not exist, or a value that cannot be used, is an error that names it, where it stands and what would be right.
"""

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from analyst_cli.errors import SettingsProblem, UsageProblem
from analyst_cli.paths import config_file, private_folder

__all__ = [
    "SETTINGS",
    "THEMES",
    "Held",
    "Setting",
    "Value",
    "changed",
    "held_settings",
    "load",
    "parsed",
    "quiet_hours_gap",
    "setting_named",
]

Value = str | int | bool


class Setting(NamedTuple):
    """One setting: its key, what it is by default, what it may be, and what it does."""

    key: str
    default: Value
    parse: Callable[[str], Value]
    allowed: str
    help: str
    short_variable: str = ""
    choices: tuple[str, ...] = ()  # empty: not one of a few words

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return self.short_variable or "ANALYST_" + self.key.upper().replace(".", "_")


class Held(NamedTuple):
    """What a setting is now, and where that was said: `default`, a file's path, a variable's name, or `flag`."""

    setting: Setting
    value: Value
    origin: str


def _flag(typed: str) -> bool:
    if typed.lower() in {"true", "yes", "on", "1"}:
        return True
    if typed.lower() in {"false", "no", "off", "0"}:
        return False
    raise ValueError


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(typed: str) -> int:
        number = int(typed)
        if not lowest <= number <= highest:
            raise ValueError
        return number

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(typed: str) -> str:
        if typed not in allowed:
            raise ValueError
        return typed

    return parse


def _clock(typed: str) -> str:
    if typed and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", typed):
        raise ValueError
    return typed


def _time_zone(typed: str) -> str:
    if typed:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - only who sets one pays for it

        try:
            ZoneInfo(typed)
        except (ZoneInfoNotFoundError, OSError) as exc:
            raise ValueError from exc
    return typed


def _command(typed: str) -> str:
    import shlex  # noqa: PLC0415 - only who names one pays for it

    shlex.split(typed)  # raises where a quote is not closed
    return typed


def _choice(key: str, default: str, words: str, help_: str, variable: str = "") -> Setting:
    allowed = words.split()
    return Setting(key, default, _one_of(*allowed), f"one of {', '.join(allowed)}", help_, variable, tuple(allowed))


THEMES = "auto dark light contrast ansi"
_YES_OR_NO = "true or false"
_CLOCK = "HH:MM, or empty"
_COMMAND = "a command, with its quotes closed"

SETTINGS: tuple[Setting, ...] = (
    _choice("inbox.theme", "auto", THEMES, "Colours of the inbox.", "ANALYST_THEME"),
    _choice("inbox.images", "auto", "auto kitty sixel half chart off", "How charts are drawn in the terminal.", "ANALYST_IMAGES"),
    Setting("inbox.mark_read_when_opened", True, _flag, _YES_OR_NO, "Whether opening a notification marks it read."),
    Setting("inbox.keep", 100_000, _number(100, 10_000_000), "100 to 10000000", "How many notifications stay on this machine."),
    Setting("list.limit", 50, _number(1, 100_000), "1 to 100000", "How many lines `list` and `search` print."),
    Setting("notifications.enabled", True, _flag, _YES_OR_NO, "Whether the inbox notifies outside of the terminal."),
    _choice("notifications.minimum_priority", "low", "low normal high critical", "The lowest priority that is notified."),
    _choice("notifications.via", "auto", "auto desktop osc bell off", "How to notify; `auto` takes the first way that works."),
    Setting("notifications.bell", False, _flag, _YES_OR_NO, "Whether a notification also rings the terminal's bell."),
    Setting("notifications.quiet_from", "", _clock, _CLOCK, "From when only critical ones are notified."),
    Setting("notifications.quiet_until", "", _clock, _CLOCK, "Until when only critical ones are notified."),
    Setting("notifications.time_zone", "", _time_zone, "a name like Europe/Prague, or empty", "Zone of the quiet hours; empty: this machine's."),
    Setting("investigate.agent", "claude", _command, _COMMAND, "The coding agent, with `{prompt}` (a file) and `{folder}`.", "ANALYST_AGENT"),
    _choice("investigate.agent_place", "auto", "auto here tmux window", "Where the agent starts; `auto` is a pane in tmux, else here."),
)  # fmt: skip

_BY_KEY = {setting.key: setting for setting in SETTINGS}


def load(flags: Mapping[str, Value] | None = None) -> Mapping[str, Value]:
    """Return what holds now, by key; `flags` win. Raises `SettingsProblem`."""
    return {one.setting.key: one.value for one in held_settings(flags)}


def held_settings(
    flags: Mapping[str, Value] | None = None, *, environ: Mapping[str, str] = os.environ, path: Path | None = None
) -> list[Held]:
    """Return every setting with its value and where that was said, in the order of `SETTINGS`. Raises `SettingsProblem`."""
    path = path or config_file()
    in_file = _in_file(_file_content(path), path)
    held = []
    for setting in SETTINGS:
        if flags and setting.key in flags:
            held.append(Held(setting, flags[setting.key], "flag"))
        elif (typed := environ.get(setting.variable)) is not None:
            held.append(Held(setting, parsed(setting, typed, setting.variable), setting.variable))
        elif setting.key in in_file:
            held.append(Held(setting, _from_toml(setting, in_file[setting.key], path), str(path)))
        else:
            held.append(Held(setting, setting.default, "default"))
    return held


def changed(key: str, value: Value | None, path: Path | None = None) -> Path:
    """Set one value in the file (None: remove it), keeping comments and order; return the file. Raises `SettingsProblem`, `UsageProblem`."""
    import tomlkit  # noqa: PLC0415 - 22 ms, for writing alone
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    path = path or config_file()
    section, _, name = setting_named(key).key.partition(".")
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (OSError, UnicodeDecodeError, TOMLKitError) as exc:
        raise SettingsProblem(f"{path} cannot be changed ({exc})", "correct it, or move it away") from exc
    if value is not None:
        document.setdefault(section, tomlkit.table())[name] = value
    elif name in document.get(section, {}):
        del document[section][name]
    else:
        raise UsageProblem(f"{key} is not set in {path}", "see where it comes from: analyst config list --show-origin")
    try:
        _replace(path.resolve(), tomlkit.dumps(document))  # resolved: dotfiles are often symbolic links
    except OSError as exc:
        raise SettingsProblem(
            f"{path} cannot be written ({exc.strerror})", "check the folder's owner and free space"
        ) from exc
    return path


def setting_named(key: str) -> Setting:
    """Return a setting by its key. Raises `SettingsProblem` with the nearest key there is."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    raise SettingsProblem(f"there is no setting {key!r}", _nearest(key))


def parsed(setting: Setting, typed: str, where: str) -> Value:
    """Turn what was typed into a value. Raises `SettingsProblem`."""
    try:
        return setting.parse(typed)
    except ValueError as exc:
        raise SettingsProblem(f"{where}: {typed!r} cannot be {setting.key}", f"give {setting.allowed}") from exc


def quiet_hours_gap(values: Mapping[str, Value]) -> str:
    """Return words for quiet hours with one end only, which never begin; empty: both ends are set, or none."""
    ends = ("notifications.quiet_from", "notifications.quiet_until")
    missing = [key for key in ends if not values[key]]
    return f"there are no quiet hours as long as {missing[0]} is empty" if len(missing) == 1 else ""


def _file_content(path: Path) -> dict[str, Any]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsProblem(f"{path} cannot be read ({exc})", "check its rights, and that it is UTF-8 text") from exc
    import tomllib  # noqa: PLC0415 - 10 ms that nobody without a file pays

    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise SettingsProblem(f"{path} is no TOML: {exc}", "correct it, or move it away") from exc


def _in_file(content: Mapping[str, Any], path: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for section, members in content.items():
        if not isinstance(members, dict):
            raise SettingsProblem(f"{path}: unknown setting {section!r}", _nearest(section))
        for name, value in members.items():
            key = f"{section}.{name}"
            if key not in _BY_KEY:
                raise SettingsProblem(f"{path}: unknown setting {key!r}", _nearest(key))
            found[key] = value
    return found


def _from_toml(setting: Setting, value: object, path: Path) -> Value:
    is_right_kind = isinstance(value, bool) == isinstance(setting.default, bool) and isinstance(
        value, type(setting.default)
    )
    if not is_right_kind:
        raise SettingsProblem(f"{path}: {value!r} cannot be {setting.key}", f"give {setting.allowed}")
    return parsed(setting, str(value), str(path))


def _replace(path: Path, content: str) -> None:
    private_folder(path.parent)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _nearest(key: str) -> str:
    import difflib  # noqa: PLC0415 - only for an error

    near = difflib.get_close_matches(key, _BY_KEY, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "see all of them with: analyst config list"
