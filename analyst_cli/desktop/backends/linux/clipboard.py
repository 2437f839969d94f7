"""Lend the clipboard for one paste: keep what is in it, offer the text, give back what was there.

A clipboard's content lives in the program that owns it, so a thread with a display of its own answers requests, also for what was given
back, until somebody else copies. Clipboard managers are asked not to keep the lent text.
"""

import asyncio
import contextlib
import os
import select
import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from Xlib import X, Xatom
from Xlib.error import ConnectionClosedError, XError
from Xlib.protocol import event

from analyst_cli.desktop.backends.base import Refusal, Refused
from analyst_cli.desktop.backends.linux.x_display import atom, open_display, root_of

__all__ = ["Clipboard", "Lent"]

READ_TIMEOUT_S = 1.0
SECRET_HINT = "x-kde-passwordManagerHint"  # noqa: S105 - the name of a clipboard format; managers do not keep what offers it
NOT_RESTORABLE = "the clipboard holds something that could not be put back afterwards"


class Lent:
    """A text that stands in the clipboard."""

    def __init__(self, owner: "_Owner") -> None:
        self._owner = owner

    async def served(self, timeout_s: float) -> bool:
        """Wait until a program fetched it."""
        return await asyncio.to_thread(self._owner.fetched.wait, timeout_s)


class Clipboard:
    """The clipboard of the session."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._owner: _Owner | None = None

    @contextlib.asynccontextmanager
    async def lent(self, text: str) -> AsyncIterator[Lent]:
        """Offer a text while the context is open; refuse where what is there could not be put back."""
        before = await asyncio.to_thread(_read, self._environ)
        owner = _Owner(self._environ, text.encode(), secret=True)
        await asyncio.to_thread(owner.take)
        try:
            yield Lent(owner)
        finally:
            if before is None:
                owner.end()
            else:
                owner.offer(before)
                self._owner = owner

    def close(self) -> None:
        """Stop answering; what was given back is gone with this process, as with every program that owned a clipboard."""
        if self._owner is not None:
            self._owner.end()


class _Owner:
    def __init__(self, environ: Mapping[str, str], content: bytes, *, secret: bool) -> None:
        self.fetched = threading.Event()
        self._environ = environ
        self._content = content
        self._secret = secret
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="clipboard", daemon=True)
        self._display: Any = None
        self._ended = False

    def take(self) -> None:
        """Become the owner of the clipboard."""
        self._display = open_display(self._environ)
        window = root_of(self._display).create_window(-10, -10, 1, 1, 0, X.CopyFromParent)
        window.set_selection_owner(atom(self._display, "CLIPBOARD"), X.CurrentTime)
        self._display.sync()
        self._thread.start()

    def offer(self, content: bytes) -> None:
        """Offer something else from now on."""
        self._content, self._secret = content, False

    def end(self) -> None:
        """Give the clipboard up; it is empty then."""
        self._ended = True
        with contextlib.suppress(OSError):
            os.write(self._wake_writer, b".")

    def _serve(self) -> None:
        display = self._display
        with contextlib.suppress(ConnectionClosedError, OSError, XError):  # with the server gone there is no clipboard
            while not self._ended:
                if not display.pending_events():
                    select.select([display, self._wake_reader], [], [])
                    continue
                happened = display.next_event()
                if happened.type == X.SelectionClear:
                    break  # somebody else copied
                if happened.type == X.SelectionRequest:
                    self._answer(display, happened)
        with contextlib.suppress(ConnectionClosedError, OSError):
            display.close()
        self._ended = True
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _answer(self, display: Any, request: Any) -> None:
        place = request.property or request.target
        targets, text, hint = (atom(display, name) for name in ("TARGETS", "UTF8_STRING", SECRET_HINT))
        if request.target == targets:
            request.requestor.change_property(place, Xatom.ATOM, 32, [targets, text, *([hint] if self._secret else [])])
        elif request.target == text:
            request.requestor.change_property(place, text, 8, self._content)
            self.fetched.set()
        elif request.target == hint and self._secret:
            request.requestor.change_property(place, Xatom.STRING, 8, b"secret")
        else:
            place = X.NONE
        request.requestor.send_event(
            event.SelectionNotify(
                time=request.time,
                requestor=request.requestor,
                selection=request.selection,
                target=request.target,
                property=place,
            )
        )
        display.flush()


def _read(environ: Mapping[str, str]) -> bytes | None:
    """Read the clipboard's text; None where nobody owns it."""
    display = open_display(environ)
    try:
        clipboard, text = atom(display, "CLIPBOARD"), atom(display, "UTF8_STRING")
        if display.get_selection_owner(clipboard) == X.NONE:
            return None
        place = atom(display, "_ANALYST_SELECTION")
        window = root_of(display).create_window(-10, -10, 1, 1, 0, X.CopyFromParent)
        window.convert_selection(clipboard, text, place, X.CurrentTime)
        display.flush()
        deadline = time.monotonic() + READ_TIMEOUT_S
        while time.monotonic() < deadline:
            if not display.pending_events():
                select.select([display], [], [], deadline - time.monotonic())
                continue
            happened = display.next_event()
            if happened.type == X.SelectionNotify:
                found = window.get_full_property(place, X.AnyPropertyType) if happened.property else None
                if found is None or found.property_type != text:  # not text, or too large for one piece
                    raise Refused(Refusal.TEXT_NOT_TYPABLE, NOT_RESTORABLE)
                return bytes(found.value)
        raise Refused(Refusal.TEXT_NOT_TYPABLE, NOT_RESTORABLE)
    finally:
        display.close()
