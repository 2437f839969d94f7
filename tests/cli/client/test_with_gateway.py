"""Two devices of a person and the real gateway: everything arrives once, in order, and both agree."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from analyst_cli.client.events import (
    CaughtUp,
    Connected,
    ConnectionLost,
    MarkFailed,
    NotificationArrived,
    SignInExpired,
)
from analyst_cli.client.rows import Filter, Row
from analyst_server.inbox.log import START, User
from analyst_server.wire.close_codes import CloseCode
from tests.support.follower import Follower
from tests.support.gateway_world import World, gateway_world


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with gateway_world(tmp_path) as running:
        monkeypatch.setenv("ANALYST_TOKEN", running.token())
        yield running


def device(world: World, tmp_path: Path, name: str) -> Follower:
    return Follower(world.url, path=tmp_path / f"{name}.db", device=name)


def states(client: Follower) -> list[tuple[str, bool, bool]]:
    rows: list[Row] = list(client.inbox.view(Filter(archived=None, snoozed=None, collapsed=False)))
    return [(row.id, row.is_read, row.archived) for row in rows]


async def test_a_mark_on_one_device_is_seen_on_the_other_and_nothing_pops_up_later(
    world: World, tmp_path: Path
) -> None:
    async with device(world, tmp_path, "laptop") as laptop:
        await laptop.until(CaughtUp)
        for number in range(3):
            await world.dispatch(id=f"n-{number}", title=f"T{number}")
        await laptop.until(NotificationArrived, 3)
        laptop.inbox.mark(["n-0", "n-1"], "read")
        laptop.nudge.set()
        await laptop.until_true(lambda: not laptop.inbox.pending())
        async with device(world, tmp_path, "desk") as desk:
            caught_up = await desk.until(CaughtUp)
            assert [row.id for row in caught_up.rows] == ["n-2"]
            desk.inbox.mark(["n-2"], "archived")
            desk.nudge.set()
            await laptop.until_true(lambda: states(laptop) == states(desk))
            assert states(laptop) == [("n-2", False, True), ("n-1", True, False), ("n-0", True, False)]


async def test_what_is_dispatched_while_lines_break_arrives_once_and_in_order(world: World, tmp_path: Path) -> None:
    seed = random.Random(7)
    async with device(world, tmp_path, "laptop") as client:
        await client.until(CaughtUp)
        for number in range(60):
            await world.dispatch(id=f"n-{number}", title="t")
            if seed.random() < 0.15:
                world.hub.close_where(lambda _: True, CloseCode.RESTARTING, "")
        await client.until_true(lambda: client.inbox.newest_pos() >= 60)
        assert [row.id for row in client.inbox.view()] == [f"n-{number}" for number in reversed(range(60))]
        assert any(isinstance(event, ConnectionLost) for event in client.seen)
        told = [event.row.id for event in client.seen if isinstance(event, NotificationArrived)]
        assert len(told) == len(set(told))


async def test_offline_edits_of_two_devices_converge(world: World, tmp_path: Path) -> None:
    seed = random.Random(11)
    for number in range(12):
        await world.dispatch(id=f"n-{number}", title="t", key=f"k{number % 3}")
    for name in ("laptop", "desk"):
        async with device(world, tmp_path, name) as client:
            await client.until(CaughtUp)
    for _ in range(3):
        for name in ("laptop", "desk"):
            client = device(world, tmp_path, name)
            for _ in range(5):
                state = seed.choice(["read", "unread", "archived", "unarchived", "acknowledged"])
                client.inbox.mark([f"n-{seed.randrange(12)}"], state, repeats=False)
            client.inbox.close()
        for name in ("laptop", "desk", "laptop"):
            async with device(world, tmp_path, name) as client:
                await client.until(CaughtUp)
                await client.until_true(lambda client=client: not client.inbox.pending())
    seen = []
    for name in ("laptop", "desk", "new"):
        async with device(world, tmp_path, name) as client:
            await client.until(CaughtUp)
            seen.append(states(client))
            assert client.inbox.unread_count() == len(list(client.inbox.view(Filter(unread=True, since=0))))
    assert seen[0] == seen[1] == seen[2]


async def test_marks_of_two_live_devices_at_the_same_time_converge(world: World, tmp_path: Path) -> None:
    seed = random.Random(12)
    for number in range(3):
        await world.dispatch(id=f"n-{number}", title="t")
    async with device(world, tmp_path, "laptop") as laptop, device(world, tmp_path, "desk") as desk:
        both = (laptop, desk)
        for client in both:
            await client.until(CaughtUp)
        for _ in range(25):
            for client in both:
                for _ in range(3):
                    client.inbox.mark([f"n-{seed.randrange(3)}"], seed.choice(["read", "unread"]))
                client.nudge.set()
            for client in both:
                await client.until_true(lambda client=client: not client.inbox.pending())
            await laptop.until_true(lambda: laptop.inbox.cursor() == desk.inbox.cursor())
            assert states(laptop) == states(desk)
        async with device(world, tmp_path, "new") as new:
            await new.until(CaughtUp)
            assert states(new) == states(laptop)


async def test_each_mark_is_one_event_of_the_log_however_many_programs_share_the_inbox(
    world: World, tmp_path: Path
) -> None:
    await world.dispatch(id="n-0", title="t")
    async with (
        device(world, tmp_path, "laptop") as inbox,
        device(world, tmp_path, "laptop") as watch,
        device(world, tmp_path, "laptop") as command,
    ):
        programs = (inbox, watch, command)
        for client in programs:
            await client.until(CaughtUp)
        for number in range(20):
            programs[number % 3].inbox.mark(["n-0"], "unread" if number % 2 else "read")
            for client in programs:
                client.nudge.set()
            await inbox.until_true(lambda number=number: number % 4 < 3 or not inbox.inbox.pending())
        await inbox.until_true(lambda: inbox.inbox.cursor() == watch.inbox.cursor() and not inbox.inbox.pending())
        await world.dispatch(id="n-1", title="t")
        await inbox.until_true(lambda: inbox.inbox.row("n-1"))
        reached = inbox.inbox.cursor()
        assert reached is not None
        events = await world.hub.log.read(User("petr"), after=START, limit=100)
        assert (len(events), events[-1].seq) == (1 + 20 + 1, reached.seq)


async def test_hundreds_of_missed_notifications_are_one_summary(world: World, tmp_path: Path) -> None:
    async with device(world, tmp_path, "laptop") as client:
        await client.until(CaughtUp)
    for number in range(300):
        await world.dispatch(id=f"n-{number}")
    async with device(world, tmp_path, "laptop") as client:
        caught_up = await client.until(CaughtUp)
        assert (caught_up.count, len(caught_up.rows)) == (300, 300)
        assert not [event for event in client.seen if isinstance(event, NotificationArrived)]


async def test_a_refused_token_ends_with_a_sign_in(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", world.token()[:-4] + "AAAA")
    async with device(world, tmp_path, "laptop") as client:
        assert "does not accept the token" in (await client.until(SignInExpired)).problem
        assert not [event for event in client.seen if isinstance(event, Connected)]


async def test_what_was_sent_is_undone_on_all_devices(world: World, tmp_path: Path) -> None:
    await world.dispatch(id="n-1", title="t", key="k")
    await world.dispatch(id="n-2", title="t", key="k")
    async with device(world, tmp_path, "laptop") as laptop, device(world, tmp_path, "desk") as desk:
        await laptop.until(CaughtUp)
        await desk.until(CaughtUp)
        for state, until in (("read", None), ("archived", None), ("snoozed", 4_000_000_000.0)):
            marked = laptop.inbox.mark(["n-2"], state, until=until)
            laptop.nudge.set()
            await desk.until_true(lambda: not list(desk.inbox.view(Filter(unread=True))))
            await laptop.until_true(lambda: not laptop.inbox.pending())
            assert len(laptop.inbox.undo(marked.undo).ids) == 2
            laptop.nudge.set()
            await desk.until_true(lambda: [row.repeats for row in desk.inbox.view(Filter(unread=True))] == [2])
            await laptop.until_true(lambda: not laptop.inbox.pending())
        assert not [event for event in laptop.seen if isinstance(event, MarkFailed)]
