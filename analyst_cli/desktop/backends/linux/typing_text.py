"""Put text into an element: set it directly, else type it, else paste it where that is allowed; always read back what arrived.

The order and its reasons: docs/desktop/linux.md. The text of a password field is never read: only its length is compared.
"""

import asyncio
from dataclasses import dataclass

from analyst_cli.desktop.backends.base import Control, Effect, Outcome, Refusal, Refused, TypeText
from analyst_cli.desktop.backends.linux.clipboard import Clipboard
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.focused import focused_target
from analyst_cli.desktop.backends.linux.keyboard import Keyboard, caps_lock_is_on
from analyst_cli.desktop.backends.linux.keymap import Keymap, Segment, Stroke
from analyst_cli.desktop.backends.linux.pressing import give_focus, send_chord
from analyst_cli.desktop.backends.linux.roles import KEYS_ONLY_ROLES, State
from analyst_cli.desktop.backends.linux.target import Target, find_again
from analyst_cli.desktop.backends.linux.text_field import TextField, pause

__all__ = ["TypingTools", "type_text"]

SET_READ_BACK_S = 0.3  # a program that sets text directly shows it at once
SERVED_S = 1.0  # a paste that nobody fetched by then did not happen
SETTLE_S = 0.05  # programs learn of a new keyboard table within 30 ms
BLIND_SETTLE_S = 0.3  # before the table changes again, where the text cannot be read back
CHUNK = 12  # strokes between two looks at the control: 1 ms


@dataclass(frozen=True)
class TypingTools:
    """What typing works with."""

    desk: Desk
    keyboard: Keyboard
    clipboard: Clipboard


async def type_text(tools: TypingTools, action: TypeText, control: Control) -> Outcome:
    """Type; every way ends with the keyboard table restored and no key held."""
    if action.target is None:
        target = await focused_target(tools.desk)
    else:
        target = await find_again(tools.desk, action.target)
        if not _takes_text(target):
            raise Refused(Refusal.NOT_EDITABLE, "the element takes no text")
    keymap = await tools.desk.display.run(tools.keyboard.keymap)
    segments = keymap.segments(action.text)
    settable = target is not None and _can_be_set(target, action)
    if segments is None and not settable and not action.paste:
        raise Refused(
            Refusal.TEXT_NOT_TYPABLE, "the keyboard layout has no free key for some characters; allow the clipboard"
        )
    control.check()
    control.commit()
    field = None if target is None else TextField(tools.desk, target)
    if field is not None:
        await _prepare(tools, field, action, control)
        if settable and (outcome := await _set(field, action, control)) is not None:
            return outcome
    if action.clear_before:
        await _clear(tools, field, control)
    if segments is not None:
        return await _type(tools, field, keymap, segments, control)
    if action.paste:
        return await _paste(tools, field, action.text, control)
    raise Refused(Refusal.TEXT_NOT_TYPABLE, "the element refused the text, and no key types it; allow the clipboard")


def _takes_text(target: Target) -> bool:
    return bool(target.now.states & State.EDITABLE) or target.has_editable_text or target.now.role in KEYS_ONLY_ROLES


def _can_be_set(target: Target, action: TypeText) -> bool:
    """Setting replaces the whole text, so what is there must be readable, or be replaced anyway."""
    if not target.has_editable_text or not target.now.states & State.EDITABLE:
        return False
    if target.secure and not action.clear_before:
        return False
    return not _means_more(target, action.text)


def _means_more(target: Target, text: str) -> bool:
    """Tell whether keys do more here than put their character: in one line Enter confirms and Tab goes on."""
    return not target.now.states & State.MULTI_LINE and bool(set(text) & set("\n\t"))


async def _prepare(tools: TypingTools, field: TextField, action: TypeText, control: Control) -> None:
    """Focus the target and note what it holds."""
    await field.note()
    if action.target is None:
        return  # it has the keyboard already, and its caret is where the user left it
    had_keyboard = field.target.now.states & State.FOCUSED
    await give_focus(tools.desk, tools.keyboard, field.target, control)
    if not had_keyboard and not action.clear_before:
        await field.go_to_end()  # fields select everything when they get the keyboard: do not type over it


async def _set(field: TextField, action: TypeText, control: Control) -> Outcome | None:
    """Set the text directly; None where the program did not do it, so that keys may."""
    wanted = action.text if action.clear_before else field.with_inserted(action.text)
    if wanted is None:
        return None
    control.check()
    control.seal()
    behind = len(wanted) - (0 if action.clear_before else field.left_behind())
    if not await field.set(wanted, behind):
        return None
    if await field.shows(wanted, control, SET_READ_BACK_S):
        return _outcome("editable-text", field, arrived=True)
    now = await field.read()
    if now[:2] == field.before[:2]:
        return None  # Firefox says yes and does nothing
    return _outcome("editable-text", field, arrived=False)


async def _clear(tools: TypingTools, field: TextField | None, control: Control) -> None:
    control.check()
    for names in (("control", "a"), ("backspace",)):
        await send_chord(tools.desk, tools.keyboard, names)
    if field is None or field.before.length is None:
        return
    if not await field.shows("", control):
        raise Refused(Refusal.FAILED, "the element did not let itself be emptied")
    await field.note()


async def _type(
    tools: TypingTools, field: TextField | None, keymap: Keymap, segments: list[Segment], control: Control
) -> Outcome:
    display, keyboard = tools.desk.display, tools.keyboard
    shift = keymap.named("shift")
    shift_code = shift.keycode if shift else 0
    caps = keymap.caps_lock if await display.run(caps_lock_is_on) else None
    changed: dict[int, int] = {}
    typed = ""
    arrived: bool | None = None
    try:
        if caps is not None:
            await display.run(keyboard.strike, [caps], shift_code)
        for segment in segments:
            control.check()
            if segment.added:
                changed |= segment.added
                await display.run(keyboard.install, keymap, segment.added)
                await pause(SETTLE_S, control)
            await _strike(tools, segment.strokes, shift_code, control)
            typed += segment.text
            if segment is segments[-1]:
                control.seal()
            # Programs translate keys later than they are sent: the table must stand until the text is there.
            arrived = await _typed_text_arrives(field, typed, control)
            if arrived is None and changed:
                await pause(BLIND_SETTLE_S, control)
    finally:
        undo = _restore(tools, keymap, changed, caps, shift_code, settle_s=0.0 if arrived else SETTLE_S)
        await asyncio.shield(undo)
    return _outcome("keys", field, arrived=arrived)


async def _strike(tools: TypingTools, strokes: tuple[Stroke, ...], shift_code: int, control: Control) -> None:
    for start in range(0, len(strokes), CHUNK):
        control.check()
        await tools.desk.display.run(tools.keyboard.strike, strokes[start : start + CHUNK], shift_code)


async def _restore(
    tools: TypingTools,
    keymap: Keymap,
    changed: dict[int, int],
    caps: Stroke | None,
    shift_code: int,
    *,
    settle_s: float,
) -> None:
    if changed:
        await asyncio.sleep(settle_s)  # what was sent before an abort must not turn into other characters
        await tools.desk.display.run(tools.keyboard.restore, keymap, changed)
    if caps is not None:
        await tools.desk.display.run(tools.keyboard.strike, [caps], shift_code)


async def _paste(tools: TypingTools, field: TextField | None, text: str, control: Control) -> Outcome:
    async with tools.clipboard.lent(text) as lent:
        control.check()
        await send_chord(tools.desk, tools.keyboard, ("control", "v"))
        control.seal()
        served = await lent.served(SERVED_S)
        arrived = await _typed_text_arrives(field, text, control) if served else False
    return _outcome("paste", field, arrived=arrived)


async def _typed_text_arrives(field: TextField | None, typed: str, control: Control) -> bool | None:
    """Wait until what was typed is in the field; None where that cannot be seen."""
    if field is None or field.before.length is None:
        return None
    if field.target.secure:
        return await field.grew_by(typed, control)
    if _means_more(field.target, typed) or (wanted := field.with_inserted(typed)) is None:
        return None
    return await field.shows(wanted, control)


def _outcome(method: str, field: TextField | None, *, arrived: bool | None) -> Outcome:
    if arrived is None:
        return Outcome(effect=Effect.UNVERIFIED, method=method, verification="the text cannot be read back")
    if not arrived:
        return Outcome(effect=Effect.UNVERIFIED, method=method, verification="the element shows another text")
    secure = field is not None and field.target.secure
    words = "the length was read back" if secure else "the text was read back"
    return Outcome(effect=Effect.CONFIRMED, method=method, verification=words)
