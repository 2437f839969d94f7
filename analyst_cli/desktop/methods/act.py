"""desktop.click, desktop.typeText, desktop.hotkey: one confirmed action each, in the one lane of actions.

The order is R-ORD's: the host has checked the confirmation already; here the target is resolved, what forbids the action is looked for, and the
backend spends the confirmation immediately before the first side effect.
"""

import asyncio
from typing import Any

from msgspec import UNSET

from analyst_cli.desktop.backends.base import (
    CaptureRequest,
    Chord,
    Outcome,
    PermissionMissing,
    Press,
    TreeRequest,
    TypeText,
)
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.chords import denied_chord, normalized_chord
from analyst_cli.desktop.elements import Node, Snapshot
from analyst_cli.desktop.errors import invalid
from analyst_cli.desktop.params import ClickParams, HotkeyParams, TypeTextParams
from analyst_cli.desktop.redaction import element_summary
from analyst_cli.desktop.selector import walk
from analyst_cli.desktop.targets import (
    Found,
    assert_not_ours,
    assert_route,
    blocking_modal,
    bring_to_front,
    find_target,
    limits_of,
)

__all__ = ["click", "hotkey", "type_text"]


async def click(call: Call[ClickParams]) -> dict[str, Any]:
    """Press one element."""
    async with call.host.lanes.ui.turn():
        await bring_to_front(call, call.params.route)
        found = await find_target(call, call.params.target, call.params.route, modals=True)
        _note_target(call, found)
        blocking_modal(found.snapshot, found, call.params.route)
        assert_not_ours(call, _pid_of(found))
        pictures = call.params.options.screenshots and call.settings.evidence.screenshots != "off"
        if pictures:
            await _picture(call, "before.png")
        outcome = await call.backend.perform(Press(found.node), call.reins)
        if pictures:
            await _picture(call, "after.png")
    return _acted(call, outcome, clicked=True)


async def type_text(call: Call[TypeTextParams]) -> dict[str, Any]:
    """Put text into an element, or where the focus of the named application is."""
    params = call.params
    async with call.host.lanes.ui.turn():
        await bring_to_front(call, params.route)
        if params.target is not UNSET:
            found = await find_target(call, params.target, params.route, modals=True)
            _note_target(call, found)
            blocking_modal(found.snapshot, found, params.route)
            assert_not_ours(call, _pid_of(found))
            target: Node | None = found.node
            receiver: Node | None = found.node
        else:
            snapshot = await _frontmost(call, tree=True)
            target = None
            receiver = (
                next((visit.node for visit in walk(snapshot.root) if visit.node.focused), None)
                if snapshot.root
                else None
            )
        if receiver is not None and receiver.secure and not params.options.allow_secure:
            raise invalid(
                "the target is a password field; set options.allowSecure to type into it", reason="secure_field"
            )
        options = params.options
        action = TypeText(params.text, target, clear_before=options.clear_before, paste=options.allow_clipboard)
        outcome = await call.backend.perform(action, call.reins)
    return _acted(call, outcome, typed=True, textLength=len(params.text))


async def hotkey(call: Call[HotkeyParams]) -> dict[str, Any]:
    """Send one chord to whatever is frontmost."""
    chord = normalized_chord(call.params.keys)
    if problem := denied_chord(chord, call.settings.denied_chords):
        raise problem
    async with call.host.lanes.ui.turn():
        await bring_to_front(call, call.params.route)
        await _frontmost(call, tree=False)
        if call.params.options.delay_ms:
            await asyncio.sleep(call.params.options.delay_ms / 1000)
        outcome = await call.backend.perform(Chord(chord[:-1], chord[-1]), call.reins)
    return _acted(call, outcome, sent=True, keys=list(chord))


async def _frontmost(call: Call[Any], *, tree: bool) -> Snapshot:
    """Look at what is frontmost, for actions without a target, and check all that forbids to send keys there."""
    request = TreeRequest(tree=tree, limits=limits_of(call), modals=True, detail=lambda node: node.focused)
    snapshot = await call.look(request)
    assert_route(call.params.route, snapshot)
    blocking_modal(snapshot, None, call.params.route)
    assert_not_ours(call, snapshot.app.pid if snapshot.app else None)
    app = snapshot.app
    call.facts["target"] = {
        "appId": app.app_id if app else None,
        "pid": app.pid if app else None,
        "windowTitle": snapshot.window_title,
    }
    return snapshot


def _note_target(call: Call[Any], found: Found) -> None:
    app = found.snapshot.app
    call.facts["target"] = {
        **element_summary(found.node),
        "appId": app.app_id if app else None,
        "windowTitle": found.snapshot.window_title,
    }


def _pid_of(found: Found) -> int | None:
    if found.node.pid is not None:
        return found.node.pid
    return found.snapshot.app.pid if found.snapshot.app else None


async def _picture(call: Call[Any], name: str) -> None:
    try:
        hidden = set(call.settings.evidence.hidden_apps)
        snapshot = await call.look(TreeRequest(tree=False, windows=True))
        blank = tuple(window.frame for window in snapshot.windows if window.app_id in hidden and window.frame)
        frames = await call.backend.capture(CaptureRequest(blank=blank))
    except PermissionMissing:
        call.facts["permissionsMissing"] = ["screenRecording"]
        return
    await call.write(name, frames[0].png)


def _acted(call: Call[Any], outcome: Outcome, **members: Any) -> dict[str, Any]:
    """Return the result of an action: what was done, how, and whether it had an effect."""
    call.facts |= {"effect": outcome.effect.value, "verification": outcome.verification}
    consumed = call.facts.get("tokenConsumed")
    return {
        "executionId": call.execution_id,
        **members,
        "method": outcome.method,
        "effect": outcome.effect.value,
        "verification": outcome.verification,
        **({"tokenConsumed": consumed} if consumed is not None else {}),
        "evidence": call.evidence(),
    }
