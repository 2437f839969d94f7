"""The gateway's decisions without a socket: the stream of replay and live events above all."""

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from analyst_server.wire.gateway_session import (
    MAX_HELD_EVENTS,
    GatewaySession,
    Phase,
    Refuse,
    Reply,
    StreamMerge,
    cursor_reason,
)
from analyst_server.wire.messages import Auth, Cursor


@dataclass(frozen=True)
class At:
    seq: int


def merged(start: int, log: list[int], steps: Iterable[tuple[str, int]]) -> list[int]:
    """Run a reader over a growing log: at each step some events are appended (and told), or a page is read. Return what went out."""
    merge: StreamMerge[At] = StreamMerge(start)
    out: list[int] = []
    stored = [seq for seq in log if seq <= start]
    waiting = [seq for seq in log if seq > start]

    def append(count: int) -> None:
        for _ in range(min(count, len(waiting))):
            stored.append(waiting.pop(0))
            if merge.arrived(At(stored[-1])):
                out.append(stored[-1])

    def read(limit: int) -> None:
        if merge.live:
            return
        page = [seq for seq in stored if seq > merge.position][:limit]
        out.extend(seq for seq in page if merge.read_from_log(At(seq)))
        if not page:
            out.extend(each.seq for each in merge.end_of_log() or ())

    for step, size in steps:
        append(size) if step == "append" else read(size)
    while not merge.live:
        read(50)
    append(len(waiting))
    return out


@given(
    start=st.integers(0, 30),
    gaps=st.lists(st.integers(1, 5), max_size=60),
    steps=st.lists(st.tuples(st.sampled_from(["append", "read"]), st.integers(1, 9)), max_size=60),
)
def test_every_event_goes_out_once_and_in_order_however_replay_and_live_race(
    start: int, gaps: list[int], steps: list[tuple[str, int]]
) -> None:
    log, seq = [], 0
    for gap in gaps:
        seq += gap
        log.append(seq)
    assert merged(start, log, steps) == [seq for seq in log if seq > start]


def test_more_live_events_than_are_held_are_read_from_the_log() -> None:
    log = list(range(1, 3 * MAX_HELD_EVENTS))
    assert merged(0, log, [("append", 10), ("read", 5), ("append", 2 * MAX_HELD_EVENTS), ("read", 50)]) == log


def test_what_could_not_be_held_keeps_the_stream_reading() -> None:
    merge: StreamMerge[At] = StreamMerge(0)
    for seq in range(1, MAX_HELD_EVENTS + 2):
        assert not merge.arrived(At(seq))
    assert merge.end_of_log() is None
    assert not merge.live
    assert merge.end_of_log() == []
    assert merge.live


def test_three_pings_without_an_answer_are_the_end_and_a_pong_forgives_them() -> None:
    session = GatewaySession()
    session.accepted(Auth("t"))
    pings = [session.heartbeat(allowed_missed=3) for _ in range(3)]
    assert pings == [b'{"type":"ping"}'] * 3
    session.receive(b'{"type":"pong"}')
    assert [session.heartbeat(allowed_missed=3) for _ in range(3)] == pings
    assert isinstance(session.heartbeat(allowed_missed=3), Refuse)


def test_a_newer_protocol_is_answered_with_ours_and_an_absurd_one_with_the_first() -> None:
    for asked, spoken in ((1, 1), (2, 2), (3, 2), (0, 1), (-5, 1)):
        session = GatewaySession()
        session.accepted(Auth("t", protocol=asked))
        assert session.protocol == spoken


def test_marks_of_a_client_that_did_not_announce_protocol_2_are_passed_over() -> None:
    session = GatewaySession()
    session.accepted(Auth("t"))
    assert session.receive(b'{"type":"mark","ref":"r","ids":["a"],"state":"read"}') is None
    assert session.receive(b'{"type":"ack","seq":3}') is None


def test_a_closed_session_hears_nothing() -> None:
    session = GatewaySession()
    session.phase = Phase.CLOSED
    assert session.receive(b"garbage") is None


def test_cursors_are_judged_before_the_log_is_asked() -> None:
    assert cursor_reason(None, epoch="e") == "no_cursor"
    assert cursor_reason(Cursor("e", -1), epoch="e") == "no_cursor"
    assert cursor_reason(Cursor("other", 1), epoch="e") == "epoch_changed"
    assert cursor_reason(Cursor("e", 2**63), epoch="e") == "ahead"
    assert cursor_reason(Cursor("e", 0), epoch="e") is None


@given(st.binary())
def test_no_bytes_break_a_session(payload: bytes) -> None:
    fresh, known = GatewaySession(), GatewaySession()
    known.accepted(Auth("t", protocol=2))
    assert isinstance(fresh.receive(payload), Refuse)
    assert isinstance(known.receive(payload), Refuse | Reply | None)
