"""The client's side of the protocol, message by message, without any socket."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyst_server.wire.client_session import (
    ClientSession,
    EventReceived,
    MarkAccepted,
    MarkRefused,
    MessageUnreadable,
    Phase,
    ReplayFinished,
    SessionEvent,
    SignedIn,
    SignInRefused,
    SnapshotReceived,
)
from analyst_server.wire.close_codes import Verdict
from analyst_server.wire.messages import Cursor

AT = "2026-01-30T10:00:00Z"


def session(since: Cursor | None = None) -> ClientSession:
    return ClientSession(token="t", device="d", client="c", since=since)


def tell(client: ClientSession, *messages: dict[str, object]) -> list[SessionEvent]:
    return [event for message in messages for event in client.receive(json.dumps(message))]


def sent(client: ClientSession) -> list[dict[str, object]]:
    messages = []
    while (message := client.to_send()) is not None:
        messages.append(json.loads(message))
    return messages


def auth_ok(**members: object) -> dict[str, object]:
    told = {
        "type": "auth_ok",
        "username": "petr",
        "protocol": 2,
        "epoch": "e",
        "seq": 5,
        "recovered": True,
        "heartbeat_s": 20,
    }
    return told | members


def alert(seq: int | None, **members: object) -> dict[str, object]:
    told = {"type": "notification", "id": f"n-{seq}", "title": "T", "message": "m", "timestamp": AT}
    return told | ({} if seq is None else {"seq": seq}) | members


def live(since: Cursor | None = None) -> ClientSession:
    client = session(since)
    tell(client, auth_ok(seq=since.seq if since else 0), {"type": "replay_done", "seq": since.seq if since else 0})
    sent(client)
    return client


def test_the_first_message_carries_the_cursor_only_where_there_is_one() -> None:
    assert json.loads(session().hello()) == {"type": "auth", "token": "t", "protocol": 2, "device": "d", "client": "c"}
    assert json.loads(session(Cursor("e", 0)).hello())["since"] == {"epoch": "e", "seq": 0}


def test_a_replay_is_handed_out_in_order_and_moves_the_cursor() -> None:
    client = session(Cursor("e", 2))
    events = tell(
        client, auth_ok(), alert(3, replay=True), alert(5, replay=True), {"type": "replay_done", "seq": 5}, alert(6)
    )
    assert isinstance(events[0], SignedIn)
    assert [(event.event.seq, event.replayed) for event in events if isinstance(event, EventReceived)] == [
        (3, True),
        (5, True),
        (6, False),
    ]
    assert isinstance(events[3], ReplayFinished)
    assert (client.cursor, client.phase, client.silence_limit_s) == (Cursor("e", 6), Phase.LIVE, 50)


def test_what_is_sent_twice_at_the_seam_is_handed_out_once() -> None:
    client = session(Cursor("e", 4))
    events = tell(client, auth_ok(), alert(5), {"type": "replay_done", "seq": 5}, alert(5), alert(4), alert(6))
    assert [event.event.seq for event in events if isinstance(event, EventReceived)] == [5, 6]


def test_a_snapshot_comes_out_whole_and_before_what_came_meanwhile() -> None:
    client = session(Cursor("old", 99))
    events = tell(
        client,
        auth_ok(recovered=False, reason="epoch_changed"),
        alert(3, snapshot=True),
        alert(6),
        alert(4, snapshot=True),
        {"type": "replay_done", "seq": 5},
    )
    signed_in, snapshot, finished, later = events
    assert isinstance(signed_in, SignedIn)
    assert signed_in.reason == "epoch_changed"
    assert isinstance(snapshot, SnapshotReceived)
    assert ([each.seq for each in snapshot.notifications], snapshot.cursor) == ([3, 4], Cursor("e", 5))
    assert isinstance(finished, ReplayFinished)
    assert isinstance(later, EventReceived)
    assert client.cursor == Cursor("e", 6)


def test_a_gateway_without_a_log_is_live_at_once_and_takes_no_marks_or_acks() -> None:
    client = session(Cursor("e", 2))
    events = tell(client, {"type": "auth_ok", "username": "petr"}, alert(None))
    assert [type(event) for event in events] == [SignedIn, ReplayFinished, EventReceived]
    assert client.cursor is None
    assert not client.mark("r", ("n",), "read")
    assert client.acknowledge(Cursor("e", 9), now=0) is None
    assert sent(client) == []


def test_every_ping_is_answered() -> None:
    client = session()
    tell(client, {"type": "ping"}, auth_ok(), {"type": "ping"})
    assert sent(client) == [{"type": "pong"}, {"type": "pong"}]


def test_marks_wait_for_the_replay_and_their_answers_come_back() -> None:
    client = session(Cursor("e", 5))
    tell(client, auth_ok())
    assert not client.mark("r", ("n",), "read")
    tell(client, {"type": "replay_done", "seq": 5})
    assert client.mark("r", ("n",), "snoozed", AT)
    assert sent(client) == [{"type": "mark", "ref": "r", "ids": ["n"], "state": "snoozed", "until": AT}]
    assert tell(client, {"type": "mark_ok", "ref": "r", "seq": 6}) == [MarkAccepted("r", 6)]
    refused = tell(client, {"type": "mark_error", "ref": "s", "message": "no", "unknown": ["x"]})
    assert refused == [MarkRefused("s", "no", ("x",))]


def test_acks_are_at_most_one_a_second_and_never_repeated() -> None:
    client = live(Cursor("e", 5))
    tell(client, alert(6), alert(7), alert(8))
    assert client.acknowledge(Cursor("e", 6), now=10.0) is None
    assert client.acknowledge(Cursor("e", 7), now=10.25) == 0.75
    assert client.acknowledge(Cursor("e", 8), now=11.0) is None
    assert client.acknowledge(Cursor("e", 8), now=13.0) is None
    assert client.acknowledge(Cursor("another", 9), now=15.0) is None
    assert sent(client) == [{"type": "ack", "seq": 6}, {"type": "ack", "seq": 8}]


@pytest.mark.parametrize(
    ("words", "code", "verdict"),
    [
        ("Invalid token", 1000, Verdict.SIGN_IN),
        ("Too many connections", 1000, Verdict.STOP),
        ("Auth timeout", 1000, Verdict.RECONNECT),
        ("Expected auth message with token", 1006, Verdict.RECONNECT_LATER),
        ("Auth timeout", 4408, Verdict.RECONNECT),
        ("Invalid token", 4401, Verdict.SIGN_IN),
        ("", 1012, Verdict.RECONNECT),
        ("", 4503, Verdict.RECONNECT_LATER),
    ],
)
def test_a_refusal_is_understood_by_its_code_or_by_the_old_words(words: str, code: int, verdict: Verdict) -> None:
    client = session()
    if words:
        assert tell(client, {"type": "auth_error", "message": words}) == [SignInRefused(words)]
        assert client.phase is Phase.REFUSED
    assert client.verdict(code) is verdict


def test_a_notification_of_a_newer_server_keeps_what_can_be_read() -> None:
    client = live()
    (event,) = tell(client, alert(1, priority="apocalyptic", tags=7, title="Kept", chart={"kind": "pie"}, new_member=1))
    assert isinstance(event, EventReceived)
    assert (event.event.title, event.event.priority, event.event.seq) == ("Kept", "normal", 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "7", "null", '{"type":7}', '{"id":"a"}', "[" * 100_000, b"\xff", '{"type":"notification"}']
)
def test_nonsense_is_passed_over(text: str | bytes) -> None:
    client = live()
    assert [type(event) for event in client.receive(text)] == [MessageUnreadable]
    assert client.receive('{"type":"of the future"}') == []
    assert [type(event) for event in client.receive(json.dumps(alert(2**70)))] == [MessageUnreadable]
    assert len(tell(client, alert(1))) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = [
    "id",
    "title",
    "message",
    "timestamp",
    "seq",
    "username",
    "protocol",
    "epoch",
    "recovered",
    "ids",
    "state",
    "at",
    "ref",
    "tags",
    "chart",
]
_TYPES = ["auth_ok", "auth_error", "notification", "ping", "replay_done", "state", "mark_ok", "mark_error", "news"]
_MESSAGE = st.builds(
    lambda kind, members: {"type": kind, **members},
    st.sampled_from(_TYPES),
    st.dictionaries(st.sampled_from(_MEMBERS), _JSON, max_size=6),
)


@settings(deadline=None)
@given(st.lists(_MESSAGE | _JSON, max_size=8))
def test_no_conversation_breaks_it(messages: list[object]) -> None:
    client = session(Cursor("e", 3))
    reached = 0
    for message in messages:
        for event in client.receive(msgspec.json.encode(message)):
            if isinstance(event, EventReceived) and client.protocol >= 2 and event.event.seq is not None:
                assert event.event.seq > reached
                reached = event.event.seq
            if isinstance(event, SnapshotReceived | SignedIn):
                reached = 0
        while client.to_send() is not None:
            pass
