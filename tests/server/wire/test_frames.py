"""Frames of a client, made by another implementation (websockets) or byte by byte, cut anywhere: the same messages and the same end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.codec import MAX_CLIENT_MESSAGE_BYTES as LIMIT
from analyst_server.wire.frames import (
    Closed,
    FrameReader,
    Message,
    Pinged,
    Received,
    Violation,
    close_frame,
    pong_frame,
    text_frame,
)

TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG = 0x1, 0x0, 0x2, 0x8, 0x9, 0xA
FIN = 0x80


def sent(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(Opcode(opcode), payload, fin=fin).serialize(mask=True)


def read(data: bytes, cuts: list[int] | None = None) -> list[Received]:
    """Feed a reader in pieces; joined with what one piece gives."""
    reader = FrameReader()
    edges = [0, *sorted(cuts or []), len(data)]
    return [each for start, end in itertools.pairwise(edges) for each in reader.feed(data[start:end])]


messages = st.one_of(st.text(max_size=300), st.integers(120, 130).map("x".__mul__), st.just("ř" * 33_000))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Received]]:
    """Frames that a right client may send, and what they mean."""
    data, meant = b"", []
    for text in draw(st.lists(messages, max_size=4)):
        payload = text.encode()[:LIMIT]
        edges = [0, *sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3))), len(payload)]
        for index, (start, end) in enumerate(itertools.pairwise(edges)):
            last = index == len(edges) - 2
            data += sent(CONTINUATION if index else TEXT, payload[start:end], fin=last)
            if not last and draw(st.booleans()):
                ping = draw(st.binary(max_size=125))
                data += sent(PING, ping) + sent(PONG, ping)
                meant.append(Pinged(ping))
        meant.append(Message(payload))
    if draw(st.booleans()):
        data += sent(CLOSE, (1001).to_bytes(2) + "tschüss".encode())
        meant.append(Closed(1001))
        data += draw(st.binary(max_size=20))  # nothing counts that follows a close
    return data, meant


@given(conversations(), st.data())
def test_frames_mean_the_same_wherever_the_socket_cuts_them(
    conversation: tuple[bytes, list[Received]], data: st.DataObject
) -> None:
    frames, meant = conversation
    cuts = data.draw(st.lists(st.integers(0, len(frames)), max_size=12))
    assert read(frames, cuts) == meant


@given(conversations(), st.integers(1, 5), st.data())
def test_a_limit_leaves_the_rest_for_later_and_changes_nothing_else(
    conversation: tuple[bytes, list[Received]], most: int, data: st.DataObject
) -> None:
    frames, meant = conversation
    cut = data.draw(st.integers(0, len(frames)))
    reader = FrameReader()
    received: list[Received] = []
    for piece in (frames[:cut], frames[cut:], *[b""] * len(frames)):
        taken = reader.feed(piece, most)
        assert len(taken) <= most
        received += taken
        if not reader.has_more and received == meant:
            break
    assert received == meant
    assert not reader.has_more
    assert reader.feed(b"") == []


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_any_bytes_are_read_alike_whole_and_in_pieces_and_end_at_most_once(data: bytes, cuts: list[int]) -> None:
    received = read(data, [min(cut, len(data)) for cut in cuts])
    assert received == read(data)
    assert not any(isinstance(each, Closed | Violation) for each in received[:-1])


def test_a_byte_at_a_time() -> None:
    data = sent(TEXT, b"a" * 200) + sent(PING, b"") + sent(CLOSE, b"")
    assert read(data, list(range(len(data)))) == [Message(b"a" * 200), Pinged(b""), Closed(1000)]


def header(first: int, second: int, more: bytes = b"") -> bytes:
    return bytes((first, second)) + more


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (header(FIN | TEXT, 0), CloseCode.PROTOCOL_ERROR),  # not masked
        *((header(FIN | bit | TEXT, 0x80), CloseCode.PROTOCOL_ERROR) for bit in (0x40, 0x20, 0x10)),
        *((header(FIN | opcode, 0x80), CloseCode.PROTOCOL_ERROR) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *((header(opcode, 0x80), CloseCode.PROTOCOL_ERROR) for opcode in (CLOSE, PING, PONG)),  # in fragments
        *((header(FIN | opcode, 0x80 | 126), CloseCode.PROTOCOL_ERROR) for opcode in (CLOSE, PING, PONG)),
        (header(FIN | CONTINUATION, 0x80), CloseCode.PROTOCOL_ERROR),  # of nothing
        (sent(TEXT, b"a", fin=False) + header(FIN | TEXT, 0x80), CloseCode.PROTOCOL_ERROR),
        (sent(TEXT, b"a", fin=False) + header(FIN | BINARY, 0x80), CloseCode.PROTOCOL_ERROR),
        (header(FIN | BINARY, 0x80), CloseCode.UNSUPPORTED_DATA),
        (header(FIN | TEXT, 0x80 | 127, (1 << 63).to_bytes(8)), CloseCode.PROTOCOL_ERROR),
        (header(FIN | TEXT, 0x80 | 127, (LIMIT + 1).to_bytes(8)), CloseCode.TOO_LARGE),
        (header(FIN | TEXT, 0x80 | 127, ((1 << 63) - 1).to_bytes(8)), CloseCode.TOO_LARGE),
        (sent(TEXT, b"a" * LIMIT, fin=False) + header(FIN | CONTINUATION, 0x81), CloseCode.TOO_LARGE),
        (sent(TEXT, b"\xff"), CloseCode.INVALID_TEXT),
        (sent(TEXT, b"\xc3", fin=False) + sent(CONTINUATION, b"x"), CloseCode.INVALID_TEXT),
        (sent(TEXT, b"\xed\xa0\x80"), CloseCode.INVALID_TEXT),  # a surrogate
        (sent(TEXT, b"\xf4\x90\x80\x80"), CloseCode.INVALID_TEXT),  # above U+10FFFF
        (sent(CLOSE, (1000).to_bytes(2) + b"\xff"), CloseCode.INVALID_TEXT),
        (sent(CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR),
        *(
            (sent(CLOSE, code.to_bytes(2)), CloseCode.PROTOCOL_ERROR)
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
        ),
    ],
    ids=lambda value: value.name if isinstance(value, CloseCode) else f"{len(value)} bytes",  # each has a new mask
)
def test_what_is_not_accepted_is_told_with_its_code_as_soon_as_it_is_seen(data: bytes, code: CloseCode) -> None:
    received = read(data)
    assert [type(each) for each in received] == [Violation]
    assert isinstance(received[0], Violation)
    assert received[0].code == code
    assert received == read(data + b"anything" * 10, list(range(len(data))))


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
def test_a_close_that_may_be_sent_is_answered_with_its_code(code: int) -> None:
    assert read(sent(CLOSE, code.to_bytes(2))) == [Closed(code)]


def test_a_message_may_have_the_limit_in_one_frame_and_in_several() -> None:
    whole = b"x" * LIMIT
    assert read(sent(TEXT, whole)) == [Message(whole)]
    several = sent(TEXT, whole[:1], fin=False) + sent(CONTINUATION, whole[1:], fin=False) + sent(CONTINUATION, b"")
    assert read(several) == [Message(whole)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
def test_what_the_server_sends_is_what_another_implementation_would_send(size: int) -> None:
    text = b"x" * size
    assert text_frame(text) == Frame(Opcode.TEXT, text).serialize(mask=False)
    if size <= 125:
        assert pong_frame(text) == Frame(Opcode.PONG, text).serialize(mask=False)
    if size <= 123:
        payload = (4409).to_bytes(2) + text
        assert close_frame(4409, text.decode()) == Frame(Opcode.CLOSE, payload).serialize(mask=False)
