"""From what a request says to the element it means: the route assertion, the selector or reference, and what forbids to act on it.

One look serves all of it, so the element that is checked is the one that is acted on.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from analyst_cli.desktop.backends.base import Activate, TreeRequest
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import AppIdentity, Handle, Modal, Node, Snapshot, TreeLimits
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid
from analyst_cli.desktop.fields import ElementRefParam, Route, Target
from analyst_cli.desktop.selector import Resolution, detail_for, fingerprint, resolve, walk

__all__ = [
    "ElementTable",
    "Found",
    "KnownElement",
    "assert_not_ours",
    "assert_route",
    "blocking_modal",
    "bring_to_front",
    "find_target",
    "limits_of",
]

REF_LIFE_S = 30.0  # R-FI-6, Q14
REF_TOLERANCE_PX = 8  # R-CL-2, Q14
MAX_REFS = 2_000  # per connection; the oldest go first
MAX_CANDIDATES_SHOWN = 5  # R-CL-1


class KnownElement(msgspec.Struct, frozen=True):
    """An element that was named in an answer."""

    node: Node
    path: tuple[int, ...]
    known_until: float


class ElementTable:
    """The elements that one connection was told of, by elementId (R-FI-6)."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownElement] = OrderedDict()

    def remember(self, element_id: str, node: Node, path: tuple[int, ...], now: float) -> None:
        """Keep an element, without its subtree."""
        self._known[element_id] = KnownElement(msgspec.structs.replace(node, children=()), path, now + REF_LIFE_S)
        while len(self._known) > MAX_REFS:
            self._known.popitem(last=False)

    def recall(self, element_id: str, now: float) -> KnownElement:
        """Return an element. Raises STALE_ELEMENT for one that is not known, or not any more."""
        known = self._known.get(element_id)
        if known is None or now > known.known_until:
            raise DesktopProblem(
                Code.STALE_ELEMENT,
                "the elementRef is unknown or older than 30 s; find it again",
                reason="unknown_reference",
            )
        return known


class Found(msgspec.Struct, frozen=True):
    """The element to act on, and what was around it."""

    node: Node
    snapshot: Snapshot
    ancestors: frozenset[Handle]
    resolution: Resolution | None = None


def limits_of(call: Call[Any]) -> TreeLimits:
    """Return the bounds of a search: 5,000 nodes, depth 20, and no longer than the request has left (R-FI-4)."""
    return TreeLimits(timeout_s=min(10.0, max(0.05, call.reins.remaining_s())))


def assert_route(route: Route | UnsetType, snapshot: Snapshot) -> None:
    """Raise ELEMENT_NOT_FOUND (route_mismatch) unless the route describes what is frontmost (§3.15)."""
    if route is UNSET:
        return
    if route.app_id and (snapshot.app is None or snapshot.app.app_id != route.app_id):
        raise DesktopProblem(
            Code.ELEMENT_NOT_FOUND,
            f"the frontmost application is not {route.app_id}",
            reason="route_mismatch",
            member="app",
        )
    if route.title_pattern is not None and not _title_matches(route.title_pattern, snapshot.window_title):
        raise DesktopProblem(
            Code.ELEMENT_NOT_FOUND, "the frontmost window has another title", reason="route_mismatch", member="window"
        )


async def bring_to_front(call: Call[Any], route: Route | UnsetType) -> None:
    """Raise the route's application first when the request asks for it; this is a side effect, so it spends the confirmation."""
    if route is UNSET or route.focus_policy != "focusIfNeeded" or not route.app_id:
        return
    snapshot = await call.look(TreeRequest(tree=False))
    try:
        assert_route(route, snapshot)
    except DesktopProblem:
        await call.backend.perform(Activate(AppIdentity(app_id=route.app_id)), call.reins)


async def find_target(call: Call[Any], target: Target, route: Route | UnsetType, *, modals: bool = False) -> Found:
    """Look once and find the one element that is meant (R-CL-1, R-CL-2)."""
    reference = target.reference
    known = call.host.elements_of(call.peer).recall(reference.element_id, call.host.monotonic()) if reference else None
    if known is not None:
        handle = known.node.handle
        request = TreeRequest(limits=limits_of(call), modals=modals, detail=lambda node: node.handle == handle)
    else:
        assert target.selector is not UNSET  # noqa: S101 - the params have exactly one of both
        request = TreeRequest(limits=limits_of(call), modals=modals, detail=detail_for(target.selector))
    snapshot = await call.look(request)
    assert_route(route, snapshot)
    if snapshot.root is None:
        raise DesktopProblem(Code.ELEMENT_NOT_FOUND, "nothing is on the desktop", reason="empty")
    if known is not None and reference is not None:
        node, path = _same_element(snapshot.root, known, reference)
        return Found(node, snapshot, _ancestors(snapshot.root, path))
    assert target.selector is not UNSET  # noqa: S101 - see above
    resolution = resolve(snapshot.root, target.selector)
    match = _only_match(
        resolution,
        pick_best=target.pick == "best",
        truncated=snapshot.traversal is not None and snapshot.traversal.truncated,
    )
    return Found(match[0], snapshot, _ancestors(snapshot.root, match[1]), resolution)


def blocking_modal(snapshot: Snapshot, found: Found | None, route: Route | UnsetType) -> None:
    """Raise MODAL_BLOCKING when a modal keeps the target from being used.

    An element inside the modal is free. Keys without a target go wherever the focus is: with a modal there, only a route that names the
    modal's title lets them through.
    """
    for modal in snapshot.modals:
        if not modal.blocking:
            continue
        if found is not None:
            free = found.node.handle == modal.element.handle or modal.element.handle in found.ancestors
        else:
            pattern = route.title_pattern if route is not UNSET else None
            free = pattern is not None and _title_matches(pattern, modal.element.title)
        if not free:
            raise modal_problem(modal)


def modal_problem(modal: Modal) -> DesktopProblem:
    """Say which modal blocks, in the original's words."""
    title = modal.element.title
    return DesktopProblem(
        Code.MODAL_BLOCKING,
        f"Modal blocking: role={modal.element.role}, title={title or '(nil)'}",
        role=modal.element.role,
        title=title,
    )


def assert_not_ours(call: Call[Any], pid: int | None) -> None:
    """Refuse to drive the windows in which a person approves (R-CF-10)."""
    if pid is not None and pid in call.host.protected_pids():
        raise DesktopProblem(
            Code.CALLER_NOT_ALLOWED, "the target is in the window where actions are approved", reason="approval_surface"
        )


def _only_match(resolution: Resolution, *, pick_best: bool, truncated: bool) -> tuple[Node, tuple[int, ...]]:
    matches = resolution.matches
    if not matches:
        raise DesktopProblem(
            Code.ELEMENT_NOT_FOUND,
            "no element matches the selector",
            nodesVisited=resolution.nodes_visited,
            truncated=truncated,
        )
    if len(matches) > 1 and not pick_best:
        candidates = [fingerprint(match.node) for match in matches[:MAX_CANDIDATES_SHOWN]]
        raise DesktopProblem(
            Code.AMBIGUOUS_MATCH,
            f"{len(matches)} elements match the selector; name one more exactly, or set target.pick to best",
            matched=len(matches),
            candidates=candidates,
        )
    return matches[0].node, matches[0].path


def _same_element(root: Node, known: KnownElement, reference: ElementRefParam) -> tuple[Node, tuple[int, ...]]:
    before = known.node
    if reference.fingerprint is not UNSET and reference.fingerprint != fingerprint(before):
        raise DesktopProblem(
            Code.STALE_ELEMENT, "the fingerprint is not the one of this elementRef", reason="other_fingerprint"
        )
    now = next((visit for visit in walk(root) if visit.node.handle == before.handle), None)
    if now is None:
        raise DesktopProblem(Code.STALE_ELEMENT, "the element is no longer there", reason="gone")
    node = now.node
    moved = before.frame is not None and (node.frame is None or not node.frame.near(before.frame, REF_TOLERANCE_PX))
    if node.role != before.role or node.title != before.title or moved:
        raise DesktopProblem(
            Code.STALE_ELEMENT, "the element has changed since it was found", reason="moved" if moved else "changed"
        )
    return node, now.path


def _ancestors(root: Node, path: tuple[int, ...]) -> frozenset[Handle]:
    handles = {root.handle}
    node = root
    for index in path[:-1]:
        node = node.children[index]
        handles.add(node.handle)
    return frozenset(handles)


def _title_matches(pattern: str, title: str | None) -> bool:
    """Match the whole title in linear time: the pattern comes from a stranger."""
    try:
        import re2  # noqa: PLC0415 - a compiled library that only routes with a window need
    except ModuleNotFoundError as exc:
        raise invalid("route.window cannot be checked: google-re2, of the extra desktop, is not installed") from exc

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options).fullmatch(title or "") is not None
    except re2.error as exc:
        raise invalid("params.route.window.titlePattern is no regular expression (the syntax is RE2's)") from exc
