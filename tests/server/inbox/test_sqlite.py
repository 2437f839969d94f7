"""What is particular to the SQLite log: one commit for many, several processes on one file, and everything that can happen to a disk."""

import asyncio
import json
import resource
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyst_server.errors import ServerError, StoreUnavailable
from analyst_server.inbox.log import START, Event, MarkDraft, NotificationDraft, Seq, User
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox
from analyst_server.inbox.sqlite_file import open_file, sqlite_errors
from analyst_server.inbox.sqlite_read import decode_state
from analyst_server.wire.messages import NotificationState
from analyst_server.wire.states import after_mark

PETR = User("petr")
IMPATIENT = WriterSettings(busy_timeout_s=0.02, poll_s=0.01)


def draft(notification_id: str, size: int = 100) -> NotificationDraft:
    return NotificationDraft(PETR, notification_id, json.dumps({"title": "x" * size}).encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
async def inbox(path: Path) -> AsyncIterator[SqliteInbox]:
    async with open_sqlite_inbox(path, settings=IMPATIENT) as opened:
        yield opened


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file as another program that writes to it would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond what the log has now."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(each.stat().st_size for each in path.parent.glob("inbox.db*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def until_it_works(inbox: SqliteInbox, notification_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await inbox.append(draft(notification_id))
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_the_file_is_for_its_owner_alone(inbox: SqliteInbox, path: Path) -> None:
    await inbox.append(draft("a"))
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.glob("inbox.db*")} == dict.fromkeys(
        ("inbox.db", "inbox.db-wal", "inbox.db-shm"), "0o600"
    )


@pytest.mark.parametrize(("word", "level"), [("FULL", 2), ("NORMAL", 1)])
async def test_a_commit_waits_for_the_disk_as_the_setting_says(path: Path, word: Any, level: int) -> None:
    async with open_sqlite_inbox(path, settings=WriterSettings(synchronous=word)) as inbox:
        found = await inbox._writer.submit(
            lambda transaction: transaction.connection.execute("PRAGMA synchronous").fetchone()
        )
    assert found == (level,)


async def test_whatever_waits_is_committed_together(path: Path) -> None:
    commits: list[int] = []
    async with open_sqlite_inbox(path) as inbox:
        inbox.observe_commits(lambda works, _seconds: commits.append(works))
        with locked(path):
            appends = [asyncio.create_task(inbox.append(draft(f"n{i}"))) for i in range(200)]
            await asyncio.sleep(0)
        await asyncio.gather(*appends)
    assert sum(commits) == 200
    assert len(commits) <= 2


async def test_three_processes_append_and_hear_each_other_in_one_order(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        await _three_processes(path, inbox)


async def _three_processes(path: Path, inbox: SqliteInbox) -> None:
    heard: list[Event] = []
    inbox.subscribe(PETR, heard.append)
    others = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("appender.py")), str(path), name, "60",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for name in ("one", "two")
    ]  # fmt: skip

    async def step(expected: bytes) -> None:
        for other in others:
            assert other.stdin is not None
            other.stdin.write(b"\n")
        for other in others:
            assert other.stdout is not None
            assert (await other.stdout.readline()).strip() == expected

    for other in others:
        assert other.stdout is not None
        assert await other.stdout.readline() == b"ready\n"
    async with asyncio.timeout(30):
        own = asyncio.gather(*(inbox.append(draft(f"own-{i}")) for i in range(60)))
        await step(b"done")
        await own
        for other in others:
            assert other.stdin is not None
            other.stdin.write(b"\n")
        heard_there = [
            [int(seq) for seq in (await other.stdout.readline()).split()] for other in others if other.stdout
        ]
        stored = list(await inbox.read(PETR, after=START, limit=1000))
        while len(heard) < len(stored):
            await asyncio.sleep(0.01)
    for other in others:
        assert await other.wait() == 0
    assert len(stored) == 182
    assert heard == stored
    seqs = [event.seq for event in stored]
    for there in heard_there:
        assert there == seqs[seqs.index(Seq(there[0])) : seqs.index(Seq(there[-1])) + 1]
        assert len(there) >= 181


async def test_a_locked_store_refuses_and_goes_on_by_itself(inbox: SqliteInbox, path: Path) -> None:
    await inbox.append(draft("a"))
    with locked(path):
        with pytest.raises(StoreUnavailable, match="another program holds it") as refused:
            await inbox.append(draft("b"))
        assert str(path.parent) not in str(refused.value), "the text goes to strangers, too"
        assert len(await inbox.read(PETR, after=START, limit=10)) == 1
    await inbox.append(draft("b"))
    assert len(await inbox.read(PETR, after=START, limit=10)) == 2


async def test_an_error_in_the_middle_of_a_commit_leaves_nothing_behind_and_the_next_one_goes_on(
    inbox: SqliteInbox, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON events WHEN new.id = 'bad' BEGIN SELECT raise(ABORT, 'bad'); END"
        )
    outcomes = await asyncio.gather(*(inbox.append(draft(name)) for name in ("a", "bad")), return_exceptions=True)
    assert any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert not (await inbox.append(draft("b"))).duplicate


async def test_a_full_disk_refuses_whole_commits_and_goes_on_by_itself(inbox: SqliteInbox, path: Path) -> None:
    for i in range(20):
        await inbox.append(draft(f"n{i}"))
    with full_disk(path):
        answers = await asyncio.gather(
            *(inbox.append(draft(f"big{i}", 200_000)) for i in range(20)), return_exceptions=True
        )
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        stored = await inbox.read(PETR, after=START, limit=100)
        assert len(stored) == 20
        assert len((await inbox.snapshot(PETR)).notifications) == 20
    await until_it_works(inbox, "after")
    assert len(await inbox.read(PETR, after=START, limit=100)) == 21


def test_each_error_of_sqlite_names_a_way_out(path: Path) -> None:
    open_file(path, create=True).close()
    readonly = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(StoreUnavailable, match="make it writable"), sqlite_errors():
        readonly.execute("CREATE TABLE a (b)")
    readonly.close()
    limited = sqlite3.connect(path)
    limited.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnavailable, match="free some space"), sqlite_errors():
        limited.execute("CREATE TABLE a (b)")
    limited.close()


async def test_a_file_that_is_no_database_is_refused_at_the_start(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable, match="restore a backup") as refused:
        async with open_sqlite_inbox(path):
            pass
    assert str(path) in str(refused.value)
    assert path.read_bytes().startswith(b"this is no database")


async def test_corrupt_pages_are_said_and_a_backup_put_in_place_is_used(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        for i in range(300):
            await inbox.append(draft(f"n{i}", 500))
        await inbox.retain(Retention())  # so that opening the file need not read the events
    backup = path.with_name("backup.db")
    shutil.copy(path, backup)
    whole = path.read_bytes()
    path.write_bytes(whole[: 20 * 4096] + b"\xff" * (10 * 4096) + whole[30 * 4096 :])
    async with open_sqlite_inbox(path, settings=IMPATIENT) as inbox:
        with pytest.raises(StoreUnavailable, match="restore a backup"):
            await inbox.read(PETR, after=START, limit=1000)
        backup.replace(path)
        for name in ("inbox.db-wal", "inbox.db-shm"):
            path.with_name(name).unlink(missing_ok=True)
        assert len(await inbox.read(PETR, after=START, limit=1000)) == 300
        await inbox.append(draft("after"))


async def test_a_file_that_vanished_is_not_made_anew(inbox: SqliteInbox, path: Path) -> None:
    await inbox.append(draft("a"))
    parked = path.with_name("parked.db")
    path.rename(parked)
    with pytest.raises(StoreUnavailable, match="No such file"):
        await inbox.append(draft("b"))
    with pytest.raises(StoreUnavailable, match="No such file"):
        await inbox.snapshot(PETR)
    assert not path.exists()
    parked.rename(path)
    await until_it_works(inbox, "b")


async def test_another_store_in_its_place_is_refused(inbox: SqliteInbox, path: Path) -> None:
    await inbox.append(draft("a"))
    other = path.with_name("other.db")
    async with open_sqlite_inbox(other) as another:
        await another.append(draft("z"))
    other.replace(path)
    for name in ("inbox.db-wal", "inbox.db-shm"):
        path.with_name(name).unlink()
    with pytest.raises(ServerError, match="restart the gateway"):
        await inbox.append(draft("b"))


async def test_a_store_that_does_not_keep_up_says_so_instead_of_filling_memory(inbox: SqliteInbox, path: Path) -> None:
    with locked(path):
        answers = await asyncio.gather(
            *(inbox.append(draft(f"n{i}", 250_000)) for i in range(300)), return_exceptions=True
        )
    assert sum("does not keep up" in str(answer) for answer in answers) > 30
    await until_it_works(inbox, "after")


async def test_closing_answers_what_waits_and_refuses_what_comes_later(path: Path) -> None:
    async with open_sqlite_inbox(path) as inbox:
        appends = [asyncio.create_task(inbox.append(draft(f"n{i}"))) for i in range(50)]
        await asyncio.sleep(0)
    assert len({appended.seq for appended in await asyncio.gather(*appends)}) == 50
    with pytest.raises(StoreUnavailable, match="closed"):
        await inbox.append(draft("late"))
    with pytest.raises(StoreUnavailable, match="closed"):
        await inbox.snapshot(PETR)


async def test_one_listener_that_fails_keeps_nothing_from_the_others(inbox: SqliteInbox, caplog: Any) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError(f"cannot take {event.seq}")

    inbox.subscribe(PETR, broken)
    inbox.subscribe(PETR, heard.append)
    await inbox.append(draft("a"))
    await inbox.append(draft("b"))
    assert [event.seq for event in heard] == [1, 2]
    assert "cannot take 2" in caplog.text


async def test_callers_that_give_up_still_count_until_their_work_is_done(inbox: SqliteInbox, path: Path) -> None:
    with locked(path):
        for _ in range(3):
            waiting = [asyncio.create_task(inbox.append(draft(f"n{i}", 250_000))) for i in range(200)]
            await asyncio.sleep(0)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        assert inbox._writer._waiting_bytes <= 64 * 1024 * 1024
        with pytest.raises(StoreUnavailable):
            await inbox.append(draft("one more", 30_000_000))
    await until_it_works(inbox, "after")
    assert inbox._writer._waiting_bytes == 0


async def test_a_caller_that_gives_up_hurts_nobody(inbox: SqliteInbox, path: Path) -> None:
    with locked(path):
        given_up = asyncio.create_task(inbox.append(draft("a")))
        await asyncio.sleep(0)
        given_up.cancel()
    await until_it_works(inbox, "b")


async def test_the_size_is_steady_when_as_much_goes_as_comes(inbox: SqliteInbox, path: Path) -> None:
    sizes = []
    for round_number in range(8):
        await asyncio.gather(*(inbox.append(draft(f"{round_number}-{i}", 300)) for i in range(300)))
        await inbox.mark(MarkDraft(PETR, [f"{round_number}-{i}" for i in range(300)], "read", "2026-11-21T08:00:00Z"))
        await inbox.retain(Retention(max_notifications=300))
        with closing(sqlite3.connect(path)) as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
            [states] = connection.execute("SELECT count(*) FROM states").fetchone()
        assert states == 300
    assert max(sizes[3:]) <= sizes[2] * 1.05


async def test_what_another_process_has_folded_or_not_is_read_all_the_same(path: Path) -> None:
    often = WriterSettings(fold_when_busy=2, poll_s=0.01)
    async with (
        open_sqlite_inbox(path, settings=often) as folding,
        open_sqlite_inbox(path, settings=WriterSettings(poll_s=0.01)) as not_folding,
    ):
        for i in range(40):
            await (folding, not_folding)[i % 2].append(draft(f"n{i}"))
            for inbox in (folding, not_folding):
                events = await inbox.read(PETR, after=START, limit=100)
                assert [event.seq for event in events] == list(range(1, i + 2))
                assert (await inbox.snapshot(PETR, limit=1)).notifications[0].seq == i + 1


async def test_reading_while_others_append_and_fold_sees_a_whole_prefix(path: Path) -> None:
    async with open_sqlite_inbox(path, settings=WriterSettings(fold_when_busy=7)) as inbox:

        async def produce(name: str) -> None:
            for i in range(150):
                await inbox.append(draft(f"{name}-{i}"))

        producing = asyncio.gather(*(produce(f"p{i}") for i in range(4)))
        while not producing.done():
            snapshot = await inbox.snapshot(PETR, limit=1000)
            assert [each.seq for each in snapshot.notifications] == list(range(1, snapshot.seq + 1))
            page = await inbox.read(PETR, after=START, limit=1000)
            assert [event.seq for event in page] == list(range(1, len(page) + 1))
            assert len(page) >= snapshot.seq
        await producing


async def test_jumps_of_the_clock_change_neither_order_nor_what_is_kept(path: Path) -> None:
    """R14: an hour back and forth between any two events."""
    jumps = iter([0, 3600, -3600, 7200, 0, -7200] * 100)
    async with open_sqlite_inbox(path, clock=lambda: 1_800_000_000 + next(jumps)) as inbox:
        ids = [f"n{i}" for i in range(30)]
        seqs = [(await inbox.append(draft(each))).seq for each in ids]
        await inbox.mark(MarkDraft(PETR, ids[:3], "read", "2026-11-21T08:00:00Z"))
        await inbox.retain(Retention(max_age_s=6 * 3600))
        assert [event.seq for event in await inbox.read(PETR, after=START, limit=100)][:30] == seqs == sorted(seqs)


async def test_the_state_that_is_kept_is_the_state_that_the_events_give(inbox: SqliteInbox, path: Path) -> None:
    states = ("read", "unread", "archived", "unarchived", "acknowledged", "snoozed")
    for i in range(30):
        await inbox.append(draft(f"n{i}"))
    for i in range(200):
        ids = [f"n{(i * 7 + j) % 30}" for j in range(i % 5 + 1)]
        await inbox.mark(MarkDraft(PETR, ids, states[i * 13 % 6], "2026-11-21T08:00:00Z", until=f"t{i}"))  # type: ignore[arg-type]
    from_events: dict[str, NotificationState] = {}
    for event in await inbox.read(PETR, after=START, limit=1000):
        if not event.is_notification:
            change = json.loads(event.body)
            for each in change["ids"]:
                before = from_events.get(each, NotificationState())
                from_events[each] = after_mark(before, change["state"], until=change.get("until"))
    connection = sqlite3.connect(path)
    kept = {
        name: decode_state(state)
        for name, state in connection.execute("SELECT id, state FROM events JOIN states USING (seq)")
    }
    connection.close()
    assert kept == from_events
    assert len(kept) == 30
