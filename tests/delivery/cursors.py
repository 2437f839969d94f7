"""R4, R17: cursors that cannot be honoured, and retention that overtakes a replay: flagged, never silent, never everything."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.delivery.harness import DEADLINE_S, Subscriber, World, publishing

__all__ = ["SCENARIOS", "fill_store"]

SNAPSHOT = 50  # notifications, section 2.2 of the protocol


async def lost_cursors(world: World) -> None:
    """R4: too old, of another epoch, none, ahead, negative: the reason and the latest 50 with their state."""
    settings = "store.keep_notifications=60"
    async with world.own_gateway(settings) as gateway:
        user, ids = world.name("r4"), [world.name("n") for _ in range(100)]
        reader = gateway.subscriber(user, "reader")
        await reader.catch_up()
        async with publishing(gateway, 1) as [publisher]:
            seqs = [(await publisher.accepted(user, each))["seq"] for each in ids]
        await reader.send({"type": "mark", "ref": "1", "ids": ids[-3:], "state": "read"})
        while not reader.answers:
            await reader.receive()
        head = reader.answers[0]["seq"]
        await reader.close()
        await asyncio.to_thread(gateway.stop)
        await asyncio.to_thread(gateway.start)  # retention runs at the start
        await _until_purged(gateway.data / "inbox.db", seqs[39])
        epoch = reader.epoch
        for since, reason in [
            ({"epoch": epoch, "seq": seqs[0]}, "expired"),
            ({"epoch": epoch, "seq": seqs[38]}, "expired"),
            ({"epoch": "0" * 32, "seq": seqs[90]}, "epoch_changed"),
            ({"epoch": "", "seq": 0}, "epoch_changed"),
            ({"epoch": epoch, "seq": head + 1}, "ahead"),
            ({"epoch": epoch, "seq": 2**53}, "ahead"),
            ({"epoch": epoch, "seq": -1}, "no_cursor"),
            (None, "no_cursor"),
        ]:
            device = gateway.subscriber(user)
            await device.catch_up(since=since)
            welcome = device.welcomes[0]
            assert (welcome["recovered"], welcome["reason"], welcome["seq"]) == (False, reason, head), since
            assert device.ids == ids[-SNAPSHOT:]
            assert all(event.message["snapshot"] for event in device.events)
            read = [event.id for event in device.events if event.message.get("state", {}).get("read")]
            assert read == ids[-3:]
            assert device.seq == head
            await device.close()
        for since, expected in [
            ({"epoch": epoch, "seq": seqs[39]}, ids[40:]),
            ({"epoch": epoch, "seq": 0}, ids[40:]),
            ({"epoch": epoch, "seq": head}, []),
        ]:
            device = gateway.subscriber(user)
            await device.catch_up(since=since)
            assert device.welcomes[0]["recovered"]
            assert device.ids == expected
            await device.close()


async def purged_during_replay(world: World) -> None:
    """R17: retention cuts 20,000 events away while devices replay and page through them: a gap is flagged, or there is none."""
    users = [f"user-{i}" for i in range(10)]
    rows = world.scale(20_000, 60_000)
    folder = world.own_folder()
    async with world.own_gateway(folder=folder) as gateway:
        pass  # makes the store
    fill_store(folder / "data" / "inbox.db", users, rows)
    async with world.own_gateway("store.keep_notifications=100", folder=folder) as gateway:
        whole: dict[str, list[str]] = {user: [f"{user}-{i}" for i in range(rows // len(users))] for user in users}
        devices = [gateway.subscriber(user, f"d{i}") for user in users for i in range(3)]
        with contextlib.closing(sqlite3.connect(folder / "data" / "inbox.db")) as connection:
            [[epoch]] = connection.execute("SELECT value FROM meta WHERE key = 'epoch'")
            first = dict(connection.execute("SELECT name, min(seq) FROM events JOIN users USING (uid) GROUP BY uid"))
        async with asyncio.timeout(2 * DEADLINE_S), asyncio.TaskGroup() as group:
            for device in devices:
                device.epoch, device.seq = epoch, first[device.user] - 1 + world.rng.choice([0, 1, rows // 2])
                group.create_task(_until_caught_up(device))
        for device in devices:
            got, log = device.ids, whole[device.user]
            gap_was_flagged = not device.welcomes[-1]["recovered"]
            if gap_was_flagged:
                assert device.welcomes[-1]["reason"] == "expired"
                assert got == log[-SNAPSHOT:]
            else:
                assert got == log[len(log) - len(got) :]
        async with gateway.publisher() as publisher:
            assert (await publisher.accepted(users))["users"]


async def _until_caught_up(device: Subscriber) -> None:
    while not device.caught_up:
        with contextlib.suppress(ConnectionClosed):
            await device.catch_up()
        device.abort()


async def _until_purged(store: Any, upto: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.closing(sqlite3.connect(store)) as connection:
            while connection.execute("SELECT min(seq) FROM events").fetchone()[0] <= upto:
                await asyncio.sleep(0.02)


def fill_store(store: Any, users: list[str], rows: int) -> None:
    """Put so many notifications into a store whose gateway does not run, turn by turn for each user."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO users (name) VALUES (?) ON CONFLICT DO NOTHING", [(user,) for user in users]
        )
        uids = dict(connection.execute("SELECT name, uid FROM users"))
        body = '{"id":"%s","title":"Drop","message":"' + "x" * 200 + '","timestamp":"2026-11-21T08:00:00Z"}'
        connection.executemany(
            "INSERT INTO events (uid, stored_at, id, fingerprint, body) VALUES (?, unixepoch(), ?, ?, ?)",
            (
                (uids[user], name, b"f" * 32, (body % name).encode())
                for i in range(rows)
                for user in [users[i % len(users)]]
                for name in [f"{user}-{i // len(users)}"]
            ),
        )
        connection.execute("INSERT INTO by_user SELECT uid, seq FROM events ORDER BY uid, seq")
        connection.execute("UPDATE folded SET upto = (SELECT max(seq) FROM events)")
        connection.execute("COMMIT")


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {"R4": lost_cursors, "R17": purged_during_replay}
