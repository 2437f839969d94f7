"""Put text into an element: set it directly, else type it, else paste it where that is allowed; always read back what arrived.

The order and its reasons: docs/desktop/linux.md. The text of a password field is never read: only its length is compared.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from analyst_cli.desktop.backends.base import Control, Effect, Outcome, Refusal, Refused, TypeText
from analyst_cli.desktop.backends.linux.accessibility_bus import CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import EDITABLE_TEXT, TEXT
from analyst_cli.desktop.backends.linux.clipboard import Clipboard
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.focused import focused_target
from analyst_cli.desktop.backends.linux.keyboard import Keyboard, caps_lock_is_on
from analyst_cli.desktop.backends.linux.keymap import Keymap, Segment, Stroke
from analyst_cli.desktop.backends.linux.pressing import give_focus, send_chord
from analyst_cli.desktop.backends.linux.roles import Role, State
from analyst_cli.desktop.backends.linux.target import Target, find_again

__all__ = ["TypingTools", "type_text"]

READ_BACK_S = 1.0
SET_READ_BACK_S = 0.3  # a program that sets text directly shows it at once
POLL_S = 0.01
SETTLE_S = 0.05  # programs learn of a new keyboard table within 30 ms
BLIND_SETTLE_S = 0.3  # before the table changes again, where the text cannot be read back
CHUNK = 12  # strokes between two looks at the control: 1 ms
# Drawn by the program itself: they take keys, and nothing tells what they made of them.
KEYS_ONLY_ROLES = frozenset({6, 18, 82, 92, 93, 94, 95, 96, Role.TERMINAL, 78})
MAX_READ = 200_000


@dataclass
class TypingTools:
    """What typing works with."""

    desk: Desk
    keyboard: Keyboard
    clipboard: Clipboard


@dataclass
class _Field:
    """Where the text goes, as it was before: `text` is None where it cannot or must not be read."""

    target: Target | None
    text: str | None = None
    length: int | None = None
    caret: int | None = None


async def type_text(tools: TypingTools, action: TypeText, control: Control) -> Outcome:
    """Type; every way ends with the keyboard table restored and no key held."""
    desk = tools.desk
    if action.target is None:
        target = await focused_target(desk)
    else:
        target = await find_again(desk, action.target)
        _require_editable(target)
    keymap = await desk.display.run(tools.keyboard.keymap)
    segments = keymap.segments(action.text)
    settable = target is not None and _can_be_set(target, action)
    if segments is None and not settable and not action.paste:
        raise Refused(
            Refusal.TEXT_NOT_TYPABLE, "the keyboard layout has no free key for some characters; allow the clipboard"
        )
    control.check()
    control.commit()
    field = await _prepare(tools, target, action, control)
    if settable and (outcome := await _set(tools, field, action, control)) is not None:
        return outcome
    if action.clear_before:
        await _clear(tools, field, control)
    if segments is not None:
        return await _type(tools, field, keymap, segments, control)
    if action.paste:
        return await _paste(tools, field, action.text, control)
    raise Refused(Refusal.TEXT_NOT_TYPABLE, "the element refused the text, and no key types it; allow the clipboard")


def _require_editable(target: Target) -> None:
    takes_text = target.now.states & State.EDITABLE or target.has_editable_text or target.now.role in KEYS_ONLY_ROLES
    if not takes_text:
        raise Refused(Refusal.NOT_EDITABLE, "the element takes no text")


def _can_be_set(target: Target, action: TypeText) -> bool:
    """Setting replaces the whole text, so what is there must be readable, or be replaced anyway. Keys mean more than their
    characters in one line: Enter confirms, Tab goes on."""
    if not target.has_editable_text or not target.now.states & State.EDITABLE:
        return False
    if target.secure and not action.clear_before:
        return False
    return not _means_more(target, action.text)


def _means_more(target: Target, text: str) -> bool:
    return not target.now.states & State.MULTI_LINE and bool(set(text) & set("\n\t"))


async def _prepare(tools: TypingTools, target: Target | None, action: TypeText, control: Control) -> _Field:
    """Focus the target and note what it holds."""
    field = await _read(tools.desk, target)
    if action.target is not None and target is not None:
        had_focus = target.now.states & State.FOCUSED
        await give_focus(tools.desk, tools.keyboard, target, control)
        if not had_focus and field.length is not None and not action.clear_before:
            # Fields select everything when they get the keyboard: go to the end instead of typing over it.
            field.caret = field.length
            await _try(tools.desk, target, TEXT, "SetCaretOffset", "i", field.length)
    return field


async def _read(desk: Desk, target: Target | None) -> _Field:
    if target is None or not target.has_text:
        return _Field(target)
    try:
        count, caret = (
            getattr(a, "value", None)
            for a in await desk.bus.ask_all([target.get(TEXT, n) for n in ("CharacterCount", "CaretOffset")])
        )
        text = None
        if not target.secure and isinstance(count, int) and 0 <= count <= MAX_READ:
            text = await desk.bus.ask(target.ask(TEXT, "GetText", "ii", 0, count)) if count else ""
    except (CallFailed, CallTimedOut):
        return _Field(target)
    return _Field(target, text, count, caret)


async def _set(tools: TypingTools, field: _Field, action: TypeText, control: Control) -> Outcome | None:
    """Set the text directly; None where the program did not do it, so that keys may."""
    target = field.target
    if target is None:
        return None
    wanted = action.text
    if not action.clear_before:
        # Offsets count characters on GTK and UTF-16 units on Qt: splice only where both are the same.
        if (
            field.text is None
            or field.length != len(field.text)
            or field.caret is None
            or not 0 <= field.caret <= len(field.text)
        ):
            return None
        wanted = field.text[: field.caret] + action.text + field.text[field.caret :]
    control.check()
    control.seal()
    try:
        await tools.desk.bus.ask(target.ask(EDITABLE_TEXT, "SetTextContents", "s", wanted))
    except (CallFailed, CallTimedOut):
        return None
    caret = len(wanted) if action.clear_before else (field.caret or 0) + len(action.text)
    if await _arrives(tools.desk, target, wanted, SET_READ_BACK_S, control):
        await _try(tools.desk, target, TEXT, "SetCaretOffset", "i", caret)
        words = "the length was read back" if target.secure else "the text was read back"
        return Outcome(effect=Effect.CONFIRMED, method="editable-text", verification=words)
    now = await _read(tools.desk, target)
    if (now.text, now.length) == (field.text, field.length):
        return None  # Firefox says yes and does nothing
    return Outcome(
        effect=Effect.UNVERIFIED, method="editable-text", verification="the element changed, and shows another text"
    )


async def _clear(tools: TypingTools, field: _Field, control: Control) -> None:
    control.check()
    for names in (("control", "a"), ("backspace",)):
        await send_chord(tools.desk, tools.keyboard, names)
    if field.target is None or field.length is None:
        return
    if not await _until(lambda: _length_is(tools.desk, field.target, 0), READ_BACK_S, control):
        raise Refused(Refusal.FAILED, "the element did not let itself be emptied")
    field.text, field.length, field.caret = (None if field.text is None else ""), 0, 0


async def _type(
    tools: TypingTools, field: _Field, keymap: Keymap, segments: list[Segment], control: Control
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
                await _sleep(SETTLE_S, control)
            await _strike(tools, segment.strokes, shift_code, control)
            typed += segment.text
            if segment is segments[-1]:
                control.seal()
            # Programs translate keys later than they are sent: the table must stand until the text is there.
            arrived = await _typed_text_arrives(tools.desk, field, typed, control)
            if arrived is None and changed:
                await _sleep(BLIND_SETTLE_S, control)
    finally:
        undo = _restore(tools, keymap, changed, caps, shift_code, settle_s=0.0 if arrived else SETTLE_S)
        await asyncio.shield(undo)
    return _outcome("keys", field, arrived)


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


async def _paste(tools: TypingTools, field: _Field, text: str, control: Control) -> Outcome:
    async with tools.clipboard.lent(text) as lent:
        control.check()
        await send_chord(tools.desk, tools.keyboard, ("control", "v"))
        control.seal()
        served = await lent.served(READ_BACK_S)
        arrived = await _typed_text_arrives(tools.desk, field, text, control) if served else False
    return _outcome("paste", field, arrived)


async def _typed_text_arrives(desk: Desk, field: _Field, typed: str, control: Control) -> bool | None:
    """Wait until what was typed is in the field; None where that cannot be seen."""
    target = field.target
    if target is None or field.length is None:
        return None
    if target.secure:
        return await _until(lambda: _length_is(desk, target, (field.length or 0) + len(typed)), READ_BACK_S, control)
    if field.text is None or _means_more(target, typed):
        return None
    at = field.caret if field.caret is not None and 0 <= field.caret <= len(field.text) else len(field.text)
    return await _arrives(desk, target, field.text[:at] + typed + field.text[at:], READ_BACK_S, control)


async def _arrives(desk: Desk, target: Target, wanted: str, wait_s: float, control: Control) -> bool:
    if target.secure:
        return await _until(lambda: _length_is(desk, target, len(wanted)), wait_s, control)

    async def is_there() -> bool:
        return (await _read(desk, target)).text == wanted

    return await _until(is_there, wait_s, control)


async def _length_is(desk: Desk, target: Target | None, length: int) -> bool:
    return target is not None and (await _read(desk, target)).length == length


async def _until(condition: Callable[[], Awaitable[bool]], wait_s: float, control: Control) -> bool:
    deadline = time.monotonic() + min(wait_s, control.remaining_s())
    while not await condition():
        if time.monotonic() > deadline:
            return False
        control.check()
        await asyncio.sleep(POLL_S)
    return True


async def _sleep(seconds: float, control: Control) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        control.check()
        await asyncio.sleep(min(POLL_S, left))


async def _try(desk: Desk, target: Target, interface: str, member: str, signature: str, *body: object) -> None:
    try:
        await desk.bus.ask(target.ask(interface, member, signature, *body))
    except (CallFailed, CallTimedOut):
        return  # the caret is a comfort; what was typed is read back anyway


def _outcome(method: str, field: _Field, arrived: bool | None) -> Outcome:
    if arrived is None:
        return Outcome(effect=Effect.UNVERIFIED, method=method, verification="the text cannot be read back")
    if arrived:
        secure = field.target is not None and field.target.secure
        return Outcome(
            effect=Effect.CONFIRMED,
            method=method,
            verification="the length was read back" if secure else "the text was read back",
        )
    return Outcome(effect=Effect.UNVERIFIED, method=method, verification="the element shows another text")
