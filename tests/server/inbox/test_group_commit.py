"""Where a commit is made: on the event loop while that is quick, else in the writer's thread, and never in another order."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox import group_commit
from analyst_server.inbox.log import Event, MarkDraft, NotificationDraft, User
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox
from tests.support.ticking import Ticking

PETR = User("petr")
HERE = threading.main_thread()


class Clock:
    """Tells the time, and remembers the threads that have asked: each commit asks once."""

    def __init__(self) -> None:
        self.asked: list[threading.Thread] = []

    def __call__(self) -> float:
        self.asked.append(threading.current_thread())
        return time.time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def inbox(path: Path, clock: Clock) -> AsyncIterator[SqliteInbox]:
    never_looks = WriterSettings(
        busy_timeout_s=10, poll_s=60
    )  # while the thread looks for other processes' events, it commits
    async with open_sqlite_inbox(path, settings=never_looks, clock=clock) as opened:
        clock.asked.clear()
        yield opened


def draft(notification_id: str, body: bytes = b'{"title":"t"}') -> NotificationDraft:
    return NotificationDraft(PETR, notification_id, body)


async def test_a_quick_commit_is_made_on_the_event_loop(
    inbox: SqliteInbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_SHORT_FLUSH_S", 1e9)  # whatever this machine's disk does
    await asyncio.gather(*(inbox.append(draft(f"n{number}")) for number in range(50)))
    assert clock.asked == [HERE]


async def test_after_slow_flushes_the_thread_commits(
    inbox: SqliteInbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_SHORT_FLUSH_S", 1e-9)
    await inbox.append(draft("the first: nothing is known of the disk"))
    await inbox.append(draft("the second"))
    assert clock.asked[0] is HERE
    assert clock.asked[1] is not HERE


@pytest.mark.parametrize(
    "work",
    [
        lambda inbox: inbox.append(draft("large", b"x" * 20_000)),
        lambda inbox: inbox.mark(MarkDraft(PETR, [f"n{n}" for n in range(21)], "read", "2026-01-30T10:00:00Z")),
        lambda inbox: asyncio.gather(*(inbox.append(draft(f"n{n}")) for n in range(101))),
    ],
    ids=["a large body", "many marks", "many works"],
)
async def test_what_takes_long_is_left_to_the_thread(
    inbox: SqliteInbox, clock: Clock, work: Callable[[SqliteInbox], asyncio.Future[object]]
) -> None:
    await work(inbox)
    assert HERE not in clock.asked


async def test_the_event_loop_never_waits_for_another_process_that_holds_the_file(
    inbox: SqliteInbox, path: Path, clock: Clock
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    appending = asyncio.create_task(inbox.append(draft("a")))
    async with Ticking() as ticking:
        await ticking.times(20)
        assert not appending.done()
        other.execute("ROLLBACK")
        assert (await appending).seq == 1
    assert clock.asked[-1] is not HERE
    other.close()


async def test_what_came_first_is_committed_and_told_first_wherever_it_is_committed(inbox: SqliteInbox) -> None:
    told: list[Event] = []
    inbox.subscribe(PETR, told.append)
    sizes = [20_000 if number % 7 == 3 else 10 for number in range(60)]  # some for the thread, others for the loop
    appends = []
    for number, size in enumerate(sizes):
        appends.append(asyncio.create_task(inbox.append(draft(f"n{number}", b"x" * size))))
        if number % 5 == 0:
            await asyncio.sleep(0.001)
    appended = [each.seq for each in await asyncio.gather(*appends)]
    assert appended == sorted(appended)
    assert [event.seq for event in told] == appended
    assert [len(event.body) for event in told] == sizes


async def test_a_store_that_fails_on_the_loop_is_tried_again_and_then_said(inbox: SqliteInbox, path: Path) -> None:
    await inbox.append(draft("a"))
    path.rename(path.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        await inbox.append(draft("b"))
    path.with_suffix(".away").rename(path)
    assert not (await inbox.append(draft("b"))).duplicate


async def test_closing_waits_for_what_the_thread_has_and_for_what_gathers_behind_it(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        first = asyncio.create_task(inbox.append(draft("large", b"x" * 20_000)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        behind = [asyncio.create_task(inbox.append(draft(f"n{number}"))) for number in range(20)]
        await asyncio.sleep(0)
    assert [each.done() for each in (first, *behind)] == [True] * 21
    assert len({each.result().seq for each in (first, *behind)}) == 21
