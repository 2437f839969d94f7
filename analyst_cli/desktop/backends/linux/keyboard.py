"""Send keys and pointer buttons through XTEST. Whatever is pressed is released on every way out, and the keyboard table is put back.

Functions run in the display's thread, `release` in any: it has a connection of its own, since the display's thread may be in the middle of
something. A table that an ended host left behind is found by a property of the root window.
"""

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from Xlib import X, Xatom
from Xlib.error import ConnectionClosedError, XError
from Xlib.ext import xtest

from analyst_cli.desktop.backends.base import BackendError
from analyst_cli.desktop.backends.linux.keymap import Keymap, Stroke
from analyst_cli.desktop.backends.linux.x_display import atom, open_display, property_values, root_of

__all__ = ["Keyboard", "caps_lock_is_on"]

LEFTOVER = "_ANALYST_DESKTOP_KEYMAP"  # on the root window: [process, keycode, ...] while a changed table is installed
LEFT_BUTTON = 1


class Keyboard:
    """The keys this backend holds down, and the table it changed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._held: list[tuple[int, int]] = []  # (release event, key or button), in the order they were pressed
        self._lock = threading.Lock()

    def keymap(self, display: Any) -> Keymap:
        """Read the live table, after putting right what an ended host left behind."""
        self._repair(display)
        return _read_keymap(display)

    def install(self, display: Any, keymap: Keymap, added: dict[int, int]) -> None:
        """Put characters on spare keycodes, all in one request."""
        root_of(display).change_property(atom(display, LEFTOVER), Xatom.CARDINAL, 32, [os.getpid(), *added])
        display.change_keyboard_mapping(*keymap.change(added))
        display.sync()

    def restore(self, display: Any, keymap: Keymap, added: dict[int, int]) -> None:
        """Take all of these characters away again."""
        display.change_keyboard_mapping(*keymap.change(added, undo=True))
        root_of(display).delete_property(atom(display, LEFTOVER))
        display.sync()

    def _repair(self, display: Any) -> None:
        left = property_values(display, root_of(display), LEFTOVER)
        if not left or left[0] == os.getpid() or Path(f"/proc/{left[0]}").exists():
            return
        keymap = _read_keymap(display)
        empty = (X.NoSymbol,) * len(keymap.rows[0])
        for keycode in left[1:]:
            keymap.rows[keycode - keymap.first_keycode] = empty
        display.change_keyboard_mapping(*keymap.change(dict.fromkeys(left[1:], X.NoSymbol), undo=True))
        for keycode in _pressed(display):
            xtest.fake_input(display, X.KeyRelease, keycode)
        root_of(display).delete_property(atom(display, LEFTOVER))
        display.sync()

    def strike(self, display: Any, strokes: Sequence[Stroke], shift: int) -> None:
        """Type some strokes one after the other."""
        with self._released(display):
            for stroke in strokes:
                if stroke.shifted:
                    self._press(display, X.KeyPress, shift)
                self._press(display, X.KeyPress, stroke.keycode)
                self._release_all(display)

    def chord(self, display: Any, keycodes: Sequence[int]) -> None:
        """Press keys in this order, release them in the opposite one."""
        with self._released(display):
            for keycode in keycodes:
                self._press(display, X.KeyPress, keycode)

    def click(self, display: Any, x: int, y: int) -> None:
        """Click the left button at a point of the screen."""
        with self._released(display):
            xtest.fake_input(display, X.MotionNotify, x=x, y=y)
            self._press(display, X.ButtonPress, LEFT_BUTTON)

    def release(self) -> None:
        """Release what is held, from any thread, over a connection of its own. Never raises."""
        if not self._held:
            return
        with contextlib.suppress(BackendError, ConnectionClosedError, XError, OSError):
            display = open_display(self._environ)
            self._release_all(display)
            display.sync()
            display.close()

    @contextlib.contextmanager
    def _released(self, display: Any) -> Any:
        try:
            yield
        finally:
            self._release_all(display)
            display.sync()

    def _press(self, display: Any, kind: int, code: int) -> None:
        with self._lock:
            self._held.append((X.KeyRelease if kind == X.KeyPress else X.ButtonRelease, code))
        xtest.fake_input(display, kind, code)

    def _release_all(self, display: Any) -> None:
        with self._lock:
            held = list(self._held)
            self._held.clear()
        for kind, code in reversed(held):
            xtest.fake_input(display, kind, code)


def caps_lock_is_on(display: Any) -> bool:
    """Tell whether letters come out swapped."""
    return bool(root_of(display).query_pointer().mask & X.LockMask)


def _read_keymap(display: Any) -> Keymap:
    first, last = display.display.info.min_keycode, display.display.info.max_keycode
    group = root_of(display).query_pointer().mask >> 13 & 3  # the active layout, XKB protocol section 2.2.2
    return Keymap(first, display.get_keyboard_mapping(first, last - first + 1), group=group)


def _pressed(display: Any) -> list[int]:
    return [8 * index + bit for index, byte in enumerate(display.query_keymap()) for bit in range(8) if byte >> bit & 1]
