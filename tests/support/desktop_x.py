"""Ask the X server itself, over a connection of the test's own: what the backend says about keys and windows is checked against this."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from desktop_stack import DesktopStack
from eventually import eventually
from Xlib import X, Xatom, display

from analyst_cli.desktop.backends.linux.windows import ask_to_activate
from analyst_cli.desktop.backends.linux.x_display import property_values
from analyst_cli.desktop.elements import Rect

__all__ = ["covered", "held_keys", "keyboard_table", "own_window", "screen_of"]


@contextlib.contextmanager
def screen_of(stack: DesktopStack) -> Iterator[Any]:
    """Open the display of a test desktop."""
    screen = display.Display(stack.environ["DISPLAY"])
    try:
        yield screen
    finally:
        screen.close()


def held_keys(stack: DesktopStack) -> list[int]:
    """Give the keys that are down."""
    with screen_of(stack) as screen:
        return [
            8 * index + bit for index, byte in enumerate(screen.query_keymap()) for bit in range(8) if byte >> bit & 1
        ]


def keyboard_table(stack: DesktopStack) -> list[tuple[int, ...]]:
    """Give what every key means in the first two groups; further columns are the server's own copies, whose number changes."""
    with screen_of(stack) as screen:
        first, last = screen.display.info.min_keycode, screen.display.info.max_keycode
        return [tuple(row[:4]) for row in screen.get_keyboard_mapping(first, last - first + 1)]


@contextlib.contextmanager
def covered(stack: DesktopStack, area: Rect) -> Iterator[None]:
    """Lay a window of another program over an area."""
    with screen_of(stack) as screen:
        root = screen.screen().root
        window = root.create_window(
            area.x, area.y, area.width, area.height, 0, X.CopyFromParent, background_pixel=0, override_redirect=True
        )
        window.map()
        screen.sync()
        yield
        window.destroy()
        screen.sync()


@contextlib.contextmanager
def own_window(stack: DesktopStack) -> Iterator[None]:
    """Put a window of this very process in front."""
    with screen_of(stack) as screen:
        root = screen.screen().root
        window = root.create_window(0, 0, 300, 200, 0, X.CopyFromParent, background_pixel=0)
        window.change_property(screen.intern_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [os.getpid()])
        window.set_wm_class("liar", "liar")
        window.map()
        screen.sync()

        def is_active() -> bool:
            if property_values(screen, root, "_NET_ACTIVE_WINDOW")[:1] == [window.id]:
                return True
            ask_to_activate(screen, window.id)  # window managers do not always give new windows the focus
            return False

        assert eventually(is_active)
        yield
        window.destroy()
        screen.sync()
