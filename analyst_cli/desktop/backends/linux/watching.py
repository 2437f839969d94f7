"""Be woken by a program's accessibility events. Programs send them only while somebody is registered, so nothing is registered for longer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from dbus_fast import Message

from analyst_cli.desktop.backends.base import BackendError
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, Call, CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.applications import Applications

__all__ = ["EventWatch", "Events"]

REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/registry", "org.a11y.atspi.Registry")
EVENTS = (
    "object:state-changed",
    "object:children-changed",
    "object:text-changed",
    "object:property-change",
    "object:selection-changed",
    "window:create",
    "window:destroy",
    "window:activate",
)
INTERFACES = ("org.a11y.atspi.Event.Object", "org.a11y.atspi.Event.Window")
RULES = tuple(f"type='signal',interface='{interface}'" for interface in INTERFACES)
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


class EventWatch:
    """Wakes its waiter when an event came; several events before it waits count as one."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()

    async def changed(self, timeout_s: float) -> bool:
        """Wait for an event; True at once when one came since the last call."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        self._arrived.clear()
        return True

    def notify(self) -> None:
        """Wake the waiter."""
        self._arrived.set()


class Events:
    """The one registration for all watches: the registry knows a client once, so the last watch takes it back."""

    def __init__(self, bus: AccessibilityBus, applications: Applications) -> None:
        self._bus = bus
        self._applications = applications
        self._watches = 0
        self._registering = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def watch(
        self, pid: int | None, wanted: Callable[[Message], bool] = lambda _message: True
    ) -> AsyncIterator[EventWatch]:
        """Listen to the programs of a process (None: to all) while the context is open.

        Without an accessibility bus the watch is never woken: the waiter's own polling goes on.
        """
        watch = EventWatch()
        try:
            await self._bus.connect()
            names = None if pid is None else frozenset(await self._applications.of_process(pid))
        except (BackendError, CallTimedOut):
            yield watch
            return

        def on_signal(message: Message) -> None:
            if message.interface in INTERFACES and (names is None or message.sender in names) and wanted(message):
                watch.notify()

        end = self._bus.on_signal(on_signal)
        try:
            await self._count(1)
            yield watch
        finally:
            end()
            await asyncio.shield(self._count(-1))

    async def _count(self, change: int) -> None:
        async with self._registering:
            before, self._watches = self._watches, self._watches + change
            if not self._bus.connected or (before > 0) == (self._watches > 0):
                return
            with contextlib.suppress(
                BackendError, CallFailed, CallTimedOut
            ):  # then nobody is woken, and polling goes on
                if change > 0:
                    # The bus before the programs: in this order no event is lost.
                    await self._bus.ask_all(Call(*BUS, "AddMatch", "s", (rule,)) for rule in RULES)
                    await self._bus.ask_all(
                        Call(*REGISTRY, "RegisterEvent", "sass", (event, [], "")) for event in EVENTS
                    )
                else:
                    await self._bus.ask_all(Call(*REGISTRY, "DeregisterEvent", "s", (event,)) for event in EVENTS)
                    await self._bus.ask_all(Call(*BUS, "RemoveMatch", "s", (rule,)) for rule in RULES)
