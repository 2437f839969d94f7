"""Be woken by a program's accessibility events. Programs send them only while somebody is registered, so nothing is registered for longer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from dbus_fast import Message

from analyst_cli.desktop.backends.base import BackendError
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, Call, CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.applications import Applications

__all__ = ["EventWatch", "watch_events"]

REGISTRY = "org.a11y.atspi.Registry"
REGISTRY_PATH = "/org/a11y/atspi/registry"
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


@contextlib.asynccontextmanager
async def watch_events(
    bus: AccessibilityBus,
    applications: Applications,
    pid: int | None,
    wanted: Callable[[Message], bool] = lambda _message: True,
) -> AsyncIterator[EventWatch]:
    """Listen to the programs of a process (None: to all) while the context is open.

    Without an accessibility bus the watch is never woken: the waiter's own polling goes on.
    """
    watch = EventWatch()
    try:
        await bus.connect()
        names = None if pid is None else frozenset(await applications.of_process(pid))
    except (BackendError, CallTimedOut):
        yield watch
        return

    def on_signal(message: Message) -> None:
        if message.interface in INTERFACES and (names is None or message.sender in names) and wanted(message):
            watch.notify()

    rules = [
        f"type='signal',interface='{interface}'" + (f",sender='{name}'" if name else "")
        for interface in INTERFACES
        for name in (names or (None,))
    ]
    end = bus.on_signal(on_signal)
    try:
        await _tell(bus, "AddMatch", "RegisterEvent", rules)
        yield watch
    finally:
        end()
        if bus.connected:
            await asyncio.shield(_tell(bus, "RemoveMatch", "DeregisterEvent", rules))


async def _tell(bus: AccessibilityBus, match: str, register: str, rules: list[str]) -> None:
    """Tell the bus which signals to pass on, then the registry which events programs are to send: in this order none is lost."""
    matches = [Call(*BUS, match, "s", (rule,)) for rule in rules]
    if register == "RegisterEvent":
        events = [Call(REGISTRY, REGISTRY_PATH, REGISTRY, register, "sass", (event, [], "")) for event in EVENTS]
    else:
        events = [Call(REGISTRY, REGISTRY_PATH, REGISTRY, register, "s", (event,)) for event in EVENTS]
    with contextlib.suppress(BackendError, CallFailed, CallTimedOut):  # then nobody is woken, and polling goes on
        await bus.ask_all(matches)
        await bus.ask_all(events)
