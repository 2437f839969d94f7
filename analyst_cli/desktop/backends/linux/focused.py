"""Find the element that has the keyboard."""

from analyst_cli.desktop.backends.base import PermissionMissing
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.roles import State
from analyst_cli.desktop.backends.linux.target import Target
from analyst_cli.desktop.backends.linux.tree import read_structure
from analyst_cli.desktop.backends.linux.windows import active_window
from analyst_cli.desktop.elements import TreeLimits

__all__ = ["focused_target"]

LIMITS = TreeLimits(timeout_s=2.0)


async def focused_target(desk: Desk) -> Target | None:
    """Give the focused element of the frontmost program; None where that program does not tell."""
    front = await desk.display.run(active_window)
    if front is None or front.pid is None:
        return None
    try:
        await desk.bus.connect()
    except PermissionMissing:
        return None
    for bus_name in await desk.applications.of_process(front.pid):
        structure = await read_structure(desk.bus, desk.applications, bus_name, LIMITS, hidden=False, check=_go_on)
        # The deepest one: browsers flag the document around the field as well.
        for one in reversed(structure.objects.values()):
            if one.states & State.FOCUSED:
                return Target(one, structure.is_gtk4, front.pid)
    return None


def _go_on() -> None:
    """Two seconds at most: shorter than any deadline that matters here."""
