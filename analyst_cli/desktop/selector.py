"""The one selector engine: find, click, typeText, highlight, waitUntil and anchors all resolve elements here (R-FI-1). Pure.

Filters decide membership; the score only orders the survivors, and equal scores keep document order.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from analyst_cli.desktop.elements import Node, Rect
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid

__all__ = [
    "SCORING_RULES",
    "Anchor",
    "Match",
    "Near",
    "Resolution",
    "Selector",
    "Visit",
    "detail_for",
    "fingerprint",
    "resolve",
    "selector_problem",
    "walk",
]

MAX_DEPTH = 20  # below the root, which has depth 0 (R-FI-4)
SCORING_RULES = {
    "roleExact": 50,
    "titleContains": 30,
    "titleExact": 10,
    "valueContains": 20,
    "hasFrame": 5,
    "nearAnchor": "max(0, 30 - distance / 10)",
}

Coordinate = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Extent = Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class RectParam(_Strict, frozen=True):
    """`byRect`: all four members are needed."""

    x: Coordinate
    y: Coordinate
    width: Extent
    height: Extent

    def rect(self) -> Rect:
        """As the record of elements."""
        return Rect(self.x, self.y, self.width, self.height)


class Anchor(_Strict, frozen=True):
    """What a `near` is near to."""

    by_role: Words | UnsetType = UNSET
    title_contains: Words | UnsetType = UNSET
    value_contains: Words | UnsetType = UNSET


class Near(_Strict, frozen=True):
    """Keep elements whose centre lies within `max_distance` pixels of the anchor's, in a direction where one is given."""

    anchor: Anchor
    max_distance: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 300.0
    direction: Literal["above", "below", "left", "right"] | UnsetType = UNSET


class Selector(_Strict, frozen=True):
    """Which elements are meant: every member that is given must hold."""

    by_role: Words | UnsetType = UNSET
    title_contains: Words | UnsetType = UNSET
    value_contains: Words | UnsetType = UNSET
    by_rect: RectParam | UnsetType = UNSET
    near: Near | UnsetType = UNSET
    by_path: Annotated[list[Annotated[int, msgspec.Meta(ge=0, lt=2**31)]], msgspec.Meta(max_length=256)] | UnsetType = (
        UNSET
    )
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10


class Visit(msgspec.Struct, frozen=True):
    """An element on its way through the tree."""

    node: Node
    path: tuple[int, ...]


class Match(msgspec.Struct, frozen=True):
    """An element that a selector means, with its score and why."""

    node: Node
    path: tuple[int, ...]
    score: float
    reasons: tuple[str, ...]


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a selector: all matches, best first, and the facts for the evidence."""

    matches: tuple[Match, ...]
    nodes_visited: int
    facts: dict[str, Any]


def selector_problem(selector: Selector, *, for_action: bool) -> DesktopProblem | None:
    """Return what the types of a selector cannot say: an anchor names something, an action's target names something (R-FI-2)."""
    if selector.near is not UNSET:
        anchor = selector.near.anchor
        if anchor.by_role is UNSET and anchor.title_contains is UNSET and anchor.value_contains is UNSET:
            return invalid("selector.near.anchor needs byRole, titleContains or valueContains")
    named = (selector.by_role, selector.title_contains, selector.value_contains, selector.by_path)
    if for_action and all(member is UNSET for member in named):
        return invalid("the selector needs byRole, titleContains, valueContains or byPath, or it would mean everything")
    return None


def detail_for(selector: Selector) -> Callable[[Node], bool]:
    """Tell of which elements a backend must read frame and value, so that this selector can be resolved: candidates and anchors."""
    anchor = selector.near.anchor if selector.near is not UNSET else None
    by_path = selector.by_path is not UNSET

    def needed(node: Node) -> bool:
        if by_path:
            return True
        return _named(node, selector) or (anchor is not None and _named(node, anchor))

    return needed


def walk(root: Node) -> Iterator[Visit]:
    """Go through the tree in document order, depth first, to the depth limit."""
    todo: list[tuple[Node, tuple[int, ...]]] = [(root, ())]
    while todo:
        node, path = todo.pop()
        yield Visit(node, path)
        if len(path) < MAX_DEPTH:
            todo.extend((child, (*path, index)) for index, child in reversed(list(enumerate(node.children))))


def resolve(root: Node, selector: Selector) -> Resolution:
    """Find what a selector means. Raises DesktopProblem: ANCHOR_NOT_FOUND, PATH_NOT_FOUND, PATH_VERIFICATION_FAILED."""
    visits = list(walk(root))
    facts: dict[str, Any] = {}
    anchor = _anchor(visits, selector.near, facts) if selector.near is not UNSET else None
    if selector.by_path is not UNSET:
        match = _at_path(root, selector, anchor, facts)
        return Resolution(matches=(match,), nodes_visited=len(selector.by_path) + 1, facts=facts)
    matches = []
    rejected = {"direction": 0, "distance": 0, "frame": 0}
    for visit in visits:
        if not _passes(visit.node, selector):
            continue
        distance, why_not = _distance(visit.node, selector.near, anchor)
        if why_not:
            rejected[why_not] += 1
            continue
        matches.append(_scored(visit, selector, distance))
    if anchor is not None:
        facts |= {
            "nearFilteredCount": sum(rejected.values()),
            "nearRejectedByDirection": rejected["direction"],
            "nearRejectedByDistance": rejected["distance"],
            "nearRejectedByFrame": rejected["frame"],
        }
    matches.sort(key=lambda match: -match.score)  # stable: ties keep document order (R-FI-7)
    return Resolution(matches=tuple(matches), nodes_visited=len(visits), facts=facts)


def fingerprint(node: Node) -> str:
    """Name an element as people recognise it: `AXButton|Send|x=12,y=34,w=56,h=20`."""
    frame = f"x={node.frame.x},y={node.frame.y},w={node.frame.width},h={node.frame.height}" if node.frame else None
    return "|".join(part for part in (node.role, node.title, frame) if part)


def _named(node: Node, wanted: Selector | Anchor) -> bool:
    if wanted.by_role is not UNSET and node.role != wanted.by_role:
        return False
    return wanted.title_contains is UNSET or (
        node.title is not None and _plain(wanted.title_contains) in _plain(node.title)
    )


def _valued(node: Node, wanted: Selector | Anchor) -> bool:
    if wanted.value_contains is UNSET:
        return True
    return not node.secure and node.value is not None and _plain(wanted.value_contains) in _plain(node.value)


def _passes(node: Node, selector: Selector) -> bool:
    if not (_named(node, selector) and _valued(node, selector)):
        return False
    return selector.by_rect is UNSET or (node.frame is not None and node.frame.overlaps(selector.by_rect.rect()))


def _anchor(visits: list[Visit], near: Near, facts: dict[str, Any]) -> Rect:
    for visit in visits:
        node = visit.node
        if node.frame is not None and _named(node, near.anchor) and _valued(node, near.anchor):
            facts |= {"anchorMatched": True, "anchorFingerprint": fingerprint(node)}
            return node.frame
    raise DesktopProblem(Code.ANCHOR_NOT_FOUND, "no element with a frame matches selector.near.anchor")


def _distance(node: Node, near: Near | UnsetType, anchor: Rect | None) -> tuple[float | None, str | None]:
    """Return the distance to the anchor, or why the element is rejected: frame, distance, direction."""
    if anchor is None or near is UNSET:
        return None, None
    if node.frame is None:
        return None, "frame"
    (x, y), (anchor_x, anchor_y) = node.frame.center, anchor.center
    distance = ((x - anchor_x) ** 2 + (y - anchor_y) ** 2) ** 0.5
    if distance > near.max_distance:
        return distance, "distance"
    holds = {
        UNSET: True,
        "above": y < anchor_y,
        "below": y > anchor_y,
        "left": x < anchor_x,
        "right": x > anchor_x,
    }[near.direction]
    return distance, None if holds else "direction"


def _scored(visit: Visit, selector: Selector, distance: float | None) -> Match:
    points: list[tuple[str, float]] = []
    node = visit.node
    if selector.by_role is not UNSET:
        points.append(("roleExact", 50))
    if selector.title_contains is not UNSET:
        points.append(("titleContains", 30))
        if _plain(node.title or "") == _plain(selector.title_contains):
            points.append(("titleExact", 10))
    if selector.value_contains is not UNSET:
        points.append(("valueContains", 20))
    if node.frame is not None:
        points.append(("hasFrame", 5))
    if distance is not None and selector.near is not UNSET and distance < selector.near.max_distance:
        points.append(("nearAnchor", max(0.0, 30 - distance / 10)))
    return Match(node, visit.path, sum(worth for _, worth in points), tuple(name for name, _ in points))


def _at_path(root: Node, selector: Selector, anchor: Rect | None, facts: dict[str, Any]) -> Match:
    assert selector.by_path is not UNSET  # noqa: S101 - the caller looked
    path = tuple(selector.by_path)
    node = root
    for level, index in enumerate(path):
        if level >= MAX_DEPTH or index >= len(node.children):
            raise DesktopProblem(
                Code.PATH_NOT_FOUND, f"selector.byPath leads nowhere at its member {level}", path=list(path)
            )
        node = node.children[index]
    details: dict[str, Any] = {"path": list(path), "pathFingerprint": fingerprint(node)}
    facts |= {"pathMatched": True, "pathVerified": False, "pathFingerprint": fingerprint(node)}
    if not _passes(node, selector):
        raise _unverified(
            "the element at selector.byPath does not pass the other filters",
            {**details, "role": node.role, "title": node.title},
        )
    distance, why_not = _distance(node, selector.near, anchor)
    if why_not and selector.near is not UNSET:
        if distance is not None:
            details |= {"distance": round(distance, 1), "maxDistance": selector.near.max_distance}
        if why_not == "direction":
            details["expectedDirection"] = selector.near.direction
        raise _unverified(f"the element at selector.byPath is not near the anchor ({why_not})", details)
    facts["pathVerified"] = True
    return _scored(Visit(node, path), selector, distance)


def _unverified(words: str, details: dict[str, Any]) -> DesktopProblem:
    return DesktopProblem(Code.PATH_VERIFICATION_FAILED, words, **details)


_BIDI_CONTROLS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _plain(words: str) -> str:
    """Without the invisible direction marks that toolkits put around names."""
    return words if words.isascii() else _BIDI_CONTROLS.sub("", words)
