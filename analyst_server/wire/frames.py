"""Frames of the WebSocket protocol as a server sees them (RFC 6455 section 5): a client's bytes in, whole messages out. No I/O, no clock.

No extension is ever negotiated and only text is understood, so a message of the server is one frame, the same bytes for everybody who gets it.
"""

import sys

import msgspec

from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.codec import MAX_CLIENT_MESSAGE_BYTES

__all__ = [
    "Closed",
    "FrameReader",
    "Message",
    "Pinged",
    "Received",
    "Violation",
    "close_frame",
    "pong_frame",
    "text_frame",
]

MAX_CONTROL_BYTES = 125  # section 5.5
NORMAL_CLOSURE = 1000

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F  # of a frame's first byte
_MASKED, _LENGTH = 0x80, 0x7F  # of its second
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_WHOLE_TEXT = _FIN | _TEXT
_LENGTH_IN_2, _LENGTH_IN_8 = 126, 127  # what the second byte says instead of a length: it follows in so many bytes
_MASK_BYTES = 4


class Message(msgspec.Struct, frozen=True, gc=False):
    """A whole text message, valid UTF-8."""

    text: bytes


class Pinged(msgspec.Struct, frozen=True, gc=False):
    """The client asks for a pong with the same payload."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The client has closed; `code` is what to answer with."""

    code: int


class Violation(msgspec.Struct, frozen=True, gc=False):
    """What the client sent is not accepted; `code` is what to close with."""

    code: CloseCode
    reason: str


Received = Message | Pinged | Closed | Violation


def text_frame(text: bytes) -> bytes:
    """Return the frame of a text message."""
    size = len(text)
    if size < _LENGTH_IN_2:
        return bytes((_WHOLE_TEXT, size)) + text
    if size < 1 << 16:
        return bytes((_WHOLE_TEXT, _LENGTH_IN_2)) + size.to_bytes(2) + text
    return bytes((_WHOLE_TEXT, _LENGTH_IN_8)) + size.to_bytes(8) + text


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return bytes((_FIN | _PONG, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that closes; the reason has at most `MAX_REASON_BYTES` (`close_reason`)."""
    payload = code.to_bytes(2) + reason.encode()
    return bytes((_FIN | _CLOSE, len(payload))) + payload


class FrameReader:
    """Put a client's messages together from the pieces in which the socket has them. After a close or a violation it reads nothing more."""

    __slots__ = ("_ended", "_fragments", "_held", "has_more")

    def __init__(self) -> None:
        self.has_more = False  # whether the last `feed` has left something for its limit
        self._held: bytearray | None = None  # the beginning of a frame whose end has not arrived
        self._fragments: bytearray | None = None  # the beginning of a message whose last fragment has not arrived
        self._ended = False

    def feed(self, data: bytes, most_frames: int = sys.maxsize) -> list[Received]:
        """Return what is complete now, in the order in which it was sent; with `has_more`, feed again (nothing will do) to get the rest."""
        received: list[Received] = []
        buffer: bytes | bytearray = data
        if self._held is not None:
            self._held += data
            buffer = self._held
        at, size, left = 0, len(buffer), most_frames
        while at < size and left and not self._ended:
            taken = self._take_frame(buffer, at, received)
            if not taken:
                break
            at += taken
            left -= 1
        self.has_more = at < size and not left and not self._ended
        if self._ended or at == size:
            self._held = None
        elif self._held is not None:
            del self._held[:at]
        else:
            self._held = bytearray(buffer[at:])
        return received

    def _take_frame(self, buffer: bytes | bytearray, at: int, received: list[Received]) -> int:
        """Take the frame that begins at `at`; return how many bytes it has, 0: its end is not here."""
        left = len(buffer) - at
        if left < 2:
            return 0
        first, second = buffer[at], buffer[at + 1]
        length, start = second & _LENGTH, at + 2
        violation = self._violation_of_head(first, second)
        if violation is None and length >= _LENGTH_IN_2:
            start += 2 if length == _LENGTH_IN_2 else 8
            if len(buffer) < start:
                return 0
            length = int.from_bytes(buffer[at + 2 : start])
        violation = violation or self._violation_of_length(first, length)
        if violation is not None:
            self._end(violation, received)
            return left
        end = start + _MASK_BYTES + length
        if len(buffer) < end:
            return 0
        mask = buffer[start : start + _MASK_BYTES]
        self._take_payload(first, _unmasked(mask, buffer[start + _MASK_BYTES : end]), received)
        return end - at

    def _violation_of_head(self, first: int, second: int) -> Violation | None:
        """Return what is wrong with the first two bytes of a frame, before more of it is waited for."""
        opcode = first & _OPCODE
        if first & _RESERVED:
            problem = "no extension was negotiated"
        elif not second & _MASKED:
            problem = "a client masks its frames"
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            if (opcode == _CONTINUATION) is (self._fragments is not None):
                return None if opcode != _BINARY else Violation(CloseCode.UNSUPPORTED_DATA, "messages are text")
            problem = "a fragment out of place"
        elif opcode not in (_CLOSE, _PING, _PONG):
            problem = "an opcode that does not exist"
        elif not first & _FIN or second & _LENGTH > MAX_CONTROL_BYTES:
            problem = f"a control frame is whole and has at most {MAX_CONTROL_BYTES} bytes"
        else:
            return None
        return Violation(CloseCode.PROTOCOL_ERROR, problem)

    def _violation_of_length(self, first: int, length: int) -> Violation | None:
        """Return what is wrong with a frame of this length; what is too large is not waited for."""
        if length >> 63:
            return Violation(CloseCode.PROTOCOL_ERROR, "a length of 64 bits")
        before = 0 if self._fragments is None or first & _OPCODE != _CONTINUATION else len(self._fragments)
        if before + length > MAX_CLIENT_MESSAGE_BYTES:
            return Violation(CloseCode.TOO_LARGE, f"a message has at most {MAX_CLIENT_MESSAGE_BYTES} bytes")
        return None

    def _take_payload(self, first: int, payload: bytes, received: list[Received]) -> None:
        opcode = first & _OPCODE
        if first == _WHOLE_TEXT:  # nearly every frame
            self._take_message(payload, received)
        elif opcode == _PING:
            received.append(Pinged(payload))
        elif opcode == _CLOSE:
            self._end(_closed(payload), received)
        elif opcode != _PONG:
            self._take_part(payload, received, final=bool(first & _FIN))

    def _take_part(self, part: bytes, received: list[Received], *, final: bool) -> None:
        if self._fragments is not None:
            self._fragments += part
            if final:
                part, self._fragments = bytes(self._fragments), None
        elif not final:
            self._fragments = bytearray(part)
        if final:
            self._take_message(part, received)

    def _take_message(self, text: bytes, received: list[Received]) -> None:
        if _is_utf8(text):
            received.append(Message(text))
        else:
            self._end(Violation(CloseCode.INVALID_TEXT, "a text message that is no UTF-8"), received)

    def _end(self, last: Closed | Violation, received: list[Received]) -> None:
        received.append(last)
        self._ended, self._fragments = True, None


def _closed(payload: bytes) -> Closed | Violation:
    """Return what a close frame says (sections 5.5.1 and 7.4)."""
    if not payload:
        return Closed(NORMAL_CLOSURE)
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not _may_be_sent(code):
        return Violation(CloseCode.PROTOCOL_ERROR, "a close code that may not be sent")
    if not _is_utf8(payload[2:]):
        return Violation(CloseCode.INVALID_TEXT, "a close reason that is no UTF-8")
    return Closed(code)


def _may_be_sent(code: int) -> bool:
    """Tell whether a code may stand in a close frame: those of the IANA registry, of libraries and of applications."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


def _unmasked(mask: bytes | bytearray, payload: bytes | bytearray) -> bytes:
    """Return the payload as it was before it was masked (section 5.3), all bytes at once."""
    size = len(payload)
    key = bytes(mask) * (size // _MASK_BYTES + 1)
    return (int.from_bytes(payload) ^ int.from_bytes(key[:size])).to_bytes(size)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
