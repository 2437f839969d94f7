"""Read what the operator decided: settings, the host's allowlist, the workspace roots, the host's key. The only place that reads these files."""

import os
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli import paths
from analyst_cli.desktop.allowlist import HostRule, PolicyProblem, host_rules_of
from analyst_cli.desktop.endpoint import private_folder
from analyst_cli.desktop.settings import MenubarSettings, Settings, merged, settings_of
from analyst_cli.errors import LocalProblem, SettingsProblem

__all__ = [
    "Configuration",
    "allowlist_path",
    "host_key",
    "read_configuration",
    "root_paths",
    "settings_path",
    "state_folder",
    "workspace_preferences",
]

MAX_FILE_BYTES = 1024 * 1024
KEY_BYTES = 32


class Configuration(msgspec.Struct, frozen=True):
    """What the files say; `rules` None: there is no operator's allowlist."""

    settings: Settings
    warnings: tuple[str, ...]
    rules: tuple[HostRule, ...] | None


def settings_path() -> Path:
    """Return the operator's settings file; `ANALYST_DESKTOP_CONFIG` names another."""
    named = os.environ.get("ANALYST_DESKTOP_CONFIG")
    return Path(named) if named else paths.config_dir() / "desktop.toml"


def allowlist_path() -> Path:
    """Return the operator's allowlist, beside the settings."""
    return settings_path().with_name("desktop-allowlist.json")


def state_folder() -> Path:
    """Return the host's own folder: audit log, key, panic marker. It is created for its owner only."""
    named = os.environ.get("ANALYST_DESKTOP_STATE")
    return private_folder(Path(named) if named else paths.state_dir() / "desktop")


def read_configuration(flags: dict[str, Any]) -> Configuration:
    """Read both files; flags win. Raises SettingsProblem that names the file and the member."""
    path = settings_path()
    try:
        settings, warnings = settings_of(merged(_toml(path), flags))
    except ValueError as exc:
        raise SettingsProblem(f"{path}: {exc}", "correct it, or remove it to use the defaults") from exc
    return Configuration(settings, warnings, _rules(allowlist_path()))


def workspace_preferences(workspace: Path, settings: Settings) -> tuple[MenubarSettings, tuple[str, ...]]:
    """Return the screen's preferences, with those of a workspace's `.analyst/desktop.toml` on top; it can set nothing else (R-CG-3)."""
    try:
        found = merged(_toml(workspace / ".analyst" / "desktop.toml", owned=False))
    except (ValueError, SettingsProblem) as exc:
        return settings.menubar, (str(exc),)
    refused = [f"a workspace cannot set {name}: that is the operator's" for name in found if name != "menubar"]
    both = merged({"menubar": msgspec.to_builtins(settings.menubar)}, {"menubar": found.get("menubar", {})})
    try:
        wanted, warnings = settings_of(both)
    except ValueError as exc:
        return settings.menubar, (*refused, f"{workspace}/.analyst/desktop.toml: {exc}")
    return wanted.menubar, (*refused, *warnings)


def root_paths(settings: Settings, flags: list[Path]) -> tuple[Path, ...]:
    """Return the workspace roots: flags, else `WORKSPACE_ROOT`, else the settings, else `~/analyst-workspaces`, which is created (0700)."""
    if flags:
        return tuple(flags)
    if named := os.environ.get("WORKSPACE_ROOT"):
        return tuple(Path(part) for part in named.split(os.pathsep) if part)
    if settings.workspace.roots:
        return tuple(Path(root).expanduser() for root in settings.workspace.roots)
    return (paths.private_folder(Path.home() / "analyst-workspaces"),)


def host_key(folder: Path) -> bytes:
    """Return the key for salts of redacted text, made on the first start."""
    path = folder / "host.key"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise LocalProblem(
                f"{path} is damaged", "remove it; hashes of earlier texts can then no longer be checked"
            ) from None
        return key
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(fd, "wb") as file:
        file.write(key)
    return key


def _toml(path: Path, *, owned: bool = True) -> dict[str, Any]:
    text = _text(path, owned=owned)
    try:
        return tomllib.loads(text) if text is not None else {}
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"not TOML: {exc}") from exc


def _rules(path: Path) -> tuple[HostRule, ...] | None:
    text = _text(path, owned=True)
    try:
        return None if text is None else host_rules_of(text)
    except PolicyProblem as exc:
        raise SettingsProblem(f"{path}: {exc}", "correct it, or remove it to use the default policy") from exc


def _text(path: Path, *, owned: bool) -> str | None:
    """Return a file's text, None where there is none. The operator's files must be the operator's (R-AL-1)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if owned else 0))
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise SettingsProblem(
            f"{path} cannot be read: {exc.strerror}", "it must be a file of your own, and no link"
        ) from exc
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise SettingsProblem(f"{path} is no file")
        if owned and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            raise SettingsProblem(f"{path} can be written by others", f"chown it to yourself and chmod 600 {path}")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise SettingsProblem(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise SettingsProblem(f"{path} is not UTF-8") from exc
