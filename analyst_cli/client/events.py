"""What happens to a connection and its inbox, in the past tense. `follow` yields them after the inbox has stored what they tell of."""

from dataclasses import dataclass

from analyst_cli.client.rows import Row

__all__ = [
    "CaughtUp",
    "ClientEvent",
    "Connected",
    "Connecting",
    "ConnectionLost",
    "MarkConfirmed",
    "MarkFailed",
    "NotificationArrived",
    "SignInExpired",
    "StateChanged",
    "Stopped",
]


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt has begun."""

    server: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The server knows us; what was missed is on its way. `protocol` 1: a gateway that keeps nothing."""

    server: str
    username: str
    protocol: int


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """Nobody answers, or the line broke; the next attempt comes by itself."""

    problem: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What was missed is here: `rows` are what the server has sent again and is still unread, oldest first (the latest 20,000 of `count`).

    What another process of this person has stored live meanwhile was not missed, and is told as `NotificationArrived`.

    `gap` says in words why the server could not send everything since the last connection; empty when nothing is missing.
    """

    count: int
    rows: tuple[Row, ...]
    gap: str = ""


@dataclass(frozen=True, slots=True)
class NotificationArrived:
    """A notification is here that was not before; live, by this or another process of this person."""

    row: Row


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Notifications that were here have another state, or another process has changed the inbox: look again."""


@dataclass(frozen=True, slots=True)
class MarkConfirmed:
    """A mark that was made here is in the server's log."""


@dataclass(frozen=True, slots=True)
class MarkFailed:
    """The server did not take a mark."""

    problem: str


@dataclass(frozen=True, slots=True)
class SignInExpired:
    """There is no token, or it is refused: nothing more comes until the person has signed in."""

    problem: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The server will not have us, and trying again cannot help."""

    problem: str
    way_out: str


ClientEvent = (
    Connecting
    | Connected
    | ConnectionLost
    | CaughtUp
    | NotificationArrived
    | StateChanged
    | MarkConfirmed
    | MarkFailed
    | SignInExpired
    | Stopped
)
