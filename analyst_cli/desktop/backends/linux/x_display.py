"""The connection to the X server, owned by one thread: python-xlib blocks, and the event loop must not.

`XDisplay.run` executes a function with the open display in that thread, one after the other. A server that dies or stops answering raises
`BackendLost`, and the next call connects again.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from Xlib import X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError, DisplayError, XError
from Xlib.protocol import request

from analyst_cli.desktop.backends.base import BackendLost, PermissionMissing
from analyst_cli.desktop.backends.linux.one_thread import OneThread
from analyst_cli.desktop.elements import Permission

__all__ = [
    "NO_DISPLAY",
    "XDisplay",
    "ask_property",
    "atom",
    "display_name",
    "is_wayland",
    "open_display",
    "property_values",
    "root_of",
    "text_in",
    "values_in",
]

P = ParamSpec("P")
T = TypeVar("T")

CLOSE_TIMEOUT_S = 0.5
MAX_PROPERTY_LONGS = 16 * 1024  # 64 KiB: what a stranger's window says of itself is cut there
RUN_TIMEOUT_S = 3.0  # the longest function, reading 100 windows, takes 0.2 s
NO_DISPLAY = "start the host inside an X11 session, where DISPLAY is set"
WAYLAND = "this is a Wayland session, where only the accessibility tree can be used; log in to a session on Xorg"


class XDisplay:
    """A display that is opened on first use and again after it was lost."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._display: Any = None
        self._thread = OneThread("x-display")
        self.generation = 0
        """Counts connections: what was learnt over an earlier one (atoms, keymap) is void."""

    async def run(self, function: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function(display, ...)` in the display's thread.

        Raises PermissionMissing without a display, BackendLost when it dies on the way; an X error of a window that is gone passes through.
        When the caller is cancelled the function still ends, and what is run next comes after it.
        """

        def work() -> T:
            if self._display is None:
                self._display = open_display(self._environ)
                self.generation += 1
            try:
                return function(self._display, *args, **kwargs)
            except (ConnectionClosedError, OSError) as exc:
                self._drop()
                raise BackendLost("the X server ended") from exc

        try:
            async with asyncio.timeout(RUN_TIMEOUT_S):
                return await self._thread.run(work)
        except TimeoutError as exc:
            self._abandon()
            raise BackendLost("the X server does not answer") from exc

    def _drop(self) -> None:
        display, self._display = self._display, None
        with contextlib.suppress(Exception):  # it is broken already: python-xlib may fail on it in any way
            display.close()

    def _abandon(self) -> None:
        """Free a thread that waits for a silent server: its socket ends, so its read does."""
        if self._display is not None:
            with contextlib.suppress(OSError):
                self._display.display.socket.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Close the connection and end the thread; a silent server is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._thread.run(self._drop)
        self._thread.stop()


def open_display(environ: Mapping[str, str]) -> Any:
    """Connect; errors of single requests are swallowed from now on unless a request asks for them."""
    name = display_name(environ)
    try:
        _require_server(name)
        display = Display(name)
    except (DisplayError, ConnectionClosedError, OSError) as exc:
        raise PermissionMissing(Permission.SCREEN_RECORDING, f"no X server answers at {name}; {NO_DISPLAY}") from exc
    display.set_error_handler(_ignore)
    return display


def _require_server(name: str) -> None:
    """Try the local socket first: python-xlib goes on to TCP when nobody listens there, and leaves both sockets open."""
    local = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", name)
    if local is None:
        return
    path = f"/tmp/.X11-unix/X{local[1]}"  # noqa: S108 - where every X server has its socket
    refusal: OSError | None = None
    for address in (path, f"\0{path}"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(address)
            except OSError as exc:
                refusal = exc
            else:
                return
    if refusal is not None:
        raise refusal


def display_name(environ: Mapping[str, str]) -> str:
    """Give the display to use; Xwayland's is none, since it neither shows the screen nor reaches native programs."""
    if is_wayland(environ):
        raise PermissionMissing(Permission.SCREEN_RECORDING, WAYLAND)
    if not (name := environ.get("DISPLAY")):
        raise PermissionMissing(Permission.SCREEN_RECORDING, NO_DISPLAY)
    return name


def is_wayland(environ: Mapping[str, str]) -> bool:
    """Tell whether this is a Wayland session."""
    return environ.get("XDG_SESSION_TYPE") == "wayland" or bool(environ.get("WAYLAND_DISPLAY"))


def _ignore(_error: XError, _request: object) -> None:
    """Windows vanish while one looks at them; requests with a reply raise, the others have no effect."""


def atom(display: Any, name: str) -> int:
    """Give the server's number of a name; the connection remembers it (`intern_atom` would ask every time)."""
    return cast("int", display.get_atom(name))


def root_of(display: Any) -> Any:
    """Give the root window."""
    return display.screen().root


def ask_property(display: Any, window: Any, name: str) -> Any:
    """Send the question for a property. `values_in` or `text_in` waits for the answer, so that many are on their way at once."""
    return request.GetProperty(
        display=display.display,
        defer=True,
        delete=False,
        window=window.id,
        property=atom(display, name),
        type=X.AnyPropertyType,
        long_offset=0,
        long_length=MAX_PROPERTY_LONGS,
    )


def values_in(question: Any) -> list[int]:
    """Take the answer as numbers; an absent property, and one of a window that is gone, is empty."""
    form, value = _answer(question)
    return list(value) if form == 32 else []


def text_in(question: Any) -> str | None:
    """Take the answer as text."""
    form, value = _answer(question)
    if form != 8:
        return None
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw.decode("utf-8", "replace") or None


def property_values(display: Any, window: Any, name: str) -> list[int]:
    """Read a property of numbers."""
    return values_in(ask_property(display, window, name))


def _answer(question: Any) -> tuple[int, Any]:
    try:
        question.reply()
    except XError:
        return 0, None
    return question.value if question.property_type else (0, None)
