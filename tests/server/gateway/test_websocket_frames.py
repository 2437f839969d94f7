"""Frames, closes and clients: RFC 6455 sections 5 and 7 on the listener's real socket, and a fuzzer beside a model of these rules.

A message that the gateway answers at once, each under its own ref, shows which messages it saw. Where the RFC or section 2.4 of our protocol
leaves a close code free, every code that they allow is taken.
"""

import asyncio
from pathlib import Path

import pytest

from analyst_server.inbox.log import NotificationDraft, User
from tests.support.gateway_world import World, until
from tests.support.websocket_talk import (
    BINARY,
    CLOSE,
    CONTINUATION,
    END,
    FRAME_LIMIT,
    MASK,
    MESSAGE_LIMIT,
    PING,
    PONG,
    Event,
    Frame,
    Talk,
    answers,
    ask,
    closing,
    pieces,
    ping,
    question,
)

BODY = b'{"id":"n%d","title":"t","message":"%s","timestamp":"2026-01-30T10:00:00Z"}'
LONG_REF = "ř" * 60  # two bytes each, to be cut in between
KEPT: dict[str, tuple[list[Frame], list[Event]]] = {
    "7 bits": ([ask("a")], answers("a")),
    "16 bits": ([ask("a", 126)], answers("a")),
    "16 bits at the most": ([ask("a", 65_535)], answers("a")),
    "64 bits, at the limit": ([ask("a", MESSAGE_LIMIT)], answers("a")),
    "the limit in two fragments": (pieces(question("a", MESSAGE_LIMIT), 30_000), answers("a")),
    "the limit, and nothing": (pieces(question("a", MESSAGE_LIMIT), MESSAGE_LIMIT), answers("a")),
    "one after the other": ([ask(str(n)) for n in range(200)], answers(*map(str, range(200)))),
    "fragments": (pieces(question("a"), 1, 2, 30), answers("a")),
    "empty fragments": (pieces(question("a"), 0, 0, 5, 5), answers("a")),
    "every byte a fragment": (pieces(question("ř"), *range(1, len(question("ř")))), answers("ř")),
    "a character in two fragments": (
        pieces(question(LONG_REF), question(LONG_REF).index("ř".encode()) + 1),
        answers(LONG_REF),
    ),
    "a ping between": ([pieces(question("a"), 9)[0], ping(b"x"), pieces(question("a"), 9)[1]], [("pong", b"x")]),
    "a pong between": ([pieces(question("a"), 9)[0], Frame(b"x", PONG), pieces(question("a"), 9)[1]], answers("a")),
    "an empty ping": ([ping()], [("pong", b"")]),
    "a ping of 125 bytes": ([ping(bytes(range(125)))], [("pong", bytes(range(125)))]),
    "a ping that is no UTF-8": ([ping(b"\xff\xfe")], [("pong", b"\xff\xfe")]),
    "pongs that nobody asked for": ([Frame(b"?", PONG), Frame(b"", PONG), ask("a")], answers("a")),
    "a type of the future": ([Frame(b'{"type":"future"}'), ask("a")], answers("a")),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.usefixtures("control")
async def test_what_the_rfc_allows_is_answered_however_it_is_cut(world: World, name: str) -> None:
    frames, events = KEPT[name]
    size = sum(len(frame.wire()) for frame in frames)
    for cuts in ((), range(1, size) if size < 2_000 else range(1, size, size // 9), (1,), (size - 1,)):
        talk = await Talk.open(world)
        await talk.send(*frames, cuts=list(cuts))
        assert [await talk.hear() for _ in events] == events
        await talk.send(Frame(closing(1000), CLOSE))
        tail = await talk.rest()
        assert tail[-1] == ("close", 1000)
        assert all(event[0] == "mark_error" for event in tail[:-1])
        await until(lambda: world.hub.connections_of("petr") == 0)


PROTOCOL_ERROR = {1002}
TOO_LARGE = {1009, 4413}
BROKEN: dict[str, tuple[list[Frame] | bytes, set[int]]] = {
    "no mask": ([Frame(question("a"), masked=False)], PROTOCOL_ERROR),
    "an unmasked ping": ([Frame(b"x", PING, masked=False)], PROTOCOL_ERROR),
    "an unmasked close": ([Frame(closing(1000), CLOSE, masked=False)], PROTOCOL_ERROR),
    **{f"reserved bits {rsv}": ([Frame(question("a"), rsv=rsv)], PROTOCOL_ERROR) for rsv in range(1, 8)},
    "a ping with a reserved bit": ([Frame(b"", PING, rsv=4)], PROTOCOL_ERROR),
    "a fragment with a reserved bit": (
        [Frame(b"{", fin=False), Frame(b"}", CONTINUATION, rsv=4)],
        PROTOCOL_ERROR,
    ),
    **{f"opcode {n}": ([Frame(b"", n)], PROTOCOL_ERROR) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "an opcode that continues": ([Frame(b"", 3, fin=False)], PROTOCOL_ERROR),
    "a ping in fragments": ([Frame(b"", PING, fin=False)], PROTOCOL_ERROR),
    "a pong in fragments": ([Frame(b"", PONG, fin=False)], PROTOCOL_ERROR),
    "a close in fragments": ([Frame(closing(1000), CLOSE, fin=False)], PROTOCOL_ERROR),
    "a ping of 126 bytes": ([ping(b"x" * 126)], PROTOCOL_ERROR),
    "a pong of 70,000 bytes": ([Frame(b"x" * 70_000, PONG)], PROTOCOL_ERROR),
    "a close of 126 bytes": ([Frame(closing(1000, b"x" * 124), CLOSE)], PROTOCOL_ERROR),
    "a continuation of nothing": ([Frame(b"x", CONTINUATION)], PROTOCOL_ERROR),
    "a continuation after the end": ([*pieces(question("a"), 9), Frame(b"", CONTINUATION)], PROTOCOL_ERROR),
    "a text within a text": ([Frame(b"{", fin=False), ask("a")], PROTOCOL_ERROR),
    "a binary within a text": ([Frame(b"{", fin=False), Frame(b"x", BINARY)], {1002, 1003}),
    "binary": ([Frame(b"\x00", BINARY)], {1003}),
    "an empty binary": ([Frame(b"", BINARY)], {1003}),
    "binary in fragments": ([Frame(b"\x00", BINARY, fin=False)], {1003}),
    "no UTF-8": ([Frame(b'{"type":"\xff"}')], {1007}),
    "a surrogate": ([Frame(b'{"type":"\xed\xa0\x80"}')], {1007}),
    "an overlong form": ([Frame(b'{"type":"\xc0\xaf"}')], {1007}),
    "beyond Unicode": ([Frame(b'{"type":"\xf4\x90\x80\x80"}')], {1007}),
    "half a character": ([Frame(b'{"type":"\xc5')], {1007}),
    "half a character in two fragments": (pieces(b'{"type":"\xc5"}', 10), {1007}),
    "half a character at the end of fragments": (pieces(b'{"type":"\xc5', 5, 10), {1007}),
    "nothing": ([Frame(b"")], {4400}),
    "nothing in fragments": (pieces(b"", 0, 0), {4400}),
    "one byte over the limit": ([ask("a", MESSAGE_LIMIT + 1)], {4413}),
    "one byte over in fragments": (pieces(question("a", MESSAGE_LIMIT + 1), MESSAGE_LIMIT), {4413}),
    "many fragments without end": (
        [Frame(b" ", fin=False), *[Frame(b" " * 9_000, CONTINUATION, fin=False)] * 9],
        {4413},
    ),
    "a frame at its limit": ([ask("a", FRAME_LIMIT)], TOO_LARGE),
    "a frame above its limit": (b"\x81\xff" + (FRAME_LIMIT + 1).to_bytes(8) + MASK, TOO_LARGE),
    "a frame of 2**62 bytes": (b"\x81\xff" + (2**62).to_bytes(8) + MASK, TOO_LARGE),
    "a length with the top bit": (b"\x81\xff" + (2**63).to_bytes(8) + MASK, TOO_LARGE | PROTOCOL_ERROR),
    "a length of ones": (b"\x81\xff" + b"\xff" * 8 + MASK, TOO_LARGE | PROTOCOL_ERROR),
    **{f"close with {n}": ([Frame(closing(n), CLOSE)], PROTOCOL_ERROR) for n in (0, 1, 999, 1004, 1005, 1006, 1015)},
    **{f"close with {n}": ([Frame(closing(n), CLOSE)], PROTOCOL_ERROR) for n in (1016, 1999, 2000, 2999, 5000, 65_535)},
    "a close of one byte": ([Frame(b"\x03", CLOSE)], PROTOCOL_ERROR),
    "a close with a reason that is no UTF-8": ([Frame(closing(1000, b"\xc5"), CLOSE)], {1002, 1007}),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.usefixtures("control")
async def test_what_breaks_the_rules_ends_with_its_code_and_nothing_after_it_counts(world: World, name: str) -> None:
    broken, codes = BROKEN[name]
    data = broken if isinstance(broken, bytes) else b"".join(frame.wire() for frame in broken)
    for cuts in ([data], [data[:1], data[1:]], [data + ask("later").wire() + ping().wire()]):
        talk = await Talk.open(world)
        await talk.send_bytes(ask("before").wire(), *cuts)
        events = [event for event in await talk.rest() if event != ("mark_error", "a")]
        assert events[0] == ("mark_error", "before")
        assert events[1][0] == "close"
        assert events[1][1] in codes
        await until(lambda: world.hub.connections_of("petr") == 0)


@pytest.mark.usefixtures("control")
async def test_what_came_before_a_fault_counts_though_it_came_in_one_segment_with_it(world: World) -> None:
    talk = await Talk.open(world)
    await talk.send(ask("a"), ask("b"), Frame(b"", 3))
    assert await talk.rest() == [*answers("a", "b"), ("close", 1002)]


@pytest.mark.usefixtures("control")
async def test_a_client_that_is_still_writing_reads_why_it_is_sent_away(world: World) -> None:
    """A connection closed with bytes unread is reset, and a reset takes the close frame with it (RFC 6455 section 7.1.1)."""
    talk = await Talk.open(world)
    await talk.send(Frame(b"", 3))
    for _ in range(100):
        await talk.send(ask("late", 1_000))
        await asyncio.sleep(0.001)
    assert await talk.rest() == [("close", 1002)]


@pytest.mark.usefixtures("control")
async def test_a_ping_is_answered_whatever_is_under_way(world: World) -> None:
    """The last of several at least: RFC 6455 section 5.5.3."""
    for before in ([ask("a")], [ping(b"first"), ping(b"second")], [ping(b"first"), ask("a")]):
        talk = await Talk.open(world)
        await talk.send(*before, ping(b"last"))
        while await talk.hear() != ("pong", b"last"):
            pass
        talk.leave(how="fin")


@pytest.mark.usefixtures("control")
async def test_a_ping_of_who_reads_slowly_is_answered_as_soon_as_he_reads(world: World) -> None:
    talk = await Talk.open(world)
    sent = 0
    while not world.hub.queued_bytes:
        await world.hub.log.append(NotificationDraft(User("petr"), f"n{sent}", BODY % (sent, b"x" * 15_000)))
        sent += 1
    await talk.send(ping(b"first"), ping(b"last"))
    await world.get("/health")  # by now they have been read
    heard = [await talk.hear() for _ in range(sent)]
    while ("pong", b"last") not in heard:
        heard.append(await talk.hear())
        assert heard[-1] != END


@pytest.mark.usefixtures("control")
async def test_an_answer_to_a_close_is_enough_whatever_came_before_it(world: World) -> None:
    world.clocks.skipped = -1_000_000  # no grace ends
    talk = await Talk.open(world)
    await talk.send(Frame(b"garbage"))
    assert await talk.hear() == ("close", 4400)
    await talk.send(Frame(b"", 3), Frame(closing(1000), CLOSE))
    assert await talk.hear() == END


@pytest.mark.parametrize("form", [16, 64])
@pytest.mark.usefixtures("control")
async def test_a_length_not_in_its_shortest_form_is_taken_or_refused(world: World, form: int) -> None:
    talk = await Talk.open(world)
    await talk.send(ask("a", form=form), Frame(closing(1000), CLOSE))
    assert await talk.rest() in ([*answers("a"), ("close", 1000)], [("close", 1002)])


@pytest.mark.parametrize(
    "code", [1005, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
@pytest.mark.usefixtures("control")
async def test_a_close_is_answered_once_and_is_the_end(world: World, code: int) -> None:
    await world.dispatch("petr", id="n-1")
    for reason, after in ((b"", b""), ("žluťoučký".encode(), b""), (b"x" * 123, Frame(b"", CLOSE).wire())):
        talk = await Talk.open(world)
        close = Frame(b"" if code == 1005 else closing(code, reason), CLOSE).wire()
        mark = Frame(question("late").replace(b"[]", b'["n-1"]')).wire()
        await talk.send_bytes(Frame(b'{"ty', fin=False).wire() + close + mark + ping().wire() + after)
        event = await talk.hear()
        assert event in (("close", code), ("close", 1000))
        assert await talk.hear() == END
        await until(lambda: world.hub.connections_of("petr") == 0)
        assert world.hub.metrics.marks == 0


@pytest.mark.usefixtures("control")
async def test_the_gateway_waits_for_the_answer_to_its_close_but_not_for_ever(world: World) -> None:
    patient, silent = await Talk.open(world), await Talk.open(world)
    for talk in (patient, silent):
        await talk.send(Frame(b"garbage"))
        assert await talk.hear() == ("close", 4400)
    for _ in range(20):  # what was under way when the close was sent: read to its end, or the close would be lost
        await patient.send(ask("late", 60_000), ping(b"late"))
    await patient.send(Frame(closing(4400), CLOSE))
    assert await patient.hear() == END
    world.clocks.skipped += 20
    assert await silent.hear() == END
    await until(lambda: world.hub.open_connections == 1)


@pytest.mark.parametrize("how", ["fin", "rst", "half"])
@pytest.mark.usefixtures("control")
async def test_whoever_leaves_at_any_point_leaves_nothing_behind(world: World, how: str) -> None:
    talks = [await Talk.open(world)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    stream = b"".join(frame.wire() for frame in (*pieces(question("a"), 9), ping(b"x"), Frame(closing(1000), CLOSE)))
    for begun in (*range(0, len(stream), 7), len(stream)):
        await talks[-1].send_bytes(stream[:begun])
        talks[-1].leave(how=how)
        if how == "half":
            while await talks[-1].hear() != END:
                pass
            talks[-1].leave(how="fin")
        await until(lambda: world.hub.open_connections == 1)
        talks = [await Talk.open(world)]
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


@pytest.mark.usefixtures("control")
async def test_half_a_close_is_answered_before_the_other_half(world: World) -> None:
    """A proxy may send the client's close and its FIN together."""
    talk = await Talk.open(world)
    await talk.send(Frame(closing(1001), CLOSE))
    talk.leave(how="half")
    assert (await talk.hear())[0] == "close"
    assert await talk.hear() == END
