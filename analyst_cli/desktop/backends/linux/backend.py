"""The Linux backend: X11 for windows, pixels and keys, AT-SPI 2 for elements. This module only wires the parts together."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from Xlib.error import XError

from analyst_cli.desktop.backends.base import (
    Action,
    Activate,
    Backend,
    BackendError,
    BackendLost,
    Capability,
    CaptureRequest,
    Chord,
    Control,
    Focus,
    Frame,
    Highlight,
    Outcome,
    PermissionMissing,
    Press,
    Refusal,
    Refused,
    Situation,
    TreeRequest,
    TypeText,
    Watch,
)
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.applications import Applications
from analyst_cli.desktop.backends.linux.clipboard import Clipboard
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.keyboard import Keyboard
from analyst_cli.desktop.backends.linux.looking import look
from analyst_cli.desktop.backends.linux.overlay import Overlay
from analyst_cli.desktop.backends.linux.pressing import bring_up, chord, focus, press
from analyst_cli.desktop.backends.linux.screenshot import Camera
from analyst_cli.desktop.backends.linux.typing_text import TypingTools, type_text
from analyst_cli.desktop.backends.linux.watching import Events
from analyst_cli.desktop.backends.linux.windows import has_window_manager
from analyst_cli.desktop.backends.linux.x_display import XDisplay, is_wayland
from analyst_cli.desktop.elements import Permission, Snapshot

__all__ = ["LinuxBackend", "open_linux_backend"]

T = TypeVar("T")

PROBE_S = 0.25
FIRST_PROBE_S = 3.0  # each part connects, and there is no earlier answer to give instead
NOT_ENABLED = (
    "accessibility is switched off in this session, so Firefox and others show no tree: run `gsettings set"
    " org.gnome.desktop.interface toolkit-accessibility true` and start those programs again"
)
NO_WINDOW_MANAGER = "no window manager that speaks EWMH runs: windows cannot be brought to the front reliably"
NO_XTEST = "the X server has no XTEST extension: keys and clicks cannot be sent"


class LinuxBackend:
    """A desktop under X11; under Wayland, or without a display, the accessibility tree alone."""

    name = "linux"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._bus = AccessibilityBus(environ)
        applications = Applications(self._bus)
        self._display = XDisplay(environ)
        self._camera = Camera(environ)
        self._keyboard = Keyboard(environ)
        self._clipboard = Clipboard(environ)
        self._overlay = Overlay(self._display)
        self._desk = Desk(self._bus, applications, self._display, Events(self._bus, applications))
        self._asked: set[str] = set()
        self._known: dict[str, Any] = {}  # the last answer of each part, for when it is too busy to give one in time

    async def probe(self) -> Situation:
        """Tell what works now; a part that is busy with an action counts as it was last seen."""
        bus, displays, screen = await asyncio.gather(
            self._part("bus", self._bus.ping()),
            self._part("camera", self._camera.displays()),
            self._part("screen", self._display.run(_extensions)),
        )
        remedies: dict[Permission, str] = {}
        if isinstance(bus, BackendError):
            remedies[Permission.ACCESSIBILITY] = _remedy(bus)
        if isinstance(displays, BackendError):
            remedies[Permission.SCREEN_RECORDING] = _remedy(displays)
        managed, xtest = (False, False) if isinstance(screen, BackendError) else screen
        capabilities = _capabilities(
            tree=not isinstance(bus, BackendError), pixels=not isinstance(displays, BackendError), keys=xtest
        )
        warnings = []
        if not isinstance(bus, BackendError) and not bus:
            warnings.append(NOT_ENABLED)
        if not isinstance(screen, BackendError):
            warnings += [text for wrong, text in ((not managed, NO_WINDOW_MANAGER), (not xtest, NO_XTEST)) if wrong]
        return Situation(
            permissions={permission: permission not in remedies for permission in Permission},
            remedies=remedies,
            capabilities=capabilities,
            displays=() if isinstance(displays, BackendError) else displays,
            session=_session(self._environ, works=not isinstance(displays, BackendError)),
            warnings=tuple(warnings),
        )

    async def _part(self, name: str, question: Awaitable[T]) -> T | BackendError:
        answer: T | BackendError
        patience_s = PROBE_S if name in self._asked else FIRST_PROBE_S
        self._asked.add(name)
        try:
            async with asyncio.timeout(patience_s):
                answer = await question
        except TimeoutError:
            answer = self._known.get(name, BackendError(f"{name} does not answer"))
        except (CallFailed, CallTimedOut):
            answer = BackendError(f"{name} does not answer")
        except BackendError as missing:
            answer = missing
        self._known[name] = answer
        return answer

    async def look(self, request: TreeRequest, control: Control) -> Snapshot:
        """Read the desktop."""
        with self._noticing_loss():
            return await look(self._desk, request, control)

    async def capture(self, request: CaptureRequest) -> tuple[Frame, ...]:
        """Take pictures."""
        with self._noticing_loss():
            return await self._camera.capture(request)

    async def perform(self, action: Action, control: Control) -> Outcome:
        """Do one action."""
        try:
            with self._noticing_loss():
                return await self._perform(action, control)
        except (CallFailed, CallTimedOut) as exc:
            raise Refused(Refusal.FAILED, "the program does not answer") from exc
        except XError as exc:
            raise Refused(Refusal.FAILED, "the X server refused the request") from exc

    @contextlib.contextmanager
    def _noticing_loss(self) -> Iterator[None]:
        """Forget what worked when a part turns out to be gone: then a silent part counts as one that does not work."""
        try:
            yield
        except BackendLost:
            self._known.clear()
            raise

    async def _perform(self, action: Action, control: Control) -> Outcome:
        match action:
            case Press():
                return await press(self._desk, self._keyboard, action, control)
            case Focus():
                return await focus(self._desk, self._keyboard, action, control)
            case TypeText():
                return await type_text(TypingTools(self._desk, self._keyboard, self._clipboard), action, control)
            case Chord():
                return await chord(self._desk, self._keyboard, action, control)
            case Highlight():
                return await self._overlay.show(action)
            case Activate():
                return await bring_up(self._desk, action, control)

    def watch(self, pid: int | None) -> AbstractAsyncContextManager[Watch]:
        """Listen for changes."""
        return self._desk.events.watch(pid)

    def release_keys(self) -> None:
        """Release what is held."""
        self._keyboard.release()

    async def close(self) -> None:
        """Take away what is shown, release what is held, hang up."""
        await self._overlay.close()
        await asyncio.to_thread(self._keyboard.release)
        self._clipboard.close()
        await self._bus.close()
        await self._display.close()
        await self._camera.close()


@contextlib.asynccontextmanager
async def open_linux_backend(environ: Mapping[str, str] | None = None) -> AsyncIterator[Backend]:
    """Open the desktop of this environment (the process's own by default); without one it opens too, and `probe` says what is missing."""
    backend = LinuxBackend(os.environ if environ is None else environ)
    try:
        yield backend
    finally:
        await backend.close()


def _extensions(display: Any) -> tuple[bool, bool]:
    return has_window_manager(display), display.query_extension("XTEST") is not None


def _capabilities(*, tree: bool, pixels: bool, keys: bool) -> frozenset[Capability]:
    found = set[Capability]()
    if tree:
        found |= {Capability.TREE, Capability.PRESS, Capability.EVENTS}
    if pixels:
        found |= {Capability.SCREENSHOT, Capability.OVERLAY, Capability.WINDOWS}
    if keys:
        found |= {Capability.KEYS, Capability.TYPE}
    return frozenset(found)


def _remedy(error: BackendError) -> str:
    return error.remedy if isinstance(error, PermissionMissing) else f"{error}; try again, or start the host again"


def _session(environ: Mapping[str, str], *, works: bool) -> str:
    if is_wayland(environ):
        return "wayland-unsupported"
    return "x11" if works else "none"
