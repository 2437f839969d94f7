"""The window in which a person approves cannot be driven by those who ask (R-CF-10): the operator's screen in a real terminal."""

from pathlib import Path

import pytest
from desktop_host import ANALYST, own_folders, start_host
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, soon

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS, "xterm")]

XTERM = {"app": {"bundleId": "XTerm"}}


async def test_keys_and_text_never_reach_the_screen_of_the_operator(stack: DesktopStack, tmp_path: Path) -> None:
    host = await start_host(stack, tmp_path / "ws")
    terminal = stack.launch(["xterm", "-e", str(ANALYST), "desktop", "host"], own_folders(tmp_path / "ws"))

    async def is_in_front() -> bool:
        observed = await host.result("desktop.observe", options={"includeScreenshot": False, "includeAxTree": False})
        return bool(observed["routeResolved"]["frontmostBundleId"] == "XTerm")

    async def is_refused() -> bool:
        """The screen takes a moment to start inside its window; from then on nothing may get through."""
        error = (await host.act("desktop.hotkey", keys="f12", route=XTERM)).get("error", {})
        return bool(error.get("details", {}).get("reason") == "approval_surface")

    try:
        await soon(is_in_front)
        await soon(is_refused)
        for method, params in (("desktop.hotkey", {"keys": "a"}), ("desktop.typeText", {"text": "a", "route": XTERM})):
            error = (await host.act(method, **params))["error"]
            assert (error["code"], error["details"]["reason"]) == ("DESKTOP_CALLER_NOT_ALLOWED", "approval_surface")
            assert error["details"]["tokenConsumed"] is False
    finally:
        terminal.stop()
        await host.close()
