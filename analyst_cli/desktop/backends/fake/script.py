"""The script of a fake desktop: applications, windows and elements that change when something is pressed, typed, or time passes.

    {"apps": [{"appId": "org.example.Mail", "name": "Mail", "pid": 4001, "frontmost": true, "windows": [ELEMENT, ...]}],
     "permissions": {"accessibility": true, "screenRecording": true}, "remedies": {}, "capabilities": ["tree", ...],
     "display": {"width": 1280, "height": 800}, "clipboard": "", "delays": {"look": 0, "press": 0, "key": 0.001},
     "chords": {"cmd+s": [CHANGE, ...]}, "timeline": [{"afterMs": 300, "do": [CHANGE, ...]}], "record": "/path/of/what/was/done.ndjson"}

An ELEMENT is `{"id": "send", "role": "AXButton", "title": "Send", "frame": [x, y, width, height], "children": [...], "press": [CHANGE, ...]}` with
the other members of `Element`. A CHANGE is `{"set": "id", "title": ...}`, `{"remove": "id"}`, `{"add": ELEMENT, "to": "id"}`,
`{"frontmost": "appId"}`, `{"grant": "accessibility"}`, `{"deny": "screenRecording"}`, or `{"lose": true}` (the next call loses the connection).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

__all__ = ["App", "Change", "Element", "Script", "ScriptProblem", "read_script"]

_BUILT_IN = Path(__file__).parent / "demo.json"


class ScriptProblem(ValueError):
    """A script that cannot be played; the text names the place."""


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """Something happens on the desktop."""

    set: str | None = None
    remove: str | None = None
    add: "Element | None" = None
    to: str | None = None
    frontmost: str | None = None
    grant: Literal["accessibility", "screenRecording"] | None = None
    deny: Literal["accessibility", "screenRecording"] | None = None
    lose: bool = False
    title: str | None = None
    value: str | None = None
    enabled: bool | None = None
    visible: bool | None = None
    checked: bool | None = None
    frame: list[int] | None = None


class Element(msgspec.Struct, forbid_unknown_fields=True):
    """An element; `press` is what happens when it is pressed, `effect` what can be seen of it."""

    role: str
    id: str = ""
    title: str | None = None
    value: str | None = None
    native_role: str | None = msgspec.field(default=None, name="nativeRole")
    subrole: str | None = None
    placeholder: str | None = None
    description: str | None = None
    frame: Annotated[list[int], msgspec.Meta(min_length=4, max_length=4)] | None = None
    enabled: bool = True
    visible: bool = True
    focused: bool = False
    focusable: bool = True
    editable: bool = False
    checked: bool | None = None
    modal: bool = False
    blocking: bool = True  # of a modal: whether it keeps the rest from being used
    default: bool = False
    secure: bool = False
    pressable: bool | None = None  # None: buttons, check boxes, menu items and links are
    occluded: bool = False
    effect: Literal["confirmed", "unverified", "none"] = "confirmed"
    hang_s: float = msgspec.field(default=0.0, name="hangS")  # reading it takes so long
    press: list[Change] = []
    typed: list[Change] = []
    children: "list[Element]" = []

    def walk(self) -> Iterator["Element"]:
        """Give the element and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class App(msgspec.Struct, forbid_unknown_fields=True):
    """An application with its windows."""

    app_id: str = msgspec.field(name="appId")
    name: str
    pid: int = 4_001
    frontmost: bool = False
    windows: list[Element] = []


class Moment(msgspec.Struct, forbid_unknown_fields=True):
    """Changes that come by themselves."""

    after_ms: int = msgspec.field(name="afterMs")
    do: list[Change]


class Delays(msgspec.Struct, forbid_unknown_fields=True):
    """How slow the desktop is, in seconds."""

    look: float = 0.0
    press: float = 0.0
    key: float = 0.0
    capture: float = 0.0


class Size(msgspec.Struct, forbid_unknown_fields=True):
    """Of the display."""

    width: int = 1_280
    height: int = 800


class Script(msgspec.Struct, forbid_unknown_fields=True):
    """A whole desktop."""

    apps: list[App] = []
    permissions: dict[str, bool] = {}
    remedies: dict[str, str] = {}
    capabilities: list[str] | None = None  # None: all
    display: Size = msgspec.field(default_factory=Size)
    clipboard: str = ""
    delays: Delays = msgspec.field(default_factory=Delays)
    chords: dict[str, list[Change]] = {}
    timeline: list[Moment] = []
    record: str | None = None


def read_script(source: Path | dict[str, Any] | None) -> Script:
    """Read a script from a file, from plain values, or the built-in one (None). Raises ScriptProblem."""
    try:
        values = source if isinstance(source, dict) else json.loads((source or _BUILT_IN).read_text())
        return msgspec.convert(values, Script)
    except OSError as exc:
        raise ScriptProblem(f"{source} cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:  # JSONDecodeError and ValidationError are ValueErrors
        raise ScriptProblem(f"{source or 'the script'} cannot be played: {exc}") from exc
