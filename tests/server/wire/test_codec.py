"""Bytes to messages and back, and nothing but the documented error out of any bytes."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.wire.close_codes import CloseCode, Verdict, close_reason, retry_delay_s, verdict_of
from analyst_server.wire.codec import (
    MalformedMessage,
    decode_client_message,
    decode_server_message,
    encode_message,
    notification_text,
    state_text,
)
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
    Notification,
    NotificationState,
    Ping,
    Pong,
    ReplayDone,
    ServerMessage,
    StateChange,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
TYPES = st.sampled_from(
    [
        "auth",
        "pong",
        "mark",
        "ack",
        "auth_ok",
        "auth_error",
        "notification",
        "ping",
        "replay_done",
        "state",
        "mark_ok",
        "x",
    ]
)
NAMES = st.sampled_from(
    ["token", "ref", "ids", "state", "seq", "since", "protocol", "id", "title", "message", "timestamp", "at"]
)


@given(st.binary())
def test_no_bytes_raise_anything_but_the_documented_error(payload: bytes) -> None:
    _decode_both(payload)


@given(TYPES, st.dictionaries(NAMES, JSON, max_size=6))
def test_no_object_raises_anything_but_the_documented_error(kind: str, members: dict[str, object]) -> None:
    _decode_both(json.dumps({"type": kind} | members).encode())


def _decode_both(payload: bytes) -> None:
    for decode in (decode_client_message, decode_server_message):
        with contextlib.suppress(MalformedMessage):
            decode(payload)


@pytest.mark.parametrize(
    "message",
    [
        Auth("t"),
        Auth("t", protocol=2, device="d", client="c/1", since=Cursor("e", 7)),
        Pong(),
        Mark("r", ["a"], "snoozed", until="2026-01-30T10:00:00Z"),
        Ack(7),
    ],
)
def test_a_clients_message_comes_back_as_it_was(message: ClientMessage) -> None:
    assert decode_client_message(encode_message(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        AuthOk("petr"),
        AuthOk("petr", protocol=2, epoch="e", seq=0, recovered=False, reason="ahead", heartbeat_s=30.0),
        AuthError("Invalid token"),
        Notification("i", "t", "m", "2026-01-30T10:00:00Z", seq=3, replay=True),
        Ping(),
        ReplayDone(0),
        StateChange(3, ["i"], "read", "2026-01-30T10:00:00Z"),
        MarkOk("r", 3),
        MarkError("r", "m", ["x"]),
    ],
)
def test_a_gateways_message_comes_back_as_it_was(message: ServerMessage) -> None:
    assert decode_server_message(encode_message(message)) == message


def test_protocol_1_messages_are_byte_for_byte_those_of_the_source_system() -> None:
    assert encode_message(Auth("eyJ")) == b'{"type":"auth","token":"eyJ"}'
    assert encode_message(AuthOk("petr")) == b'{"type":"auth_ok","username":"petr"}'
    assert encode_message(AuthError("Auth timeout")) == b'{"type":"auth_error","message":"Auth timeout"}'
    assert encode_message(Ping()) == b'{"type":"ping"}'
    assert encode_message(Pong()) == b'{"type":"pong"}'


def test_a_stored_body_becomes_a_message_by_splicing() -> None:
    body = msgspec.json.encode({"id": "i", "title": "t", "message": "m", "timestamp": "2026-01-30T10:00:00Z"})
    expected = Notification("i", "t", "m", "2026-01-30T10:00:00Z")
    assert decode_server_message(notification_text(body)) == expected
    assert decode_server_message(notification_text(body, seq=9, replay=True)) == msgspec.structs.replace(
        expected, seq=9, replay=True
    )
    state = NotificationState(read=True)
    assert decode_server_message(notification_text(body, seq=9, snapshot_state=state)) == msgspec.structs.replace(
        expected, seq=9, snapshot=True, state=state
    )
    change = msgspec.json.encode({"ids": ["i"], "state": "read", "at": "2026-01-30T10:00:00Z"})
    assert decode_server_message(state_text(change, seq=9, replay=True)) == StateChange(
        9, ["i"], "read", "2026-01-30T10:00:00Z", replay=True
    )


def test_an_unknown_type_is_no_error_and_a_missing_one_is() -> None:
    assert decode_client_message(b'{"type":"of the future"}') is None
    assert decode_server_message(b'{"type":"of the future","seq":"x"}') is None
    for payload in (b"{}", b'{"type":1}', b"[]", b'"auth"', b"null"):
        with pytest.raises(MalformedMessage):
            decode_client_message(payload)


def test_every_close_code_has_a_verdict_and_unknown_ones_mean_a_lost_connection() -> None:
    assert {verdict_of(code) for code in CloseCode} == set(Verdict)
    assert verdict_of(1006) is verdict_of(4999) is Verdict.RECONNECT
    assert verdict_of(CloseCode.TOKEN_REFUSED) is Verdict.SIGN_IN


@given(st.text(max_size=400), st.none() | st.floats(min_value=0, max_value=3600))
def test_a_close_reason_fits_its_frame_and_keeps_its_hint(words: str, retry_s: float | None) -> None:
    retry_s = None if retry_s is None else round(retry_s, 2)
    reason = close_reason(words.replace("retry_s", ""), retry_s=retry_s)
    assert len(reason.encode()) <= 123
    assert retry_delay_s(reason) == retry_s


@pytest.mark.parametrize(
    ("reason", "wait_s"),
    [
        ('{"retry_s": 7}', 7),
        ("retry_s=2.5", 2.5),
        ("at capacity; retry_s: 30", 30),
        ("retry_s=99999999", 3_600),
        ("full", None),
        ("", None),
    ],
)
def test_a_reason_names_a_wait_of_at_most_an_hour(reason: str, wait_s: float | None) -> None:
    assert retry_delay_s(reason) == wait_s
