"""The WebSocket listener: one slotted protocol object a connection, between the socket and its `Connection`.

What RFC 6455 asks is decided without a socket in `handshake.py` and `wire/frames.py`. Close codes: what breaks the WebSocket protocol itself gets
the codes of RFC 6455 (1002, 1003, 1007), everything else the codes of our section 2.4.
"""

import asyncio
from asyncio.trsock import TransportSocket
from collections import OrderedDict
from collections.abc import Sequence
from socket import socket
from typing import cast

from analyst_server.errors import ListenProblem
from analyst_server.gateway.admission import Network, address_of
from analyst_server.gateway.connection import Connection
from analyst_server.gateway.handshake import HandshakeReader, HandshakeRefused, UpgradeRequest, accepted
from analyst_server.gateway.hub import Hub
from analyst_server.gateway.outgoing import SendNow
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.frames import (
    Closed,
    FrameReader,
    Message,
    Pinged,
    Received,
    Violation,
    close_frame,
    pong_frame,
)
from analyst_server.wire.gateway_session import Refuse

__all__ = ["Gate", "listen"]

BACKLOG = 4096  # handshakes in flight in a storm; 128 drops SYNs, which costs a second each
HANDSHAKE_TIMEOUT_S = 10.0  # from the socket's opening to the end of the request
MAX_HANDSHAKES = 4096  # under way at once; then the oldest is dropped for the newest
MAX_UNREAD_PONG_BYTES = 512  # a peer that does not read its pongs gets no more; events that wait do not count
FRAMES_A_TURN = 32  # of one peer, then others have their turn: a read may have 43,000, of 2 to 20 us each
MAX_READ_BYTES = 64 * 1024  # after more, likewise: uvloop reads a full socket up to 32 times in a row
_RETRY_AFTER = {"restarting": "1", "capacity": "30", "address": "30", "failures": "60"}


class Gate:
    """Makes the protocol of every new socket; knows which have not finished their handshake, and drops those that take too long."""

    def __init__(
        self, hub: Hub, *, allowed_origins: Sequence[str] = (), trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self.hub = hub
        self.allowed_origins: tuple[str, ...] = ()
        self._trusted_proxies = trusted_proxies
        self._waiting: dict[_WebSocket, float] = {}  # without handshake -> until when, in the order of arrival
        self._timer: asyncio.TimerHandle | None = None
        self._behind: OrderedDict[_WebSocket, None] = OrderedDict()  # they wait for their turn, each once
        self.allow_origins(allowed_origins)

    def __call__(self) -> "_WebSocket":
        """Return the protocol of a new connection (the factory that the event loop asks for)."""
        return _WebSocket(self)

    def allow_origins(self, origins: Sequence[str]) -> None:
        """Let pages of these origins connect, too."""
        self.allowed_origins += tuple(origin.lower().rstrip("/") for origin in origins)

    def address(self, peer: str, forwarded_for: str | None) -> str:
        """Return what the limits count this peer by."""
        return address_of(peer, forwarded_for, trusted_proxies=self._trusted_proxies)

    def opened(self, socket: "_WebSocket") -> None:
        """Wait for this socket's handshake."""
        if len(self._waiting) >= MAX_HANDSHAKES:
            oldest = next(iter(self._waiting))
            self.settled(oldest)
            oldest.abort()
        loop = asyncio.get_running_loop()
        self._waiting[socket] = loop.time() + HANDSHAKE_TIMEOUT_S
        if self._timer is None:
            self._timer = loop.call_later(HANDSHAKE_TIMEOUT_S, self._drop_late)

    def settled(self, socket: "_WebSocket") -> None:
        """Learn that the handshake of this socket is done, or that it is gone."""
        self._waiting.pop(socket, None)

    def wait_turn(self, socket: "_WebSocket") -> None:
        """Let a socket go on, by feeding it nothing, in a later turn of the loop; each turn is of one socket, however many wait."""
        if not self._behind:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._behind[socket] = None

    def _next_turn(self) -> None:
        first, _ = self._behind.popitem(last=False)
        if self._behind:
            asyncio.get_running_loop().call_soon(self._next_turn)
        first.data_received(b"")

    def _drop_late(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for late, until in tuple(self._waiting.items()):
            if until > now:
                self._timer = loop.call_at(until, self._drop_late)
                return
            self.settled(late)
            late.abort()
        self._timer = None


class _Borrowed(socket):
    """A transport's socket, to send past the transport while that has nothing to send; its descriptor stays the transport's.

    A transport closes its descriptor after it has told `connection_lost`, and then nothing is sent any more.
    """

    __slots__ = ()

    def __init__(self, lender: TransportSocket) -> None:
        super().__init__(lender.family, lender.type, lender.proto, lender.fileno())

    def __del__(self) -> None:
        self.detach()


class _WebSocket(asyncio.Protocol):
    """Feed one connection from its socket, and be its outlet."""

    __slots__ = (
        "_behind",
        "_close_sent",
        "_connection",
        "_gate",
        "_handshake",
        "_held",
        "_reader",
        "_transport",
        "_unread_pong_bytes",
    )

    _transport: asyncio.Transport

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._handshake: HandshakeReader | None = HandshakeReader()  # None: it is over
        self._reader: FrameReader | None = None  # None: nothing more is read
        self._connection: Connection | None = None
        self._close_sent = False
        self._behind = False  # whether it has to wait for its turn
        self._held = False  # whether the connection wants no messages for now
        self._unread_pong_bytes = 0  # an upper bound: what was sent since the socket last had taken everything

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it
        self._gate.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._shake_hands(self._handshake, data)
        elif self._reader is not None:
            reader = self._reader
            for received in reader.feed(data, FRAMES_A_TURN):
                self._take(received)
            if reader.has_more or self._behind or len(data) > MAX_READ_BYTES:
                self._behind = self._reader is not None and (reader.has_more or len(data) > MAX_READ_BYTES)
                self._pace()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._gate.settled(self)
        if self._handshake is not None:
            self._handshake.end()
        self._reader = None
        if self._connection is not None:
            self._connection.lost()
            self._connection = None  # they know each other: without this the garbage collector has to find them

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(yes=False)

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(yes=True)

    # The outlet of the connection

    def send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)
        else:  # before we are told; what comes after this frame must not go out either, not even by the short way
            self.pause_writing()

    def sender(self) -> SendNow:
        return _Borrowed(self._transport.get_extra_info("socket")).send

    def close(self, code: int, reason: str) -> None:
        self._close_sent = True
        self.send(close_frame(code, reason))

    def abort(self) -> None:
        self._transport.abort()

    def hold_reading(self, *, held: bool) -> None:
        if held is not self._held:
            self._held = held
            self._pace()

    # The handshake

    def _shake_hands(self, handshake: HandshakeReader, data: bytes) -> None:
        try:
            request = handshake.feed(data, allowed_origins=self._gate.allowed_origins)
        except HandshakeRefused as refusal:
            handshake.end()
            self._transport.write(refusal.response)
            self._hang_up()
            return
        if request is not None:
            self._handshake = None
            self._gate.settled(self)
            self._begin(request)

    def _begin(self, request: UpgradeRequest) -> None:
        self._transport.write(accepted(request.key))
        peer = self._transport.get_extra_info("peername")
        address = self._gate.address(peer[0] if peer else "", request.forwarded_for)
        hub = self._gate.hub
        self._reader, self._connection = FrameReader(), Connection(hub, self, address)
        self._transport.set_write_buffer_limits(high=0)  # it tells at once when the kernel does not take everything
        refusal = hub.refusal(address)
        hub.admit(self._connection)
        if refusal is not None:
            hub.metrics.refused_connection(refusal)
            retry = f"{refusal}; retry_s={_RETRY_AFTER[refusal]}"
            self._connection.refuse(Refuse(CloseCode.AT_CAPACITY, retry))
        if request.rest:
            self.data_received(request.rest)

    # Frames

    def _pace(self) -> None:
        """Read the socket only while nothing waits: the order stays, and what the peer sends in excess fills its own buffers."""
        if self._behind and not self._held:
            self._gate.wait_turn(self)
        if not self._transport.is_closing():
            paused = self._behind or self._held
            self._transport.pause_reading() if paused else self._transport.resume_reading()

    def _take(self, received: Received) -> None:
        connection = self._connection
        if isinstance(received, Closed):
            self._reader = None
            if not self._close_sent:
                self.close(received.code, "")
            if connection is not None:
                connection.left()
            self._transport.close()
        elif self._close_sent or connection is None:
            if isinstance(received, Violation):
                self._hang_up()  # its own close, all that was of interest yet, will not be found any more
        elif isinstance(received, Message):
            connection.received(received.text)
        elif isinstance(received, Pinged):
            self._send_pong(pong_frame(received.payload))
        elif isinstance(received, Violation):
            connection.refuse(Refuse(received.code, received.reason))
            self._hang_up()

    def _send_pong(self, frame: bytes) -> None:
        if self._transport.get_write_buffer_size() == 0:
            self._unread_pong_bytes = 0
        if self._unread_pong_bytes < MAX_UNREAD_PONG_BYTES:
            self._unread_pong_bytes += len(frame)
            self.send(frame)

    def _hang_up(self) -> None:
        """Send nothing more, and read without looking until the peer has closed: closing now would take from it what was sent last."""
        self._handshake = self._reader = None
        try:
            self._transport.write_eof()
        except OSError:  # the peer has reset it meanwhile; only the transport of asyncio raises that
            self.abort()


async def listen(gate: Gate, *, host: str, port: int) -> asyncio.Server:
    """Start the listener. Keep the server object: uvloop closes one that nobody refers to. Raises `ListenProblem`."""
    try:
        return await asyncio.get_running_loop().create_server(gate, host, port, backlog=BACKLOG)
    except OSError as exc:
        raise ListenProblem(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}",
            "another program has it (find it with: ss -ltnp), or choose another: --port, WS_GATEWAY_PORT",
        ) from exc
