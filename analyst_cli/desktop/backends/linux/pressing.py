"""Press an element, give it the keyboard, bring up a window, send a chord: the actions that need no text."""

import asyncio
import time

from analyst_cli.desktop.backends.base import Activate, Chord, Control, Effect, Focus, Outcome, Press, Refusal, Refused
from analyst_cli.desktop.backends.linux.accessibility_bus import CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import ACCESSIBLE, ACTION, COMPONENT, state_bits
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.effects import observed
from analyst_cli.desktop.backends.linux.keyboard import Keyboard
from analyst_cli.desktop.backends.linux.keymap import Stroke
from analyst_cli.desktop.backends.linux.looking import Scene, read_scene
from analyst_cli.desktop.backends.linux.roles import State
from analyst_cli.desktop.backends.linux.target import Target, find_again, frame_of, press_action, window_of
from analyst_cli.desktop.backends.linux.windows import (
    XWindow,
    active_window,
    ask_to_activate,
    client_at,
    describe,
    has_keyboard,
)

__all__ = ["bring_up", "chord", "click_point", "focus", "give_focus", "press", "send_chord"]

FOCUS_TIMEOUT_S = 1.0
ACTIVATION_TIMEOUT_S = 3.0
"""Of a window manager that is busy: openbox needs 40 ms for every change of the keyboard, on a machine that has nothing else to do."""
POLL_S = 0.01
COVERED = "another window lies over the element"


async def press(desk: Desk, keyboard: Keyboard, action: Press, control: Control) -> Outcome:
    """Press by the element's own action, else by a click at its centre."""
    target = await find_again(desk, action.target)
    index = await press_action(desk, target)
    point = None if index is not None else await click_point(desk, target)
    async with observed(desk, target.pid, target) as observer:
        await observer.start()
        control.check()
        control.commit()
        control.seal()
        if index is None or not await _do_action(desk, target, index):
            method = "pointer"
            if point is None:  # the program refused its own action: try what a person would do
                point = await click_point(desk, target)
            await desk.display.run(keyboard.click, *point)
        else:
            method = "action"
        effect, words = await observer.outcome(control)
    return Outcome(effect=effect, method=method, verification=words)


async def _do_action(desk: Desk, target: Target, index: int) -> bool:
    try:
        return bool(await desk.bus.ask(target.ask(ACTION, "DoAction", "i", index)))
    except CallTimedOut:
        return True  # it took the call and is busy with it
    except CallFailed as failed:
        return failed.name.endswith("NoReply")  # it ended over it


async def click_point(desk: Desk, target: Target) -> tuple[int, int]:
    """Give the point of the screen to click; refuse when a click there would reach something else."""
    frame = await frame_of(desk, target)
    if frame is None:
        raise Refused(Refusal.NO_PRESS_ACTION, "the element has neither a press action nor a place on the screen")
    x, y = (int(member) for member in frame.center)
    window = await window_of(desk, target)
    reached = await desk.display.run(client_at, x, y)
    if reached is None:
        raise Refused(Refusal.NOT_VISIBLE, "the element lies outside of its window or the screen")
    if window is None or reached != window.window_id:
        [top] = await desk.display.run(describe, [reached])
        own_popup = (
            top is not None and top.pid == target.pid and reached not in {w.window_id for w in target.scene.windows}
        )
        if not own_popup:
            raise Refused(Refusal.OCCLUDED, COVERED)
    return x, y


async def focus(desk: Desk, keyboard: Keyboard, action: Focus, control: Control) -> Outcome:
    """Give an element the keyboard."""
    target = await find_again(desk, action.target)
    if not target.now.states & State.FOCUSABLE:
        raise Refused(Refusal.FOCUS_FAILED, "the element cannot have the keyboard")
    control.check()
    control.commit()
    control.seal()
    method = await give_focus(desk, keyboard, target, control)
    return Outcome(effect=Effect.CONFIRMED, method=method, verification="the element has the keyboard")


async def give_focus(desk: Desk, keyboard: Keyboard, target: Target, control: Control) -> str:
    """Bring up its window and focus it, by the accessibility call or by a click; raise Refused when it does not get the keyboard."""
    if not await _bring_up_window_of(desk, target, control):
        raise Refused(Refusal.FOCUS_FAILED, "the window of the element cannot be brought up")
    control.check()
    if await _has_focus(desk, target):
        return "action"
    try:
        granted = bool(await desk.bus.ask(target.ask(COMPONENT, "GrabFocus")))
    except (CallFailed, CallTimedOut):
        granted = False  # GTK 4.8 knows no GrabFocus
    if granted and await _gets_focus(desk, target, control):
        return "action"
    try:
        point = await click_point(desk, target)
    except Refused as refused:
        raise Refused(Refusal.FOCUS_FAILED, "the element did not take the keyboard") from refused
    await desk.display.run(keyboard.click, *point)
    if not await _gets_focus(desk, target, control):
        raise Refused(Refusal.FOCUS_FAILED, "the element did not take the keyboard")
    return "pointer"


async def _bring_up_window_of(desk: Desk, target: Target, control: Control) -> bool:
    """Give the element's window the keyboard; one that is just opening gets the time to be mapped."""
    deadline = time.monotonic() + min(ACTIVATION_TIMEOUT_S, control.remaining_s())
    while (window := await window_of(desk, target)) is None:
        if time.monotonic() > deadline:
            return False
        control.check()
        await asyncio.sleep(POLL_S)
        target.scene = Scene()
    return await _bring_window_up(desk, window.window_id, control)


async def _bring_window_up(desk: Desk, window_id: int, control: Control) -> bool:
    """Give a window the keyboard; tell whether it has it."""
    if await desk.display.run(has_keyboard, window_id):
        return True
    await desk.display.run(ask_to_activate, window_id)
    deadline = time.monotonic() + min(ACTIVATION_TIMEOUT_S, control.remaining_s())
    while not await desk.display.run(has_keyboard, window_id):
        if time.monotonic() > deadline:
            return False
        control.check()
        await asyncio.sleep(POLL_S)  # neither the window manager nor the server tells this client when it is done
    return True


async def _gets_focus(desk: Desk, target: Target, control: Control) -> bool:
    deadline = time.monotonic() + min(FOCUS_TIMEOUT_S, control.remaining_s())
    while not await _has_focus(desk, target):
        if time.monotonic() > deadline:
            return False
        control.check()
        await asyncio.sleep(POLL_S)
    return True


async def _has_focus(desk: Desk, target: Target) -> bool:
    try:
        return bool(state_bits(await desk.bus.ask(target.ask(ACCESSIBLE, "GetState"))) & State.FOCUSED)
    except (CallFailed, CallTimedOut):
        return False


async def chord(desk: Desk, keyboard: Keyboard, action: Chord, control: Control) -> Outcome:
    """Press one key with modifiers held, in the target's window, or in whatever window has the keyboard."""
    target = None if action.target is None else await find_again(desk, action.target)
    keymap = await desk.display.run(keyboard.keymap)
    names = (*action.modifiers, action.key)
    strokes = [keymap.named(name) for name in names]
    if missing := [name for name, stroke in zip(names, strokes, strict=True) if stroke is None]:
        raise Refused(Refusal.KEY_UNAVAILABLE, f"the keyboard layout has no key for {', '.join(missing)}")
    receiver: Target | XWindow | None = target or await desk.display.run(active_window)
    shift = keymap.named("shift")
    codes = chord_codes([stroke for stroke in strokes if stroke is not None], shift)
    async with observed(desk, receiver.pid if receiver else None, None) as observer:
        control.check()
        control.commit()
        if target is not None and not await _bring_up_window_of(desk, target, control):
            raise Refused(Refusal.FOCUS_FAILED, "the window of the element did not get the keyboard")
        await observer.start()
        control.check()
        control.seal()
        await desk.display.run(keyboard.chord, codes)
        effect, words = await observer.outcome(control)
    return Outcome(effect=effect, method="keys", verification=words)


def chord_codes(strokes: list[Stroke], shift: Stroke | None) -> list[int]:
    """Give the keys to hold, modifiers first; a key that needs shift on this layout (plus) brings it along."""
    *modifiers, key = [stroke.keycode for stroke in strokes]
    if strokes[-1].shifted and shift is not None and shift.keycode not in modifiers:
        modifiers.append(shift.keycode)
    return [*modifiers, key]


async def send_chord(desk: Desk, keyboard: Keyboard, names: tuple[str, ...]) -> bool:
    """Send a chord as a part of another action; False where the layout does not have it."""
    keymap = await desk.display.run(keyboard.keymap)
    strokes = [stroke for name in names if (stroke := keymap.named(name)) is not None]
    if len(strokes) != len(names):
        return False
    await desk.display.run(keyboard.chord, chord_codes(strokes, keymap.named("shift")))
    return True


async def bring_up(desk: Desk, action: Activate, control: Control) -> Outcome:
    """Bring an application's window to the front."""
    scene = await read_scene(desk.display)
    window = next((window for window in scene.windows if _matches(window, action)), None)
    if window is None:
        raise Refused(Refusal.NOT_FOUND, "there is no such window")
    control.check()
    control.commit()
    control.seal()
    if not await _bring_window_up(desk, window.window_id, control):
        raise Refused(Refusal.FOCUS_FAILED, "the window manager did not bring the window up")
    return Outcome(effect=Effect.CONFIRMED, method="action", verification="the window is in front and has the keyboard")


def _matches(window: XWindow, action: Activate) -> bool:
    return (
        window.app_id == action.app.app_id
        and action.app.pid in {None, window.pid}
        and action.window_title in {None, window.title}
    )
