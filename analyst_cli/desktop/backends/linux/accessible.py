"""One accessible object as AT-SPI describes it, and the calls that ask about it. Data and pure functions; nothing is sent here."""

from typing import Any, NamedTuple, NewType

from analyst_cli.desktop.backends.linux.accessibility_bus import Call
from analyst_cli.desktop.backends.linux.roles import Role, State
from analyst_cli.desktop.elements import Handle

__all__ = [
    "ACCESSIBLE",
    "ACTION",
    "APPLICATION",
    "COMPONENT",
    "EDITABLE_TEXT",
    "NULL_PATH",
    "ROOT_PATH",
    "TEXT",
    "VALUE",
    "Accessible",
    "ObjectPath",
    "call_on",
    "from_cache_item",
    "handle_of",
    "number_of",
    "on_screen",
    "parse_handle",
    "property_of",
    "state_bits",
    "text_of",
]

ObjectPath = NewType("ObjectPath", str)

ACCESSIBLE = "org.a11y.atspi.Accessible"
ACTION = "org.a11y.atspi.Action"
APPLICATION = "org.a11y.atspi.Application"
COMPONENT = "org.a11y.atspi.Component"
EDITABLE_TEXT = "org.a11y.atspi.EditableText"
TEXT = "org.a11y.atspi.Text"
VALUE = "org.a11y.atspi.Value"
PROPERTIES = "org.freedesktop.DBus.Properties"
ROOT_PATH = ObjectPath("/org/a11y/atspi/accessible/root")
NULL_PATH = ObjectPath("/org/a11y/atspi/null")
MAX_NAME = 4_096
"""Characters of a name or description; 5,000 of them are what one tree may hold."""


class Accessible(NamedTuple):
    """What one `Cache.GetItems` entry (or five single calls) tells about an object."""

    bus_name: str
    path: ObjectPath
    parent: ObjectPath | None  # None: outside this application, or not asked
    position: int  # among its siblings
    child_count: int  # -1: the program does not know
    interfaces: frozenset[str]
    name: str
    role: int
    description: str
    states: int


def from_cache_item(item: Any) -> Accessible:
    """Read an entry of `GetItems`, signature `((so)(so)(so)iiassusau)`.

    The parent of the application object lies on the registry's bus name under the very same path: compared by path alone the root would
    be its own child.
    """
    (
        (bus_name, path),
        _app,
        (parent_bus, parent_path),
        index,
        child_count,
        interfaces,
        name,
        role,
        description,
        states,
    ) = item
    parent = ObjectPath(parent_path) if parent_bus == bus_name and parent_path != path else None
    return Accessible(
        bus_name,
        ObjectPath(path),
        parent,
        index,
        child_count,
        frozenset(interfaces),
        name[:MAX_NAME],
        role,
        description[:MAX_NAME],
        state_bits(states),
    )


def state_bits(words: list[int]) -> int:
    """Join the two state words; a broken answer means no state."""
    return (words[0] | words[1] << 32) if len(words) >= 2 else 0


def on_screen(states: int, role: int, *, is_gtk4: bool) -> bool:
    """Tell whether an object may be visible.

    Inner widgets and dialogs of GTK 4 are VISIBLE and never SHOWING. Applications have no states at all.
    """
    return role == Role.APPLICATION or bool(states & State.SHOWING) or (is_gtk4 and bool(states & State.VISIBLE))


def handle_of(generation: int, bus_name: str, path: str) -> Handle:
    """Name an object for the host; the generation keeps names of an earlier bus from meaning another program."""
    return Handle(f"{generation}{bus_name}{path}")


def parse_handle(handle: Handle) -> tuple[int, str, ObjectPath] | None:
    """Take a handle apart; None for anything that is not one of ours."""
    generation, colon, rest = handle.partition(":")
    bus_name, slash, path = rest.partition("/")
    if not (generation.isdigit() and colon and slash):
        return None
    return int(generation), f":{bus_name}", ObjectPath(f"/{path}")


def call_on(bus_name: str, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Call:
    """Ask an object."""
    return Call(bus_name, path, interface, member, signature, body)


def property_of(bus_name: str, path: str, interface: str, name: str) -> Call:
    """Ask for one property: `GetAll` fails on GTK 3 and on Qt."""
    return Call(bus_name, path, PROPERTIES, "Get", "ss", (interface, name))


def text_of(answer: Any) -> str:
    """Take a text out of the answer to `property_of`; anything else, an error included, is empty."""
    value = getattr(answer, "value", "")
    return value[:MAX_NAME] if isinstance(value, str) else ""


def number_of(answer: Any) -> int:
    """Take a whole number out of the answer to `property_of`; anything else is -1, as programs say themselves."""
    value = getattr(answer, "value", -1)
    return value if isinstance(value, int) else -1
