"""Whoever is in step gets its events by the short way, and nobody notices who is: every client gets each event once, in order, as whole frames."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.gateway.connection import Connection
from analyst_server.gateway.hub import Hub, Limits
from analyst_server.gateway.outgoing import SendNow
from analyst_server.identity.principal import Principal
from analyst_server.inbox.log import Event, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.gateway_session import Refuse

PETR = User("petr")
PLENTY = 1 << 40


@dataclass(eq=False)
class Socket:
    """An outlet as the event loop has it: what the kernel does not take waits, and the connection is told at once."""

    room_bytes: int = PLENTY  # what the kernel takes before it refuses
    taken: bytearray = field(default_factory=bytearray)
    waiting: bytearray = field(default_factory=bytearray)
    calls: int = 0  # by the short way
    broken: bool = False
    connection: Connection = field(init=False)

    def send(self, frame: bytes) -> None:
        self.waiting += frame
        self.flush()

    def sender(self) -> SendNow:
        assert not self.waiting
        return self._send_now

    def _send_now(self, frame: bytes) -> int:
        assert not self.waiting, "it would overtake what waits"
        self.calls += 1
        if self.broken:
            raise ConnectionResetError
        if not self.room_bytes:
            raise BlockingIOError
        sent = min(len(frame), self.room_bytes)
        self.taken += frame[:sent]
        self.room_bytes -= sent
        return sent

    def flush(self) -> None:
        if self.broken:
            self.waiting.clear()
            return
        waited = len(self.waiting)
        sent = min(waited, self.room_bytes)
        self.taken += self.waiting[:sent]
        del self.waiting[:sent]
        self.room_bytes -= sent
        if self.waiting:
            self.connection.writable(yes=False)

    def drain(self, room_bytes: int) -> None:
        """Let the peer read: the kernel takes so much more."""
        self.room_bytes += room_bytes
        had = bool(self.waiting)
        self.flush()
        if had and not self.waiting:
            self.connection.writable(yes=True)

    def close(self, code: int, reason: str) -> None:
        pass

    def abort(self) -> None:
        pass

    def hold_reading(self, *, held: bool) -> None:
        pass

    def events(self) -> list[int]:
        """The numbers in the titles of the notifications; the last frame may not be whole."""
        found, at = [], 0
        while at + 4 <= len(self.taken):
            size, head = self.taken[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(self.taken[at + 2 : at + 4]), 4
            assert self.taken[at] == 0x81
            if at + head + size > len(self.taken):
                break
            message = json.loads(self.taken[at + head : at + head + size])
            if message["type"] == "notification":
                found.append(int(message["title"]))
            at += head + size
        return found


class Ledger:
    """What the connections tell of what was sent."""

    def __init__(self) -> None:
        self.sent: dict[str, list[tuple[int, int]]] = {}

    def note_sent(self, _user: User, device: str, *, after: Seq, upto: Seq) -> None:
        self.sent.setdefault(device, []).append((after, upto))

    def note_acknowledged(self, _user: User, device: str, upto: Seq) -> None:
        pass


class Crowd:
    """Several connections of one user at one hub."""

    def __init__(self) -> None:
        self.log = MemoryInbox()
        self.ledger = Ledger()
        self.hub = Hub(self.log, cast("Any", self.ledger), _principal, limits=Limits(per_user=100))
        self.sockets: list[Socket] = []
        self.seq = 0

    async def connect(self, protocol: int) -> Socket:
        socket = Socket()
        socket.connection = Connection(self.hub, socket, "")
        self.hub.admit(socket.connection)
        device = f"d{len(self.sockets)}"
        socket.connection.received(
            json.dumps({"type": "auth", "token": "t", "protocol": protocol, "device": device}).encode()
        )
        self.sockets.append(socket)
        while protocol == 2 and b"replay_done" not in socket.taken:
            await asyncio.sleep(0)
        return socket

    def tell(self, seq: int) -> None:
        """Bring a notification to the room as the log does."""
        body = json.dumps({"id": f"n{seq}", "title": str(seq)}).encode()
        self.hub._rooms["petr"].deliver(Event(PETR, Seq(seq), is_notification=True, body=body))

    def tell_of_a_mark(self, seq: int) -> None:
        """Likewise a change of state, for which protocol 1 has no word."""
        body = b'{"ids":["n1"],"state":"read"}'
        self.hub._rooms["petr"].deliver(Event(PETR, Seq(seq), is_notification=False, body=body))


def _principal(_: str) -> Principal:
    return Principal("petr", "", "", float("inf"))


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    crowd, started = Crowd(), asyncio.Event()
    running = asyncio.create_task(crowd.hub.run(started))
    await started.wait()
    try:
        yield crowd
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_event_is_one_call_for_each_that_is_in_step() -> None:
    async with crowd() as here:
        sockets = [await here.connect(protocol) for protocol in (1, 2, 2)]
        for seq in (1, 2, 5):
            here.tell(seq)
        assert [socket.calls for socket in sockets] == [2, 3, 3]  # the first came without a cursor
        assert [socket.events() for socket in sockets] == [[1, 2, 5]] * 3
        assert here.hub.metrics.events_sent == 9
        assert here.hub.connections_of("petr") == 3


async def test_who_does_not_take_everything_is_told_apart_until_it_does() -> None:
    async with crowd() as here:
        slow, fast = await here.connect(2), await here.connect(2)
        here.tell(1)
        slow.room_bytes = 10
        for seq in (2, 3):
            here.tell(seq)
        assert (slow.calls, fast.calls) == (2, 3)
        assert slow.connection.queue.byte_count > 0
        slow.drain(PLENTY)
        assert slow.events() == [1, 2, 3]
        here.tell(4)
        assert (slow.calls, fast.calls) == (3, 4)
        assert slow.events() == fast.events() == [1, 2, 3, 4]


async def test_an_event_told_twice_or_read_before_it_was_told_goes_out_once() -> None:
    async with crowd() as here:
        first = await here.connect(2)
        here.tell(3)
        here.tell(3)
        second = await here.connect(2)
        second.connection._stream.position = 5  # type: ignore[union-attr] - as a replay that read ahead leaves it
        for seq in (4, 5, 6):
            here.tell(seq)
        assert first.events() == [3, 4, 5, 6]
        assert second.events() == [6]


async def test_the_ledger_hears_how_far_each_device_got() -> None:
    async with crowd() as here:
        early = await here.connect(1)
        for seq in (7, 8):
            here.tell(seq)
        here.hub.note_progress()
        late = await here.connect(1)
        here.tell(9)
        late.room_bytes = 0
        here.tell(10)
        here.hub.note_progress()
        late.connection.lost()
        early.connection.lost()
        assert here.ledger.sent == {"d0": [(6, 8), (8, 10)], "d1": [(8, 10)]}
        assert here.hub.connections_of("petr") == 0
        assert not here.hub._rooms


async def test_the_ledger_hears_nothing_of_a_device_that_got_nothing() -> None:
    async with crowd() as here:
        old, new = await here.connect(1), await here.connect(2)
        here.tell_of_a_mark(7)
        here.hub.note_progress()
        assert here.ledger.sent == {"d1": [(0, 0), (0, 7)]}
        here.tell(9)
        here.tell_of_a_mark(11)
        here.hub.note_progress()
        assert here.ledger.sent == {"d0": [(8, 11)], "d1": [(0, 0), (0, 7), (7, 11)]}
        assert (old.events(), new.events()) == ([9], [9])


async def test_nothing_is_sent_to_a_connection_that_is_gone_though_its_end_fails() -> None:
    """Its descriptor may be another's by then."""
    async with crowd() as here:
        gone, other = await here.connect(2), await here.connect(2)
        here.tell(1)
        del here.ledger.sent  # a ledger that raises
        with pytest.raises(AttributeError):
            gone.connection.lost()
        here.tell(2)
        assert (gone.events(), other.events()) == ([1], [1, 2])


async def test_a_broken_socket_is_left_to_its_transport_and_the_others_go_on() -> None:
    async with crowd() as here:
        broken, whole = await here.connect(2), await here.connect(2)
        here.tell(1)
        broken.broken = True
        here.tell(2)
        here.tell(3)
        assert (broken.events(), whole.events()) == ([1], [1, 2, 3])
        broken.connection.lost()
        here.tell(4)
        assert whole.events() == [1, 2, 3, 4]


ANYBODY = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("tell"), st.integers(1, 3)),
    st.tuples(st.just("again"), st.integers(0, 3)),
    st.tuples(st.just("connect"), st.integers(1, 2)),
    st.tuples(st.just("fill"), st.integers(0, 300), ANYBODY),
    st.tuples(st.just("drain"), st.integers(1, 300), ANYBODY),
    st.tuples(st.just("refuse"), ANYBODY),
    st.tuples(st.just("lose"), ANYBODY),
    st.tuples(st.just("ping"), ANYBODY),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_each_gets_every_event_once_in_order(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[Any, ...]]) -> None:
    async with crowd() as here:
        await here.connect(2)  # stays, and so does the room
        wanted: dict[Socket, list[int]] = {await here.connect(2): []}
        told = [0]
        for name, *numbers in steps:
            someone = list(wanted)[numbers[-1] % len(wanted)]
            match name:
                case "tell":
                    told.append(told[-1] + numbers[0])
                    for socket, events in wanted.items():
                        if socket.connection.signed_in:
                            events.append(told[-1])
                    here.tell(told[-1])
                case "again":
                    here.tell(told[-1 - numbers[0] % len(told)])
                case "connect":
                    wanted[await here.connect(numbers[0])] = []
                case "fill" if not someone.waiting:
                    someone.room_bytes = numbers[0]
                case "drain":
                    someone.drain(numbers[0])
                case "refuse":
                    someone.connection.refuse(Refuse(CloseCode.TOKEN_REFUSED, "revoked"))
                case "lose":
                    someone.connection.lost()
                case "ping":
                    someone.connection.send(b'{"type":"ping"}')
        for socket, events in wanted.items():
            if socket.connection.signed_in:
                socket.drain(PLENTY)
                assert socket.events() == events
            else:
                assert socket.events() == events[: len(socket.events())]
        assert here.hub.connections_of("petr") == sum(socket.connection.signed_in for socket in here.sockets)
