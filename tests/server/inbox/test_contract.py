"""The promises of `analyst_server/inbox/log.py` and `ledger.py`, asked of every implementation."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from analyst_server.errors import Conflict, CursorLost, RequestRefused
from analyst_server.inbox.log import START, Event, InboxLog, MarkDraft, NotificationDraft, Seq, User
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import open_sqlite_inbox
from analyst_server.wire.messages import NotificationState

PETR, EVA = User("petr"), User("eva")
NOW = "2026-11-21T08:00:00Z"


def draft(notification_id: str, *, user: User = PETR, text: str = "hello", **fields: Any) -> NotificationDraft:
    return NotificationDraft(user, notification_id, json.dumps({"title": text}).encode(), **fields)


def mark(
    *ids: str, state: Any = "read", user: User = PETR, device: str = "laptop", until: str | None = None
) -> MarkDraft:
    return MarkDraft(user, ids, state, NOW, device=device, until=until)


async def read_all(log: InboxLog, user: User = PETR, after: Seq = START) -> list[Event]:
    events: list[Event] = []
    while page := await log.read(user, after=events[-1].seq if events else after, limit=3):
        events += page
    return events


async def test_numbers_increase_and_events_come_back_in_order(inbox: InboxLog) -> None:
    seqs = [(await inbox.append(draft(f"n{i}", user=PETR if i % 3 else EVA))).seq for i in range(20)]
    assert seqs == sorted(set(seqs))
    events = await read_all(inbox)
    assert [json.loads(event.body)["title"] for event in events] == ["hello"] * 13
    assert [event.seq for event in events] == [seq for i, seq in enumerate(seqs) if i % 3]
    assert all(event.is_notification and event.user == PETR for event in events)


async def test_reading_after_a_position_gives_only_what_is_newer(inbox: InboxLog) -> None:
    seqs = [(await inbox.append(draft(f"n{i}"))).seq for i in range(5)]
    assert [event.seq for event in await inbox.read(PETR, after=seqs[1], limit=2)] == seqs[2:4]
    assert list(await inbox.read(PETR, after=seqs[-1], limit=10)) == []


async def test_the_same_notification_again_is_a_duplicate_and_stores_nothing(inbox: InboxLog) -> None:
    first = await inbox.append(draft("a"))
    again = await inbox.append(draft("a"))
    assert (first.duplicate, again.duplicate, again.seq) == (False, True, first.seq)
    assert len(await read_all(inbox)) == 1


async def test_another_body_under_the_same_id_is_a_conflict(inbox: InboxLog) -> None:
    await inbox.append(draft("a"))
    with pytest.raises(Conflict, match="a is taken"):
        await inbox.append(draft("a", text="other"))
    assert [event.body for event in await read_all(inbox)] == [draft("a").body]


async def test_the_callers_fingerprint_decides_what_the_same_body_is(inbox: InboxLog) -> None:
    first = await inbox.append(draft("a", text="at nine", fingerprint=b"what the caller sent"))
    assert (await inbox.append(draft("a", text="at ten", fingerprint=b"what the caller sent"))) == type(first)(
        first.seq, duplicate=True
    )
    with pytest.raises(Conflict):
        await inbox.append(draft("a", text="at nine", fingerprint=b"something else"))


async def test_one_id_serves_several_users(inbox: InboxLog) -> None:
    await inbox.append(draft("a", text="for petr"))
    assert not (await inbox.append(draft("a", text="for eva", user=EVA))).duplicate


async def test_fifty_at_once_under_one_id_are_one(inbox: InboxLog) -> None:
    answers = await asyncio.gather(*(inbox.append(draft("a")) for _ in range(50)))
    assert sum(not answer.duplicate for answer in answers) == 1
    assert len({answer.seq for answer in answers}) == 1
    answers_or_conflicts = await asyncio.gather(
        *(inbox.append(draft("b", text=str(i % 2))) for i in range(10)), return_exceptions=True
    )
    assert sum(isinstance(answer, Conflict) for answer in answers_or_conflicts) == 5
    assert len(await read_all(inbox)) == 2


async def test_many_publishers_give_one_order_to_every_reader(inbox: InboxLog) -> None:
    heard: list[list[Event]] = [[], []]
    for each in heard:
        inbox.subscribe(PETR, each.append)
    seqs = await asyncio.gather(*(inbox.append(draft(f"n{i}")) for i in range(300)))
    assert len({appended.seq for appended in seqs}) == 300
    assert heard[0] == heard[1] == await read_all(inbox)


async def test_a_listener_hears_its_user_only_until_it_ends(inbox: InboxLog) -> None:
    heard: list[Event] = []
    end = inbox.subscribe(PETR, heard.append)
    appended = await inbox.append(draft("a"))
    await inbox.append(draft("b", user=EVA))
    marked = await inbox.mark(mark("a"))
    end()
    end()
    await inbox.append(draft("c"))
    assert [(event.seq, event.is_notification) for event in heard] == [(appended.seq, True), (marked.seq, False)]


async def test_a_listener_may_end_itself_while_it_is_told(inbox: InboxLog) -> None:
    heard: list[Event] = []
    end: Callable[[], None]

    def once(event: Event) -> None:
        heard.append(event)
        end()

    end = inbox.subscribe(PETR, once)
    inbox.subscribe(PETR, heard.append)
    await inbox.append(draft("a"))
    await inbox.append(draft("b"))
    assert len(heard) == 3


async def test_what_is_answered_can_be_read_at_once(inbox: InboxLog) -> None:
    for i in range(30):
        appended = await inbox.append(draft(f"n{i}"))
        assert (await inbox.snapshot(PETR, limit=1)).notifications[0].seq == appended.seq


async def test_a_mark_is_an_event_that_names_what_the_user_has(inbox: InboxLog) -> None:
    await inbox.append(draft("a"))
    await inbox.append(draft("of-eva", user=EVA))
    marked = await inbox.mark(mark("a", "of-eva", "nobody's", "a", state="snoozed", until="2026-11-22T08:00:00Z"))
    assert marked.unknown == ("of-eva", "nobody's")
    event = (await read_all(inbox))[-1]
    assert event.seq == marked.seq
    assert not event.is_notification
    assert json.loads(event.body) == {
        "ids": ["a"],
        "state": "snoozed",
        "at": NOW,
        "device": "laptop",
        "until": "2026-11-22T08:00:00Z",
    }


async def test_marking_only_unknown_ids_stores_nothing(inbox: InboxLog) -> None:
    marked = await inbox.mark(mark("a", "b"))
    assert (marked.seq, marked.unknown) == (None, ("a", "b"))
    assert (await inbox.snapshot(PETR)).seq == START


async def test_five_hundred_ids_are_marked_at_once(inbox: InboxLog) -> None:
    ids = [f"n{i}" for i in range(500)]
    await asyncio.gather(*(inbox.append(draft(each)) for each in ids))
    assert (await inbox.mark(mark(*ids, "one-more"))).unknown == ("one-more",)
    assert all(each.state.read for each in (await inbox.snapshot(PETR, limit=600)).notifications)


async def test_the_later_mark_wins_and_marking_twice_is_harmless(inbox: InboxLog) -> None:
    await inbox.append(draft("a"))
    for state in ("read", "unread", "read", "read", "archived", "acknowledged", "unarchived"):
        await inbox.mark(mark("a", state=state))
    await inbox.mark(mark("a", state="snoozed", until=NOW))
    [stored] = (await inbox.snapshot(PETR)).notifications
    assert stored.state == NotificationState(read=True, acknowledged=True, snoozed_until=NOW)


async def test_a_snapshot_has_the_latest_oldest_first_and_where_the_log_ends(inbox: InboxLog) -> None:
    seqs = [(await inbox.append(draft(f"n{i}", text=str(i)))).seq for i in range(60)]
    marked = await inbox.mark(mark("n59"))
    snapshot = await inbox.snapshot(PETR)
    assert [each.seq for each in snapshot.notifications] == seqs[10:]
    assert snapshot.seq == marked.seq
    assert snapshot.notifications[-1].state.read
    assert (await inbox.snapshot(PETR, limit=0)) == type(snapshot)(snapshot.seq, ())
    assert (await inbox.snapshot(EVA)).seq == START


@pytest.mark.parametrize(
    ("after", "reason"), [(-1, "expired"), (-(2**40), "expired"), (10**6, "ahead"), (2**60, "ahead")]
)
async def test_a_cursor_that_cannot_be_honoured_is_refused(inbox: InboxLog, after: int, reason: str) -> None:
    await inbox.append(draft("a"))
    with pytest.raises(CursorLost) as lost:
        await inbox.read(PETR, after=Seq(after), limit=10)
    assert lost.value.reason == reason


async def test_a_cursor_of_a_user_without_events_is_ahead(inbox: InboxLog) -> None:
    appended = await inbox.append(draft("a", user=EVA))
    with pytest.raises(CursorLost, match="ahead"):
        await inbox.read(PETR, after=appended.seq, limit=10)
    assert list(await inbox.read(PETR, after=START, limit=10)) == []


async def test_everything_is_there_after_a_restart(
    open_inbox: Callable[[], AbstractAsyncContextManager[InboxLog]],
) -> None:
    async with open_inbox() as inbox:
        first = await inbox.append(draft("a"))
        marked = await inbox.mark(mark("a"))
        epoch = inbox.epoch
    async with open_inbox() as inbox:
        assert inbox.epoch == epoch
        assert (await inbox.append(draft("a"))) == type(first)(first.seq, duplicate=True)
        later = await inbox.append(draft("b"))
        assert marked.seq is not None
        assert later.seq > marked.seq > first.seq
        assert [each.state.read for each in (await inbox.snapshot(PETR)).notifications] == [True, False]


async def test_odd_names_and_bodies_come_back_as_they_went_in(inbox: InboxLog) -> None:
    for name in ("", "a" * 1000, "nul\x00nul", "nul\x00other", "\u202eěšč🎉", "'; DROP TABLE events; --"):
        user = User(name)
        heard: list[Event] = []
        end = inbox.subscribe(user, heard.append)
        await inbox.append(NotificationDraft(user, name, b'{"x":"' + bytes(range(32, 256)) + b'"}'))
        await inbox.mark(mark(name, user=user, device=name))
        end()
        assert heard == await read_all(inbox, user)
        assert len(heard) == 2


class TestRetention:
    async def test_age_cuts_the_oldest_and_the_cursor_before_it_is_expired(self, inbox: Any, clock: Any) -> None:
        old = await inbox.append(draft("old"))
        await inbox.mark(mark("old"))
        clock.now += 100
        young = await inbox.append(draft("young"))
        purged = await inbox.retain(Retention(max_age_s=50))
        assert purged.events == 2
        with pytest.raises(CursorLost, match="expired"):
            await inbox.read(PETR, after=old.seq, limit=10)
        assert [event.seq for event in await read_all(inbox)] == [young.seq]
        assert (await inbox.mark(mark("old"))).unknown == ("old",)

    async def test_a_cursor_at_the_cut_is_still_good(self, inbox: Any) -> None:
        seqs = [(await inbox.append(draft(f"n{i}"))).seq for i in range(10)]
        await inbox.retain(Retention(max_notifications=4))
        assert [event.seq for event in await inbox.read(PETR, after=seqs[5], limit=10)] == seqs[6:]
        with pytest.raises(CursorLost, match="expired"):
            await inbox.read(PETR, after=seqs[4], limit=10)

    async def test_the_number_is_of_notifications_and_of_each_user(self, inbox: Any) -> None:
        for i in range(8):
            await inbox.append(draft(f"n{i}"))
            await inbox.mark(mark(f"n{i}"))
            await inbox.append(draft(f"n{i}", user=EVA)) if i < 3 else None
        await inbox.retain(Retention(max_notifications=3))
        assert [each.state.read for each in (await inbox.snapshot(PETR)).notifications] == [True] * 3
        assert len((await inbox.snapshot(EVA)).notifications) == 3

    async def test_marks_for_ever_are_bounded_too(self, inbox: Any) -> None:
        await inbox.append(draft("a"))
        await inbox.append(draft("b"))
        for i in range(50):
            await inbox.mark(mark("b", state="unread" if i % 2 else "read"))
        await inbox.retain(Retention(max_notifications=2))
        assert len(await read_all(inbox)) <= 8

    async def test_an_emptied_log_knows_where_it_was(self, inbox: Any, clock: Any) -> None:
        last = await inbox.append(draft("a"))
        clock.now += 100
        await inbox.retain(Retention(max_age_s=50))
        assert (await inbox.snapshot(PETR)).seq == last.seq
        assert list(await inbox.read(PETR, after=last.seq, limit=10)) == []
        assert (await inbox.append(draft("a"))).seq > last.seq

    async def test_images_are_named_when_their_last_reference_goes(self, inbox: Any) -> None:
        await inbox.append(draft("a", image="one.png"))
        await inbox.append(draft("b", image="two.png"))
        await inbox.append(draft("c", image="two.png"))
        purged = await inbox.retain(Retention(max_notifications=1))
        assert purged.images == {"one.png"}
        assert await inbox.referenced(["one.png", "two.png", "three.png"]) == {"two.png"}

    async def test_an_image_is_for_those_who_have_a_notification_with_it(self, inbox: Any) -> None:
        await inbox.append(draft("a", image="one.png"))
        await inbox.append(draft("b", image="two.png", user=EVA))
        assert await inbox.may_read(PETR, "one.png")
        assert not await inbox.may_read(PETR, "two.png")
        assert not await inbox.may_read(User("nobody"), "one.png")


class TestLedger:
    async def test_stages_on_each_device(self, inbox: Any, clock: Any) -> None:
        first, second = [(await inbox.append(draft(each))).seq for each in "ab"]
        inbox.note_sent(PETR, "laptop", after=START, upto=second)
        inbox.note_acknowledged(PETR, "laptop", first)
        inbox.note_sent(PETR, "phone", after=first, upto=second)
        await inbox.mark(mark("b", device="phone"))
        [a], [b] = await inbox.trace("a"), await inbox.trace("b", user=PETR)
        assert (a.user, a.seq, a.stored_at, a.read) == (PETR, first, clock.now, False)
        stages = {each.device: (each.sent, each.acknowledged, each.read) for each in a.devices}
        assert stages == {"laptop": (True, True, False), "phone": (False, False, False)}
        stages = {each.device: (each.sent, each.acknowledged, each.read) for each in b.devices}
        assert stages == {"laptop": (True, False, False), "phone": (True, True, True)}
        assert b.read

    async def test_a_snapshot_begins_a_span_anew(self, inbox: Any) -> None:
        seqs = [(await inbox.append(draft(f"n{i}"))).seq for i in range(6)]
        inbox.note_sent(PETR, "laptop", after=START, upto=seqs[0])
        inbox.note_sent(PETR, "laptop", after=seqs[2], upto=seqs[3])
        inbox.note_sent(PETR, "laptop", after=seqs[3], upto=seqs[4])
        inbox.note_acknowledged(PETR, "laptop", seqs[4])
        sent = [(await inbox.trace(f"n{i}"))[0].devices[0].acknowledged for i in range(6)]
        assert sent == [False, False, False, True, True, False]

    async def test_the_ledger_is_there_after_a_restart(self, open_inbox: Any) -> None:
        async with open_inbox() as inbox:
            appended = await inbox.append(draft("a"))
            inbox.note_sent(PETR, "laptop", after=START, upto=appended.seq)
        async with open_inbox() as inbox:
            inbox.note_acknowledged(PETR, "laptop", appended.seq)
            [trace] = await inbox.trace("a")
            assert [(each.sent, each.acknowledged) for each in trace.devices] == [(True, True)]

    async def test_nobody_has_it(self, inbox: Any) -> None:
        await inbox.append(draft("a"))
        assert list(await inbox.trace("b")) == []
        assert list(await inbox.trace("a", user=EVA)) == []

    async def test_everybody_who_has_it_is_told_of(self, inbox: Any) -> None:
        for user in (PETR, EVA):
            await inbox.append(draft("a", user=user))
        assert {trace.user for trace in await inbox.trace("a")} == {PETR, EVA}


async def test_half_a_surrogate_pair_is_refused_and_fails_nobody_else(tmp_path: Path) -> None:
    async with open_sqlite_inbox(tmp_path / "inbox.db") as inbox:
        good, bad = await asyncio.gather(
            inbox.append(draft("a")), inbox.append(draft("b\ud800")), return_exceptions=True
        )
        assert isinstance(bad, RequestRefused)
        assert not isinstance(good, BaseException)
