"""One Struct per message of the WebSocket protocol, and the records they carry.

`ClientMessage` and `ServerMessage` are the tagged unions that the codec decodes (tag: the member `type`). Unknown members are ignored, members at
their defaults are left out, so a protocol-1 message has exactly the members of section 1.1 of the protocol.
"""

from typing import Any, Literal

import msgspec

__all__ = [
    "Ack",
    "Auth",
    "AuthError",
    "AuthOk",
    "Chart",
    "ClientMessage",
    "Cursor",
    "Mark",
    "MarkError",
    "MarkOk",
    "MarkState",
    "Notification",
    "NotificationState",
    "Ping",
    "Pong",
    "Priority",
    "RecoveryReason",
    "ReplayDone",
    "Run",
    "Series",
    "ServerMessage",
    "StateChange",
]

Priority = Literal["low", "normal", "high", "critical"]
MarkState = Literal["read", "unread", "archived", "unarchived", "acknowledged", "snoozed"]
RecoveryReason = Literal["no_cursor", "epoch_changed", "expired", "ahead"]


class Cursor(msgspec.Struct, frozen=True):
    """How far a device has come: everything up to `seq` of the log called `epoch`."""

    epoch: str
    seq: int


class Auth(msgspec.Struct, frozen=True, omit_defaults=True, tag="auth"):
    """First message of a client; protocol 1 sends the token alone."""

    token: str
    protocol: int = 1
    device: str = ""  # stable id of the device; empty: protocol 1
    client: str = ""  # for people who read logs: "analyst-cli/0.1.0"
    since: Cursor | None = None  # None: a new device


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to a ping."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, tag="mark"):
    """Ask to change the state of 1 to 500 notifications."""

    ref: str  # chosen by the client, comes back in the answer
    ids: list[str]
    state: MarkState
    until: str | None = None  # RFC 3339; required with "snoozed", else absent


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """Say that this device has stored every event up to `seq`."""

    seq: int


class AuthOk(msgspec.Struct, frozen=True, omit_defaults=True, tag="auth_ok"):
    """The client is known; the members after `username` are for protocol 2."""

    username: str
    protocol: int = 1
    epoch: str = ""
    seq: int | None = None  # the newest event of the log when the connection was made
    recovered: bool | None = None
    reason: RecoveryReason | None = None  # why the cursor could not be honoured
    heartbeat_s: float | None = None


class AuthError(msgspec.Struct, frozen=True, tag="auth_error"):
    """The client is refused; the socket closes next."""

    message: str


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line, or one colour of bars."""

    y: list[float | None]
    name: str = ""


class Chart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The few numbers behind a picture: at most 5 series and 500 points in all."""

    kind: Literal["line", "bar"]
    series: list[Series]
    x: list[float | str] = []
    title: str = ""
    mark: int | None = None  # index of the point that matters


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a notification came from."""

    script: str = ""  # path
    hash: str = ""  # SHA-256 of the script's content
    exit_code: int | None = None
    duration_s: float | None = None
    id: str = ""


class NotificationState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the log says of a notification now; derived from its events, never stored by a client on its own account."""

    read: bool = False
    archived: bool = False
    acknowledged: bool = False
    snoozed_until: str | None = None


class Notification(msgspec.Struct, frozen=True, omit_defaults=True, tag="notification"):
    """An alert. The members up to `timestamp` are protocol 1."""

    id: str
    title: str
    message: str
    timestamp: str
    image_url: str | None = None
    script: str | None = None
    seq: int | None = None
    replay: bool = False  # sent from the log, not live: announce as one summary
    snapshot: bool = False  # part of a snapshot: replaces what the client held
    state: NotificationState | None = None  # with `snapshot`: the state now
    priority: Priority = "normal"
    tags: list[str] = []
    key: str | None = None  # groups repeats
    status: Literal["firing", "resolved"] | None = None
    url: str | None = None
    image_alt: str | None = None
    chart: Chart | None = None
    run: Run | None = None
    data: dict[str, Any] | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Heartbeat of the server."""


class ReplayDone(msgspec.Struct, frozen=True, tag="replay_done"):
    """Everything up to `seq` has been sent; what follows is live."""

    seq: int


class StateChange(msgspec.Struct, frozen=True, omit_defaults=True, tag="state"):
    """The state of notifications has changed, on whichever device."""

    seq: int
    ids: list[str]
    state: str  # a MarkState, "updated" or "resolved"; unknown ones are passed over
    at: str
    device: str = ""
    until: str | None = None
    replay: bool = False


class MarkOk(msgspec.Struct, frozen=True, omit_defaults=True, tag="mark_ok"):
    """A mark is durable as event `seq`; `unknown` are those of its ids that this user does not have."""

    ref: str
    seq: int
    unknown: list[str] = []


class MarkError(msgspec.Struct, frozen=True, omit_defaults=True, tag="mark_error"):
    """A mark changed nothing; `unknown` are the ids that this user does not have."""

    ref: str
    message: str
    unknown: list[str] = []


ClientMessage = Auth | Pong | Mark | Ack
ServerMessage = AuthOk | AuthError | Notification | Ping | ReplayDone | StateChange | MarkOk | MarkError
