"""K9: the selector engine's truth table, and the properties that hold for every tree."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyst_cli.desktop.elements import Handle, Node, Rect
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.selector import Selector, detail_for, fingerprint, resolve, selector_problem, walk


def node(
    role: str = "AXGroup",
    title: str | None = None,
    at: tuple[int, int, int, int] | None = None,
    *children: Node,
    **members: Any,
) -> Node:
    node.count = getattr(node, "count", 0) + 1  # type: ignore[attr-defined]
    handle = Handle(f"n{node.count}")  # type: ignore[attr-defined]
    return Node(handle=handle, role=role, title=title, frame=Rect(*at) if at else None, children=children, **members)


def select(**members: Any) -> Selector:
    return msgspec.convert(members, Selector)


BUTTON, FIELD, LABEL = "AXButton", "AXTextField", "AXStaticText"
TREE = node(
    "AXApplication", "App", None,
    node("AXWindow", "Main", (0, 0, 1000, 1000),
        node(LABEL, "Name", (100, 100, 100, 20)),
        node(FIELD, "Name", (300, 100, 100, 20), value="Ada Lovelace"),
        node(BUTTON, "Send", (100, 200, 100, 20)),
        node(BUTTON, "Send later", (100, 300, 100, 20)),
        node(BUTTON, "Hidden", None),
        node("AXSecureTextField", "Password", (300, 200, 100, 20), secure=True),
        node("AXGroup", None, None, node(BUTTON, "Deep", (900, 900, 50, 20)))),
)  # fmt: skip


def titles(**members: Any) -> list[str | None]:
    return [match.node.title for match in resolve(TREE, select(**members)).matches]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"byRole": BUTTON}, ["Send", "Send later", "Deep", "Hidden"]),
        ({"byRole": "axbutton"}, []),
        ({"titleContains": "Send"}, ["Send", "Send later"]),
        ({"titleContains": "send"}, []),
        ({"titleContains": "later"}, ["Send later"]),
        ({"valueContains": "Ada"}, ["Name"]),
        ({"byRole": BUTTON, "titleContains": "Deep"}, ["Deep"]),
        ({"byRole": FIELD, "titleContains": "Send"}, []),
        ({"byRole": BUTTON, "byRect": {"x": 100, "y": 220, "width": 10, "height": 81}}, ["Send later"]),
        ({"byRole": BUTTON, "byRect": {"x": 199, "y": 219, "width": 1, "height": 1}}, ["Send"]),
        ({"byRole": BUTTON, "byRect": {"x": 200, "y": 200, "width": 10, "height": 10}}, []),
        ({"byRole": BUTTON, "near": {"anchor": {"byRole": LABEL}, "maxDistance": 100}}, ["Send"]),
        ({"byRole": BUTTON, "near": {"anchor": {"byRole": LABEL}, "maxDistance": 99.9}}, []),
        (
            {"byRole": BUTTON, "near": {"anchor": {"byRole": LABEL}, "maxDistance": 10000, "direction": "below"}},
            ["Send", "Send later", "Deep"],
        ),
        ({"byRole": BUTTON, "near": {"anchor": {"titleContains": "Send later"}, "direction": "above"}}, ["Send"]),
        ({"byRole": FIELD, "near": {"anchor": {"byRole": LABEL}, "direction": "right"}}, ["Name"]),
        ({"byRole": LABEL, "near": {"anchor": {"byRole": FIELD}, "direction": "left"}}, ["Name"]),
        ({"byRole": LABEL, "near": {"anchor": {"byRole": FIELD}, "direction": "right"}}, []),
        ({"byPath": []}, ["App"]),
        ({"byPath": [0]}, ["Main"]),
        ({"byPath": [0, 2], "byRole": BUTTON}, ["Send"]),
    ],
)
def test_what_a_selector_means(selector: dict[str, Any], found: list[str]) -> None:
    assert titles(**selector) == found


def test_near_without_other_filters_looks_behind_a_root_without_a_frame() -> None:
    assert "Send" in titles(near={"anchor": {"byRole": LABEL}, "maxDistance": 100})


def test_scores_are_the_ones_of_the_contract() -> None:
    best = resolve(TREE, select(byRole=BUTTON, titleContains="Send")).matches[0]
    assert (best.score, best.reasons) == (95, ("roleExact", "titleContains", "titleExact", "hasFrame"))
    near = resolve(TREE, select(byRole=BUTTON, titleContains="Send", near={"anchor": {"byRole": LABEL}})).matches[0]
    assert (near.score, near.reasons[-1]) == (115, "nearAnchor")
    at_the_limit = resolve(
        TREE, select(byRole=BUTTON, titleContains="Send", near={"anchor": {"byRole": LABEL}, "maxDistance": 100})
    ).matches[0]
    assert at_the_limit.score == 95


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ({"byPath": [9]}, Code.PATH_NOT_FOUND),
        ({"byPath": [0] * 21}, Code.PATH_NOT_FOUND),
        ({"byPath": [0, 2], "byRole": FIELD}, Code.PATH_VERIFICATION_FAILED),
        ({"byPath": [0, 2], "near": {"anchor": {"byRole": LABEL}, "maxDistance": 1}}, Code.PATH_VERIFICATION_FAILED),
        (
            {"byPath": [0, 2], "near": {"anchor": {"byRole": LABEL}, "direction": "above"}},
            Code.PATH_VERIFICATION_FAILED,
        ),
        ({"byPath": [0, 4], "near": {"anchor": {"byRole": LABEL}}}, Code.PATH_VERIFICATION_FAILED),
        ({"byPath": [9], "near": {"anchor": {"titleContains": "bogus"}}}, Code.ANCHOR_NOT_FOUND),
        ({"near": {"anchor": {"titleContains": "bogus"}}}, Code.ANCHOR_NOT_FOUND),
        ({"near": {"anchor": {"titleContains": "Hidden"}}}, Code.ANCHOR_NOT_FOUND),
    ],
)
def test_what_cannot_be_resolved_has_its_code(selector: dict[str, Any], code: Code) -> None:
    with pytest.raises(DesktopProblem) as caught:
        resolve(TREE, select(**selector))
    assert caught.value.code is code


def test_a_value_in_a_password_field_never_matches() -> None:
    leaky = node("AXApplication", None, None, node(FIELD, "P", None, value="hunter2", secure=True))
    assert resolve(leaky, select(valueContains="hunter")).matches == ()


def test_invisible_direction_marks_do_not_hide_a_title() -> None:
    tree = node("AXApplication", None, None, node(BUTTON, "\u2068Send\u2069 \u200enow"))
    assert len(resolve(tree, select(titleContains="Send now")).matches) == 1


def test_depth_has_a_limit() -> None:
    tree = node(BUTTON, "leaf")
    for _ in range(30):
        tree = node("AXGroup", None, None, tree)
    assert resolve(tree, select(titleContains="leaf")).matches == ()
    assert max(len(visit.path) for visit in walk(tree)) == 20


def test_a_path_has_the_same_limit() -> None:
    tree = node(BUTTON, "leaf")
    for _ in range(30):
        tree = node("AXGroup", None, None, tree)
    assert len(resolve(tree, select(byPath=[0] * 20)).matches) == 1
    with pytest.raises(DesktopProblem) as caught:
        resolve(tree, select(byPath=[0] * 21))
    assert caught.value.code is Code.PATH_NOT_FOUND


def test_an_action_needs_a_name_and_an_anchor_too() -> None:
    assert selector_problem(select(byRect={"x": 0, "y": 0, "width": 9, "height": 9}), for_action=True)
    assert selector_problem(select(near={"anchor": {}}), for_action=False)
    assert selector_problem(select(byPath=[]), for_action=True) is None


def test_a_fingerprint_names_an_element() -> None:
    assert fingerprint(TREE.children[0].children[2]) == "AXButton|Send|x=100,y=200,w=100,h=20"
    assert fingerprint(TREE) == "AXApplication|App"


ROLES, TITLES = (
    st.sampled_from([BUTTON, FIELD, LABEL, "AXGroup"]),
    st.none() | st.sampled_from(["Send", "Name", "Send it", "x"]),
)
FRAMES = st.none() | st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 80), st.integers(1, 80))
TREES = st.recursive(
    st.builds(node, ROLES, TITLES, FRAMES),
    lambda below: st.builds(
        lambda role, title, frame, children: node(role, title, frame, *children),
        ROLES,
        TITLES,
        FRAMES,
        st.lists(below, max_size=4),
    ),
    max_leaves=25,
)
ANCHORS = st.fixed_dictionaries({}, optional={"byRole": ROLES, "titleContains": st.sampled_from(["Send", "x"])}).filter(
    bool
)
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "byRole": ROLES,
        "titleContains": st.sampled_from(["Send", "Name", "x", "it"]),
        "byRect": st.fixed_dictionaries(
            {
                "x": st.integers(0, 300),
                "y": st.integers(0, 300),
                "width": st.integers(1, 200),
                "height": st.integers(1, 200),
            }
        ),
        "near": st.fixed_dictionaries(
            {"anchor": ANCHORS},
            optional={
                "maxDistance": st.integers(0, 300),
                "direction": st.sampled_from(["above", "below", "left", "right"]),
            },
        ),
        "byPath": st.lists(st.integers(0, 3), max_size=3),
    },
)


def plainly(root: Node, selector: Selector) -> list[Node]:
    """Resolve as the contract's sentences say it, filter by filter, without any cleverness."""

    def named(n: Node, wanted: Any) -> bool:
        role, title = getattr(wanted, "by_role", msgspec.UNSET), getattr(wanted, "title_contains", msgspec.UNSET)
        return (role is msgspec.UNSET or n.role == role) and (
            title is msgspec.UNSET or (n.title is not None and title in n.title)
        )

    kept = [visit.node for visit in walk(root) if named(visit.node, selector)]
    if selector.by_rect is not msgspec.UNSET:
        kept = [n for n in kept if n.frame and n.frame.overlaps(selector.by_rect.rect())]
    if (near := selector.near) is not msgspec.UNSET:
        anchor = next(v.node.frame for v in walk(root) if v.node.frame and named(v.node, near.anchor))
        (ax, ay) = anchor.center
        kept = [
            n
            for n in kept
            if n.frame and ((n.frame.center[0] - ax) ** 2 + (n.frame.center[1] - ay) ** 2) ** 0.5 <= near.max_distance
        ]
        sides = {
            "above": lambda n: n.frame.center[1] < ay,
            "below": lambda n: n.frame.center[1] > ay,
            "left": lambda n: n.frame.center[0] < ax,
            "right": lambda n: n.frame.center[0] > ax,
        }
        if near.direction is not msgspec.UNSET:
            kept = [n for n in kept if sides[near.direction](n)]
    return kept


@settings(max_examples=300)
@given(TREES, SELECTORS.filter(lambda s: "byPath" not in s))
def test_membership_is_what_the_filters_say_and_order_is_by_score_then_document(
    tree: Node, members: dict[str, Any]
) -> None:
    selector = select(**members)
    with suppress(DesktopProblem):  # no anchor: the table above has that
        _same_as_plainly(tree, selector)


def _same_as_plainly(tree: Node, selector: Selector) -> None:
    found = resolve(tree, selector)
    expected = plainly(tree, selector)
    assert {match.node.handle for match in found.matches} == {n.handle for n in expected}
    order = {visit.node.handle: place for place, visit in enumerate(walk(tree))}
    keys = [(-match.score, order[match.node.handle]) for match in found.matches]
    assert keys == sorted(keys)


@settings(max_examples=300)
@given(TREES, SELECTORS)
def test_what_need_not_be_read_changes_nothing(tree: Node, members: dict[str, Any]) -> None:
    selector = select(**members)
    needed = detail_for(selector)

    def bare(n: Node) -> Node:
        kept = n if needed(n) else msgspec.structs.replace(n, frame=None, value=None)
        return msgspec.structs.replace(kept, children=tuple(bare(child) for child in n.children))

    def outcome(root: Node) -> Any:
        try:
            return [(m.node.handle, m.score, m.path) for m in resolve(root, selector).matches]
        except DesktopProblem as problem:
            return problem.code

    assert outcome(bare(tree)) == outcome(tree)
