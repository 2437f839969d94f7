"""An element that holds text: what is in it, where the caret stands, and whether a change arrived.

Toolkits count differently: GTK in characters, Qt in UTF-16 units. The text of a password field is never asked for; its length is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from analyst_cli.desktop.backends.base import Control
from analyst_cli.desktop.backends.linux.accessibility_bus import CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import EDITABLE_TEXT, TEXT, number_of
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.target import Target

__all__ = ["Contents", "TextField", "character_index", "pause", "unit_index"]

READ_BACK_S = 1.0
POLL_S = 0.01
MAX_READ = 200_000  # characters; a longer text is typed into without being compared


class Contents(NamedTuple):
    """What an element holds; None where it is not told, or not asked for."""

    text: str | None = None
    length: int | None = None  # as the toolkit counts
    caret: int | None = None  # as the toolkit counts
    selected: tuple[int, int] | None = None  # as the toolkit counts; typing replaces it


def character_index(text: str, offset: int, length: int) -> int:
    """Turn an offset of a toolkit that says `length` for this text into an index of Python's."""
    if length == len(text):
        return min(max(offset, 0), len(text))
    return len(text.encode("utf-16-le")[: 2 * max(offset, 0)].decode("utf-16-le", "ignore"))


def unit_index(text: str, index: int, length: int) -> int:
    """Turn an index of Python's into an offset of a toolkit that says `length` for this text."""
    return index if length == len(text) else _utf16_length(text[:index])


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class TextField:
    """An element, with what it held when it was last noted."""

    def __init__(self, desk: Desk, target: Target) -> None:
        self.desk = desk
        self.target = target
        self.before = Contents()

    async def note(self) -> None:
        """Remember what it holds now, and what is selected."""
        self.before = (await self.read())._replace(selected=await self._selection())

    async def _selection(self) -> tuple[int, int] | None:
        if not self.target.has_text:
            return None
        try:
            if await self.desk.bus.ask(self.target.ask(TEXT, "GetNSelections")) != 1:
                return None
            start, end = sorted(await self.desk.bus.ask(self.target.ask(TEXT, "GetSelection", "i", 0)))
        except (CallFailed, CallTimedOut):
            return None
        return (start, end) if 0 <= start < end else None

    async def read(self) -> Contents:
        """Read it; a password field gives its length and caret only."""
        target = self.target
        if not target.has_text:
            return Contents()
        try:
            answers = await self.desk.bus.ask_all([target.get(TEXT, "CharacterCount"), target.get(TEXT, "CaretOffset")])
            length, caret = (None if (count := number_of(answer)) < 0 else count for answer in answers)
            text = None
            if not target.secure and length is not None and length <= MAX_READ:
                text = await self.desk.bus.ask(target.ask(TEXT, "GetText", "ii", 0, length)) if length else ""
        except (CallFailed, CallTimedOut):
            return Contents()
        return Contents(text, length, caret)

    def with_inserted(self, text: str) -> str | None:
        """Give what it will hold once the text is in it; None where what it held is not known."""
        held, length, caret, selected = self.before
        if held is None or length is None:
            return None
        start, end = selected or (caret, caret)
        if start is None or end is None:
            start = end = length
        return held[: character_index(held, start, length)] + text + held[character_index(held, end, length) :]

    def left_behind(self) -> int:
        """Give how many characters stand behind what will be inserted."""
        held, length, caret, selected = self.before
        if held is None or length is None or caret is None:
            return 0
        return len(held) - character_index(held, selected[1] if selected else caret, length)

    async def go_to_end(self) -> None:
        """Put the caret behind everything, which takes a selection away too."""
        end = self.before.length
        if end is not None:
            self.before = self.before._replace(caret=end, selected=None)
            await self._set_caret(end)

    async def set(self, contents: str, caret: int) -> bool:
        """Replace everything, and put the caret where it would be after typing; False where the program refuses."""
        try:
            await self.desk.bus.ask(self.target.ask(EDITABLE_TEXT, "SetTextContents", "s", contents))
        except (CallFailed, CallTimedOut):
            return False
        length = (await self.read()).length
        if length is not None:
            await self._set_caret(unit_index(contents, caret, length))
        return True

    async def shows(self, contents: str, control: Control, wait_s: float = READ_BACK_S) -> bool:
        """Wait until it holds exactly this; of a password field the length must do."""

        async def is_there() -> bool:
            now = await self.read()
            return now.length in _lengths(contents) if self.target.secure else now.text == contents

        return await _until(is_there, control, wait_s)

    async def grew_by(self, text: str, control: Control) -> bool:
        """Wait until it is longer by this text (and shorter by what was selected)."""
        selected = self.before.selected or (0, 0)
        held = (self.before.length or 0) - (selected[1] - selected[0])

        async def is_there() -> bool:
            length = (await self.read()).length
            return length is not None and length - held in _lengths(text)

        return await _until(is_there, control, READ_BACK_S)

    async def _set_caret(self, offset: int) -> None:
        try:
            await self.desk.bus.ask(self.target.ask(TEXT, "SetCaretOffset", "i", offset))
        except (CallFailed, CallTimedOut):
            return  # a comfort: what arrives is compared anyway


def _lengths(text: str) -> set[int]:
    return {len(text), _utf16_length(text)}


async def _until(condition: Callable[[], Awaitable[bool]], control: Control, wait_s: float) -> bool:
    deadline = time.monotonic() + min(wait_s, control.remaining_s())
    while not await condition():
        if time.monotonic() > deadline:
            return False
        control.check()
        await asyncio.sleep(POLL_S)
    return True


async def pause(seconds: float, control: Control) -> None:
    """Let a program catch up, and stop when the action must."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        control.check()
        await asyncio.sleep(min(POLL_S, left))
