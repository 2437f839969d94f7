"""Measure the SQLite log in process, against the floor of the same disk: appends at 1, 16 and 64 producers into an empty and a full file, and replay.

Usage: log.py [--rows 300000] [--seconds 1] [--json]. The floor is a plain file with fdatasync under the same group commit by the loop.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from analyst_server.inbox.log import NotificationDraft, Seq, User
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox

USERS = [User(f"user-{i:04d}") for i in range(1000)]
BODY = b'{"title":"Revenue dropped","message":"' + b"x" * 200 + b'"}'
Append = Callable[[int], Awaitable[object]]


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def produce(append: Append, producers: int, seconds: float) -> dict[str, float]:
    """Return appends a second, and the time of one in milliseconds."""
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def producer(number: int) -> None:
        n = number
        while (began := time.perf_counter()) < until:
            await append(n)
            took.append(time.perf_counter() - began)
            n += producers

    await asyncio.gather(*(producer(number) for number in range(producers)))
    return {
        "per_s": round(len(took) / seconds),
        "p50_ms": round(statistics.median(took) * 1e3, 2),
        "p99_ms": round(quantile(took, 0.99) * 1e3, 2),
    }


class FlushedFile:
    """The floor: whatever came in one turn of the loop is written and flushed together; no index, no ids, no reader."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._waiting: list[asyncio.Future[None]] = []

    async def append(self, _number: int) -> None:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        answer = loop.create_future()
        self._waiting.append(answer)
        await answer

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        os.write(self._descriptor, BODY * len(waiting))
        os.fdatasync(self._descriptor)
        for each in waiting:
            each.set_result(None)


def fill(path: Path, rows: int) -> None:
    """Put so many events of a thousand users into a new file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO users (name) VALUES (?) ON CONFLICT DO NOTHING", [(user,) for user in USERS]
        )
        base = time.time()
        connection.executemany(
            "INSERT INTO events (uid, stored_at, id, fingerprint, body) VALUES (?, ?, ?, ?, ?)",
            ((random.randrange(1000) + 1, base, f"0190-{i:012x}", b"f" * 32, BODY) for i in range(rows)),
        )
        connection.execute("COMMIT")


async def bench_replay(inbox: SqliteInbox) -> dict[str, float]:
    """Return milliseconds of reading what a user missed."""
    figures = {}
    for missed in (1000, 100, 0):
        took = []
        for user in random.sample(USERS, 30):
            head = (await inbox.snapshot(user, limit=0)).seq
            page = await inbox.read(user, after=Seq(0), limit=100_000)
            after = page[-missed - 1].seq if 0 < missed < len(page) else (head if not missed else Seq(0))
            began = time.perf_counter()
            events = await inbox.read(user, after=after, limit=missed or 1)
            took.append(time.perf_counter() - began)
            assert len(events) == min(missed, len(page))
        figures[f"replay_{missed}_p50_ms"] = round(statistics.median(took) * 1e3, 3)
    began = time.perf_counter()
    await asyncio.gather(*(inbox.snapshot(user) for user in USERS))
    figures["thousand_snapshots_ms"] = round((time.perf_counter() - began) * 1e3)
    return figures


async def bench(rows: int, seconds: float) -> dict[str, object]:
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        floor = FlushedFile(Path(folder) / "floor")
        run = time.monotonic_ns()
        for filled in (0, rows):
            path = Path(folder) / f"{filled}.db"
            async with open_sqlite_inbox(path):
                pass
            fill(path, filled)
            async with open_sqlite_inbox(path, settings=WriterSettings()) as inbox:
                await inbox.retain(Retention(max_notifications=10**9))  # folds what was put in past the writer
                for producers in (1, 16, 64):

                    async def append(n: int, producers: int = producers, inbox: SqliteInbox = inbox) -> None:
                        user = USERS[n * 7919 % 1000]
                        await inbox.append(NotificationDraft(user, f"0191-{time.monotonic_ns() - run:014x}-{n}", BODY))

                    lowest = await produce(floor.append, producers, seconds)
                    log = await produce(append, producers, seconds)
                    figures[f"rows={filled} producers={producers}"] = {
                        **log, "of_floor": round(log["per_s"] / lowest["per_s"], 2), "floor_per_s": lowest["per_s"]
                    }  # fmt: skip
                figures[f"rows={filled} replay"] = await bench_replay(inbox)
                slowest = await bench_publish_during_retention(inbox)
                figures[f"rows={filled} slowest append during retention"] = slowest
    return figures


async def bench_publish_during_retention(inbox: SqliteInbox) -> dict[str, float]:
    """Return how long the slowest append takes while a tenth of everything is removed."""
    retaining = asyncio.create_task(inbox.retain(Retention(max_notifications=900)))
    took = []
    n = 0
    while not retaining.done() or n < 20:
        began = time.perf_counter()
        await inbox.append(NotificationDraft(USERS[0], f"during-{n}", BODY))
        took.append(time.perf_counter() - began)
        n += 1
    return {"slowest_ms": round(max(took) * 1e3, 1), "removed": (await retaining).events}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures = asyncio.run(bench(asked.rows, asked.seconds))
    if asked.json:
        print(json.dumps(figures))
        return
    for name, values in figures.items():
        print(f"{name:40}", "  ".join(f"{key} {value}" for key, value in values.items()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
