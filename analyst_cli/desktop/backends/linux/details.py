"""Turn what was read of a program into the host's nodes: frames, texts, numbers and actions of those nodes for which somebody wants them.

The text of a password field (role 40) is never asked for, under no setting: GTK 4 would give it in the clear.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, Call, CallFailed
from analyst_cli.desktop.backends.linux.accessible import (
    ACCESSIBLE,
    ACTION,
    COMPONENT,
    ROOT_PATH,
    TEXT,
    VALUE,
    Accessible,
    ObjectPath,
    call_on,
    handle_of,
    on_screen,
    property_of,
)
from analyst_cli.desktop.backends.linux.roles import CHECKABLE_ROLES, PRESS_ROLES, Role, State, ax_names, native_name
from analyst_cli.desktop.backends.linux.tree import Structure
from analyst_cli.desktop.elements import Node, Rect

__all__ = ["MAX_VALUE_CHARACTERS", "Details", "node_of", "press_action_index", "read_details", "root_node"]

MAX_VALUE_CHARACTERS = 20_000
"""Of one text element; a whole book in an editor must not fill the tree."""
EMBEDDED = "\ufffc"  # stands for an object inside the text, which has a node of its own
ON_SCREEN_COORDINATES = 0  # ATSPI_COORD_TYPE_SCREEN
TEXT_ENTRY_ROLES = frozenset({Role.ENTRY, Role.TEXT, Role.PASSWORD_TEXT, Role.TERMINAL})
NOT_A_PRESS = frozenset(
    {"setfocus", "set focus", "activate", "showmenu", "show menu", "increase", "decrease", "expand or contract"}
)


@dataclass
class Details:
    """What single calls told about one object; None: not asked, or not told."""

    frame: Rect | None = None
    value: str | None = None
    number: float | None = None
    text_length: int | None = None
    placeholder: str | None = None
    pressable: bool | None = None
    action_names: tuple[str, ...] = ()


async def read_details(
    bus: AccessibilityBus,
    objects: Iterable[Accessible],
    offset_of: Callable[[Accessible], tuple[int, int]],
    deadline: float | None = None,
) -> dict[ObjectPath, Details]:
    """Ask for the details of these objects, all calls pipelined in two batches (texts need their length first).

    `offset_of` gives what to add to a frame: GTK 4 tells coordinates of the window even when asked for the screen's.
    `deadline` is of the loop's clock; past it CallTimedOut is raised.
    """
    found: dict[ObjectPath, Details] = {}
    questions: list[tuple[Accessible, str, Call]] = []
    for one in objects:
        found[one.path] = Details(pressable=_surely_pressable(one))
        questions.extend((one, what, call) for what, call in _questions(one))
    answers = await bus.ask_all((call for _, _, call in questions), deadline=deadline)
    follow_ups: list[tuple[Details, str, Call]] = []
    for (one, what, _), answer in zip(questions, answers, strict=True):
        details = found[one.path]
        match what:
            case "frame":
                details.frame = _frame(answer, offset_of(one))
            case "actions":
                details.action_names = _action_names(answer)
                details.pressable = press_action_index(one.role, details.action_names) is not None
            case "number":
                details.number = _number(answer)
            case "length":
                details.text_length = _count(answer)
                follow_ups.extend((details, what, call) for what, call in _follow_ups(one, details))
    answers = await bus.ask_all((call for _, _, call in follow_ups), deadline=deadline)
    for (details, what, _), answer in zip(follow_ups, answers, strict=True):
        if what == "text":
            details.value = answer.replace(EMBEDDED, "") if isinstance(answer, str) else None
        else:
            details.placeholder = _placeholder(answer)
    return found


def _follow_ups(one: Accessible, details: Details) -> Iterable[tuple[str, Call]]:
    """Ask for the text of what has some, and for the placeholder that shows where there is none."""
    length = details.text_length
    if length == 0:
        details.value = None if one.role == Role.PASSWORD_TEXT else ""
        if one.states & State.EDITABLE:
            yield "placeholder", call_on(one.bus_name, one.path, ACCESSIBLE, "GetAttributes")
    elif length is None or one.role == Role.PASSWORD_TEXT:
        return
    elif one.role in {Role.LABEL, Role.STATIC} and len(one.name) == length:
        details.value = one.name  # a label is named by its text: half of all texts need no call
    else:
        yield "text", call_on(one.bus_name, one.path, TEXT, "GetText", "ii", 0, min(length, MAX_VALUE_CHARACTERS))


def _questions(one: Accessible) -> Iterable[tuple[str, Call]]:
    bus_name, path = one.bus_name, one.path
    if COMPONENT in one.interfaces:
        yield "frame", call_on(bus_name, path, COMPONENT, "GetExtents", "u", ON_SCREEN_COORDINATES)
    if ACTION in one.interfaces and one.role not in TEXT_ENTRY_ROLES and not _surely_pressable(one):
        yield "actions", call_on(bus_name, path, ACTION, "GetActions")
    if VALUE in one.interfaces:
        yield "number", property_of(bus_name, path, VALUE, "CurrentValue")
    if TEXT in one.interfaces:
        yield "length", property_of(bus_name, path, TEXT, "CharacterCount")


def _surely_pressable(one: Accessible) -> bool:
    """Spare a call for what is there to be pressed; which action does it is asked when it is pressed. Qt's disabled buttons have none."""
    return one.role in PRESS_ROLES and ACTION in one.interfaces and bool(one.states & (State.SENSITIVE | State.ENABLED))


def press_action_index(role: int, names: tuple[str, ...]) -> int | None:
    """Choose the action that presses; None where there is none.

    GTK says "click" or "press", Qt "Press", browsers nothing at all. "activate" of a text field is its Enter key, of anything else a press.
    """
    for index, name in enumerate(names):
        lowered = name.lower()
        if lowered not in NOT_A_PRESS or (lowered == "activate" and role not in TEXT_ENTRY_ROLES):
            return None if role in TEXT_ENTRY_ROLES else index
    return None


def node_of(
    structure: Structure,
    one: Accessible,
    generation: int,
    *,
    details: Details | None = None,
    pid: int | None = None,
    children: tuple[Node, ...] = (),
) -> Node:
    """Describe an object to the host."""
    states, role = one.states, one.role
    ax_role, subrole = ax_names(role, states)
    known = details or Details()
    cut, omitted = structure.cuts.get(one.path, (None, 0))
    return Node(
        handle=handle_of(generation, one.bus_name, one.path),
        role=ax_role,
        native_role=native_name(role),
        subrole=subrole,
        title=one.name or None,
        value=known.value,
        number=known.number,
        placeholder=known.placeholder,
        description=one.description or None,
        frame=known.frame,
        enabled=one.path == ROOT_PATH or bool(states & (State.SENSITIVE | State.ENABLED)),
        visible=on_screen(states, role, is_gtk4=structure.is_gtk4),
        focused=bool(states & State.FOCUSED),
        focusable=bool(states & State.FOCUSABLE),
        editable=bool(states & State.EDITABLE),
        checked=bool(states & (State.CHECKED | State.PRESSED))
        if role in CHECKABLE_ROLES or states & State.CHECKABLE
        else None,
        selected=bool(states & State.SELECTED),
        modal=bool(states & State.MODAL),
        default=bool(states & State.IS_DEFAULT),
        secure=role == Role.PASSWORD_TEXT,
        text_length=known.text_length,
        pressable=known.pressable,
        pid=pid,
        children=children,
        cut=cut,
        children_omitted=omitted,
    )


def root_node(
    structure: Structure, generation: int, details: dict[ObjectPath, Details], pid: int | None
) -> Node | None:
    """Put the nodes together, children in document order; None where not even the application object answered."""
    nodes: dict[ObjectPath, Node] = {}
    # Objects were found level by level, parents first: backwards, every child is ready before its parent.
    for path in reversed(structure.objects):
        one = structure.objects[path]
        children = tuple(nodes[child] for child in structure.children.get(path, ()))
        nodes[path] = node_of(structure, one, generation, details=details.get(path), pid=pid, children=children)
    return nodes.get(ROOT_PATH)


def _frame(answer: Any, offset: tuple[int, int]) -> Rect | None:
    """Read an extent; hidden objects have none, all zeros, or a far-off sentinel."""
    if isinstance(answer, CallFailed) or len(answer) != 4:
        return None
    x, y, width, height = answer
    if width <= 0 or height <= 0 or max(abs(x), abs(y), width, height) > 100_000:
        return None
    return Rect(x + offset[0], y + offset[1], width, height)


def _action_names(answer: Any) -> tuple[str, ...]:
    return () if isinstance(answer, CallFailed) else tuple(action[0] for action in answer)


def _number(answer: Any) -> float | None:
    value = getattr(answer, "value", None)
    return float(value) if isinstance(value, int | float) else None


def _count(answer: Any) -> int | None:
    value = getattr(answer, "value", None)
    return value if isinstance(value, int) and value >= 0 else None


def _placeholder(answer: Any) -> str | None:
    return None if isinstance(answer, CallFailed) else answer.get("placeholder-text") or None
