"""R5, R8, R19: kill -9, orderly restarts with everybody connected, and upgrades of the store."""

import asyncio
import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.delivery.harness import DEADLINE_S, ROOT, Gateway, Publisher, World

__all__ = ["SCENARIOS", "Stubborn", "all_accepted", "start_refused"]

SCHEMAS = ROOT / "tests/server/inbox/schemas"


class Stubborn:
    """Publishes until told to stop; repeats each notification under its id until it is accepted."""

    def __init__(self, world: World, gateway: Gateway, user: str, *, pause_s: float = 0) -> None:
        self.accepted: dict[str, int] = {}  # id -> seq
        self.repeats = 0
        self._world = world
        self._publisher = Publisher(gateway)
        self._user = user
        self._pause_s = pause_s
        self._stopping = False

    async def run(self) -> None:
        try:
            await self._publish()
        finally:
            self._publisher.close()

    async def _publish(self) -> None:
        while not self._stopping:
            name = self._world.name("n")
            while name not in self.accepted:
                try:
                    status, answer = await self._publisher.dispatch(self._user, name)
                except (OSError, EOFError):
                    status, answer = 0, {}
                if status == 200:
                    self.accepted[name] = answer["seq"]
                    continue
                # the other of two gateways may stand still in the middle of a commit
                assert not status or "another program holds it" in answer["error"], answer
                self.repeats += 1
                await asyncio.sleep(0.01)
            await asyncio.sleep(self._pause_s)

    def stop(self) -> None:
        self._stopping = True


async def killed_at_random(world: World) -> None:
    """R5: kill -9 at 200 random moments under load; what was accepted is there, once, for a device that stays and for one that comes later."""
    kills = world.scale(12, 200)
    async with world.own_gateway("store.keep_notifications=1000000") as gateway:
        user = world.name("r5")
        device = gateway.subscriber(user)
        publishers = [Stubborn(world, gateway, user) for _ in range(4)]
        async with asyncio.timeout(DEADLINE_S + 10 * kills), asyncio.TaskGroup() as group:
            following = group.create_task(device.follow())
            await device.until(lambda: device.caught_up)
            under_way = [group.create_task(publisher.run()) for publisher in publishers]
            for _ in range(kills):
                await asyncio.sleep(world.rng.random() * 0.15)
                await asyncio.to_thread(gateway.kill)
                await asyncio.to_thread(gateway.start)
            accepted = await all_accepted(publishers, under_way)
            await device.until_seq(max(accepted.values()))
            following.cancel()
        late = gateway.subscriber(user, "late")
        await late.catch_up(since={"epoch": device.epoch, "seq": 0})
        await late.close()
        device.abort()
    assert device.ids == late.ids, f"{len(device.ids)} came to the device that stayed, {len(late.ids)} are in the log"
    assert len(set(late.ids)) == len(late.ids)
    assert set(accepted) <= set(late.ids)
    assert {event.id: event.seq for event in late.events if event.id in accepted} == accepted
    assert all(welcome["recovered"] for welcome in device.welcomes[1:]), device.welcomes
    assert len({welcome["epoch"] for welcome in device.welcomes}) == 1


async def all_accepted(publishers: list[Stubborn], under_way: list[asyncio.Task[None]]) -> dict[str, int]:
    """Stop publishing, wait until what is under way is accepted, too, and return the numbers by id."""
    for each in publishers:
        each.stop()
    await asyncio.gather(*under_way)
    return {name: seq for each in publishers for name, seq in each.accepted.items()}


async def restarted_with_everybody_here(world: World) -> None:
    """R8: a restart with 1,000 clients connected: 1012 for each, all come back, nothing is lost, the drain takes less than 30 s."""
    clients = world.scale(150, 1000)
    async with world.own_gateway() as gateway:
        users = [world.name("r8") for _ in range(clients // 10)]
        devices = [gateway.subscriber(user, f"d{i}") for user in users for i in range(10)]
        async with asyncio.timeout(4 * DEADLINE_S), asyncio.TaskGroup() as group, gateway.publisher() as publisher:
            following = [
                group.create_task(device.follow(delay_s=lambda: world.rng.uniform(0.05, 0.5))) for device in devices
            ]
            for device in devices:
                await device.until(lambda device=device: device.caught_up)
            ids = [world.name("n") for _ in range(20)]
            for each in ids[:10]:
                await publisher.accepted(users, each)
            began = time.monotonic()
            code = await asyncio.to_thread(gateway.stop)
            drained_s = time.monotonic() - began
            await asyncio.to_thread(gateway.start)
            for each in ids[10:]:
                last = await publisher_again(publisher, users, each)
            for device in devices:
                await device.until_seq(last["users"][device.user]["seq"])
            for task in following:
                task.cancel()
        for device in devices:
            device.abort()
    assert code == 0, gateway.log_text()[-2000:]
    assert drained_s < 30
    assert all(device.closes == [1012] for device in devices), {tuple(device.closes) for device in devices}
    assert all(device.ids == ids for device in devices)


async def two_gateways(world: World) -> None:
    """Two processes on one log: who publishes through either reaches devices on both, once, in one order; and either may be killed."""
    async with world.own_gateway() as first:
        second = Gateway(world.own_folder())
        second.data = first.data
        await asyncio.to_thread(second.start)
        user = world.name("two")
        devices = [first.subscriber(user, "on-the-first"), second.subscriber(user, "on-the-second")]
        publishers = [Stubborn(world, gateway, user, pause_s=0.002) for gateway in (first, second)]
        async with asyncio.timeout(4 * DEADLINE_S), asyncio.TaskGroup() as group:
            following = [group.create_task(device.follow()) for device in devices]
            for device in devices:
                await device.until(lambda device=device: device.caught_up)
            under_way = [group.create_task(each.run()) for each in publishers]
            for gateway in (first, second):
                await asyncio.sleep(0.2 + world.rng.random() * 0.2)
                await asyncio.to_thread(gateway.kill)
                await asyncio.to_thread(gateway.start)
            accepted = await all_accepted(publishers, under_way)
            for device in devices:
                await device.until_seq(max(accepted.values()))
            for task in following:
                task.cancel()
        for device in devices:
            device.abort()
        await asyncio.to_thread(second.stop)
        second.assert_no_traceback()
    assert devices[0].ids == devices[1].ids
    assert {event.id: event.seq for event in devices[0].events} == accepted


async def publisher_again(publisher: Publisher, users: list[str], name: str) -> Any:
    """Publish on a connection that a restart may have cut."""
    with contextlib.suppress(OSError, EOFError):
        return await publisher.accepted(users, name)
    return await publisher.accepted(users, name)


async def upgraded(world: World) -> None:
    """R19: every released schema is upgraded with its data; a newer one is refused with a sentence, and not touched."""
    for dump in SCHEMAS.glob("*.sql"):
        folder = world.own_folder()
        store = _store_from(dump, folder)
        async with world.own_gateway(folder=folder) as gateway:
            device = gateway.subscriber("petr")
            await device.catch_up()
            assert device.welcomes[-1]["epoch"] == "0123456789abcdef0123456789abcdef"
            assert [(event.seq, event.id) for event in device.events] == [(3, "n2"), (4, "n3"), (5, "n4"), (6, "n5")]
            assert [bool(event.message.get("state", {}).get("read")) for event in device.events] == [
                False,
                True,
                True,
                False,
            ]
            await device.close()
        with contextlib.closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA user_version = 999")
        before = store.read_bytes()
        refused = await asyncio.to_thread(start_refused, Gateway(folder))
        assert "schema 999" in refused
        assert "newer program" in refused
        assert store.read_bytes() == before


def _store_from(dump: Path, folder: Path) -> Path:
    store = folder / "data" / "inbox.db"
    store.parent.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.executescript(dump.read_text())
    return store


def start_refused(gateway: Gateway) -> str:
    """Start a gateway that must refuse to; return the sentence it says."""
    ended = subprocess.run(
        gateway.command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=ROOT, env=gateway.environment
    )  # fmt: skip
    assert ended.returncode not in (0, None)
    assert "Traceback" not in ended.stderr
    return ended.stderr


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "R5": killed_at_random,
    "R8": restarted_with_everybody_here,
    "R19": upgraded,
    "two gateways": two_gateways,
}
