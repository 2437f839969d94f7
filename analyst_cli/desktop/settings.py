"""The host's settings: defaults < the operator's file < flags. Pure; `configuration.py` reads the files.

Security settings come from the operator's file alone; a workspace's file may set preferences of the screen and nothing else (R-CG-3). Member
names are those of the contract (`confirm.mode`), nested tables and dotted keys mean the same, every member is optional, unknown ones warn.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from analyst_cli.desktop.chords import DEFAULT_DENIED, normalized_chord
from analyst_cli.desktop.errors import DesktopProblem

__all__ = ["Changes", "ConfirmSettings", "EvidenceSettings", "Settings", "changes_between", "merged", "settings_of"]

FIXED = ("workspace.roots", "panic.hotkey")  # read at start only (R-CG-4)


class _Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class WorkspaceSettings(_Section, frozen=True, kw_only=True):
    """Where evidence may be written."""

    roots: tuple[str, ...] = ()  # empty: $WORKSPACE_ROOT, else ~/analyst-workspaces


class ConfirmSettings(_Section, frozen=True, kw_only=True):
    """How actions are confirmed."""

    mode: Literal["operator", "self"] = "operator"
    allow_phrase: bool = False
    approver: Literal["other-terminal", "anyone"] = "other-terminal"
    ask_ttl_ms: Annotated[int, Meta(ge=5_000, le=3_600_000)] = 300_000  # how long a question waits for a person


class EvidenceSettings(_Section, frozen=True, kw_only=True):
    """What is kept, and for how long."""

    include_text: bool = False
    screenshots: Literal["off", "on-request", "always"] = "on-request"
    max_age_days: Annotated[int, Meta(ge=0, le=36_500)] = 14  # 0: for ever
    max_bytes: Annotated[int, Meta(ge=0)] = 0  # of one workspace's evidence; 0: no limit
    hidden_apps: tuple[str, ...] = (
        "org.keepassxc.KeePassXC", "keepassxc", "KeePassXC", "org.gnome.seahorse.Application", "1password", "com.1password.1password",
        "bitwarden", "com.bitwarden.desktop", "org.gnome.World.Secrets",
    )  # fmt: skip


class HotkeySettings(_Section, frozen=True, kw_only=True):
    """Chords that are never sent."""

    deny: tuple[str, ...] = DEFAULT_DENIED


class PanicSettings(_Section, frozen=True, kw_only=True):
    """How a person stops everything from anywhere on the desktop (R-PA-3)."""

    hotkey: str = "cmd+shift+escape"  # empty: no such key


class LimitSettings(_Section, frozen=True, kw_only=True):
    """How much is done at a time."""

    queue: Annotated[int, Meta(ge=1, le=1_000)] = 16  # requests that wait for a lane (R-LN)
    reads: Annotated[int, Meta(ge=1, le=16)] = 4
    drain_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5_000


class Shortcuts(_Section, frozen=True, kw_only=True):
    """Keys of the screen, as Textual names them."""

    doctor: str = "d"
    observe: str = "o"
    open_evidence: str = "e"


class OpenEvidence(_Section, frozen=True, kw_only=True):
    """What Open Latest Evidence opens."""

    mode: Literal["latest", "choose"] = "latest"


class MenubarSettings(_Section, frozen=True, kw_only=True):
    """Preferences of the screen."""

    enabled: bool = True  # False hides Doctor, Observe and Open Latest Evidence
    workspace_path: str = ""  # for the screen's own Observe; empty: the first root
    shortcuts: Shortcuts = Shortcuts()
    open_evidence: OpenEvidence = OpenEvidence()


class Settings(_Section, frozen=True, kw_only=True):
    """Everything."""

    workspace: WorkspaceSettings = WorkspaceSettings()
    confirm: ConfirmSettings = ConfirmSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    hotkey: HotkeySettings = HotkeySettings()
    panic: PanicSettings = PanicSettings()
    limits: LimitSettings = LimitSettings()
    menubar: MenubarSettings = MenubarSettings()

    @property
    def denied_chords(self) -> frozenset[tuple[str, ...]]:
        """`hotkey.deny` in canonical form, and the panic key, which is the person's."""
        return frozenset(normalized_chord(chord) for chord in (*self.hotkey.deny, self.panic.hotkey) if chord)


class Changes(msgspec.Struct, frozen=True):
    """What a reload changed: names of members, and whether something became stricter, which voids confirmations (R-CF-6)."""

    members: tuple[str, ...]
    needs_restart: tuple[str, ...]


def settings_of(members: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
    """Read settings; return them and a warning for each unknown member. Raises ValueError that names the member."""
    members = _nested(members)
    try:
        settings = msgspec.convert(members, Settings, strict=True)
        settings.denied_chords  # noqa: B018 - it raises for a chord that nobody can press
    except msgspec.ValidationError as exc:
        problem, _, place = str(exc).partition(" - at `$.")
        raise ValueError(f"{place.removesuffix('`') or 'settings'}: {problem[:1].lower()}{problem[1:]}") from exc
    except DesktopProblem as exc:
        raise ValueError(f"hotkey.deny or panic.hotkey: {exc.message}") from exc
    known = _flat(msgspec.to_builtins(Settings()))
    unknown = [name for name in _flat(members) if not any(name == k or name.startswith(k + ".") for k in known)]
    return settings, tuple(f"nobody knows the setting {name}" for name in unknown)


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge settings deeply; later layers win (R-CG-2)."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in _nested(layer).items():
            below = result.get(name)
            result[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def changes_between(old: Settings, new: Settings) -> Changes:
    """Tell which members differ (R-CG-4)."""
    before, after = _flat(msgspec.to_builtins(old)), _flat(msgspec.to_builtins(new))
    names = tuple(name for name in after if before.get(name) != after[name])
    return Changes(names, tuple(name for name in names if name in FIXED))


def _nested(members: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"confirm.mode": x}` into `{"confirm": {"mode": x}}`; a leading `desktop` means nothing here."""
    result: dict[str, Any] = {}
    for name, value in members.items():
        value = _nested(value) if isinstance(value, Mapping) else value  # noqa: PLW2901 - the same value, nested
        first, *rest = name.split(".")
        for part in reversed(rest):
            value = {part: value}  # noqa: PLW2901 - see above
        below = result.get(first)
        result[first] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    inner = result.pop("desktop", None)
    return merged(result, inner) if isinstance(inner, dict) else result


def _flat(members: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
