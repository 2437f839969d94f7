"""One session over one socket: carries out what the session decides.

The socket is an `Outlet`, so nothing here knows the WebSocket library. The publisher never waits for a reader: `deliver` sends or queues, and a
queue that passes its bound (`send_queue.py`) ends the connection with 4409; the client comes back with its cursor.
"""

from typing import TYPE_CHECKING

from analyst_server.errors import TokenRefused
from analyst_server.gateway.catch_up import catch_up
from analyst_server.gateway.marking import Marking
from analyst_server.gateway.outgoing import Outgoing, Outlet, SendNow
from analyst_server.gateway.room import Room
from analyst_server.gateway.send_queue import SendQueue
from analyst_server.inbox.log import Seq, User
from analyst_server.wire.close_codes import CloseCode, close_reason
from analyst_server.wire.codec import encode_message
from analyst_server.wire.frames import text_frame
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
)
from analyst_server.wire.messages import Auth, AuthError, Mark, RecoveryReason

if TYPE_CHECKING:
    from analyst_server.gateway.hub import Hub
    from analyst_server.identity.principal import Principal

__all__ = ["Connection"]

CLOSE_GRACE_S = 5.0  # for the client's half of the closing handshake, and for what is still in the socket's buffer


class Connection:
    """One client, from its handshake to its end."""

    __slots__ = (
        "_marking",
        "_noted_upto",
        "_outlet",
        "_room",
        "_sent_upto",
        "_stream",
        "_token_ends_at",
        "address",
        "deadline",
        "device",
        "hub",
        "principal",
        "queue",
        "session",
        "signed_in",
        "user",
    )

    def __init__(self, hub: "Hub", outlet: Outlet, address: str) -> None:
        self.hub = hub
        self.session = GatewaySession()
        self.queue = SendQueue()
        self.address = address
        self.principal: Principal | None = None  # None: not known yet
        self.user = User("")
        self.device = ""
        self.signed_in = False  # whether events go to this connection
        self.deadline = hub.now() + hub.limits.auth_timeout_s  # monotonic seconds at which the sweeper has to do here
        self._token_ends_at = float("inf")
        self._outlet = outlet
        self._room: Room | None = None  # None: not in step with it
        self._stream: StreamMerge[Outgoing] | None = None  # None: protocol 1
        self._marking: Marking | None = None  # None: no mark waits
        self._sent_upto: int | None = None  # None: nothing yet on this connection, and no cursor
        self._noted_upto = 0  # as far as the ledger knows; of no meaning while `_sent_upto` is None

    # What the socket tells

    def received(self, payload: bytes) -> None:
        """Take one whole message of the client."""
        if (request := self.session.receive(payload)) is not None:
            self._carry_out(request)

    def writable(self, *, yes: bool) -> None:
        """Learn that the socket takes more, or no more for now."""
        self.queue.paused = not yes
        if not yes:
            self._step_out()
        while not self.queue.paused and (waited := self.queue.take()) is not None:
            self._pass_on(*waited)

    def left(self) -> None:
        """Learn that the client has closed: it gets nothing more, and what is still in the socket's buffer not for ever."""
        self._end()  # first: whatever else fails, nothing is sent to a descriptor that may soon be another's
        self.note_progress()

    def lost(self) -> None:
        """Learn that the socket is gone."""
        self.left()
        self.hub.remove(self)

    # What the room asks and tells

    @property
    def protocol(self) -> int:
        """Which protocol the client speaks."""
        return self.session.protocol

    def is_in_step(self, seq: int) -> bool:
        """Tell whether this connection has every event before this one, and its socket takes everything."""
        if not self.signed_in or self.queue.paused or self._sent_upto is None:  # None: where it begins is not known yet
            return False
        stream = self._stream
        return stream is None or (stream.live and stream.position < seq)

    def step_in(self, room: Room) -> SendNow:
        """Stand where the room stands, until it steps out; return how the room sends to it."""
        self._room = room
        return self._outlet.sender()

    def _step_out(self) -> None:
        if self._room is not None:
            self._sent_upto = self._room.step_out(self)
            self._room = None

    def send_rest(self, rest: bytes) -> None:
        """Send what the socket did not take of a frame."""
        self._outlet.send(rest)

    def deliver(self, outgoing: Outgoing) -> None:
        """Send a live event, or keep it until its turn."""
        if not self.signed_in:
            return
        stream = self._stream
        if stream is not None and not stream.arrived(outgoing):
            return
        frame = outgoing.plain_frame() if stream is None else outgoing.frame()
        if frame is not None:
            self._send(frame, outgoing)

    # What the hub asks

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

    def note_progress(self) -> None:
        """Tell the ledger what was sent since the last time: once a second is cheaper than once an event."""
        upto = self._sent_upto if self._room is None else self._room.upto
        if upto is None or upto == self._noted_upto or not self.device:
            return
        self.hub.ledger.note_sent(self.user, self.device, after=Seq(self._noted_upto), upto=Seq(upto))
        self._noted_upto = upto

    def refuse(self, refusal: Refuse) -> None:
        """End the connection with a reason that the client understands."""
        if self.session.phase is Phase.CLOSED:
            return
        self._end()
        self.hub.metrics.closed(refusal.code)
        if refusal.auth_error is not None:
            self._outlet.send(text_frame(encode_message(AuthError(refusal.auth_error))))
        self._outlet.close(refusal.code, close_reason(refusal.reason))

    def _end(self) -> None:
        if self.session.phase is not Phase.CLOSED:
            self.session.phase, self.signed_in = Phase.CLOSED, False
            self.deadline = self.hub.now() + CLOSE_GRACE_S
        self._step_out()
        self.queue.drop()

    def abort(self) -> None:
        """Drop the socket."""
        self._outlet.abort()

    # What the replay and the marks ask for

    def send(self, text: bytes) -> None:
        """Send a text, now or in its turn; a client for which too much waits is sent away."""
        if self.session.phase is not Phase.CLOSED:
            self._send(text_frame(text))

    def send_event(self, outgoing: Outgoing, frame: bytes) -> None:
        """Send an event in this form, likewise."""
        if self.session.phase is not Phase.CLOSED:
            self._send(frame, outgoing)

    def _send(self, frame: bytes, outgoing: Outgoing | None = None) -> None:
        if not self.queue.paused:
            self._pass_on(frame, outgoing)
        elif not self.queue.add(frame, outgoing):
            self.too_slow()

    def _pass_on(self, frame: bytes, outgoing: Outgoing | None) -> None:
        self._outlet.send(frame)
        if outgoing is not None:
            self.hub.metrics.events_sent += 1
            if self._sent_upto is None:
                self._noted_upto = outgoing.seq - 1
            self._sent_upto = outgoing.seq

    def too_slow(self) -> None:
        """End the connection of a client that does not keep up."""
        if self.session.phase is Phase.CLOSED:
            return
        self.hub.metrics.slow_closes += 1
        self.refuse(Refuse(CloseCode.SLOW_CONSUMER, "the client reads too slowly; reconnect with the cursor"))

    def hold_reading(self, *, held: bool) -> None:
        """Stop, or go on, taking messages of the client."""
        self._outlet.hold_reading(held=held)

    def welcome(self, seq: int, reason: RecoveryReason | None = None) -> None:
        """Send `auth_ok`."""
        log, limits = self.hub.log, self.hub.limits
        self.send(
            self.session.welcome(self.user, epoch=log.epoch, seq=seq, heartbeat_s=limits.heartbeat_s, reason=reason)
        )

    def start_from(self, position: int, *, snapshot_after: int | None = None) -> None:
        """Note where the device stands: it held everything up to its cursor, or was sent a snapshot of what came after a position."""
        self._sent_upto = self._noted_upto = position
        if not self.device:
            return
        if snapshot_after is not None:
            self.hub.ledger.note_sent(self.user, self.device, after=Seq(snapshot_after), upto=Seq(position))
        elif position > 0:
            self.hub.ledger.note_acknowledged(self.user, self.device, Seq(position))

    def now_live(self) -> None:
        """Learn that the replay has ended."""
        if self.signed_in:
            self.session.phase = Phase.LIVE

    # What the session asks for

    def _carry_out(self, request: Request) -> None:
        match request:
            case CheckToken(auth):
                self._check_token(auth)
            case Reply(text):
                self.send(text)
            case StoreMark(mark):
                self._add_mark(mark)
            case NoteAcknowledged(seq):
                if self.device:
                    self.hub.ledger.note_acknowledged(self.user, self.device, Seq(seq))
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
        self.principal, self.user, self.signed_in = principal, User(principal.username), True
        self.device = auth.device or principal.device
        self._token_ends_at = principal.expires_at
        self.deadline = self.hub.now() + self.hub.limits.heartbeat_s
        if self.session.protocol == 1:
            self.welcome(0)
            self.now_live()
            self.hub.join(self, self.user)
        else:
            self._stream = StreamMerge(0 if auth.since is None else auth.since.seq)
            self.hub.join(self, self.user)
            self.hub.spawn(catch_up(self, self._stream, auth))

    def _add_mark(self, mark: Mark) -> None:
        if self._marking is not None:
            self._marking.add(mark)
            return
        self._marking = Marking(self)
        self._marking.add(mark)
        self.hub.spawn(self._store_marks(self._marking))

    async def _store_marks(self, marking: Marking) -> None:
        await marking.store_all()
        self._marking = None

    def _beat(self, now: float) -> None:
        beat = self.session.heartbeat(allowed_missed=self.hub.limits.heartbeat_missed)
        if isinstance(beat, Refuse):
            self.refuse(beat)
        else:
            self.deadline = now + self.hub.limits.heartbeat_s
            self.send(beat)
