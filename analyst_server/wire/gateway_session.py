"""What the gateway decides about one connection: who may speak when, heartbeats, marks, and how replay and live events become one stream.

No I/O and no clock. `GatewaySession.receive` turns a client's message into a request that the connection carries out; `StreamMerge` decides
which event goes out next while the log is still being read.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Generic, Protocol, TypeVar

import msgspec

from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.codec import (
    MAX_MARKED_IDS,
    MAX_NAME_CHARS,
    MAX_SEQ,
    MalformedMessage,
    decode_client_message,
    encode_message,
)
from analyst_server.wire.messages import (
    Ack,
    Auth,
    AuthOk,
    Cursor,
    Mark,
    MarkError,
    Ping,
    Pong,
    RecoveryReason,
)

__all__ = [
    "AUTH_TIMEOUT",
    "MAX_HELD_EVENTS",
    "TOO_MANY_CONNECTIONS",
    "CheckToken",
    "GatewaySession",
    "NoteAcknowledged",
    "Phase",
    "Refuse",
    "Reply",
    "Request",
    "StoreMark",
    "StreamMerge",
    "cursor_reason",
]

PING = encode_message(Ping())
MAX_HELD_EVENTS = 256  # live events kept during a replay; what is more is read from the log, where it is anyway
PROTOCOL = 2  # the newest that this gateway speaks


class Phase(Enum):
    """How far a connection has come."""

    AWAITING_AUTH = "awaiting auth"
    JOINING = "joining"  # known; the log is being read
    LIVE = "live"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CheckToken:
    """The client has shown a token; answer with `accepted` or refuse."""

    auth: Auth


@dataclass(frozen=True, slots=True)
class StoreMark:
    """Store this mark, then tell the client."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class NoteAcknowledged:
    """The device has stored everything up to `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this text."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the connection: first `auth_error` if it has one, then the close."""

    code: CloseCode
    reason: str
    auth_error: str | None = None  # None: the client was known already, and learns it from the close alone


Request = CheckToken | StoreMark | NoteAcknowledged | Reply | Refuse

# The words of section 1.1 of the protocol: deployed clients compare them.
AUTH_TIMEOUT = Refuse(CloseCode.TIMEOUT, "no auth message in time", "Auth timeout")
TOO_MANY_CONNECTIONS = Refuse(
    CloseCode.TOO_MANY_CONNECTIONS, "too many connections of this user", "Too many connections"
)
_INVALID_JSON = Refuse(CloseCode.MALFORMED, "invalid JSON", "Invalid JSON")
_AUTH_EXPECTED = Refuse(CloseCode.MALFORMED, "expected auth", "Expected auth message with token")
_BAD_DEVICE = Refuse(
    CloseCode.MALFORMED, "bad device", f"Expected a device of 1 to {MAX_NAME_CHARS} printable characters"
)


class GatewaySession:
    """The gateway's side of one connection."""

    __slots__ = ("missed_pongs", "phase", "protocol")

    def __init__(self) -> None:
        self.phase = Phase.AWAITING_AUTH
        self.protocol = 1
        self.missed_pongs = 0

    def receive(self, payload: bytes) -> Request | None:
        """Return what a client's message asks for; None: nothing is to be done."""
        if self.phase is Phase.AWAITING_AUTH:
            return _first_request(payload)
        return None if self.phase is Phase.CLOSED else self._later_request(payload)

    def accepted(self, auth: Auth) -> None:
        """Go on after the token was found good."""
        self.phase = Phase.JOINING
        self.protocol = max(1, min(auth.protocol, PROTOCOL))

    def heartbeat(self, *, allowed_missed: int) -> bytes | Refuse:
        """Return the next ping, or the end: `allowed_missed` pings in a row went without an answer."""
        if self.missed_pongs >= allowed_missed:
            return Refuse(CloseCode.TIMEOUT, f"{self.missed_pongs} pings without a pong")
        self.missed_pongs += 1
        return PING

    def welcome(
        self, username: str, *, epoch: str, seq: int, heartbeat_s: float, reason: RecoveryReason | None = None
    ) -> bytes:
        """Return `auth_ok`; `reason` tells why the cursor was not honoured."""
        if self.protocol < PROTOCOL:
            return encode_message(AuthOk(username))
        return encode_message(
            AuthOk(
                username,
                protocol=self.protocol,
                epoch=epoch,
                seq=seq,
                recovered=reason is None,
                reason=reason,
                heartbeat_s=heartbeat_s,
            )
        )

    def _later_request(self, payload: bytes) -> Request | None:
        try:
            message = decode_client_message(payload)
        except MalformedMessage as exc:
            if exc.type == "mark" and exc.ref is not None and self.protocol >= PROTOCOL:
                return _mark_refused(exc.ref, exc.problem)
            return Refuse(CloseCode.MALFORMED, exc.problem)
        match message:
            case Pong():
                self.missed_pongs = 0
            case Mark() if self.protocol >= PROTOCOL:
                return _mark_request(message)
            case Ack() if 0 <= message.seq <= MAX_SEQ and self.protocol >= PROTOCOL:
                return NoteAcknowledged(message.seq)
            case _:  # a second auth, an unknown type, an `ack` or a mark of a client that did not announce protocol 2: ignored
                pass
        return None


def cursor_reason(since: Cursor | None, *, epoch: str) -> RecoveryReason | None:
    """Return why a cursor cannot be honoured, as far as that shows without the log; None: ask the log."""
    if since is None or since.seq < 0:
        return "no_cursor"
    if since.epoch != epoch:
        return "epoch_changed"
    return "ahead" if since.seq > MAX_SEQ else None


class HasSeq(Protocol):
    """Anything with a position in a user's log."""

    @property
    def seq(self) -> int:
        """The position."""


E = TypeVar("E", bound=HasSeq)


class StreamMerge(Generic[E]):
    """Make one stream of what is read from the log and what arrives live: no gap, no repeat, in order, however the two race.

    Live events are held until the log has been read to its end. An event is told live only after it is in the log, so what had to be dropped
    here (more than `MAX_HELD_EVENTS`) is found there by reading on.
    """

    __slots__ = ("_held", "_overflowed", "live", "position")

    def __init__(self, position: int) -> None:
        self.position = position  # the last event that went out; once live, the last that came through here
        self.live = False
        self._held: deque[E] | None = deque()
        self._overflowed = False

    def arrived(self, event: E) -> bool:
        """Take a live event; tell whether to send it now."""
        if self._held is None:
            return self._advance(event)
        if len(self._held) >= MAX_HELD_EVENTS:
            self._held.clear()
            self._overflowed = True
        if not self._overflowed:
            self._held.append(event)
        return False

    def read_from_log(self, event: E) -> bool:
        """Take an event read after `position`; tell whether to send it (an event may be read and arrive, but goes out once)."""
        return self._advance(event)

    def end_of_log(self) -> list[E] | None:
        """Take the news that nothing is left to read: return what was held and is to be sent, and be live; None: read on, something was dropped."""
        if self._overflowed:
            self._overflowed = False
            return None
        held, self._held, self.live = self._held or (), None, True
        return [event for event in held if self._advance(event)]

    def _advance(self, event: E) -> bool:
        if event.seq <= self.position:
            return False
        self.position = event.seq
        return True


def _first_request(payload: bytes) -> CheckToken | Refuse:
    try:
        message = decode_client_message(payload)
    except MalformedMessage as exc:
        return _INVALID_JSON if exc.problem == "Invalid JSON" else _AUTH_EXPECTED
    if not isinstance(message, Auth) or not message.token:
        return _AUTH_EXPECTED
    if any(
        len(name) > MAX_NAME_CHARS or (name and not name.isprintable()) for name in (message.device, message.client)
    ):
        return _BAD_DEVICE
    return CheckToken(message)


def _mark_request(mark: Mark) -> StoreMark | Reply:
    if (problem := _mark_problem(mark)) is not None:
        return _mark_refused(mark.ref[:MAX_NAME_CHARS], problem)
    if mark.until is None:
        return StoreMark(mark)
    until = _in_utc(mark.until)
    if until is None:
        return _mark_refused(mark.ref, "`until` is no RFC 3339 time with a time zone")
    return StoreMark(msgspec.structs.replace(mark, until=until))


def _mark_problem(mark: Mark) -> str | None:
    if not 1 <= len(mark.ids) <= MAX_MARKED_IDS:
        return f"{len(mark.ids)} ids, not 1 to {MAX_MARKED_IDS}"
    if len(mark.ref) > MAX_NAME_CHARS:
        return f"the ref is longer than {MAX_NAME_CHARS} characters"
    if (mark.state == "snoozed") != (mark.until is not None):
        return "`until` belongs to snoozed, and snoozed needs it"
    return None


def _in_utc(time: str) -> str | None:
    try:
        parsed = msgspec.convert(time, datetime)
        if parsed.tzinfo is None:
            return None
        return parsed.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (msgspec.ValidationError, OverflowError):  # overflow: the first or the last day that a datetime can hold
        return None


def _mark_refused(ref: str, problem: str) -> Reply:
    return Reply(encode_message(MarkError(ref, problem)))
