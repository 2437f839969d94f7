"""The interface between the host and a desktop, and what it promises.

A backend knows how to see and drive one kind of desktop. It has no policy: it does not confirm, allow, redact or write files; the host
does. A module `analyst_cli.desktop.backends.<name>` offers `open_backend(...)`, an async context manager that gives a `Backend` and ALWAYS
succeeds: without a display or an accessibility bus the backend opens, and `probe` says what is missing. One contract suite,
`tests/support/backend_contract.py`, runs over all backends.

Nothing here may block the event loop: a backend with blocking calls runs them in its own thread. Every method may be cancelled (asyncio) at
any await and must then leave no key pressed, no keymap changed and no thread working on. Up to four `look`s and one `perform` run at the
same time.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from analyst_cli.desktop.elements import AppIdentity, Display, Node, Permission, Rect, Snapshot, TreeLimits

__all__ = [
    "Action",
    "Activate",
    "Backend",
    "BackendError",
    "BackendLost",
    "Capability",
    "CaptureRequest",
    "Chord",
    "Control",
    "Effect",
    "Focus",
    "Frame",
    "Highlight",
    "Outcome",
    "PermissionMissing",
    "Press",
    "Refusal",
    "Refused",
    "Situation",
    "TreeRequest",
    "TypeText",
    "Watch",
]


class Capability(StrEnum):
    """What works now; the host derives the usable methods from it."""

    TREE = "tree"
    SCREENSHOT = "screenshot"
    PRESS = "press"
    TYPE = "type"
    KEYS = "keys"
    OVERLAY = "overlay"
    WINDOWS = "windows"
    EVENTS = "events"


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend can do at the moment."""

    permissions: dict[Permission, bool]
    remedies: dict[Permission, str] = {}  # for what is missing: one sentence that tells the user what to do
    capabilities: frozenset[Capability] = frozenset()
    displays: tuple[Display, ...] = ()
    session: str = "unknown"  # x11, wayland-unsupported, fake, none
    warnings: tuple[str, ...] = ()  # for doctor, one sentence each: what works only partly and how to better it


class TreeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What `look` is to read."""

    tree: bool = True  # False: only app, window_title (and what else is asked for)
    limits: TreeLimits = TreeLimits()
    hidden: bool = False  # True: do not prune what is not on the screen
    windows: bool = False
    modals: bool = False
    detail: Callable[[Node], bool] | None = None
    """Whether `frame`, `value`, `number`, `text_length` and `pressable` of a node are needed. It is called with a node that has handle,
    role, title and states, and no children. None: of all nodes. A backend may read more than is needed, never less. The tree itself is the
    same for every `detail`."""


class CaptureRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which pixels are wanted."""

    displays: Literal["main", "all"] = "main"
    region: Rect | None = None  # of the main display; clipped to it
    max_width: int | None = None  # scale down to at most so many pixels; None: as it is
    blank: tuple[Rect, ...] = ()  # filled with black before encoding: windows nobody may see


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of a display (or region), as PNG."""

    display_id: str
    area: Rect  # what it shows, in screen coordinates
    width: int  # in pixels of the PNG
    height: int
    png: bytes
    captured_at: float  # seconds since the epoch


class Press(msgspec.Struct, frozen=True, tag=True):
    """Press an element: its accessibility action where it works, else a click at its centre after an occlusion test."""

    target: Node


class Focus(msgspec.Struct, frozen=True, tag=True):
    """Give an element the keyboard and verify that it has it."""

    target: Node


class TypeText(msgspec.Struct, frozen=True, tag=True):
    """Put text into the target (focused and verified first), or where the focus is.

    Characters are already checked by the host. `clear_before` empties the target first. `paste` allows the clipboard, which is then saved
    and restored.
    """

    text: str
    target: Node | None = None
    clear_before: bool = False
    paste: bool = False


class Chord(msgspec.Struct, frozen=True, tag=True):
    """Press one key with modifiers held, in the window of the target (which gets the keyboard first, verified), or where the focus is.

    Names are canonical, R-HK-2: modifiers `cmd shift option control`, keys `a` `0` `enter` `f5` `leftbracket`, ...
    """

    modifiers: tuple[str, ...]
    key: str
    target: Node | None = None


class Highlight(msgspec.Struct, frozen=True, tag=True):
    """Draw a red border of 3 points with 20 % fill that lets clicks through;

    return once it is shown, remove it after `duration_ms`. No side effect: no `commit`.
    """

    area: Rect
    duration_ms: int


class Activate(msgspec.Struct, frozen=True, tag=True):
    """Bring an application's window to the front and verify it; `title` picks among several windows."""

    app: AppIdentity
    window_title: str | None = None


Action = Press | Focus | TypeText | Chord | Highlight | Activate


class Effect(StrEnum):
    """What an action is known to have done."""

    CONFIRMED = "confirmed"  # seen in the desktop afterwards
    UNVERIFIED = "unverified"  # sent, and nothing tells whether it had an effect
    NO_EFFECT = "no_effect"  # sent, and the desktop shows that nothing changed
    REFUSED = "refused"  # never returned: it is what `Refused` becomes in a reply


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an action that was not refused. Never contains text that was typed or read."""

    effect: Effect
    method: str  # "action", "pointer", "editable-text", "keys", "paste", "overlay", "scripted": how it was done
    verification: str | None = None  # one phrase: what was looked at ("value read back", "state checked changed")


class Refusal(StrEnum):
    """Why a backend does not act."""

    STALE = "stale"  # the handle is gone, or role or title are not the ones of `target`
    DISABLED = "disabled"
    OCCLUDED = "occluded"
    NOT_VISIBLE = "not_visible"
    NO_PRESS_ACTION = "no_press_action"
    FOCUS_FAILED = "focus_failed"
    NOT_EDITABLE = "not_editable"
    TEXT_NOT_TYPABLE = "text_not_typable"  # characters that no allowed method can produce
    KEY_UNAVAILABLE = "key_unavailable"  # no key of the live keymap has this name
    NOT_FOUND = "not_found"  # no such application or window to activate
    FAILED = "failed"  # the platform refused the call


class BackendError(Exception):
    """What a backend may raise, and nothing else; texts carry no typed or read text."""


class Refused(BackendError):
    """The action was not done, or not finished; `Control.committed` tells whether a side effect began."""

    def __init__(self, reason: Refusal, words: str = "") -> None:
        super().__init__(reason, words)
        self.reason = reason
        self.words = words

    def __str__(self) -> str:
        return self.words or self.reason.value.replace("_", " ")


class PermissionMissing(BackendError):
    """The platform does not allow it (no display, no accessibility bus); `remedy` is one sentence for the user."""

    def __init__(self, permission: Permission, remedy: str) -> None:
        super().__init__(permission, remedy)
        self.permission = permission
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.permission} is not available; {self.remedy}"


class BackendLost(BackendError):
    """The display or the bus died during the call.

    The backend stays open: the next call connects again, or raises `PermissionMissing`.
    """


class Control(Protocol):
    """How the host holds the reins of one action. Every method may be called from any thread and returns at once."""

    @property
    def committed(self) -> bool:
        """Whether `commit` was called."""

    def remaining_s(self) -> float:
        """Seconds until the request's deadline; never negative."""

    def check(self) -> None:
        """Raise when the action must stop now (abort, panic, disconnect, deadline).

        Call it between keys, and at least every 50 ms of waiting. Let it through.
        """

    def commit(self) -> None:
        """Spend the confirmation.

        Call it once, after every test that can refuse, immediately before the first side effect (focusing is one). It may raise, as
        `check`.
        """

    def seal(self) -> None:
        """Tell that the rest cannot be taken back:

        an abort from now on is answered with "completing". A press seals with its commit, typing after its last key.
        """


class Watch(Protocol):
    """Wakes a waiter when the desktop may have changed."""

    async def changed(self, timeout_s: float) -> bool:
        """Return True when something may have changed since the last call (at once, if it already has), False after the time. Never raises;
        wakes too often rather than too seldom.
        """


class Backend(Protocol):
    """A desktop."""

    name: str

    async def probe(self) -> Situation:
        """Tell what works now, in at most 300 ms (the first time as long as connecting takes), and reconnect to what came back.

        Never raises `BackendError`.
        """

    async def look(self, request: TreeRequest, control: Control) -> Snapshot:
        """Read the desktop within the limits; a slow or hung application costs its budget and shows as `stop_reason`.

        Document order is the platform's child order and the same in every call while nothing changes. Raises PermissionMissing,
        BackendLost, and what `control.check` raises.
        """

    async def capture(self, request: CaptureRequest) -> tuple[Frame, ...]:
        """Take pictures, main display first. Raises PermissionMissing, BackendLost."""

    async def perform(self, action: Action, control: Control) -> Outcome:
        """Do one action and look whether it had an effect (a second at most, and no longer than `control.remaining_s`).

        Re-checks that the target is still what the record says (else Refused STALE), that it is enabled, visible, and for pointer clicks
        not covered. Modifiers and keys are released on every way out. Raises Refused, PermissionMissing, BackendLost, and what `control`
        raises.
        """

    def watch(self, pid: int | None) -> AbstractAsyncContextManager[Watch]:
        """Listen for changes of an application (None:

        of all) while the context is open; costs nothing when nobody listens.
        """

    def release_keys(self) -> None:
        """Release every key and button this backend pressed, at once, from any thread, also while a `perform` runs.

        Never raises.
        """
