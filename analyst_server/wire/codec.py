"""Bytes to messages and back, with the limits of what is accepted from a stranger. Pure; raises `MalformedMessage` and nothing else.

The body of an event is encoded once, when it is stored, and never decoded again: `notification_text` and `state_text` add what belongs to the
moment (`seq`, `replay`, a snapshot's state) by splicing bytes.
"""

import msgspec

from analyst_server.errors import ServerError
from analyst_server.wire.messages import ClientMessage, NotificationState, ServerMessage

__all__ = [
    "MAX_CLIENT_MESSAGE_BYTES",
    "MAX_MARKED_IDS",
    "MAX_NAME_CHARS",
    "MAX_SEQ",
    "MalformedMessage",
    "decode_client_message",
    "decode_server_message",
    "encode_message",
    "notification_text",
    "state_text",
]

MAX_CLIENT_MESSAGE_BYTES = 64 * 1024  # protocol 2.4; 500 ids of 64 characters with room to spare
MAX_MARKED_IDS = 500  # protocol 2.3
MAX_NAME_CHARS = 128  # of a device, a client's name, a `ref`: what they are compared and logged by
MAX_SEQ = 2**63 - 1  # what any store can hold


class MalformedMessage(ServerError):
    """Bytes of a peer are no message; `type` is what the message calls itself, None if it does not say."""

    def __init__(self, problem: str, *, type: str | None = None, ref: str | None = None) -> None:  # noqa: A002 - the word of the wire
        super().__init__(problem)
        self.type = type
        self.ref = ref


class _Envelope(msgspec.Struct):
    """What every message has, and the member by which an answer is matched to its question."""

    type: str
    ref: object = None


_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_type_decoder = msgspec.json.Decoder(_Envelope)
_encoder = msgspec.json.Encoder()
_CLIENT_TYPES = frozenset(("auth", "pong", "mark", "ack"))
_SERVER_TYPES = frozenset(
    ("auth_ok", "auth_error", "notification", "ping", "replay_done", "state", "mark_ok", "mark_error")
)
# A recursion limit is what nested input meets in msgspec; UnicodeDecodeError is a ValueError, as are msgspec's own errors.
_DECODING_ERRORS = (ValueError, RecursionError)


def decode_client_message(payload: bytes) -> ClientMessage | None:
    """Return what a client says; None for a type that this version does not know. Raises `MalformedMessage`."""
    try:
        return _client_decoder.decode(payload)
    except _DECODING_ERRORS as exc:
        _explain(payload, exc, _CLIENT_TYPES)
        return None


def decode_server_message(payload: bytes) -> ServerMessage | None:
    """Return what a gateway says; None for a type that this version does not know. Raises `MalformedMessage`."""
    try:
        return _server_decoder.decode(payload)
    except _DECODING_ERRORS as exc:
        _explain(payload, exc, _SERVER_TYPES)
        return None


def encode_message(message: ClientMessage | ServerMessage) -> bytes:
    """Return a message as the text of a WebSocket message."""
    return _encoder.encode(message)


def notification_text(
    body: bytes,
    *,
    seq: int | None = None,
    replay: bool = False,
    snapshot_state: NotificationState | None = None,
) -> bytes:
    """Return a stored notification as a message; without `seq` exactly as protocol 1 has it.

    `snapshot_state` makes it a part of a snapshot, with the state that it has now.
    """
    if seq is None:
        return b'{"type":"notification",' + body[1:]
    head = b'{"type":"notification","seq":%d,' % seq
    if snapshot_state is not None:
        return head + b'"snapshot":true,"state":' + _encoder.encode(snapshot_state) + b"," + body[1:]
    return head + (b'"replay":true,' if replay else b"") + body[1:]


def state_text(body: bytes, *, seq: int, replay: bool = False) -> bytes:
    """Return a stored change of state as a message."""
    return b'{"type":"state","seq":%d,' % seq + (b'"replay":true,' if replay else b"") + body[1:]


def _explain(payload: bytes, exc: Exception, known_types: frozenset[str]) -> None:
    """Return if the message is sound but of an unknown type; else raise what is wrong with it."""
    try:
        envelope = _type_decoder.decode(payload)
    except msgspec.ValidationError as problem:
        raise MalformedMessage(f"expected an object with a type: {problem}") from None
    except RecursionError:
        raise MalformedMessage("nested too deeply") from None
    except ValueError:
        raise MalformedMessage("Invalid JSON") from None
    if envelope.type in known_types:
        ref = envelope.ref if isinstance(envelope.ref, str) else None
        raise MalformedMessage(f"bad {envelope.type}: {exc}", type=envelope.type, ref=ref) from None
