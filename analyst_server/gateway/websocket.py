"""The WebSocket listener: picows for handshake and frames, and here what RFC 6455 leaves to its user: fragments, UTF-8, sizes, pings.

picows is used with its core API: a 2 KB read buffer and without aiofastnet it takes 9 KB a connection. Close codes: what breaks the WebSocket
protocol itself gets the codes of RFC 6455 (1002, 1003, 1007), everything else the codes of our section 2.4.
"""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from analyst_server.errors import ListenProblem
from analyst_server.gateway.admission import Network, address_of, origin_allowed
from analyst_server.gateway.connection import Connection
from analyst_server.gateway.hub import Hub
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.codec import MAX_CLIENT_MESSAGE_BYTES
from analyst_server.wire.gateway_session import Refuse

__all__ = ["WEBSOCKET_PATHS", "Gate", "listen"]

WEBSOCKET_PATHS = ("/ws/notifications", "/")  # the second for a proxy that maps the first to the root
READ_BUFFER_BYTES = 2048  # the least that picows takes; it grows with what a client sends
# A frame announced above this is refused with 1009 before it is read; up to it, it is read and refused with 4413.
MAX_FRAME_BYTES = 4 * MAX_CLIENT_MESSAGE_BYTES
BACKLOG = 4096  # handshakes in flight in a storm; 128 drops SYNs, which costs a second each
HANDSHAKE_TIMEOUT_S = 10.0
_RETRY_AFTER = {"restarting": "1", "capacity": "30", "address": "30", "failures": "60"}

_silent = logging.getLogger("analyst.websocket.picows")
_silent.setLevel(logging.CRITICAL + 1)  # it logs every stranger's mistake with its bytes; `Metrics.closes` counts them


class _Upgrade(Exception):
    """A handshake is answered with something else than an upgrade."""

    def __init__(self, status: HTTPStatus, words: str, **headers: str) -> None:
        super().__init__(words)
        self.response = WSUpgradeResponse.create_error_response(
            status, words.encode(), {name.replace("_", "-"): value for name, value in headers.items()}
        )


class Gate:
    """Decide about a handshake: path, browser's origin, limits."""

    def __init__(
        self, hub: Hub, *, allowed_origins: Sequence[str] = (), trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self._hub = hub
        self._allowed_origins: tuple[str, ...] = ()
        self._trusted_proxies = trusted_proxies
        self.allow_origins(allowed_origins)

    def allow_origins(self, origins: Sequence[str]) -> None:
        """Let pages of these origins connect, too."""
        self._allowed_origins += tuple(origin.lower().rstrip("/") for origin in origins)

    def __call__(self, request: WSUpgradeRequest) -> "_Listener | WSUpgradeResponseWithListener":
        """Return who listens to the new socket, or the refusal."""
        try:
            self._check(request)
        except _Upgrade as refusal:
            return WSUpgradeResponseWithListener(refusal.response, None)
        return _Listener(self._hub, self, request.headers.get("X-Forwarded-For"))

    def address(self, peer: str, forwarded_for: str | None) -> str:
        """Return what the limits count this peer by."""
        return address_of(peer, forwarded_for, trusted_proxies=self._trusted_proxies)

    def _check(self, request: WSUpgradeRequest) -> None:
        path = request.path.partition(b"?")[0].decode("ascii", "replace")
        if path not in WEBSOCKET_PATHS:
            raise _Upgrade(HTTPStatus.NOT_FOUND, "not found")
        if b"?" in request.path and b"token=" in request.path.partition(b"?")[2]:
            raise _Upgrade(HTTPStatus.BAD_REQUEST, "a token belongs in the first message, never in a URL")
        if not origin_allowed(request.headers, allowed_origins=self._allowed_origins):
            raise _Upgrade(HTTPStatus.FORBIDDEN, "this origin may not connect")
        if "upgrade" not in request.headers:
            raise _Upgrade(HTTPStatus.UPGRADE_REQUIRED, "this address speaks WebSocket", Upgrade="websocket")
        tokens = {token.strip().lower() for token in request.headers.get("Connection", "").split(",")}
        if "upgrade" in tokens:
            request.headers["Connection"] = "upgrade"  # picows wants it alone; Firefox sends "keep-alive, Upgrade"


class _Listener(WSListener):
    """Feed one connection from its frames, and be its outlet."""

    __slots__ = ("_connection", "_forwarded_for", "_fragments", "_gate", "_hub", "_stream", "_transport")

    def __init__(self, hub: Hub, gate: Gate, forwarded_for: str | None) -> None:
        self._hub = hub
        self._gate = gate
        self._forwarded_for = forwarded_for
        self._transport: WSTransport | None = None
        self._stream: asyncio.Transport | None = None  # under the transport
        self._connection: Connection | None = None
        self._fragments: bytearray | None = None  # None: no message is under way

    # What picows tells

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._stream = transport.underlying_transport
        peer = self._stream.get_extra_info("peername")
        address = self._gate.address(peer[0] if peer else "", self._forwarded_for)
        transport.request.headers.clear()  # 2 KB that nobody reads again, kept as long as the connection
        transport.response.headers.clear()
        self._forwarded_for = None
        self._transport = transport
        self._connection = Connection(self._hub, self, address)
        refusal = self._hub.refusal(address)
        self._hub.admit(self._connection)
        if refusal is not None:
            self._hub.metrics.refused_connection(refusal)
            retry = f"{refusal}; retry_s={_RETRY_AFTER[refusal]}"
            self._connection.refuse(Refuse(CloseCode.AT_CAPACITY, retry))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if transport.is_close_frame_sent and frame.msg_type != WSMsgType.CLOSE:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._break(CloseCode.PROTOCOL_ERROR, "no extension was negotiated")
            return
        match frame.msg_type:
            case WSMsgType.TEXT | WSMsgType.CONTINUATION:
                self._take_part(frame)
            case WSMsgType.PING:
                if (
                    transport.underlying_transport.get_write_buffer_size() == 0
                ):  # else the peer reads nothing; a later pong serves as well
                    transport.send_pong(frame.get_payload_as_bytes())
            case WSMsgType.CLOSE:
                if not transport.is_close_frame_sent:
                    transport.send_close(WSCloseCode.OK if frame.payload_size < 2 else frame.get_close_code())
                transport.disconnect()
            case WSMsgType.BINARY:
                self._break(CloseCode.UNSUPPORTED_DATA, "messages are text")

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        if self._connection is not None:
            self._connection.lost()

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.queue.writable(yes=False)

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.queue.writable(yes=True)

    # The outlet of the connection

    def send(self, text: bytes) -> None:
        # A transport that was reset is closing before we are told; asyncio logs a warning for every write to it.
        if self._transport is not None and self._stream is not None and not self._stream.is_closing():
            self._transport.send(WSMsgType.TEXT, text)

    def close(self, code: int, reason: str) -> None:
        if self._transport is not None:
            self._transport.send_close(cast("WSCloseCode", code), reason)  # any number does at run time

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(False)

    def hold_reading(self, *, held: bool) -> None:
        if self._transport is not None and self._stream is not None and not self._transport.is_disconnected:
            self._stream.pause_reading() if held else self._stream.resume_reading()

    # Messages from frames

    def _take_part(self, frame: WSFrame) -> None:
        continues = frame.msg_type == WSMsgType.CONTINUATION
        if continues is (self._fragments is None):
            self._break(CloseCode.PROTOCOL_ERROR, "a fragment out of place")
            return
        size = frame.payload_size + (len(self._fragments) if self._fragments is not None else 0)
        if size > MAX_CLIENT_MESSAGE_BYTES:
            self._refuse(Refuse(CloseCode.TOO_LARGE, f"a message has at most {MAX_CLIENT_MESSAGE_BYTES} bytes"))
            return
        payload = frame.get_payload_as_bytes()
        if self._fragments is not None:
            self._fragments += payload
            if not frame.fin:
                return
            payload, self._fragments = bytes(self._fragments), None
        elif not frame.fin:
            self._fragments = bytearray(payload)
            return
        self._take_message(payload)

    def _take_message(self, payload: bytes) -> None:
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                self._break(CloseCode.INVALID_TEXT, "a text message that is no UTF-8")
                return
        if self._connection is not None:
            self._connection.received(payload)

    def _break(self, code: CloseCode, reason: str) -> None:
        """End a connection that does not speak WebSocket properly."""
        self._refuse(Refuse(code, reason))

    def _refuse(self, refusal: Refuse) -> None:
        self._fragments = None
        if self._connection is not None:
            self._connection.refuse(refusal)


async def listen(gate: Gate, *, host: str, port: int) -> asyncio.Server:
    """Start the listener. Keep the server object: uvloop closes one that nobody refers to. Raises `ListenProblem`."""
    try:
        return await ws_create_server(
            gate,
            host,
            port,
            backlog=BACKLOG,
            max_frame_size=MAX_FRAME_BYTES,
            read_buffer_init_size=READ_BUFFER_BYTES,
            websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            enable_auto_pong=False,
            use_aiofastnet=False,
            logger_name=logging.LoggerAdapter(_silent, {}),  # a plain logger would make picows make one a connection
        )
    except OSError as exc:
        raise ListenProblem(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}",
            "another program has it (find it with: ss -ltnp), or choose another: --port, WS_GATEWAY_PORT",
        ) from exc
