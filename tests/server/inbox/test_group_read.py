"""Many questions at once, and the answer that needs no question: a device that has missed nothing."""

import asyncio
import random
from pathlib import Path

import pytest

from analyst_server.errors import CursorLost, StoreUnavailable
from analyst_server.inbox.log import START, Event, NotificationDraft, Seq, User
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox

PETR = User("petr")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


def draft(notification_id: str, user: User = PETR) -> NotificationDraft:
    return NotificationDraft(user, notification_id, b'{"title":"t"}')


async def test_many_questions_in_one_turn_each_get_their_own_answer(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        seqs = [(await inbox.append(draft(f"n{number}"))).seq for number in range(40)]
        asked = [inbox.read(PETR, after=Seq(after), limit=1_000) for after in (*seqs, 10**6, *seqs)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[40], CursorLost)
    assert [len(answer) for answer in answers if not isinstance(answer, BaseException)] == [*range(39, -1, -1)] * 2


async def test_closing_answers_what_was_asked(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        await inbox.append(draft("a"))
        asked = [asyncio.create_task(inbox.snapshot(PETR)) for _ in range(40)]
        await asyncio.sleep(0)
    assert {(await each).seq for each in asked} == {1}


async def test_who_has_missed_nothing_is_told_so_without_the_file(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        newest = (await inbox.append(draft("a"))).seq
    async with open_sqlite_inbox(path, settings=WriterSettings(poll_s=60)) as inbox:
        inbox.subscribe(PETR, lambda _: None)
        path.rename(path.with_suffix(".away"))
        assert list(await inbox.read(PETR, after=newest, limit=10)) == []
        with pytest.raises(StoreUnavailable):
            await inbox.read(PETR, after=START, limit=10)
        path.with_suffix(".away").rename(path)


async def test_after_everything_was_removed_the_newest_cursor_still_holds(path: Path) -> None:
    async with open_sqlite_inbox(path, clock=lambda: 1_000.0) as inbox:
        newest = (await inbox.append(draft("a"))).seq
    async with open_sqlite_inbox(path, clock=lambda: 1e9) as inbox:
        await inbox.retain(Retention())
        inbox.subscribe(PETR, lambda _: None)
        assert list(await inbox.read(PETR, after=newest, limit=10)) == []
        assert list(await inbox.read(PETR, after=START, limit=10)) == []


async def test_who_comes_back_while_another_gateway_stores_misses_nothing(path: Path) -> None:
    rng = random.Random(7)
    often = WriterSettings(poll_s=0.001)
    async with open_sqlite_inbox(path) as before:  # both shall know the user, and so where the log ends
        seen: list[Seq] = [(await before.append(draft("first"))).seq]
    stored = list(seen)
    async with open_sqlite_inbox(path, settings=often) as here, open_sqlite_inbox(path, settings=often) as there:
        for number in range(150):
            storing = asyncio.create_task(there.append(draft(f"n{number}")))
            if number % 2:
                await storing
            await asyncio.sleep(rng.uniform(0, 0.002))
            await _comes_back(here, seen, until=storing)
            stored.append((await storing).seq)
        assert seen == stored


async def _comes_back(inbox: SqliteInbox, seen: list[Seq], *, until: "asyncio.Task[object]") -> None:
    """Be a device for a moment: listen, read from the cursor on, and take what is told."""
    told: list[Event] = []
    leave = inbox.subscribe(PETR, told.append)
    seen += [event.seq for event in await inbox.read(PETR, after=seen[-1], limit=100)]
    newest = await until
    async with asyncio.timeout(30):
        while max([seen[-1], *(event.seq for event in told)]) < newest.seq:  # type: ignore[attr-defined]
            await asyncio.sleep(0.0005)
    leave()
    seen += [event.seq for event in told if event.seq > seen[-1]]
