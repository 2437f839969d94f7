"""The operator's panic key: it stops the host whatever has the focus, and doctor tells when it cannot."""

from pathlib import Path
from typing import Any

import pytest
from desktop_host import start_host
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, soon
from desktop_x import screen_of
from Xlib import XK, X
from Xlib.ext import xtest

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]

CHORD = ("Super_L", "Shift_L", "Escape")


def strike(screen: Any, *names: str) -> None:
    """Press keys as a person does, and let go."""
    codes = [screen.keysym_to_keycode(XK.string_to_keysym(name)) for name in names]
    for code in codes:
        xtest.fake_input(screen, X.KeyPress, code)
    for code in reversed(codes):
        xtest.fake_input(screen, X.KeyRelease, code)
    screen.sync()


async def key_check(host: Any) -> dict[str, Any]:
    """Give what doctor says about the key."""
    checks = (await host.result("desktop.doctor"))["checks"]
    return next(check for check in checks if check["id"] == "panic.key")


async def test_the_panic_key_stops_the_host_also_with_caps_lock_on(stack: DesktopStack, tmp_path: Path) -> None:
    host = await start_host(stack, tmp_path / "ws")
    try:

        async def is_taken() -> bool:
            return bool((await key_check(host))["ok"])

        await soon(is_taken)
        intent = {"method": "desktop.hotkey", "params": {"keys": "cmd+shift+escape"}}
        refused = (await host.call("desktop.confirm.issue", intent=intent))["error"]
        assert refused["details"]["reason"] == "denied_chord"  # only the person may press it
        with screen_of(stack) as screen:
            strike(screen, "Caps_Lock")
            strike(screen, *CHORD)
            strike(screen, "Caps_Lock")
        await soon(host.client.lost.is_set)
        assert next((tmp_path / "host" / "state").rglob("panic")).is_file()
    finally:
        await host.close()


async def test_a_key_that_another_program_has_is_told_by_doctor(stack: DesktopStack, tmp_path: Path) -> None:
    with screen_of(stack) as screen:
        code = screen.keysym_to_keycode(XK.XK_Escape)
        mask = X.Mod4Mask | X.ShiftMask
        screen.screen().root.grab_key(code, mask, False, X.GrabModeAsync, X.GrabModeAsync)
        screen.sync()
        host = await start_host(stack, tmp_path / "ws")
        try:

            async def is_told() -> bool:
                return not (await key_check(host))["ok"]

            await soon(is_told)
            assert "another program has taken cmd+shift+escape" in (await key_check(host))["message"]
        finally:
            await host.close()
