"""The opening handshake, without a socket: what is upgraded, what is answered instead, however the request is cut."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.utils import accept_key

from analyst_server.gateway.handshake import (
    MAX_HEAD_BYTES,
    HandshakeReader,
    HandshakeRefused,
    UpgradeRequest,
    accepted,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Host": "analyst.example:8765",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(target: str = "/ws/notifications", *, line: str = "GET {} HTTP/1.1", **changes: str | None) -> bytes:
    headers = GOOD | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [line.format(target), *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join((*lines, "", "")).encode()


def read(*pieces: bytes, origins: tuple[str, ...] = ()) -> UpgradeRequest | None:
    reader = HandshakeReader()
    answers = [reader.feed(piece, allowed_origins=origins) for piece in pieces]
    assert answers[:-1] == [None] * (len(pieces) - 1)
    return answers[-1]


def refused(data: bytes) -> str:
    with pytest.raises(HandshakeRefused) as refusal:
        read(data)
    head, _, body = refusal.value.response.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n"
    return refusal.value.response.decode()


@given(st.lists(st.integers(1, len(request()) - 1), unique=True, max_size=8), st.binary(max_size=40))
def test_a_request_may_come_in_pieces_and_frames_directly_behind_it(cuts: list[int], frames: bytes) -> None:
    edges = [0, *sorted(cuts), len(request())]
    pieces = [request()[start:end] for start, end in itertools.pairwise(edges)]
    pieces[-1] += frames
    assert read(*pieces) == UpgradeRequest(KEY.encode(), None, frames)


@pytest.mark.parametrize(
    "changes",
    [
        {"Connection": "keep-alive, Upgrade"},  # Firefox
        {"Connection": "UPGRADE"},
        {"Upgrade": "WebSocket"},
        {"Origin": "http://analyst.example:8765"},  # a page of this host
        {"Origin": "https://portal.example"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Sec-WebSocket-Protocol": "chat"},
        {"Content-Length": "0"},
    ],
)
def test_what_clients_may_say_is_upgraded(changes: dict[str, str]) -> None:
    assert read(request(**changes), origins=("https://portal.example",)) is not None


def test_the_answer_has_the_key_that_other_implementations_compute_and_no_extension() -> None:
    key = base64.b64encode(bytes(range(16)))
    answer = accepted(key)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {accept_key(key.decode())}\r\n".encode() in answer
    assert b"Extensions" not in answer


def test_who_stands_behind_a_proxy_is_kept() -> None:
    answer = read(request(X_Forwarded_For="10.0.0.1, 10.0.0.2"))
    assert answer is not None
    assert answer.forwarded_for == "10.0.0.1, 10.0.0.2"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/elsewhere"), "404 Not Found"),
        (request(line="POST {} HTTP/1.1"), "405 Method Not Allowed"),
        (request("/?token=eyJ"), "400 Bad Request"),
        (request(line="GET {} HTTP/1.0"), "400 Bad Request"),
        (request(Host=None), "400 Bad Request"),
        (request(host="other.example"), "400 Bad Request"),  # a second one
        (request(Origin="https://evil.example"), "403 Forbidden"),
        (request(Origin="null"), "403 Forbidden"),
        (request(Upgrade=None), "426 Upgrade Required"),
        (request(Upgrade="h2c"), "426 Upgrade Required"),
        (request(Connection="keep-alive"), "400 Bad Request"),
        (request(Sec_WebSocket_Version=None), "426 Upgrade Required"),
        (request(Sec_WebSocket_Version="8"), "426 Upgrade Required"),
        (request(Sec_WebSocket_Key=None), "400 Bad Request"),
        (request(Sec_WebSocket_Key="c2hvcnQ="), "400 Bad Request"),
        (request(Sec_WebSocket_Key=KEY[:-1] + "!"), "400 Bad Request"),
        (request(**{"sec-websocket-key": KEY}), "400 Bad Request"),  # a second one
        (request(Content_Length="5"), "400 Bad Request"),
        (request(Transfer_Encoding="chunked"), "400 Bad Request"),
        (request(X_Filler="x" * MAX_HEAD_BYTES), "431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, "431 Request Header Fields Too Large"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "400 Bad Request"),  # TLS
        (b"GET / HTTP/1.1\r\nA\x00b: c\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "400 Bad Request"),
    ],
)
def test_what_is_no_handshake_gets_an_answer_of_http(data: bytes, status: str) -> None:
    answer = refused(data)
    assert answer.startswith(f"HTTP/1.1 {status}\r\n")
    assert "Connection: close" in answer


def test_a_refusal_tells_the_way_out() -> None:
    assert "Allow: GET\r\n" in refused(request(line="POST {} HTTP/1.1"))
    assert "Sec-WebSocket-Version: 13\r\n" in refused(request(Sec_WebSocket_Version="99"))
    assert "proxy_http_version 1.1" in refused(request(line="GET {} HTTP/1.0"))
    assert "belongs in the first message" in refused(request("/ws/notifications?token=eyJ"))


def test_a_plain_request_of_a_browser_is_told_what_this_address_is() -> None:
    assert "this address speaks WebSocket" in refused(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n")
