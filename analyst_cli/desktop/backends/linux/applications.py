"""Which programs are on the accessibility bus, whose they are, and what is known about their toolkit."""

import asyncio
from typing import Any

from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, Call, CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import (
    ACCESSIBLE,
    APPLICATION,
    ROOT_PATH,
    call_on,
    property_of,
    text_of,
)

__all__ = ["Applications"]

REGISTRY = "org.a11y.atspi.Registry"
DAEMON = "org.freedesktop.DBus"
MAX_REMEMBERED = 256  # programs; the facts of those that ended are dropped with the oldest


class Applications:
    """Facts about programs, remembered by unique bus name (which is never given twice on one bus)."""

    def __init__(self, bus: AccessibilityBus) -> None:
        self._bus = bus
        self._pids: dict[tuple[int, str], int | None] = {}
        self._activated: dict[tuple[int, str], bool] = {}  # value: whether it is GTK 4

    async def names(self) -> list[str]:
        """Give the bus names of all programs, oldest first; a registry that is not running knows none."""
        try:
            children = await self._bus.ask(call_on(REGISTRY, ROOT_PATH, ACCESSIBLE, "GetChildren"))
        except (CallFailed, CallTimedOut):
            return []
        return list(dict.fromkeys(bus_name for bus_name, _path in children))

    async def pid_of(self, bus_name: str) -> int | None:
        """Give the process of a program; None where the bus does not tell."""
        key = (self._bus.generation, bus_name)
        if key not in self._pids:
            question = Call(DAEMON, "/org/freedesktop/DBus", DAEMON, "GetConnectionUnixProcessID", "s", (bus_name,))
            try:
                self._pids[key] = await self._bus.ask(question)
            except CallFailed:
                return None
            _trim(self._pids)
        return self._pids[key]

    async def of_process(self, pid: int) -> list[str]:
        """Give every bus name of a process: one process may have several, some of them empty."""
        names = await self.names()
        pids = await asyncio.gather(*(self.pid_of(name) for name in names))
        return [name for name, its_pid in zip(names, pids, strict=True) if its_pid == pid]

    async def activate(self, bus_name: str) -> bool:
        """Make a program fill its cache, and tell whether it is GTK 4. Raises CallTimedOut for one that hangs.

        Programs on at-spi2-atk (GTK 3, Firefox, Chromium) offer `GetItems` only after somebody asked for their address.
        """
        key = (self._bus.generation, bus_name)
        if key not in self._activated:
            try:
                await self._bus.ask(call_on(bus_name, ROOT_PATH, APPLICATION, "GetApplicationBusAddress"))
            except CallFailed:
                toolkit, version = await self._bus.ask_all(
                    [property_of(bus_name, ROOT_PATH, APPLICATION, name) for name in ("ToolkitName", "Version")]
                )
                self._activated[key] = text_of(toolkit).upper() == "GTK" and text_of(version).startswith("4")
            else:
                self._activated[key] = False
            _trim(self._activated)
        else:
            # The cheapest question there is: it costs one second where the program hangs, before anything larger is asked.
            await self._bus.ask_all([property_of(bus_name, ROOT_PATH, ACCESSIBLE, "ChildCount")])
        return self._activated[key]


def _trim(facts: dict[tuple[int, str], Any]) -> None:
    while len(facts) > MAX_REMEMBERED:
        del facts[next(iter(facts))]
