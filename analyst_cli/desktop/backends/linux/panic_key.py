"""The operator's panic key: one chord, grabbed on the whole X11 desktop, that stops the host whatever has the focus (R-PA-3)."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from Xlib import XK, X
from Xlib.error import BadAccess, CatchError, ConnectionClosedError, XError

from analyst_cli.desktop.backends.base import BackendError
from analyst_cli.desktop.backends.linux.keymap import KEY_NAMES
from analyst_cli.desktop.backends.linux.one_thread import OneThread
from analyst_cli.desktop.backends.linux.x_display import open_display, root_of

__all__ = ["PanicKey"]

MASKS = {"shift": X.ShiftMask, "control": X.ControlMask, "option": X.Mod1Mask, "cmd": X.Mod4Mask}
LOCKS = (0, X.LockMask, X.Mod2Mask, X.LockMask | X.Mod2Mask)  # Caps Lock and Num Lock make no difference
GRAB_TIMEOUT_S = 3.0


class PanicKey:
    """Calls `pressed` on the event loop for every press. It has a connection of its own, so no other call delays it."""

    def __init__(self, environ: Mapping[str, str], chord: tuple[str, ...], pressed: Callable[[], None]) -> None:
        self._environ = environ
        self._chord = chord
        self._pressed = pressed
        self._display: Any = None
        self._thread = OneThread("panic-key")

    async def ensure(self) -> str | None:
        """Grab the key unless that is done; return what keeps it from being grabbed, None when it is."""
        if self._display is not None:
            return None
        try:
            async with asyncio.timeout(GRAB_TIMEOUT_S):
                self._display = await self._thread.run(self._grabbed)
        except (BackendError, ConnectionClosedError, XError, OSError, TimeoutError) as exc:
            return str(exc) or "the X server does not answer"
        asyncio.get_running_loop().add_reader(self._display.fileno(), self._read)
        self._read()  # what came before anybody listened
        return None

    def close(self) -> None:
        """Give the key back."""
        self._let_go()
        self._thread.stop()

    def _grabbed(self) -> Any:
        display = open_display(self._environ)
        try:
            _grab(display, self._chord)
        except BaseException:
            display.close()
            raise
        return display

    def _read(self) -> None:
        display = self._display
        try:
            while display is not None and display.pending_events():
                if display.next_event().type == X.KeyPress:
                    self._pressed()
        except (ConnectionClosedError, OSError):
            self._let_go()  # the X server ended; `ensure` tries again

    def _let_go(self) -> None:
        display, self._display = self._display, None
        if display is None:
            return
        asyncio.get_running_loop().remove_reader(display.fileno())
        with contextlib.suppress(Exception):  # a broken connection: python-xlib may fail on it in any way
            display.close()


def _grab(display: Any, chord: tuple[str, ...]) -> None:
    *modifiers, key = chord
    keysym = XK.string_to_keysym(KEY_NAMES.get(key) or (key.upper() if len(key) > 1 else key))
    keycode = display.keysym_to_keycode(keysym)
    if not keycode:
        raise BackendError(f"the keyboard has no key for {key}")
    mask = sum(MASKS[name] for name in modifiers)
    taken = CatchError(BadAccess)
    for locks in LOCKS:
        root_of(display).grab_key(keycode, mask | locks, False, X.GrabModeAsync, X.GrabModeAsync, onerror=taken)
    display.sync()
    if taken.get_error():
        raise BackendError(f"another program has taken {'+'.join(chord)}")
