"""The state of a fake desktop: elements by handle, and snapshots of them within limits. No I/O."""

from msgspec.structs import replace

from analyst_cli.desktop.backends.base import TreeRequest
from analyst_cli.desktop.backends.fake.script import App, Change, Element, Script
from analyst_cli.desktop.elements import (
    AppIdentity,
    Cut,
    Handle,
    Modal,
    Node,
    Rect,
    Snapshot,
    StopReason,
    Traversal,
    TreeLimits,
    Window,
)

__all__ = ["Scene"]

PRESSABLE_ROLES = {
    "AXButton",
    "AXCheckBox",
    "AXRadioButton",
    "AXMenuItem",
    "AXLink",
    "AXPopUpButton",
    "AXTab",
    "AXMenuButton",
}
MODAL_ROLES = {"AXSheet", "AXDialog", "AXAlert", "AXSystemDialog"}  # R-MO-1
MODAL_SUBROLES = {"AXSystemDialog", "AXDialog"}


class Scene:
    """What is there now. `revision` counts changes."""

    def __init__(self, script: Script) -> None:
        self._apps = script.apps
        self.revision = 0
        self._numbered = 0
        self._by_id: dict[str, Element] = {}
        for app in self._apps:
            for window in app.windows:
                self._name(window)

    def apply(self, change: Change) -> None:
        """Change something. Unknown ids change nothing: the element may have gone meanwhile."""
        self.revision += 1
        if change.frontmost is not None:
            for app in self._apps:
                app.frontmost = app.app_id == change.frontmost
        if change.set is not None and (element := self._by_id.get(change.set)):
            for name in ("title", "value", "enabled", "visible", "checked", "frame"):
                if (value := getattr(change, name)) is not None:
                    setattr(element, name, value)
        if change.remove is not None:
            self._remove(change.remove)
        if change.add is not None:
            element = _copied(change.add)
            self._name(element)
            parent = self._by_id.get(change.to or "")
            (parent.children if parent else self._front().windows).append(element)

    def touch(self) -> None:
        """Count a change that was made elsewhere."""
        self.revision += 1

    def element(self, handle: Handle) -> Element | None:
        """Return the element of a handle, if it is still there."""
        return self._by_id.get(handle)

    def has_app(self, app_id: str) -> bool:
        """Tell whether there is such an application."""
        return any(app.app_id == app_id for app in self._apps)

    def pressable(self, element: Element) -> bool:
        """Tell whether an element has a press action."""
        return element.pressable if element.pressable is not None else element.role in PRESSABLE_ROLES

    def focused(self) -> Element | None:
        """Return the element with the keyboard, in the frontmost application."""
        front = self._frontmost()
        elements = [e for window in front.windows for e in window.walk()] if front else []
        return next((element for element in elements if element.focused), None)

    def focus(self, element: Element) -> None:
        """Move the keyboard."""
        for app in self._apps:
            for window in app.windows:
                for other in window.walk():
                    other.focused = other is element
        self.revision += 1

    def escape(self, target: Element | None) -> list[Change]:
        """Return what the Escape key does: it presses the cancel button of the target or the topmost modal, if it has one."""
        front = self._frontmost()
        modals = [e for w in front.windows for e in w.walk() if _is_modal(e)] if front else []
        modals = modals if target is None else [target]
        cancel = next(
            (e for modal in reversed(modals) for e in modal.walk() if e.subrole == "AXCancelButton" and e.enabled), None
        )
        return list(cancel.press) if cancel else []

    def hang_s(self) -> float:
        """Return how long reading the frontmost application takes."""
        front = self._frontmost()
        return sum(element.hang_s for window in front.windows for element in window.walk()) if front else 0.0

    def picture(self) -> list[tuple[Rect, str]]:
        """Return what can be seen, back to front: places with a label."""
        apps = sorted(self._apps, key=lambda app: app.frontmost)
        elements = [e for app in apps for window in app.windows for e in window.walk() if e.visible]
        return [(rect, "" if e.secure else e.title or "") for e in elements if (rect := _rect(e))]

    def snapshot(self, request: TreeRequest, captured_at: float, *, hung: bool) -> Snapshot:
        """Read the scene within the limits of a request."""
        front = self._frontmost()
        reader = _Reader(request, hung=hung)
        root = reader.read(front, self._apps) if request.tree else None
        return Snapshot(
            captured_at=captured_at,
            app=AppIdentity(app_id=front.app_id, pid=front.pid, name=front.name) if front else None,
            window_title=next((w.title for w in reversed(front.windows) if w.visible), None) if front else None,
            root=root,
            traversal=reader.traversal() if request.tree or request.modals else None,
            windows=tuple(self._windows()) if request.windows else (),
            modals=tuple(_modals(front)) if request.modals and front else (),
        )

    def _windows(self) -> list[Window]:
        apps = sorted(self._apps, key=lambda app: not app.frontmost)
        return [
            Window(
                window_id=window.id,
                app_id=app.app_id,
                title=window.title,
                pid=app.pid,
                frame=_rect(window),
                frontmost=app.frontmost and index == 0,
                modal=window.modal,
                visible=window.visible,
            )
            for app in apps
            for index, window in enumerate(reversed(app.windows))
        ]

    def _frontmost(self) -> App | None:
        return next((app for app in self._apps if app.frontmost), None)

    def _front(self) -> App:
        return self._frontmost() or self._apps[0]

    def _name(self, element: Element) -> None:
        for each in element.walk():
            if not each.id:
                self._numbered += 1
                each.id = f"#{self._numbered}"
            self._by_id[each.id] = each

    def _remove(self, element_id: str) -> None:
        gone = self._by_id.get(element_id)
        if gone is None:
            return
        for element in gone.walk():
            self._by_id.pop(element.id, None)
        for app in self._apps:
            app.windows = [window for window in app.windows if window is not gone]
            for window in app.windows:
                for parent in window.walk():
                    parent.children = [child for child in parent.children if child is not gone]


class _Reader:
    """One traversal, depth first, within limits."""

    def __init__(self, request: TreeRequest, *, hung: bool) -> None:
        self._request = request
        self._limits: TreeLimits = request.limits
        self._visited = 0
        self._deepest = 0
        self._stop = StopReason.NOT_RESPONDING if hung else None

    def read(self, front: App | None, apps: list[App]) -> Node:
        """Return the frontmost application's tree, or the system-wide element with all applications."""
        if front is not None:
            return self._app(front, 0)
        self._count(0)
        children = tuple(self._app(app, 1) for app in apps)
        return Node(handle=Handle("system-wide"), role="AXSystemWide", children=children)

    def traversal(self) -> Traversal:
        """Tell how it went."""
        return Traversal(
            nodes_visited=self._visited,
            depth=self._deepest,
            elapsed_ms=0.0,
            limits=self._limits,
            stop_reason=self._stop,
        )

    def _app(self, app: App, depth: int) -> Node:
        self._count(depth)
        children, cut, omitted = self._children(app.windows, depth, app.pid)
        return Node(
            handle=Handle(f"app:{app.pid}"), role="AXApplication", title=app.name or None, pid=app.pid, pressable=False,
            children=children, cut=cut, children_omitted=omitted,
        )  # fmt: skip

    def _node(self, element: Element, depth: int, pid: int) -> Node:
        self._count(depth)
        bare = _node_of(element, pid)
        node = bare if self._request.detail is None or self._request.detail(bare) else _undetailed(bare)
        children, cut, omitted = self._children(element.children, depth, pid)
        return replace(node, children=children, cut=cut, children_omitted=omitted)

    def _children(self, elements: list[Element], depth: int, pid: int) -> tuple[tuple[Node, ...], Cut | None, int]:
        shown = [element for element in elements if element.visible or self._request.hidden]
        if not shown:
            return (), None, 0
        if depth >= self._limits.max_depth:
            self._stop = self._stop or StopReason.DEPTH
            return (), Cut.DEPTH, len(shown)
        nodes: list[Node] = []
        for element in shown:
            if len(nodes) >= self._limits.max_children:
                self._stop = self._stop or StopReason.CHILDREN
                return tuple(nodes), Cut.CHILDREN, len(shown) - len(nodes)
            if self._visited >= self._limits.max_nodes:
                self._stop = self._stop or StopReason.NODES
                return tuple(nodes), Cut.NODES, len(shown) - len(nodes)
            nodes.append(self._node(element, depth + 1, pid))
        return tuple(nodes), None, 0

    def _count(self, depth: int) -> None:
        self._visited += 1
        self._deepest = max(self._deepest, depth)


def _node_of(element: Element, pid: int) -> Node:
    readable = not element.secure
    return Node(
        handle=Handle(element.id),
        role=element.role,
        native_role=element.native_role,
        subrole=element.subrole,
        title=element.title or None,
        value=element.value if readable else None,
        placeholder=element.placeholder if readable else None,
        description=element.description,
        frame=_rect(element),
        enabled=element.enabled,
        visible=element.visible,
        focused=element.focused,
        focusable=element.focusable,
        editable=element.editable,
        checked=element.checked,
        modal=element.modal,
        default=element.default,
        secure=element.secure,
        text_length=len(element.value) if element.value is not None else None,
        pressable=element.pressable if element.pressable is not None else element.role in PRESSABLE_ROLES,
        pid=pid,
    )


def _undetailed(node: Node) -> Node:
    return replace(node, frame=None, value=None, number=None, text_length=None, pressable=None)


def _rect(element: Element) -> Rect | None:
    if element.frame is None:
        return None
    rect = Rect(*element.frame)
    return None if rect.empty else rect


def _is_modal(element: Element) -> bool:
    return element.visible and (element.modal or element.role in MODAL_ROLES or element.subrole in MODAL_SUBROLES)


def _modals(app: App) -> list[Modal]:
    """List modals, topmost first; sheets are found as children of windows."""
    found = [element for window in app.windows for element in window.walk() if _is_modal(element)]
    return [
        Modal(
            element=_node_of(element, app.pid),
            app_id=app.app_id,
            blocking=element.blocking,
            buttons=tuple(_node_of(child, app.pid) for child in element.walk() if child.role == "AXButton"),
            text=tuple(child.title for child in element.walk() if child.role == "AXStaticText" and child.title),
        )
        for element in reversed(found)
    ][:20]


def _copied(element: Element) -> Element:
    return replace(element, children=[_copied(child) for child in element.children])
