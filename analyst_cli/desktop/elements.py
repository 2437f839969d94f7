"""What a desktop consists of, as plain records: elements, windows, displays, modals, and the limits and outcome of reading them.

Backends fill these records, the selector engine reads them, evidence writes them. Pure data, no I/O. Coordinates are whole pixels of the
screen, origin top left, y grows downward. Role names are the accessibility names of macOS (`AXButton`) on every platform; the platform's
own is `native_role`.
"""

from enum import StrEnum
from typing import NewType

import msgspec

__all__ = [
    "AppIdentity",
    "Cut",
    "Display",
    "Handle",
    "Modal",
    "Node",
    "Permission",
    "Rect",
    "Snapshot",
    "StopReason",
    "Traversal",
    "TreeLimits",
    "Window",
]

Handle = NewType("Handle", str)
"""A backend's own name of an element (bus name and object path, ...), unique while the backend runs, never reused for another element.
Opaque to the host.
"""


class Permission(StrEnum):
    """What the platform must grant."""

    ACCESSIBILITY = "accessibility"
    SCREEN_RECORDING = "screenRecording"


class Cut(StrEnum):
    """Why a node's children are missing; the words of the original's `ax.json`."""

    DEPTH = "max_depth_exceeded"
    NODES = "max_nodes_exceeded"
    CHILDREN = "limit_exceeded"
    TIMEOUT = "timeout"
    HIDDEN = "hidden_app"  # set by the host: the operator lets nobody look into this application


class StopReason(StrEnum):
    """Why a traversal is not complete; the first limit that was met."""

    DEPTH = "max_depth"
    NODES = "max_nodes"
    CHILDREN = "child_limit"
    TIMEOUT = "timeout"
    NOT_RESPONDING = "app_not_responding"


class Rect(msgspec.Struct, frozen=True):
    """A rectangle on the screen, in pixels; width and height are never negative."""

    x: int
    y: int
    width: int
    height: int

    @property
    def center(self) -> tuple[float, float]:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see or hit."""
        return self.width <= 0 or self.height <= 0

    def overlaps(self, other: "Rect") -> bool:
        """Tell whether both share at least one pixel; touching edges do not count."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def near(self, other: "Rect", pixels: int) -> bool:
        """Tell whether no member differs by more than so many pixels."""
        return (
            abs(self.x - other.x) <= pixels
            and abs(self.y - other.y) <= pixels
            and abs(self.width - other.width) <= pixels
            and abs(self.height - other.height) <= pixels
        )


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One element with its children in document order.

    `None` means the platform does not tell (or it was not asked, see `TreeRequest.detail`).
    """

    handle: Handle
    role: str
    native_role: str | None = None
    subrole: str | None = None
    title: str | None = None  # the accessible name; "" is given as None
    value: str | None = None  # text as the user sees it; ALWAYS None when `secure`; numbers are given in `number`
    number: float | None = None  # value of a slider, spin button, progress bar; never matched by `valueContains`
    placeholder: str | None = None
    description: str | None = None
    frame: Rect | None = None  # None also for the sentinel and all-zero frames of hidden elements
    enabled: bool = True
    visible: bool = True
    focused: bool = False
    focusable: bool = False
    editable: bool = False
    checked: bool | None = None  # None: nothing that can be checked
    selected: bool = False
    modal: bool = False
    default: bool = False  # the default button of its window
    secure: bool = False  # a password field: nobody ever reads its text
    text_length: int | None = None  # characters in a text element, known also for secure ones where the platform tells
    pressable: bool | None = None  # has a press action; None: not asked yet (see `TreeRequest.detail`)
    pid: int | None = None
    children: tuple["Node", ...] = ()
    cut: Cut | None = None  # why `children` is not complete
    children_omitted: int = 0  # how many are known to be left out; 0 with `cut` set: unknown


class AppIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """An application: `app_id` is the desktop-file id or WM class where there is no bundle id."""

    app_id: str
    pid: int | None = None
    name: str | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A top-level window; a list of them is ordered front to back."""

    window_id: str
    app_id: str
    title: str | None = None
    pid: int | None = None
    frame: Rect | None = None
    frontmost: bool = False
    modal: bool = False
    visible: bool = True  # mapped and not minimised


class Display(msgspec.Struct, frozen=True, kw_only=True):
    """A screen; `scale` is physical pixels per coordinate unit."""

    display_id: str
    frame: Rect
    main: bool = False
    scale: float = 1.0


class Modal(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet, dialog, alert or window flagged modal (R-MO-1: a focused ordinary window is none)."""

    element: Node  # the dialog itself, without its subtree
    app_id: str
    blocking: bool  # it keeps the rest of its application from being used
    buttons: tuple[
        Node, ...
    ] = ()  # in child order; `default` is set on the default one; subrole AXCancelButton on a cancel button
    text: tuple[str, ...] = ()  # labels inside, for the person who approves


class TreeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one traversal. The root has depth 0; an element at `max_depth` is the deepest that is visited."""

    max_depth: int = 20
    max_nodes: int = 5_000
    max_children: int = 1_000  # of one element; LibreOffice Calc claims 2**30
    timeout_s: float = 10.0  # wall clock, for everything; the request's own deadline comes on top


class Traversal(msgspec.Struct, frozen=True, kw_only=True):
    """How a traversal went; always written, so that nobody takes a part for the whole."""

    nodes_visited: int
    depth: int  # the deepest level visited
    elapsed_ms: float
    limits: TreeLimits
    stop_reason: StopReason | None = None

    @property
    def truncated(self) -> bool:
        """Whether something is missing."""
        return self.stop_reason is not None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was on the desktop at `captured_at` (seconds since the epoch). `root` is None when no tree was wanted."""

    captured_at: float
    app: AppIdentity | None  # the frontmost application; None: nothing has the focus
    window_title: str | None
    root: Node | None = (
        # the frontmost application's element, else the system-wide one (role AXSystemWide, applications as children)
        None
    )
    traversal: Traversal | None = None  # None when neither a tree nor modals were wanted
    windows: tuple[Window, ...] = ()  # front to back, of all applications
    modals: tuple[Modal, ...] = ()  # of the frontmost application, frontmost first, at most 20

    @property
    def silent(self) -> bool:
        """Whether the program did not answer: what is not in here may be there all the same."""
        return self.traversal is not None and self.traversal.stop_reason is StopReason.NOT_RESPONDING
