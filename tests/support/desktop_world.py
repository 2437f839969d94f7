"""What the desktop tests work with: a program that tells what happened to it, and the reins of an action."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from desktop_stack import SYSTEM_PYTHON, DesktopStack, Launched

from analyst_cli.desktop.backends.base import Activate, Backend, Refused, TreeRequest
from analyst_cli.desktop.elements import AppIdentity, Modal, Node, Snapshot

__all__ = [
    "COMPONENTS",
    "Halted",
    "Program",
    "Reins",
    "find",
    "look",
    "modal",
    "nodes",
    "soon",
    "start_gtk3",
    "start_gtk4",
    "start_qt",
    "windowed",
]

COMPONENTS = ("Xvfb", "openbox", "dbus-daemon", "at-spi-bus-launcher", "system-python:gi", "gir:Gtk-3.0")
"""What `@pytest.mark.real` asks for."""
GTK3_APP = Path(__file__).parent / "desktop_apps" / "gtk3_app.py"
QT_APP = GTK3_APP.with_name("qt_app.py")
DEADLINE_S = 30.0


class Halted(Exception):
    """An abort, as the host raises it out of `check`."""


class Reins:
    """A control that notes what the backend did, and halts when it is told to or after so many checks."""

    def __init__(self, *, deadline_s: float = 20.0, halt_after_checks: int | None = None) -> None:
        self.committed = False
        self.sealed = False
        self.checks = 0
        self.halted = False
        self._halt_after = halt_after_checks
        self._deadline = time.monotonic() + deadline_s

    def remaining_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        self.checks += 1
        if self.halted or (self._halt_after is not None and self.committed and self.checks > self._halt_after):
            raise Halted

    def commit(self) -> None:
        self.check()
        self.committed = True
        self.checks = 0

    def seal(self) -> None:
        self.sealed = True


class Program:
    """A running test program and its log, which no accessibility interface has a part in."""

    def __init__(self, launched: Launched, log: Path) -> None:
        self.launched = launched
        self.pid = launched.pid
        self._log = log

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """Give what it logged, of one kind or all."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if event in {None, line["event"]}]

    def last(self, event: str) -> dict[str, Any]:
        """Give the newest of one kind."""
        return self.events(event)[-1]

    def typed(self) -> str:
        """Give the characters of the keys it saw pressed."""
        return "".join(line["text"] for line in self.events("press") if line["text"] != "\0")

    def key_events(self) -> list[tuple[str, str]]:
        """Give the keys it saw go down and up."""
        return [(line["event"], line["key"]) for line in self.events() if line["event"] in {"press", "release"}]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it logged so many of one kind."""
        await soon(lambda: len(self.events(event)) >= count)
        return self.events(event)


def start_gtk3(stack: DesktopStack, folder: Path, *arguments: str, app_id: str = "bridge-test") -> Program:
    """Start our GTK 3 program."""
    log = folder / f"{app_id}.log"
    log.touch()
    launched = stack.launch([SYSTEM_PYTHON, str(GTK3_APP), "--log", str(log), "--app-id", app_id, *arguments])
    return Program(launched, log)


def start_qt(stack: DesktopStack, folder: Path, *arguments: str) -> Program:
    """Start our Qt program."""
    log = folder / "qt.log"
    log.touch()
    return Program(stack.launch([sys.executable, str(QT_APP), "--log", str(log), *arguments]), log)


def start_gtk4(stack: DesktopStack, folder: Path) -> Program:
    """Start our GTK 4 program."""
    log = folder / "gtk4.log"
    log.touch()
    return Program(stack.launch([SYSTEM_PYTHON, str(GTK3_APP.with_name("gtk4_app.py")), str(log)]), log)


async def windowed(backend: Backend, program: Program) -> Program:
    """Wait until the program's window is on the screen, in front, and in the accessibility tree."""

    async def is_up() -> bool:
        if not program.events("ready"):
            return False
        snapshot = await look(backend, windows=True)
        root = snapshot.root
        behind = [
            window
            for window in snapshot.windows
            if window.pid == program.pid and window.visible and not window.frontmost
        ]
        if behind and not any(window.pid == program.pid and window.frontmost for window in snapshot.windows):
            with contextlib.suppress(Refused):  # window managers do not always give new windows the focus
                await backend.perform(Activate(AppIdentity(app_id=behind[0].app_id, pid=program.pid)), Reins())
        in_front = any(window.pid == program.pid and window.frontmost and window.visible for window in snapshot.windows)
        in_tree = (
            root is not None
            and root.pid == program.pid
            and any(each.visible and each.children for each in root.children)
        )
        return in_front and in_tree

    await soon(is_up)
    return program


async def soon(condition: Callable[[], Awaitable[bool] | bool], within_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while True:
        holds = condition()
        if await holds if isinstance(holds, Awaitable) else holds:
            return
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def look(backend: Backend, **request: Any) -> Snapshot:
    """Read the desktop."""
    return await backend.look(TreeRequest(**request), Reins())


def nodes(node: Node | None) -> Iterator[Node]:
    """Give a node and everything below it, in document order."""
    if node is not None:
        yield node
        for child in node.children:
            yield from nodes(child)


async def find(backend: Backend, title: str, index: int = 0) -> Node:
    """Wait for an element with this title, and give it."""
    found: list[Node] = []

    async def is_there() -> bool:
        found[:] = [node for node in nodes((await look(backend)).root) if node.title == title]
        return len(found) > index

    await soon(is_there)
    return found[index]


async def modal(backend: Backend) -> Modal:
    """Wait for a dialog."""

    async def is_open() -> bool:
        return bool((await look(backend, modals=True)).modals)

    await soon(is_open)
    return (await look(backend, modals=True)).modals[0]
