"""Look whether an action had an effect: the element itself, the windows, and what the program reports, for a second at most."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dbus_fast import Message

from analyst_cli.desktop.backends.base import Control, Effect, PermissionMissing
from analyst_cli.desktop.backends.linux.accessibility_bus import CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import ACCESSIBLE, TEXT, VALUE, state_bits
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.roles import CHECKABLE_ROLES, State
from analyst_cli.desktop.backends.linux.target import Target
from analyst_cli.desktop.backends.linux.windows import client_windows

if TYPE_CHECKING:
    from analyst_cli.desktop.backends.linux.watching import EventWatch

__all__ = ["Observer", "observed"]

WAIT_S = 1.0
POLL_S = 0.05  # for what programs do not report
# What a press itself shows for a moment, and what any change of focus brings along.
PASSING = State.FOCUSED | State.ARMED | State.PRESSED | State.ACTIVE
PASSING_EVENTS = frozenset({"focused", "armed", "pressed", "active", "defunct", "has-tooltip", "widget"})


class Observer:
    """Compares the desktop after an action with what it was before."""

    def __init__(self, desk: Desk, pid: int | None, target: Target | None) -> None:
        self._desk = desk
        self._pid = pid
        self._target = target
        self._before: Any = None
        self._reported = False
        self.watch: EventWatch | None = None

    def is_change(self, message: Message) -> bool:
        """Tell whether an event is an effect; one that is wakes the observer."""
        kind = message.body[0] if message.body else ""
        if message.member == "Activate" or (
            message.member in {"StateChanged", "PropertyChange"} and kind in PASSING_EVENTS
        ):
            return False
        self._reported = True
        return True

    async def start(self) -> None:
        """Remember how things are, immediately before the action."""
        self._before = await self._read()
        self._reported = False

    async def outcome(self, control: Control) -> tuple[Effect, str]:
        """Wait for a change; say what was looked at."""
        deadline = time.monotonic() + min(WAIT_S, control.remaining_s())
        while True:
            control.check()  # only a panic stops what is done already
            with contextlib.suppress(CallTimedOut):  # busy with what was just pressed: that is no answer either way
                if (change := self._difference(await self._read())) is not None:
                    return Effect.CONFIRMED, change
            if self._reported:
                return Effect.CONFIRMED, "the program reported a change"
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if self.watch is not None:
                await self.watch.changed(min(POLL_S, left))
        if self._target is not None and self._target.now.role in CHECKABLE_ROLES:
            return Effect.NO_EFFECT, "the state of the element did not change"
        return Effect.UNVERIFIED, "nothing that can be seen changed"

    def _difference(self, now: Any) -> str | None:
        windows, element = now
        if windows != self._before[0]:
            return "a window opened, closed or changed its title"
        if element != self._before[1]:
            return "the element changed" if element else "the element went away"
        return None

    async def _read(self) -> tuple[Any, Any]:
        return await self._windows(), await self._element()

    async def _windows(self) -> Any:
        try:
            windows = await self._desk.display.run(client_windows)
        except PermissionMissing:
            return ()
        return frozenset((window.window_id, window.title) for window in windows)

    async def _element(self) -> Any:
        target = self._target
        if target is None:
            return ()
        questions = [
            target.ask(ACCESSIBLE, "GetState"),
            target.get(ACCESSIBLE, "Name"),
            target.get(ACCESSIBLE, "ChildCount"),
            target.get(TEXT, "CharacterCount"),
            target.get(VALUE, "CurrentValue"),
        ]
        states, *values = await self._desk.bus.ask_all(questions)
        if isinstance(states, CallFailed):
            return ()
        return state_bits(states) & ~PASSING, tuple(getattr(value, "value", None) for value in values)


@contextlib.asynccontextmanager
async def observed(desk: Desk, pid: int | None, target: Target | None) -> AsyncIterator[Observer]:
    """Observe a program while the context is open; call `start` right before the action."""
    observer = Observer(desk, pid, target)
    async with desk.events.watch(pid, observer.is_change) as watch:
        observer.watch = watch
        yield observer
