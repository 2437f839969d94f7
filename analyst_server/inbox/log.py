"""The interface of the log of events, and its promises. Implementations: `memory.py`, `sqlite.py`; any must pass `tests/server/inbox/contract`.

Promises, of every implementation:

Order        Within a user, `seq` increases strictly and has gaps. All readers and listeners see the same order.
Durability   `append` and `mark` return after their event would survive a crash of the process and of the machine. A listener is told after that.
Idempotency  A notification's `id` is its key within its user: the same id with the same body is answered as a duplicate and stores nothing,
             another body raises `Conflict`. A key is remembered as long as its notification (an implementation with a shorter window says so).
             Marking twice is harmless: the later event wins.
Isolation    Nobody sees another user's events; an id of somebody else is an unknown id.
Retention    Only a prefix of a user's log is ever removed, so that what is left is complete in itself; a cursor before the cut is `expired`.
Errors       `StoreUnavailable` when nothing can be stored or read now; nothing is half-stored. `CursorLost` when a cursor cannot be honoured.

Nothing here may assume one process or gapless numbers: several gateways may append to and read from one log at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

import msgspec

from analyst_server.wire.messages import MarkState, NotificationState

__all__ = [
    "START",
    "Appended",
    "Event",
    "EventListener",
    "InboxLog",
    "MarkDraft",
    "Marked",
    "NotificationDraft",
    "Seq",
    "Snapshot",
    "StoredNotification",
    "User",
]

User = NewType("User", str)
Seq = NewType("Seq", int)

START = Seq(0)  # before every event


class NotificationDraft(msgspec.Struct, frozen=True, gc=False):
    """A notification that is to be stored."""

    user: User
    id: str
    body: bytes  # JSON object of a wire `Notification` without `type`, `seq`, `replay`, `snapshot`, `state`
    image: str | None = None  # name in the image store that the body refers to
    fingerprint: bytes = b""  # of what the caller sent (without a time or id filled in); decides "the same body". Empty: the body itself decides


@dataclass(frozen=True, slots=True)
class MarkDraft:
    """A change of state that is to be stored."""

    user: User
    ids: Sequence[str]
    state: MarkState
    at: str  # RFC 3339 UTC
    device: str = ""
    until: str | None = None

    def body_for(self, known_ids: Sequence[str]) -> bytes:
        """Return the body of its event, which names only ids that the user has."""
        fields: dict[str, object] = {"ids": known_ids, "state": self.state, "at": self.at}
        if self.device:
            fields["device"] = self.device
        if self.until is not None:
            fields["until"] = self.until
        return msgspec.json.encode(fields)


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where a notification is in the log; `duplicate` when it was there before."""

    seq: Seq
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """Where a mark is in the log (None: nothing known was marked), and the ids that the user does not have."""

    seq: Seq | None
    unknown: tuple[str, ...]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One entry of the log: `body` is a notification's body, or the JSON of a wire `StateChange` without `type` and `seq`."""

    user: User
    seq: Seq
    is_notification: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A notification and its state now."""

    seq: Seq
    body: bytes
    state: NotificationState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The latest notifications of a user, oldest first, as of event `seq` (0: nothing was ever stored)."""

    seq: Seq
    notifications: tuple[StoredNotification, ...]


EventListener = Callable[[Event], None]  # called on the event loop, must not block, raises nothing


class InboxLog(Protocol):
    """A log of events per user. See the module for its promises."""

    @property
    def epoch(self) -> str:
        """Random id of this log, made when it was created; a cursor of another epoch means nothing here."""

    async def append(self, draft: NotificationDraft) -> Appended:
        """Store a notification. Raises `Conflict`, `StoreUnavailable`."""

    async def mark(self, draft: MarkDraft) -> Marked:
        """Store a change of state of those ids that the user has. Raises `StoreUnavailable`."""

    async def read(self, user: User, *, after: Seq, limit: int) -> Sequence[Event]:
        """Return up to `limit` events after a position, in order; empty at the end. 0 is before the oldest event that is kept.

        Raises `CursorLost("expired")` where events after the position were removed (in the middle of a replay too) and for a negative position,
        `CursorLost("ahead")` for a position after the user's newest event, `StoreUnavailable`.
        """

    async def snapshot(self, user: User, *, limit: int = 50) -> Snapshot:
        """Return the latest notifications with their state (with `limit` 0 only where the log ends). Raises `StoreUnavailable`."""

    def subscribe(self, user: User, listener: EventListener) -> Callable[[], None]:
        """Tell a listener every event of the user that is stored from now on, by whichever process, once and in order; return what ends it."""
