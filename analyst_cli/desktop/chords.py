"""Names of keys (R-HK): what a caller writes, and the one canonical form of it. Pure."""

from analyst_cli.desktop.errors import DesktopProblem, invalid

__all__ = ["DEFAULT_DENIED", "KEYS", "MODIFIERS", "denied_chord", "normalized_chord"]

_MODIFIER_NAMES = {
    "cmd": "cmd", "command": "cmd", "super": "cmd", "shift": "shift", "option": "option", "alt": "option", "control": "control", "ctrl": "control",
}  # fmt: skip
_KEY_ALIASES = {"return": "enter", "esc": "escape", "delete": "backspace"}

MODIFIERS = ("cmd", "control", "option", "shift")
"""Canonical modifiers, in the order in which a normalised chord lists them."""

KEYS = frozenset(
    [*"abcdefghijklmnopqrstuvwxyz0123456789"]
    + "enter tab space escape backspace forwarddelete up down left right home end pageup pagedown".split()  # noqa: SIM905
    + [f"f{number}" for number in range(1, 21)]
    + "minus equal comma period slash backslash semicolon quote grave leftbracket rightbracket plus".split()  # noqa: SIM905
)

DEFAULT_DENIED = (
    "cmd+l", "cmd+shift+q", "cmd+option+escape", "cmd+control+q", "control+option+backspace", "control+option+forwarddelete", "control+option+l",
    *(f"control+option+f{number}" for number in range(1, 13)),
)  # fmt: skip
"""Chords that log out, lock, force a program to quit, or leave the display (virtual consoles), on macOS and on Linux desktops."""


def normalized_chord(keys: str | list[str]) -> tuple[str, ...]:
    """Return modifiers in fixed order and then the one key. `"cmd+shift+s"` and `["cmd", "shift", "s"]` are the same. Raises DesktopProblem."""
    names = [name.strip().lower() for name in (keys.split("+") if isinstance(keys, str) else keys)]
    if not all(names):
        raise _bad("a key name is empty; the plus sign is called plus")
    modifiers = [_MODIFIER_NAMES[name] for name in names if name in _MODIFIER_NAMES]
    others = [_KEY_ALIASES.get(name, name) for name in names if name not in _MODIFIER_NAMES]
    for name in others:
        if name not in KEYS:
            raise _bad(f"no key is called {name[:40]!r}")
    if len(set(modifiers)) != len(modifiers):
        raise _bad("a modifier appears twice")
    if len(others) != 1:
        raise _bad("a chord is any number of modifiers and exactly one key; send one call per chord")
    if names[-1] in _MODIFIER_NAMES:
        raise _bad("the key comes last, after the modifiers")
    return (*(name for name in MODIFIERS if name in modifiers), others[0])


def denied_chord(chord: tuple[str, ...], denied: frozenset[tuple[str, ...]]) -> DesktopProblem | None:
    """Return why the operator does not let this chord be sent, or None."""
    if chord in denied:
        return _bad(f"the operator does not allow {'+'.join(chord)}", reason="denied_chord")
    return None


def _bad(words: str, **details: str) -> DesktopProblem:
    return invalid(f"params.keys: {words}", **details)
