"""Put together what is on the desktop: the window manager's view joined with the accessibility tree of the frontmost program."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from analyst_cli.desktop.backends.base import Control, PermissionMissing, TreeRequest
from analyst_cli.desktop.backends.linux.accessibility_bus import CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import (
    ACCESSIBLE,
    NULL_PATH,
    ROOT_PATH,
    Accessible,
    ObjectPath,
    call_on,
    handle_of,
    number_of,
    property_of,
    state_bits,
    text_of,
)
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.details import node_of, read_details, root_node
from analyst_cli.desktop.backends.linux.modals import dialogs_of, modals_of, objects_below
from analyst_cli.desktop.backends.linux.roles import Role, State
from analyst_cli.desktop.backends.linux.tree import Structure, read_structure
from analyst_cli.desktop.backends.linux.windows import (
    XWindow,
    active_window,
    client_windows,
    focus_may_come,
    to_window,
)
from analyst_cli.desktop.backends.linux.x_display import XDisplay, property_values
from analyst_cli.desktop.elements import (
    AppIdentity,
    Cut,
    Handle,
    Modal,
    Node,
    Snapshot,
    StopReason,
    Traversal,
    TreeLimits,
)

__all__ = ["Scene", "look", "read_scene"]

CHANGE_OF_FOCUS_S = 1.0  # of a window manager that is busy: 50 ms were seen
POLL_S = 0.01
DESKTOP_HANDLE = Handle("desktop")


@dataclass
class Scene:
    """What the window manager tells: the window in front, and all others where they were asked for."""

    front: XWindow | None = None
    windows: list[XWindow] = field(default_factory=list)  # front to back
    # left and top shadow of self-decorated windows
    gtk_margins: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def app(self) -> AppIdentity | None:
        """The frontmost application."""
        return (
            None
            if self.front is None
            else AppIdentity(app_id=self.front.app_id, pid=self.front.pid, name=self.front.app_id)
        )

    def of_process(self, pid: int | None) -> list[XWindow]:
        """Give the windows of a process."""
        return [window for window in self.windows if window.pid == pid and pid is not None]


async def read_scene(display: XDisplay, *, everything: bool = True) -> Scene:
    """Ask the window manager, for the window in front or for all of them."""

    def read(screen: Any) -> Scene:
        if not everything:
            front = active_window(screen)
            return Scene(front, [front] if front else [])
        scene = Scene(active_window(screen), client_windows(screen))
        for window in scene.windows:
            resource = screen.create_resource_object("window", window.window_id)
            if margins := property_values(screen, resource, "_GTK_FRAME_EXTENTS"):
                scene.gtk_margins[window.window_id] = (margins[0], margins[2])
        return scene

    return await display.run(read)


async def _settled_scene(display: XDisplay, control: Control, *, everything: bool) -> Scene:
    """Ask the window manager; where no window is active, wait a moment for one: the active one may have just closed.

    In between no program would be in front, and nobody see its dialogs, or whose window gets the next keys.
    """
    give_up = time.monotonic() + min(CHANGE_OF_FOCUS_S, control.remaining_s())
    while True:
        scene = await read_scene(display, everything=everything)
        if scene.front is not None or time.monotonic() > give_up or not await display.run(focus_may_come):
            return scene
        control.check()
        await asyncio.sleep(POLL_S)


async def look(desk: Desk, request: TreeRequest, control: Control) -> Snapshot:
    """Read the desktop as asked. Raises PermissionMissing for what is asked and not there."""
    control.check()
    started = time.monotonic()
    captured_at = time.time()
    try:
        scene = await _settled_scene(desk.display, control, everything=request.windows or request.modals)
        app = scene.app
        title = scene.front.title if scene.front else None
    except PermissionMissing:
        if request.windows:
            raise
        scene = Scene()  # a Wayland session, say: the accessibility bus knows who is active
        app, title = await _active_program(desk)
    windows = tuple(to_window(window, scene.front.window_id if scene.front else None) for window in scene.windows)
    reading = _Reading(desk, scene, request, control)
    root: Node | None = None
    traversal: Traversal | None = None
    modals: tuple[Modal, ...] = ()
    if request.tree or request.modals:
        await desk.bus.connect()
        root, modals = await reading.read(app)
        traversal = Traversal(
            nodes_visited=reading.nodes,
            depth=reading.depth,
            elapsed_ms=round((time.monotonic() - started) * 1000, 1),
            limits=request.limits,
            stop_reason=reading.stop_reason,
        )
    return Snapshot(
        captured_at=captured_at,
        app=app,
        window_title=title,
        root=root if request.tree else None,
        traversal=traversal,
        windows=windows if request.windows else (),
        modals=modals,
    )


class _Reading:
    """One reading of trees, with what is left of the request's limits."""

    def __init__(self, desk: Desk, scene: Scene, request: TreeRequest, control: Control) -> None:
        self.bus = desk.bus
        self.display = desk.display
        self.applications = desk.applications
        self.scene = scene
        self.request = request
        self.control = control
        self.deadline = time.monotonic() + min(request.limits.timeout_s, control.remaining_s())
        self.nodes = 0
        self.depth = 0
        self.stop_reason: StopReason | None = None

    async def read(self, app: AppIdentity | None) -> tuple[Node, tuple[Modal, ...]]:
        """Read the frontmost program, or all programs where that one is not on the accessibility bus."""
        names = await self.applications.of_process(app.pid) if app is not None and app.pid is not None else []
        if app is None or not names:
            return await self._read_all(), ()
        bus_name = names[0] if len(names) == 1 else await self._most_populated(names)
        return await self._read_program(bus_name, app, 0)

    async def _read_all(self) -> Node:
        children = []
        self.nodes += 1
        for bus_name in await self.applications.names():
            if self.nodes >= self.request.limits.max_nodes:
                self.stop_reason = self.stop_reason or StopReason.NODES
                break
            pid = await self.applications.pid_of(bus_name)
            app = AppIdentity(app_id=bus_name, pid=pid)
            node, _ = await self._read_program(bus_name, app, 1)
            children.append(node)
        cut = Cut.NODES if self.stop_reason is StopReason.NODES else None
        return Node(
            handle=DESKTOP_HANDLE, role="AXSystemWide", native_role="desktop frame", children=tuple(children), cut=cut
        )

    async def _read_program(self, bus_name: str, app: AppIdentity, depth: int) -> tuple[Node, tuple[Modal, ...]]:
        limits = self.request.limits
        left = TreeLimits(
            max_depth=limits.max_depth,
            max_nodes=limits.max_nodes - self.nodes,
            max_children=limits.max_children,
            timeout_s=max(0.0, self.deadline - time.monotonic()),
        )
        structure = await read_structure(
            self.bus,
            self.applications,
            bus_name,
            left,
            hidden=self.request.hidden,
            check=self.control.check,
            depth_of_root=depth,
        )
        self.nodes += max(1, len(structure.objects))
        self.depth = max(self.depth, structure.depth)
        if structure.is_gtk4 and not (self.request.windows or self.request.modals):
            self.scene = await read_scene(self.display)  # its frames need the places of all its windows
        windows = self.scene.of_process(app.pid)
        self.control.check()
        try:
            wanted = self._wanted(structure, windows, app.pid)
            details = await read_details(self.bus, wanted, self._offsets(structure, windows), self.deadline)
        except CallTimedOut:
            late = time.monotonic() >= self.deadline
            structure.stop(StopReason.TIMEOUT if late else StopReason.NOT_RESPONDING)
            details = {}
        self.stop_reason = self.stop_reason or structure.stop_reason
        generation = self.bus.generation
        root = root_node(structure, generation, details, app.pid) or _silent(generation, bus_name, app)
        if not self.request.modals:
            return root, ()
        return root, modals_of(structure, windows, details, generation, app_id=app.app_id, pid=app.pid)

    def _wanted(self, structure: Structure, windows: list[XWindow], pid: int | None) -> list[Accessible]:
        detail = self.request.detail
        if not self.request.tree:
            chosen: list[Accessible] = []
        elif detail is None:
            return list(structure.objects.values())
        else:
            chosen = [
                one
                for one in structure.objects.values()
                if detail(node_of(structure, one, self.bus.generation, pid=pid))
            ]
        if self.request.modals:
            for dialog, _ in dialogs_of(structure, windows):
                chosen.append(dialog)
                chosen.extend(one for one in objects_below(structure, dialog.path) if one.role == Role.BUTTON)
        return list({one.path: one for one in chosen}.values())

    def _offsets(self, structure: Structure, windows: list[XWindow]) -> Any:
        """GTK 4 gives coordinates inside the window's visible part: find each object's window and where that lies."""
        if not structure.is_gtk4:
            return lambda _one: (0, 0)
        at: dict[ObjectPath, tuple[int, int]] = {}
        for path in structure.children.get(ROOT_PATH, ()):
            window = next(
                (w for w in windows if w.title == structure.objects[path].name), windows[0] if windows else None
            )
            if window is None or window.area is None:
                continue
            left, top = self.scene.gtk_margins.get(window.window_id, (0, 0))
            origin = (window.area.x + left, window.area.y + top)
            at.update({one.path: origin for one in objects_below(structure, path)} | {path: origin})
        return lambda one: at.get(one.path, (0, 0))

    async def _most_populated(self, names: list[str]) -> str:
        """Choose among several objects of one process: some of them are empty."""
        counts = await self.bus.ask_all([property_of(name, ROOT_PATH, ACCESSIBLE, "ChildCount") for name in names])
        return max(zip(names, counts, strict=True), key=lambda entry: number_of(entry[1]))[0]


def _silent(generation: int, bus_name: str, app: AppIdentity) -> Node:
    """Stand for a program of which not even the application object answered."""
    return Node(
        handle=handle_of(generation, bus_name, ROOT_PATH),
        role="AXApplication",
        title=app.name,
        pid=app.pid,
        cut=Cut.TIMEOUT,
    )


async def _active_program(desk: Desk) -> tuple[AppIdentity | None, str | None]:
    """Find the program with an ACTIVE window by asking all of them; one that hangs is passed over."""
    for bus_name in await desk.applications.names():
        try:
            children = await desk.bus.ask(call_on(bus_name, ROOT_PATH, ACCESSIBLE, "GetChildren"))
            own = [path for owner, path in children if owner == bus_name and path != NULL_PATH]
            states = await desk.bus.ask_all(call_on(bus_name, path, ACCESSIBLE, "GetState") for path in own)
            for path, words in zip(own, states, strict=True):
                if not isinstance(words, CallFailed) and state_bits(words) & State.ACTIVE:
                    names = await desk.bus.ask_all(
                        [property_of(bus_name, at, ACCESSIBLE, "Name") for at in (ROOT_PATH, path)]
                    )
                    name, title = (text_of(answer) or None for answer in names)
                    pid = await desk.applications.pid_of(bus_name)
                    return AppIdentity(app_id=name or bus_name, pid=pid, name=name), title
        except (CallFailed, CallTimedOut):
            continue
    return None, None
