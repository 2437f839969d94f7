"""One session over one socket: carries out what the session decides, and keeps the queue of a slow reader within its bound.

The socket is an `Outlet`, so nothing here knows the WebSocket library. The publisher never waits for a reader: `deliver` sends or queues, and a
queue that passes `MAX_QUEUED_EVENTS` or `MAX_QUEUED_BYTES` ends the connection with 4409; the client comes back with its cursor.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from analyst_server.errors import CursorLost, StoreUnavailable, TokenRefused
from analyst_server.gateway.outgoing import Outgoing, Outlet
from analyst_server.inbox.log import Event, MarkDraft, Seq, User
from analyst_server.wire.close_codes import CloseCode, close_reason
from analyst_server.wire.codec import encode_message, notification_text
from analyst_server.wire.gateway_session import (
    AUTH_TIMEOUT,
    TOO_MANY_CONNECTIONS,
    CheckToken,
    GatewaySession,
    NoteAcknowledged,
    Phase,
    Refuse,
    Reply,
    Request,
    StoreMark,
    StreamMerge,
    cursor_reason,
)
from analyst_server.wire.messages import Auth, AuthError, Mark, MarkError, MarkOk, RecoveryReason, ReplayDone

if TYPE_CHECKING:
    from analyst_server.gateway.hub import Hub
    from analyst_server.identity.principal import Principal

__all__ = ["MAX_QUEUED_BYTES", "MAX_QUEUED_EVENTS", "Connection"]

MAX_QUEUED_BYTES = 1024 * 1024  # R9: memory of 1,000 stalled readers stays below 1 GB
MAX_QUEUED_EVENTS = 1_000  # R9: what a client reads back from the log in one replay
MAX_WAITING_MARKS = 256  # beyond it the client is not read from until they are stored
PAGE_EVENTS = 256  # events read from the log at once during a replay
DRAIN_TIMEOUT_S = 30.0  # a client that reads nothing of its replay for so long is a slow consumer
CLOSE_GRACE_S = 5.0  # for the client's half of the closing handshake, and for what is still in the socket's buffer
RETRY_AFTER_STORE_TROUBLE_S = 10


class Connection:
    """One client, from its handshake to its end."""

    __slots__ = (
        "_drained",
        "_marks",
        "_noted_upto",
        "_outlet",
        "_paused",
        "_queue",
        "_sent_upto",
        "_stream",
        "_token_ends_at",
        "address",
        "deadline",
        "device",
        "hub",
        "principal",
        "queued_bytes",
        "session",
        "signed_in",
    )

    def __init__(self, hub: "Hub", outlet: Outlet, address: str) -> None:
        self.hub = hub
        self.session = GatewaySession()
        self.address = address
        self.principal: Principal | None = None
        self.device = ""
        self.signed_in = False  # whether events go to this connection
        self.deadline = (
            hub.now() + hub.limits.auth_timeout_s
        )  # when the sweeper has something to do here, monotonic seconds
        self.queued_bytes = 0
        self._token_ends_at = float("inf")
        self._outlet = outlet
        self._paused = False
        self._queue: deque[tuple[bytes, Outgoing | None]] | None = (
            None  # None: never was slow (an empty deque costs 600 bytes)
        )
        self._stream: StreamMerge[Outgoing] | None = None  # None: protocol 1
        self._marks: deque[Mark] | None = None  # None: none waits
        self._drained: asyncio.Future[None] | None = None
        self._sent_upto: int | None = None  # None: nothing yet on this connection, and no cursor
        self._noted_upto = 0  # as far as the ledger knows; of no meaning while `_sent_upto` is None

    # What the socket tells

    def received(self, payload: bytes) -> None:
        """Take one whole message of the client."""
        if (request := self.session.receive(payload)) is not None:
            self._carry_out(request)

    def writable(self, *, yes: bool) -> None:
        """Learn that the socket takes more, or no more for now."""
        self._paused = not yes
        if yes:
            self._flush()

    def lost(self) -> None:
        """Learn that the socket is gone."""
        self.note_progress()
        self.session.phase, self.signed_in = Phase.CLOSED, False
        self._drop_queue()
        self.hub.remove(self)

    # What the hub tells

    def deliver(self, outgoing: Outgoing) -> None:
        """Send a live event, or keep it until its turn."""
        if not self.signed_in:
            return
        if self._stream is None:
            if (text := outgoing.plain_text()) is not None:
                self._send(text, outgoing)
        elif self._stream.arrived(outgoing):
            self._send(outgoing.text(), outgoing)

    def sweep(self, now: float, wall_now: float) -> None:
        """Do what is due: a ping, or an end. Called about once a second."""
        self.note_progress()
        if self._token_ends_at <= wall_now and self.signed_in:
            self.refuse(Refuse(CloseCode.TOKEN_REFUSED, "the token has expired"))
        elif self.deadline <= now:
            match self.session.phase:
                case Phase.AWAITING_AUTH:
                    self.refuse(AUTH_TIMEOUT)
                case Phase.CLOSED:
                    self._outlet.abort()
                    self.deadline = now + CLOSE_GRACE_S
                case _:
                    self._beat(now)

    def refuse(self, refusal: Refuse) -> None:
        """End the connection with a reason that the client understands."""
        if self.session.phase is Phase.CLOSED:
            return
        self.session.phase, self.signed_in = Phase.CLOSED, False
        self.hub.metrics.closed(refusal.code)
        self._drop_queue()
        if refusal.auth_error is not None:
            self._outlet.send(encode_message(AuthError(refusal.auth_error)))
        self._outlet.close(refusal.code, close_reason(refusal.reason))
        self.deadline = self.hub.now() + CLOSE_GRACE_S

    def note_progress(self) -> None:
        """Tell the ledger what was sent since the last time: once a second is cheaper than once an event."""
        if self._sent_upto is None or self._sent_upto == self._noted_upto or not self.device or self.principal is None:
            return
        user = User(self.principal.username)
        self.hub.ledger.note_sent(user, self.device, after=Seq(self._noted_upto), upto=Seq(self._sent_upto))
        self._noted_upto = self._sent_upto

    def abort(self) -> None:
        """Drop the socket."""
        self._outlet.abort()

    # What the session asks for

    def _carry_out(self, request: Request) -> None:
        match request:
            case CheckToken(auth):
                self._check_token(auth)
            case Reply(text):
                self._send(text)
            case StoreMark(mark):
                self._enqueue_mark(mark)
            case NoteAcknowledged(seq):
                if self.principal is not None and self.device:
                    self.hub.ledger.note_acknowledged(User(self.principal.username), self.device, Seq(seq))
            case Refuse():
                self.refuse(request)

    def _check_token(self, auth: Auth) -> None:
        try:
            principal = self.hub.authenticate(auth.token)
        except TokenRefused as exc:
            self.hub.token_refused(self.address)
            self.refuse(Refuse(CloseCode.TOKEN_REFUSED, exc.problem, "Invalid token"))
            return
        if not self.hub.has_room_for(principal.username):
            self.hub.metrics.refused_connection("user")
            self.refuse(TOO_MANY_CONNECTIONS)
            return
        self.session.accepted(auth)
        self.signed_in = True
        self.principal = principal
        self.device = auth.device or principal.device
        self._token_ends_at = principal.expires_at
        self.deadline = self.hub.now() + self.hub.limits.heartbeat_s
        if self.session.protocol == 1:
            self._send(self._welcome(0))
            self.session.phase = Phase.LIVE
            self.hub.join(self, principal.username)
        else:
            self._stream = StreamMerge(0 if auth.since is None else auth.since.seq)
            self.hub.join(self, principal.username)
            self.hub.spawn(self._catch_up(User(principal.username), auth))

    async def _catch_up(self, user: User, auth: Auth) -> None:
        try:
            await self._replay(user, auth)
        except CursorLost:  # retention has overtaken the replay: the cursor with which the client returns tells it
            self.refuse(Refuse(CloseCode.GOING_AWAY, "the log was cut during the replay; reconnect with the cursor"))
        except StoreUnavailable as exc:
            retry = close_reason(f"the log cannot be read: {exc.problem}", retry_s=RETRY_AFTER_STORE_TROUBLE_S)
            self.refuse(Refuse(CloseCode.AT_CAPACITY, retry))
        except TimeoutError:
            self._too_slow()

    async def _replay(self, user: User, auth: Auth) -> None:
        log, stream = self.hub.log, self._stream
        assert stream is not None  # noqa: S101 - protocol 2 has one
        page: Sequence[Event]
        page, reason = await self._honour(user, auth)
        if reason is None:
            head = (await log.snapshot(user, limit=0)).seq if len(page) == PAGE_EVENTS else page[-1].seq if page else 0
            self._send(self._welcome(max(head, stream.position)))
            self._sent_upto = self._noted_upto = stream.position
            if self.device and stream.position > 0:
                self.hub.ledger.note_acknowledged(user, self.device, Seq(stream.position))
        else:
            await self._send_snapshot(user, stream, reason)
            page = ()  # what came after the snapshot was told live, for the room was joined before
        while self.signed_in:
            for event in page:
                outgoing = Outgoing(event)
                if stream.read_from_log(outgoing):
                    self._send(outgoing.text(replay=True), outgoing)
                    self.hub.metrics.events_replayed += 1
                if self._paused:
                    await self._until_drained()
            if not page and self._go_live(stream):
                return
            page = await log.read(user, after=Seq(stream.position), limit=PAGE_EVENTS)

    async def _honour(self, user: User, auth: Auth) -> tuple[Sequence[Event], RecoveryReason | None]:
        """Return the first page after the cursor, or why there is none."""
        reason = cursor_reason(auth.since, epoch=self.hub.log.epoch)
        if reason is None and auth.since is not None:
            try:
                return await self.hub.log.read(user, after=Seq(auth.since.seq), limit=PAGE_EVENTS), None
            except CursorLost as exc:
                reason = "ahead" if exc.reason == "ahead" else "expired"
        return [], reason

    async def _send_snapshot(self, user: User, stream: StreamMerge[Outgoing], reason: RecoveryReason) -> None:
        snapshot = await self.hub.log.snapshot(user)
        stream.position = self._sent_upto = self._noted_upto = snapshot.seq
        self.hub.metrics.snapshots += 1
        self._send(self._welcome(snapshot.seq, reason))
        for stored in snapshot.notifications:
            self._send(notification_text(stored.body, seq=stored.seq, snapshot_state=stored.state))
            if self._paused:
                await self._until_drained()
        if self.device and snapshot.notifications:
            first = snapshot.notifications[0].seq
            self.hub.ledger.note_sent(user, self.device, after=Seq(first - 1), upto=snapshot.seq)

    def _go_live(self, stream: StreamMerge[Outgoing]) -> bool:
        position = stream.position
        held = stream.end_of_log()
        if held is None:
            return False
        self._send(encode_message(ReplayDone(position)))
        for outgoing in held:
            self._send(outgoing.text(), outgoing)
        if self.signed_in:
            self.session.phase = Phase.LIVE
        return True

    def _welcome(self, seq: int, reason: RecoveryReason | None = None) -> bytes:
        assert self.principal is not None  # noqa: S101 - nobody is welcomed before
        return self.session.welcome(
            self.principal.username,
            epoch=self.hub.log.epoch,
            seq=seq,
            heartbeat_s=self.hub.limits.heartbeat_s,
            reason=reason,
        )

    # Marks: stored one after the other, in the order in which the client sent them

    def _enqueue_mark(self, mark: Mark) -> None:
        if self._marks is not None:
            self._marks.append(mark)
            if len(self._marks) >= MAX_WAITING_MARKS:
                self._outlet.hold_reading(held=True)
            return
        self._marks = deque((mark,))
        self.hub.spawn(self._store_marks(self._marks))

    async def _store_marks(self, waiting: deque[Mark]) -> None:
        assert self.principal is not None  # noqa: S101 - a mark of a stranger is no request
        user = User(self.principal.username)
        while waiting:
            self._send(await self._stored(user, waiting[0]))
            waiting.popleft()
            if len(waiting) == MAX_WAITING_MARKS // 2:
                self._outlet.hold_reading(held=False)
        self._marks = None

    async def _stored(self, user: User, mark: Mark) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            marked = await self.hub.log.mark(
                MarkDraft(user, mark.ids, mark.state, at, device=self.device, until=mark.until)
            )
        except StoreUnavailable as exc:
            return encode_message(MarkError(mark.ref, f"{exc.problem}; nothing was marked, try again later"))
        if marked.seq is None:
            return encode_message(MarkError(mark.ref, "no such notification", list(marked.unknown)))
        self.hub.metrics.marks += 1
        self.hub.metrics.events_stored += 1
        return encode_message(MarkOk(mark.ref, marked.seq, list(marked.unknown)))

    # Sending

    def _beat(self, now: float) -> None:
        beat = self.session.heartbeat(allowed_missed=self.hub.limits.heartbeat_missed)
        if isinstance(beat, Refuse):
            self.refuse(beat)
        else:
            self.deadline = now + self.hub.limits.heartbeat_s
            self._send(beat)

    def _send(self, text: bytes, outgoing: Outgoing | None = None) -> None:
        if self.session.phase is Phase.CLOSED:
            return
        if not self._paused and not self._queue:
            self._transmit(text, outgoing)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append((text, outgoing))
        self.queued_bytes += len(text)
        if len(self._queue) > MAX_QUEUED_EVENTS or self.queued_bytes > MAX_QUEUED_BYTES:
            self._too_slow()

    def _transmit(self, text: bytes, outgoing: Outgoing | None) -> None:
        self._outlet.send(text)
        if outgoing is None:
            return
        self.hub.metrics.events_sent += 1
        if self._sent_upto is None:
            self._noted_upto = outgoing.seq - 1
        self._sent_upto = outgoing.seq

    def _flush(self) -> None:
        while self._queue and not self._paused:
            text, outgoing = self._queue.popleft()
            self.queued_bytes -= len(text)
            self._transmit(text, outgoing)
        if not self._queue:
            self._queue = None
            if self._drained is not None and not self._drained.done():
                self._drained.set_result(None)

    def _drop_queue(self) -> None:
        self._queue = None
        self.queued_bytes = 0
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def _until_drained(self) -> None:
        """Wait until the socket has taken what is queued. Raises `TimeoutError` after `DRAIN_TIMEOUT_S`."""
        if not self.signed_in:  # it ended while something was sent: nobody will say that it is drained
            return
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._drained
        finally:
            self._drained = None

    def _too_slow(self) -> None:
        self.hub.metrics.slow_closes += 1
        self.refuse(Refuse(CloseCode.SLOW_CONSUMER, "the client reads too slowly; reconnect with the cursor"))
