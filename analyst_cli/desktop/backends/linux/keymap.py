"""Decide which keys produce a text. Pure: takes the server's keyboard table, gives strokes and the tables to install; nothing is sent here.

A character that no key of the live layout gives is put on a spare keycode for the time of the text. All of a segment's new characters go
into one table, because every change costs the window manager about 40 ms; a keycode that a segment uses is not given away in it, because
programs translate a stroke later than it is sent. That is why one-by-one remapping types wrong characters.
"""

from collections.abc import Sequence
from typing import NamedTuple

from Xlib import XK

__all__ = ["KEY_NAMES", "MODIFIER_NAMES", "Keymap", "Segment", "Stroke", "keysym_of"]

MODIFIER_NAMES = {"cmd": "Super_L", "shift": "Shift_L", "option": "Alt_L", "control": "Control_L"}
KEY_NAMES = {
    "enter": "Return",
    "tab": "Tab",
    "space": "space",
    "escape": "Escape",
    "backspace": "BackSpace",
    "delete": "BackSpace",
    "forwarddelete": "Delete",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "home": "Home",
    "end": "End",
    "pageup": "Prior",
    "pagedown": "Next",
    "minus": "minus",
    "equal": "equal",
    "comma": "comma",
    "period": "period",
    "slash": "slash",
    "backslash": "backslash",
    "semicolon": "semicolon",
    "quote": "apostrophe",
    "grave": "grave",
    "leftbracket": "bracketleft",
    "rightbracket": "bracketright",
    "plus": "plus",
}
"""The contract's names (R-HK-2) and X's; letters, digits and function keys are themselves."""

_CONTROL = {"\n": XK.XK_Return, "\t": XK.XK_Tab}
_UNICODE_KEYSYM = 0x01000000  # plus the code point: any character, X11 protocol appendix A


class Stroke(NamedTuple):
    """One key, with or without the shift key."""

    keycode: int
    shifted: bool


class Segment(NamedTuple):
    """A part of a text that one table can type; `added` is empty where the live layout has every character."""

    text: str
    strokes: tuple[Stroke, ...]
    added: dict[int, int]  # keycode: keysym


def keysym_of(character: str) -> int:
    """Give X's number of a character."""
    if character in _CONTROL:
        return int(_CONTROL[character])
    point = ord(character)
    return point if 0x20 <= point <= 0x7E or 0xA0 <= point <= 0xFF else _UNICODE_KEYSYM | point


class Keymap:
    """A keyboard table as the server gave it."""

    def __init__(self, first_keycode: int, rows: Sequence[Sequence[int]], *, group: int = 0) -> None:
        self.first_keycode = first_keycode
        self.rows = [tuple(row) for row in rows]
        # From the top: a change covers the keys in between, which are then keys without characters.
        self.spare = [first_keycode + index for index, row in enumerate(self.rows) if not any(row)][::-1]
        self._strokes: dict[int, Stroke] = {}
        self._second: dict[
            int, Stroke
        ] = {}  # what a second layout has; programs find the shortcuts of a latin one there
        for index, row in enumerate(self.rows):
            self._learn(first_keycode + index, row)
        # With a second layout active the first two columns do not hold: then every character gets a keycode of its own.
        self._typable = self._strokes if group == 0 else {}

    def _learn(self, keycode: int, row: tuple[int, ...]) -> None:
        for level in (0, 1):  # without and with shift
            if len(row) > level and row[level]:
                self._strokes.setdefault(row[level], Stroke(keycode, shifted=level == 1))
        for level in (2, 3):
            if len(row) > level and row[level]:
                self._second.setdefault(row[level], Stroke(keycode, shifted=level == 3))
        if len(row) > 1 and row[1] == 0 and XK.XK_a <= row[0] <= XK.XK_z:
            # the capital is implied
            self._strokes.setdefault(row[0] - (XK.XK_a - XK.XK_A), Stroke(keycode, shifted=True))

    def named(self, name: str) -> Stroke | None:
        """Find the key of the contract's name; None where the layout has none."""
        x_name = MODIFIER_NAMES.get(name) or KEY_NAMES.get(name) or (name.upper() if len(name) > 1 else name)
        keysym = XK.string_to_keysym(x_name)
        return self._strokes.get(keysym) or self._second.get(keysym)

    @property
    def caps_lock(self) -> Stroke | None:
        """The key that swaps capitals; not one of the contract's names."""
        return self._strokes.get(XK.XK_Caps_Lock)

    def segments(self, text: str) -> list[Segment] | None:
        """Cut the text into parts that fit the spare keycodes; None where it cannot be typed at all."""
        segments: list[Segment] = []
        start, added = 0, dict[int, int]()  # keysym: keycode
        for index, character in enumerate(text):
            keysym = keysym_of(character)
            if keysym in self._typable or keysym in added:
                continue
            if len(added) == len(self.spare):
                if not self.spare:
                    return None
                segments.append(self._segment(text[start:index], added))
                start, added = index, {}
            added[keysym] = self.spare[len(added)]
        segments.append(self._segment(text[start:], added))
        return segments

    def _segment(self, text: str, added: dict[int, int]) -> Segment:
        strokes = []
        for character in text:
            keysym = keysym_of(character)
            code = added.get(keysym)
            strokes.append(Stroke(code, shifted=False) if code is not None else self._typable[keysym])
        return Segment(text, tuple(strokes), {code: keysym for keysym, code in added.items()})

    def change(self, added: dict[int, int], *, undo: bool = False) -> tuple[int, list[tuple[int, ...]]]:
        """Give the first keycode and the rows of one request that installs the added characters, or takes them away.

        A character stands on every level and group of its keycode.
        """
        first, last = min(added), max(added)
        rows = self.rows[first - self.first_keycode : last - self.first_keycode + 1]
        if not undo:
            for keycode, keysym in added.items():
                rows[keycode - first] = (keysym,) * len(rows[0])
        return first, rows
