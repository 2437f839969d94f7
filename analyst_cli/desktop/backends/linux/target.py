"""Find an element of an earlier reading again, and refuse when it is not the same any more."""

from dataclasses import dataclass, field
from typing import Any

from analyst_cli.desktop.backends.base import Refusal, Refused
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, CallFailed, CallTimedOut
from analyst_cli.desktop.backends.linux.accessible import (
    ACCESSIBLE,
    ACTION,
    EDITABLE_TEXT,
    ROOT_PATH,
    TEXT,
    Accessible,
    ObjectPath,
    call_on,
    number_of,
    on_screen,
    parse_handle,
    property_of,
    state_bits,
    text_of,
)
from analyst_cli.desktop.backends.linux.desk import Desk
from analyst_cli.desktop.backends.linux.details import press_action_index, read_details
from analyst_cli.desktop.backends.linux.looking import Scene, read_scene
from analyst_cli.desktop.backends.linux.roles import DIALOG_ROLES, Role, State, ax_names
from analyst_cli.desktop.backends.linux.windows import XWindow
from analyst_cli.desktop.elements import Node, Rect

__all__ = ["Target", "find_again", "frame_of", "press_action", "window_of"]

MAX_PARENTS = 60
GONE = "the element is not there any more"
CHANGED = "the element is not the one that was found: its role or title changed"
SILENT = "the program does not answer"


@dataclass
class Target:
    """An element as it is now."""

    now: Accessible
    is_gtk4: bool
    pid: int | None
    scene: Scene = field(default_factory=Scene)

    @property
    def secure(self) -> bool:
        """Whether it is a password field, whose text nobody reads."""
        return self.now.role == Role.PASSWORD_TEXT

    @property
    def enabled(self) -> bool:
        """Whether it takes input."""
        return bool(self.now.states & (State.SENSITIVE | State.ENABLED))

    @property
    def visible(self) -> bool:
        """Whether it may be on the screen."""
        return on_screen(self.now.states, self.now.role, is_gtk4=self.is_gtk4)

    @property
    def is_dialog(self) -> bool:
        """Whether it is a dialog, or anything else that keeps the rest from being used."""
        return self.now.role in DIALOG_ROLES or bool(self.now.states & State.MODAL)

    @property
    def has_text(self) -> bool:
        """Whether its text can be read."""
        return TEXT in self.now.interfaces

    @property
    def has_editable_text(self) -> bool:
        """Whether its text can be set."""
        return EDITABLE_TEXT in self.now.interfaces

    def ask(self, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        """Make a call on it."""
        return call_on(self.now.bus_name, self.now.path, interface, member, signature, *body)

    def get(self, interface: str, name: str) -> Any:
        """Ask for a property of it."""
        return property_of(self.now.bus_name, self.now.path, interface, name)


async def find_again(desk: Desk, node: Node) -> Target:
    """Look the element up and compare role and title; refuse a stale, disabled or invisible one."""
    place = parse_handle(node.handle)
    await desk.bus.connect()
    if place is None or place[0] != desk.bus.generation:
        raise Refused(Refusal.STALE, GONE)
    _, bus_name, path = place
    try:
        is_gtk4 = await desk.applications.activate(bus_name)
        now = await describe(desk.bus, bus_name, path)
    except CallTimedOut as exc:
        raise Refused(Refusal.FAILED, SILENT) from exc
    except CallFailed as exc:
        raise Refused(Refusal.STALE, GONE) from exc
    if now is None or now.states & State.DEFUNCT:
        raise Refused(Refusal.STALE, GONE)
    if ax_names(now.role, now.states)[0] != node.role or (now.name or None) != node.title:
        raise Refused(Refusal.STALE, CHANGED)
    target = Target(now, is_gtk4, await desk.applications.pid_of(bus_name))
    if not target.enabled:
        raise Refused(Refusal.DISABLED, "the element is disabled")
    if not target.visible:
        raise Refused(Refusal.NOT_VISIBLE, "the element is not on the screen")
    return target


async def describe(bus: AccessibilityBus, bus_name: str, path: ObjectPath) -> Accessible | None:
    """Read one object; None when it is gone."""
    role, name, states, interfaces, count = await bus.ask_all(
        [
            call_on(bus_name, path, ACCESSIBLE, "GetRole"),
            property_of(bus_name, path, ACCESSIBLE, "Name"),
            call_on(bus_name, path, ACCESSIBLE, "GetState"),
            call_on(bus_name, path, ACCESSIBLE, "GetInterfaces"),
            property_of(bus_name, path, ACCESSIBLE, "ChildCount"),
        ]
    )
    if isinstance(role, CallFailed) or isinstance(states, CallFailed) or isinstance(interfaces, CallFailed):
        return None
    return Accessible(
        bus_name,
        path,
        None,
        0,
        number_of(count),
        frozenset(interfaces),
        text_of(name),
        role,
        "",
        state_bits(states),
    )


async def press_action(desk: Desk, target: Target) -> int | None:
    """Give the number of its press action; None where it has none."""
    if ACTION not in target.now.interfaces:
        return None
    try:
        actions = await desk.bus.ask(target.ask(ACTION, "GetActions"))
    except (CallFailed, CallTimedOut):
        return None
    return press_action_index(target.now.role, tuple(action[0] for action in actions))


async def frame_of(desk: Desk, target: Target) -> Rect | None:
    """Give its place on the screen now."""
    window = await window_of(desk, target) if target.is_gtk4 else None
    offset = (0, 0)
    if window is not None and window.area is not None:
        left, top = target.scene.gtk_margins.get(window.window_id, (0, 0))
        offset = (window.area.x + left, window.area.y + top)
    try:
        details = await read_details(
            desk.bus, [target.now._replace(interfaces=target.now.interfaces - {TEXT})], lambda _one: offset
        )
    except CallTimedOut:
        return None
    return details[target.now.path].frame


async def window_of(desk: Desk, target: Target) -> XWindow | None:
    """Give the window it lies in: the only one of its process, or the one with the title of its top-level object.

    A dialog that is a window itself may go by another name there: then the window manager's hints tell which; None until it is mapped.
    """
    if not target.scene.windows:
        target.scene = await read_scene(desk.display)
    windows = [window for window in target.scene.of_process(target.pid) if window.mapped]
    if len(windows) < 2 and not target.is_dialog:
        return windows[0] if windows else None
    top, title = await _top_level(desk.bus, target.now)
    own = [window for window in windows if window.title == title]
    if target.is_dialog and top == target.now.path:
        windows = [window for window in windows if window.modal or window.dialog]
    return next(iter(own or windows), None)


async def _top_level(bus: AccessibilityBus, one: Accessible) -> tuple[ObjectPath, str | None]:
    path, name = one.path, one.name
    for _ in range(MAX_PARENTS):
        try:
            parent = await bus.ask(property_of(one.bus_name, path, ACCESSIBLE, "Parent"))
            if parent.signature != "(so)" or parent.value[0] != one.bus_name or parent.value[1] == ROOT_PATH:
                return path, name
            path = ObjectPath(parent.value[1])
            name = text_of(await bus.ask(property_of(one.bus_name, path, ACCESSIBLE, "Name")))
        except (CallFailed, CallTimedOut):
            break
    return path, None
