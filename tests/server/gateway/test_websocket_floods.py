"""A peer that sends a flood of tiny frames: others have their turn meanwhile, and the flood means what it would have meant frame by frame.

Frames are counted, not seconds. A flood is written at once, so that the gateway finds it in its socket as a whole.
"""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any, cast

import pytest

from analyst_server.gateway.marking import MAX_WAITING_MARKS
from analyst_server.gateway.websocket import FRAMES_A_TURN, Gate, _WebSocket
from analyst_server.inbox.log import MarkDraft, Marked
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.frames import close_frame, pong_frame
from tests.support.gateway_world import HANDSHAKE, World, gateway_world, until
from tests.support.websocket_talk import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MESSAGE_LIMIT,
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

NOTHING_ASKED = Frame(b"", PONG)  # costs the gateway a frame, and is not answered
MANY = 20_000  # frames: 120 KB, less than a read takes


class Peer(asyncio.Transport):
    """A connection without a socket: what is sent is there at once, whole, and nothing else happens meanwhile."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.is_read, self.is_closed, self.pauses = True, False, 0
        self.protocol = gate()
        self.protocol.connection_made(self)
        self.written: list[bytes] = []
        self.protocol.data_received(HANDSHAKE)
        self.written.clear()

    def sends(self, *frames: Frame) -> None:
        self.protocol.data_received(b"".join(frame.wire() for frame in frames))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Everything is taken at once."""

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_read = False
        self.pauses += 1

    def resume_reading(self) -> None:
        self.is_read = True

    def close(self) -> None:
        self.is_closed = True


TINY = {
    "a pong frame": NOTHING_ASKED,
    "a pong": Frame(b'{"type":"pong"}'),
    "a type of the future": Frame(b'{"type":""}'),
}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("peers", [1, 4])
@pytest.mark.usefixtures("control")
async def test_the_loop_has_its_turns_in_a_flood_and_no_fewer_in_several(world: World, name: str, peers: int) -> None:
    flood = [TINY[name]] * (100 * FRAMES_A_TURN)
    talks = [await Talk.open(world) for _ in range(peers)]
    turns = Turns()
    for number, talk in enumerate(talks):
        await talk.send(*flood, ask(str(number)))
    assert [await talk.hear() for talk in talks] == answers(*map(str, range(peers)))
    turns.end()
    assert turns.count >= 100 * peers // 2  # a turn may end what was read before, and begin the next


class Turns:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def end(self) -> None:
        self._next.cancel()

    def _turn(self) -> None:
        self.count += 1
        self._next = asyncio.get_running_loop().call_soon(self._turn)


@pytest.mark.usefixtures("control")
async def test_another_peer_is_answered_in_the_midst_of_a_flood(world: World) -> None:
    gate = Gate(world.hub)
    flooder, other = Peer(gate), Peer(gate)
    flooder.sends(*[NOTHING_ASKED] * MANY, Frame(b"garbage"))
    other.sends(ping(b"meanwhile"))
    assert other.written[-1] == pong_frame(b"meanwhile")
    assert world.hub.metrics.closes == {}  # the flood's end is still to be taken
    await until(lambda: world.hub.metrics.closes == {4400: 1})
    for peer in (flooder, other):
        peer.protocol.connection_lost(None)


@pytest.mark.usefixtures("control")
async def test_who_is_sent_away_in_the_midst_of_a_flood_is_heard_no_more(world: World) -> None:
    peer = Peer(Gate(world.hub))
    auth = {"type": "auth", "token": world.token()}
    peer.sends(Frame(json.dumps(auth).encode()), *[NOTHING_ASKED] * MANY, ask("late"), Frame(closing(1000), CLOSE))
    assert world.hub.close_where(lambda who: who.username == "petr", CloseCode.TOKEN_REFUSED, "revoked") == 1
    await until(lambda: peer.is_closed)
    assert peer.written[1:] == [close_frame(4401, "revoked")]
    peer.protocol.connection_lost(None)


@pytest.mark.parametrize("many", [FRAMES_A_TURN - 1, FRAMES_A_TURN, FRAMES_A_TURN + 1, 20 * FRAMES_A_TURN])
@pytest.mark.usefixtures("control")
async def test_everything_is_answered_in_order_and_the_next_message_too(world: World, many: int) -> None:
    frames: list[Frame] = []
    events: list[Event] = []
    for number in range(many):
        name = str(number)
        frames += [ask(name), NOTHING_ASKED, *pieces(question(name + "+"), *[7] * FRAMES_A_TURN), ping(name.encode())]
        events += [*answers(name, name + "+"), ("pong", name.encode())]
    talk = await Talk.open(world)
    for size in (sum(len(frame.wire()) for frame in frames), 1_000):
        await talk.send(*frames, cuts=range(size, size * 2, size))
        assert [await talk.hear() for _ in events] == events
    await talk.send(ask("after"))
    assert await talk.hear() == answers("after")[0]


ENDS: dict[str, tuple[Frame, int]] = {
    "no such opcode": (Frame(b"", 3), 1002),
    "binary": (Frame(b"", BINARY), 1003),
    "no UTF-8": (Frame(b"\xff"), 1007),
    "no JSON": (Frame(b"garbage"), 4400),
    "too large": (ask("a", MESSAGE_LIMIT + 1), 4413),
    "a close": (Frame(closing(3000), CLOSE), 3000),
}


@pytest.mark.parametrize(
    "before", [[NOTHING_ASKED] * 500, [Frame(b'{"type":"x"}'.ljust(MESSAGE_LIMIT))] * 2], ids=["tiny", "large"]
)
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.usefixtures("control")
async def test_the_end_of_a_flood_has_its_own_code(world: World, name: str, before: list[Frame]) -> None:
    end, code = ENDS[name]
    world.clocks.skipped = -1_000_000  # no grace ends
    talk = await Talk.open(world)
    await talk.send(*before, end, ask("late"))
    assert await talk.rest() == [("close", code)]
    await until(lambda: world.hub.open_connections == 1)


class SlowInbox(MemoryInbox):
    """A store that takes no mark until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def mark(self, draft: MarkDraft) -> Marked:
        await self.may.wait()
        return await super().mark(draft)


@pytest.mark.parametrize("many", [MAX_WAITING_MARKS, 4 * MAX_WAITING_MARKS])
async def test_a_flood_of_marks_waits_in_the_socket_for_the_store(tmp_path: Path, many: int) -> None:
    """Marks that wait and a flood both stop the reading, each for its own reason."""
    async with gateway_world(tmp_path, log=(log := SlowInbox())) as world:
        await world.dispatch("petr", id="n-1")
        talk = await Talk.open(world)
        (connection,) = world.hub._connections
        other = await Talk.open(world)
        transport = cast("Any", connection._outlet)._transport
        refs = [str(number) for number in range(many)]
        await talk.send(*[Frame(question(ref).replace(b"[]", b'["n-1"]')) for ref in refs])
        await until(lambda: connection._marking and len(connection._marking._waiting) >= MAX_WAITING_MARKS)
        for number in range(20):  # turns of the loop
            await other.send(ask(str(number)))
            assert await other.hear() == answers(str(number))[0]
        assert connection._marking is not None
        assert len(connection._marking._waiting) < MAX_WAITING_MARKS + FRAMES_A_TURN
        assert not transport.is_reading()
        log.may.set()
        heard = [await talk.hear() for _ in range(2 * many)]  # each also as a change of state
        assert [ref for kind, ref in heard if kind == "mark_ok"] == refs
        await until(transport.is_reading)
        await talk.send(ask("after"))
        assert await talk.hear() == answers("after")[0]


@pytest.mark.parametrize("how", ["fin", "rst", "dropped"])
async def test_who_is_gone_in_the_midst_of_a_flood_leaves_nothing_behind(world: World, how: str) -> None:
    files = len(list(Path("/proc/self/fd").iterdir()))
    sockets = _sockets()
    talks = [await Talk.open(world) for _ in range(3)]
    for talk in talks:
        await talk.send_bytes(ask("first").wire() + NOTHING_ASKED.wire() * MANY)
    assert [await talk.hear() for talk in talks] == answers("first") * 3
    if how == "dropped":
        world.hub.abort_all()
    for talk in talks:
        talk.leave(how="rst" if how == "rst" else "fin")
    await until(lambda: world.hub.connections_of("petr") == 0)
    await until(lambda: _sockets() <= sockets)
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= files)


@pytest.mark.usefixtures("control")
async def test_whose_flood_breaks_a_rule_after_its_end_and_a_reset_is_gone_at_once_and_silently(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.clocks.skipped = -1_000_000  # no grace ends
    talk = await Talk.open(world)
    await talk.send(ask("first"), *[NOTHING_ASKED] * MANY, Frame(b"", BINARY))
    assert await talk.hear() == answers("first")[0]
    assert world.hub.close_where(lambda who: who.username == "petr", CloseCode.TOKEN_REFUSED, "revoked") == 1
    talk.leave(how="rst")
    await until(lambda: world.hub.open_connections == 1)
    assert not caplog.records


@pytest.mark.usefixtures("control")
async def test_reading_held_and_let_go_again_makes_no_more_turns(world: World) -> None:
    gate = Gate(world.hub)
    peer = Peer(gate)
    peer.sends(*[NOTHING_ASKED] * MANY)
    for held in (True, False) * 3:
        peer.protocol.hold_reading(held=held)
    assert list(gate._behind) == [peer.protocol]
    await until(lambda: peer.is_read)
    peer.protocol.connection_lost(None)


def _sockets() -> int:
    gc.collect()
    return sum(type(each) is _WebSocket for each in gc.get_objects())


@pytest.mark.parametrize(("more", "pauses"), [(0, 0), (20, 1)])
@pytest.mark.usefixtures("control")
async def test_after_a_large_read_others_have_their_turn_before_the_next(world: World, more: int, pauses: int) -> None:
    """An event loop may read a full socket again and again."""
    peer = Peer(Gate(world.hub))
    part = Frame(b" " * (MESSAGE_LIMIT - 100), fin=False)  # with its head a little less than a large read
    peer.sends(part, *[Frame(b" ", CONTINUATION, fin=False)] * more)
    assert peer.pauses == pauses
    await until(lambda: peer.is_read)
    peer.protocol.connection_lost(None)
