"""The client's side of one WebSocket connection as a state machine: no I/O, no clock. Whoever holds the socket feeds it and sends what it returns.

    session = ClientSession(token=..., device=..., client=..., since=cursor)
    send(session.hello())
    for event in session.receive(text): ...     # then send(session.to_send()) until it is empty

It speaks protocol 2 and falls back to protocol 1 when `auth_ok` names no protocol (a gateway without a log: everything is live, nothing can be
marked). A notification that a newer server has written in a way this version cannot read entirely is kept with the members that can be read.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args

import msgspec

from analyst_server.wire.close_codes import Verdict, verdict_of
from analyst_server.wire.messages import (
    Ack,
    Auth,
    AuthError,
    AuthOk,
    ClientMessage,
    Cursor,
    Mark,
    MarkError,
    MarkOk,
    MarkState,
    Notification,
    Ping,
    Pong,
    RecoveryReason,
    ReplayDone,
    ServerMessage,
    StateChange,
)

__all__ = [
    "ClientSession",
    "EventReceived",
    "MarkAccepted",
    "MarkRefused",
    "MessageUnreadable",
    "Phase",
    "ReplayFinished",
    "SessionEvent",
    "SignInRefused",
    "SignedIn",
    "SnapshotReceived",
]

ACK_INTERVAL_S = 1.0  # protocol 2.3: at most one a second
HEARTBEAT_DEFAULT_S = 30.0  # protocol 1.1
_MAX_SEQ = (1 << 63) - 1  # what an inbox can store
_MISSED_HEARTBEATS = (
    2.5  # the server gives up after three missed answers; a client that waited longer would show a dead line as live
)


class Phase(Enum):
    """How far a connection has come."""

    SIGNING_IN = "signing in"
    CATCHING_UP = "catching up"  # replay or snapshot
    LIVE = "live"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The server knows the user; `reason` says why the cursor could not be honoured, and a snapshot follows."""

    username: str
    protocol: int
    reason: RecoveryReason | None


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """The server does not accept this client; the close code says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class EventReceived:
    """One event of the log, in order; `replayed` when it is not live."""

    event: Notification | StateChange
    replayed: bool


@dataclass(frozen=True, slots=True)
class SnapshotReceived:
    """The latest notifications, oldest first: they replace what the client held."""

    notifications: tuple[Notification, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class ReplayFinished:
    """What follows is live."""


@dataclass(frozen=True, slots=True)
class MarkAccepted:
    """A mark is event `seq` of the log."""

    ref: str
    seq: int


@dataclass(frozen=True, slots=True)
class MarkRefused:
    """A mark changed nothing; without the `unknown` ids it may be sent again."""

    ref: str
    message: str
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageUnreadable:
    """A message that means nothing to this version was passed over."""

    problem: str


SessionEvent = (
    SignedIn
    | SignInRefused
    | EventReceived
    | SnapshotReceived
    | ReplayFinished
    | MarkAccepted
    | MarkRefused
    | MessageUnreadable
)

# Protocol 1.1: these texts are kept for ever, and old gateways close with code 1000
_VERDICTS_OF_WORDS = {
    "Invalid token": Verdict.SIGN_IN,
    "Too many connections": Verdict.STOP,
    "Invalid JSON": Verdict.RECONNECT_LATER,
    "Expected auth message with token": Verdict.RECONNECT_LATER,
}
_decoder = msgspec.json.Decoder(ServerMessage)
_encoder = msgspec.json.Encoder()
_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ServerMessage))


class ClientSession:
    """One connection, from the first message to the last."""

    def __init__(self, *, token: str, device: str, client: str, since: Cursor | None) -> None:
        self._hello = Auth(token=token, protocol=2, device=device, client=client, since=since)
        self._cursor = since
        self._outgoing: deque[ClientMessage] = deque()
        self._snapshot: list[Notification] = []
        self._held_back: list[Notification | StateChange] = []
        self._taking_snapshot = False
        self._acknowledged = 0 if since is None else since.seq
        self._acknowledged_at = float("-inf")
        self.phase = Phase.SIGNING_IN
        self.protocol = 1
        self.heartbeat_s = HEARTBEAT_DEFAULT_S
        self.refused_words = ""  # of `auth_error`

    @property
    def cursor(self) -> Cursor | None:
        """How far the events that were handed out reach; None with protocol 1."""
        return self._cursor if self.protocol >= 2 else None

    @property
    def silence_limit_s(self) -> float:
        """After how long without any message the line counts as dead."""
        return self.heartbeat_s * _MISSED_HEARTBEATS

    def verdict(self, code: int) -> Verdict:
        """Return what to do after a close with this code; a protocol-1 gateway says it in the words of `auth_error` instead."""
        by_code = verdict_of(code)
        if by_code is Verdict.RECONNECT and code < 4000:
            return _VERDICTS_OF_WORDS.get(self.refused_words, Verdict.RECONNECT)
        return by_code

    def hello(self) -> bytes:
        """Return the first message."""
        return _encoder.encode(self._hello)

    def receive(self, text: str | bytes) -> list[SessionEvent]:
        """Take one message of the server and return what it means."""
        try:
            message = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            match _read_leniently(text):
                case Notification() as message:
                    pass
                case str():
                    return []  # a type of a newer server
                case None:
                    return [MessageUnreadable(str(problem))]
        if not 0 <= (getattr(message, "seq", None) or 0) <= _MAX_SEQ:
            return [MessageUnreadable("a position outside of any log")]
        if self.phase is Phase.SIGNING_IN:
            return self._signing_in(message)
        return self._signed_in(message)

    def to_send(self) -> bytes | None:
        """Return the next message that must be sent; None when there is none."""
        return _encoder.encode(self._outgoing.popleft()) if self._outgoing else None

    def mark(self, ref: str, ids: tuple[str, ...], state: MarkState, until: str | None = None) -> bool:
        """Queue a mark; tell whether it could be: not before the replay is done, never with protocol 1."""
        if self.phase is not Phase.LIVE or self.protocol < 2:
            return False
        self._outgoing.append(Mark(ref=ref, ids=list(ids), state=state, until=until))
        return True

    def acknowledge(self, stored: Cursor, *, now: float) -> float | None:
        """Queue an ack of what is stored, if one is due; return in how many seconds to ask again, None when nothing is left to say."""
        if (
            self.protocol < 2
            or self._cursor is None
            or stored.epoch != self._cursor.epoch
            or stored.seq <= self._acknowledged
        ):
            return None
        due_in_s = self._acknowledged_at + ACK_INTERVAL_S - now
        if due_in_s > 0:
            return due_in_s
        self._acknowledged, self._acknowledged_at = stored.seq, now
        self._outgoing.append(Ack(seq=stored.seq))
        return None

    def _signing_in(self, message: ServerMessage) -> list[SessionEvent]:
        match message:
            case AuthOk(username=username, protocol=protocol):
                self.protocol = protocol
                self.heartbeat_s = message.heartbeat_s or HEARTBEAT_DEFAULT_S
                if protocol < 2:
                    self.phase = Phase.LIVE
                    return [SignedIn(username, 1, None), ReplayFinished()]
                self.phase = Phase.CATCHING_UP
                if message.recovered:
                    # whatever comes is new to a device without one
                    self._cursor = self._cursor or Cursor(message.epoch, 0)
                    return [SignedIn(username, protocol, None)]
                self._cursor = Cursor(message.epoch, message.seq or 0)
                self._taking_snapshot = True
                return [SignedIn(username, protocol, message.reason or "no_cursor")]
            case AuthError(message=words):
                return self._refused(words)
            case Ping():
                self._outgoing.append(Pong())
        return []

    def _signed_in(self, message: ServerMessage) -> list[SessionEvent]:
        match message:
            case Notification(snapshot=True) if self._taking_snapshot:
                self._snapshot.append(message)
            case Notification() | StateChange() if self._taking_snapshot:
                self._held_back.append(message)  # stored while the snapshot was on its way
            case Notification() | StateChange():
                return self._event(message)
            case ReplayDone(seq=seq):
                return self._replay_done(seq)
            case Ping():
                self._outgoing.append(Pong())
            case MarkOk(ref=ref, seq=seq):
                return [MarkAccepted(ref, seq)]
            case MarkError(ref=ref, message=words, unknown=unknown):
                return [MarkRefused(ref, words, tuple(unknown))]
            case AuthError(message=words):  # the token has expired, or was revoked: the close code follows
                return self._refused(words)
        return []

    def _refused(self, words: str) -> list[SessionEvent]:
        self.phase = Phase.REFUSED
        self.refused_words = words
        return [SignInRefused(words)]

    def _event(self, event: Notification | StateChange) -> list[SessionEvent]:
        if self.protocol >= 2 and self._cursor is not None and event.seq is not None:
            if event.seq <= self._cursor.seq:
                return []  # sent twice at the seam of replay and live
            self._cursor = Cursor(self._cursor.epoch, event.seq)
        return [EventReceived(event, replayed=self.phase is Phase.CATCHING_UP)]

    def _replay_done(self, seq: int) -> list[SessionEvent]:
        if self.phase is not Phase.CATCHING_UP or self._cursor is None:
            return []
        self.phase = Phase.LIVE
        self._cursor = Cursor(self._cursor.epoch, max(seq, self._cursor.seq) if not self._taking_snapshot else seq)
        if not self._taking_snapshot:
            return [ReplayFinished()]
        self._taking_snapshot = False
        received = SnapshotReceived(tuple(self._snapshot), self._cursor)
        later = [event for held in self._held_back for event in self._event(held)]
        self._snapshot, self._held_back = [], []
        return [received, ReplayFinished(), *later]


def _read_leniently(text: str | bytes) -> Notification | str | None:
    """Read what a strict reading refuses: a notification with members of unexpected kinds keeps the others.

    Returns the name of a type that is not known, and None when nothing can be made of the message.
    """
    try:
        members = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    kind = members.get("type") if isinstance(members, dict) else None
    if isinstance(kind, str) and kind not in _TYPES:
        return kind
    if kind != "notification" or not isinstance(members.get("id"), str):
        return None
    kept: dict[str, Any] = {"title": "", "message": "", "timestamp": ""}
    for field in msgspec.structs.fields(Notification):
        if field.name in members:
            try:
                kept[field.name] = msgspec.convert(members[field.name], field.type)
            except msgspec.ValidationError:
                continue
    return Notification(**kept)
