"""One store, two processes: what another one does while this one reads is neither missed nor done against the person's will."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from analyst_cli.client.delivery import Delivery
from analyst_cli.client.events import CaughtUp, ClientEvent, NotificationArrived, StateChanged
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.rows import PendingMark, Row
from analyst_cli.client.sending import send_pending
from analyst_server.wire.client_session import ClientSession, EventReceived, ReplayFinished
from analyst_server.wire.messages import Cursor, Notification, StateChange
from tests.support.follower import Follower
from tests.support.scripted_gateway import scripted_gateway

AT = "2026-01-30T10:00:00Z"


class Overtaken(Inbox):
    """An inbox in which another process does something right after this one has read its arrivals, or the marks to be sent."""

    meanwhile: dict[str, Callable[[], object]] = {}  # noqa: RUF012 - set by each test for its own

    def arrived_after(
        self, pos: int, *, upto: int | None = None, but: tuple[int, int] = (0, 0), limit: int = 1_000
    ) -> list[Row]:
        found = super().arrived_after(pos, upto=upto, but=but, limit=limit)
        self._overtake("arrivals")
        return found

    def pending(self) -> list[PendingMark]:
        found = super().pending()
        self._overtake("marks")
        return found

    def _overtake(self, moment: str) -> None:
        self.meanwhile.pop(moment, lambda: None)()


@pytest.fixture
def inbox(tmp_path: Path) -> Overtaken:
    found = Overtaken(tmp_path / "petr.db")
    found.meanwhile = {}
    found.apply([_note(1)], cursor=Cursor("e", 1))
    return found


@pytest.fixture
def other(inbox: Overtaken) -> Inbox:
    return Inbox(inbox.path)


def _note(seq: int) -> Notification:
    return Notification(id=f"n-{seq}", title=f"T{seq}", message="m", timestamp=AT, seq=seq)


def _live(inbox: Inbox) -> tuple[ClientSession, Delivery]:
    session = ClientSession(token="t", device="d", client="c", since=Cursor("e", 1))
    session.hello()
    for message in (
        {
            "type": "auth_ok",
            "username": "petr",
            "protocol": 2,
            "epoch": "e",
            "seq": 1,
            "recovered": True,
            "heartbeat_s": 30,
        },
        {"type": "replay_done", "seq": 1},
    ):
        session.receive(json.dumps(message).encode())
    return session, Delivery(session, inbox, sent=Cursor("e", 1), told_pos=1)


def _marks(session: ClientSession) -> list[dict[str, object]]:
    sent = iter(session.to_send, None)
    return [message for text in sent if (message := json.loads(text))["type"] == "mark"]


async def _told(delivery: Delivery, now: float = 0) -> list[ClientEvent]:
    return await delivery.take([], now=now)


async def test_what_another_process_stores_while_this_one_reads_is_told_the_next_time(
    inbox: Overtaken, other: Inbox
) -> None:
    _, delivery = _live(inbox)
    await _told(delivery)
    other.apply([_note(2)], cursor=Cursor("e", 2))
    inbox.meanwhile["arrivals"] = lambda: other.apply([_note(3)], cursor=Cursor("e", 3))
    titles = [
        event.row.title for _ in range(3) for event in await _told(delivery) if isinstance(event, NotificationArrived)
    ]
    assert titles == ["T2", "T3"]


async def test_of_very_many_the_rest_is_told_the_next_time(inbox: Overtaken, other: Inbox) -> None:
    _, delivery = _live(inbox)
    await _told(delivery)
    other.apply([_note(number) for number in range(2, 1_502)], cursor=Cursor("e", 1_501))
    told = [event for _ in range(3) for event in await _told(delivery)]
    assert sum(isinstance(event, NotificationArrived) for event in told) == 1_500


async def test_each_of_thousands_that_were_missed_is_told_with_the_summary(inbox: Overtaken) -> None:
    _, delivery = _live(inbox)
    missed = [EventReceived(_note(number), replayed=True) for number in range(2, 2_502)]
    (caught_up,) = [
        each for each in await delivery.take([*missed, ReplayFinished()], now=0) if isinstance(each, CaughtUp)
    ]
    assert (caught_up.count, len(caught_up.rows)) == (2_500, 2_500)
    assert await _told(delivery) == []


async def test_what_another_process_changes_while_this_one_reads_is_told_the_next_time(
    inbox: Overtaken, other: Inbox
) -> None:
    _, delivery = _live(inbox)
    read = StateChange(seq=2, ids=["n-1"], state="read", at=AT)
    inbox.meanwhile["marks"] = lambda: other.apply([read], cursor=Cursor("e", 2))
    await _told(delivery)
    assert StateChanged() in await _told(delivery)


async def test_a_mark_that_another_process_makes_while_this_one_reads_is_sent_the_next_time(
    inbox: Overtaken, other: Inbox
) -> None:
    session, delivery = _live(inbox)
    inbox.meanwhile["marks"] = lambda: other.mark(["n-1"], "read")
    await _told(delivery)
    assert _marks(session) == []
    await _told(delivery)
    assert [mark["state"] for mark in _marks(session)] == ["read"]


async def test_of_two_programs_one_sends_a_mark_and_the_other_the_next_one(inbox: Overtaken, other: Inbox) -> None:
    """Sent by both, the later event could override what another device has changed in between."""
    session, delivery = _live(inbox)
    beside_session, beside = _live(other)
    other.mark(["n-1"], "read")
    for each in (delivery, beside):
        await _told(each)
    (mark,) = _marks(session)
    assert _marks(beside_session) == []
    other.mark(["n-1"], "archived")
    await _told(beside)
    assert _marks(beside_session) == []  # it could arrive before the one that is on its way
    inbox.confirmed(str(mark["ref"]), 2)
    await _told(beside)
    await _told(delivery)
    assert [each["state"] for each in _marks(beside_session)] == ["archived"]
    assert _marks(session) == []


async def test_what_takes_a_mark_back_is_sent_by_who_has_sent_it(inbox: Overtaken, other: Inbox) -> None:
    session, delivery = _live(inbox)
    beside_session, beside = _live(other)
    marked = other.mark(["n-1"], "archived")
    await _told(delivery)
    other.undo(marked.undo)
    for each in (beside, delivery):
        await _told(each)
    assert [mark["state"] for mark in _marks(session)] == ["archived", "unarchived"]
    assert _marks(beside_session) == []


async def test_a_mark_of_a_program_that_is_killed_is_sent_by_another_after_a_while(tmp_path: Path) -> None:
    clock = [1_000.0]
    killed, inbox = (Inbox(tmp_path / "petr.db", clock=lambda: clock[0]) for _ in range(2))
    killed.apply([_note(1)], cursor=Cursor("e", 1))
    _, delivery = _live(killed)
    session, beside = _live(inbox)
    killed.mark(["n-1"], "read")
    await _told(delivery)
    await _told(beside)
    assert _marks(session) == []
    clock[0] += 9.9
    await _told(beside)
    assert _marks(session) == []
    clock[0] += 0.2
    await _told(beside)
    assert [mark["state"] for mark in _marks(session)] == ["read"]


async def test_a_mark_that_is_claimed_until_the_clock_is_set_back_is_sent(tmp_path: Path) -> None:
    clock = [1_000_000.0]
    killed, inbox = (Inbox(tmp_path / "petr.db", clock=lambda: clock[0]) for _ in range(2))
    killed.apply([_note(1)], cursor=Cursor("e", 1))
    killed.mark(["n-1"], "read")
    killed.sending([mark.ref for mark in killed.pending()])
    clock[0] = 5.0
    session, delivery = _live(inbox)
    await _told(delivery)
    assert [mark["state"] for mark in _marks(session)] == ["read"]


async def test_a_mark_of_a_program_that_ends_before_it_is_confirmed_is_sent_by_another_at_once(
    inbox: Overtaken, other: Inbox
) -> None:
    _, ending = _live(other)
    other.mark(["n-1"], "read")
    await _told(ending)
    other.close()
    session, delivery = _live(inbox)
    await _told(delivery)
    assert [mark["state"] for mark in _marks(session)] == ["read"]


async def test_a_new_connection_of_the_same_program_sends_its_unconfirmed_marks_at_once(inbox: Overtaken) -> None:
    inbox.mark(["n-1"], "read")
    for _ in range(2):
        session, delivery = _live(inbox)
        await _told(delivery)
        assert [mark["state"] for mark in _marks(session)] == ["read"]


async def test_a_command_is_done_when_the_watch_beside_it_has_sent_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", jwt.encode({"sub": "petr"}, "s" * 32, algorithm="HS256"))
    async with scripted_gateway() as gateway, Follower(gateway.url) as watch:
        monkeypatch.setenv("ANALYST_WS_URL", gateway.url)
        beside_watch = await gateway.accept()
        await beside_watch.greet(seq=0)
        await beside_watch.send(type="replay_done", seq=0)
        await beside_watch.send(type="notification", id="n-1", title="T1", message="m", timestamp=AT, seq=1)
        await watch.until(NotificationArrived)
        watch.inbox.mark(["n-1"], "read")
        watch.nudge.set()
        mark = await beside_watch.receive_kind("mark")
        command = asyncio.create_task(asyncio.to_thread(send_pending, None))
        beside_command = await gateway.accept()
        await beside_command.greet(seq=1)
        await beside_command.send(type="replay_done", seq=1)
        for _ in range(2):  # the second is answered when what came with the first is stored and told
            await beside_command.send(type="ping", ts=1)
            await beside_command.receive_kind("pong")
        await beside_watch.send(type="mark_ok", ref=mark["ref"], seq=2)
        assert await command == ""


async def test_a_mark_that_is_undone_before_it_is_sent_is_never_sent(inbox: Overtaken, other: Inbox) -> None:
    session, delivery = _live(inbox)
    await _told(delivery)
    marked = other.mark(["n-1"], "archived")
    inbox.meanwhile["marks"] = lambda: other.undo(marked.undo)
    await _told(delivery)
    await _told(delivery)
    assert _marks(session) == []
    assert [row.title for row in inbox.view()] == ["T1"]


async def test_what_another_process_has_stored_live_was_not_missed(inbox: Overtaken, other: Inbox) -> None:
    session = ClientSession(token="t", device="d", client="c", since=Cursor("e", 1))
    delivery = Delivery(session, inbox, sent=Cursor("e", 1), told_pos=1)
    session.hello()
    auth_ok = {"username": "petr", "protocol": 2, "epoch": "e", "seq": 2, "recovered": True, "heartbeat_s": 30}
    missed = {"id": "n-2", "title": "T2", "message": "m", "timestamp": AT, "seq": 2}
    received = (
        {"type": "auth_ok", **auth_ok},
        {"type": "notification", **missed},
        {"type": "replay_done", "seq": 2},
    )
    events = [event for message in received for event in session.receive(json.dumps(message).encode())]
    other.apply([_note(2), _note(3)], cursor=Cursor("e", 3))
    told = await delivery.take(events, now=0)
    caught_up, arrived = (event for event in told if isinstance(event, CaughtUp | NotificationArrived))
    assert isinstance(caught_up, CaughtUp)
    assert (caught_up.count, [row.title for row in caught_up.rows]) == (1, ["T2"])
    assert isinstance(arrived, NotificationArrived)
    assert arrived.row.title == "T3"
    assert not [event for event in await _told(delivery) if isinstance(event, NotificationArrived)]


async def test_who_ends_a_connection_gets_the_inbox_back_only_when_its_thread_has_done_with_it(
    inbox: Overtaken,
) -> None:
    """A file that is closed while a thread reads it ends the whole program with a segmentation fault."""
    _, delivery = _live(inbox)
    reading, go_on = threading.Event(), threading.Event()
    inbox.meanwhile["arrivals"] = lambda: (reading.set(), go_on.wait(10))
    taking = asyncio.create_task(delivery.take([], now=0))
    await asyncio.to_thread(reading.wait, 10)
    for _ in range(2):  # asyncio.run, too, cancels what was cancelled before
        taking.cancel()
        await asyncio.wait([taking], timeout=0.05)
        assert not taking.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    inbox.close()
