"""R15, R16: a full disk, a locked store, a broken one, and 50,000 stored messages with maintenance running."""

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.delivery.cursors import fill_store
from tests.delivery.harness import DEADLINE_S, Gateway, Publisher, World, publishing
from tests.delivery.restarts import start_refused

__all__ = ["SCENARIOS"]


async def disk_full(world: World) -> None:
    """R15: no file may grow (RLIMIT_FSIZE of the running process): 503 with the reason, nothing half-stored, readers work, then it goes on."""
    async with world.own_gateway() as gateway, gateway.publisher() as publisher:
        user = world.name("full")
        ids = [(await publisher.accepted(user))["id"] for _ in range(5)]
        largest = max(each.stat().st_size for each in gateway.data.rglob("*") if each.is_file())
        before = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (largest, before[1]))
        await _refused_while_readers_work(gateway, publisher, user, ids)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, before)
        await _goes_on(gateway, publisher, user, ids)


async def disk_really_full(world: World) -> None:
    """R15: the same on a file system of 3 MB that somebody else fills (needs root, which may mount one)."""
    folder = world.own_folder()
    with _small_disk(folder) as mounted:
        if not mounted:
            return
        async with world.own_gateway(folder=folder) as gateway, gateway.publisher() as publisher:
            user = world.name("full")
            ids = [(await publisher.accepted(user))["id"] for _ in range(5)]
            filler = folder / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            await _refused_while_readers_work(gateway, publisher, user, ids)
            filler.unlink()
            await _goes_on(gateway, publisher, user, ids)


async def store_locked(world: World) -> None:
    """R15: another program holds the store's lock for longer than the gateway waits."""
    async with world.own_gateway() as gateway, gateway.publisher() as publisher:
        user = world.name("locked")
        ids = [(await publisher.accepted(user))["id"] for _ in range(5)]
        with contextlib.closing(sqlite3.connect(gateway.data / "inbox.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            device = gateway.subscriber(user)
            await device.catch_up()
            await device.send({"type": "mark", "ref": "1", "ids": ids[:1], "state": "read"})
            status, answer = await publisher.dispatch(user)
            assert (status, "another program holds it" in answer["error"]) == (503, True), answer
            while not device.answers:
                await device.receive()
            assert device.answers[0]["type"] == "mark_error"
            await device.close()
        await _goes_on(gateway, publisher, user, ids)


async def store_broken(world: World) -> None:
    """R15: a store that is no database, and one in a folder that cannot be written: a sentence with a way out, and nothing is touched."""
    folder = world.own_folder()
    store = folder / "data" / "inbox.db"
    store.parent.mkdir(mode=0o700)
    store.write_bytes(b"not a database, but somebody's file" * 300)
    said = await asyncio.to_thread(start_refused, Gateway(folder))
    assert "restore a backup" in said
    assert store.read_bytes().startswith(b"not a database")


async def pages_damaged(world: World) -> None:
    """R15: a page in the middle of the store is garbage: whoever needs it is told, nobody gets wrong data, the rest works."""
    folder = world.own_folder()
    async with world.own_gateway(folder=folder) as gateway:
        pass  # makes the store
    users = [f"user-{i}" for i in range(20)]
    fill_store(gateway.data / "inbox.db", users, 2_000)
    store = gateway.data / "inbox.db"
    whole = store.read_bytes()
    middle = len(whole) // 8192 * 4096
    store.write_bytes(whole[:middle] + os.urandom(4096) + whole[middle + 4096 :])
    async with world.own_gateway(folder=folder) as gateway, gateway.publisher() as publisher:
        new = [(await publisher.accepted(user))["id"] for user in users]
        refused = 0
        for user, name in zip(users, new, strict=True):
            device = gateway.subscriber(user)
            try:
                await device.catch_up(since={"epoch": await _epoch(gateway, user), "seq": 0})
            except ConnectionClosed:
                refused += 1
                assert device.link is not None
                assert device.link.close_code == 4503
            else:
                assert device.ids == [*(f"{user}-{i}" for i in range(100)), name]
            device.abort()
        assert refused, "the damage was not noticed"


async def fifty_thousand_stored(world: World) -> None:
    """R16: publishing stays under 100 ms while retention removes most of 50,000 messages, not counting when others had the processors."""
    folder = world.own_folder()
    async with world.own_gateway(folder=folder) as gateway:
        pass  # makes the store
    fill_store(gateway.data / "inbox.db", [f"user-{i}" for i in range(100)], world.scale(50_000, 200_000))
    async with (
        world.own_gateway("store.keep_notifications=50", folder=folder) as gateway,
        publishing(gateway, 1) as [publisher],
    ):
        took = []
        with contextlib.closing(sqlite3.connect(gateway.data / "inbox.db")) as connection:
            removing = True
            while removing:
                for _ in range(10):
                    began, before = time.perf_counter(), [_without_processor(pid) for pid in (gateway.pid, os.getpid())]
                    await publisher.accepted(world.name("r16"))
                    after = [_without_processor(pid) for pid in (gateway.pid, os.getpid())]
                    took.append(time.perf_counter() - began - sum(map(_longest_wait_s, before, after)))
                removing = (
                    connection.execute(
                        "SELECT max(n) FROM (SELECT count(*) AS n FROM by_user GROUP BY uid)"
                    ).fetchone()[0]
                    > 50
                )
        took.sort()
        assert len(took) > 20
        assert took[int(len(took) * 0.98)] < 0.1, f"{took[-5:]} s"


def _without_processor(pid: int) -> dict[str, int]:
    """Return by thread for how many ns it was ready to run and did not (proc_pid_schedstat)."""
    waited = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            waited[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return waited


def _longest_wait_s(before: dict[str, int], after: dict[str, int]) -> float:
    return max(waited - before.get(thread, 0) for thread, waited in after.items()) / 1e9


async def _refused_while_readers_work(gateway: Gateway, publisher: Publisher, user: str, ids: list[str]) -> None:
    refused = 0
    async with asyncio.timeout(DEADLINE_S):
        while refused < 3:
            status, answer = await publisher.dispatch(user, message="x" * 16_000)
            if status == 200:
                ids.append(answer["id"])  # there was room for this one still
                continue
            assert status == 503, answer
            assert "cannot be used" in answer["error"]
            refused += 1
    device = gateway.subscriber(user)
    await device.catch_up()
    assert device.ids == ids[-50:]
    await device.close()


async def _goes_on(gateway: Gateway, publisher: Publisher, user: str, ids: list[str]) -> None:
    """The next dispatches are accepted without a restart, and nothing of the refused ones is there."""
    async with asyncio.timeout(DEADLINE_S):
        while (answer := await publisher.dispatch(user))[0] != 200:
            await asyncio.sleep(0.05)
    device = gateway.subscriber(user)
    await device.catch_up()
    assert device.ids == [*ids, answer[1]["id"]][-50:]
    await device.close()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


async def _epoch(gateway: Gateway, user: str) -> str:
    device = gateway.subscriber(user, "asks")
    await device.open(since={"epoch": "?", "seq": 0})
    while not device.welcomes:
        await device.receive()
    device.abort()
    return device.epoch


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "R15 full": disk_full,
    "R15 really full": disk_really_full,
    "R15 locked": store_locked,
    "R15 broken": store_broken,
    "R15 damaged": pages_damaged,
    "R16": fifty_thousand_stored,
}
