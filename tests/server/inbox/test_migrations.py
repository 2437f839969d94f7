"""Upgrade from every released schema keeps the data; a newer or a foreign file is refused and not touched (R19 of quality.md)."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from analyst_server.errors import ConfigProblem, CursorLost
from analyst_server.inbox.log import NotificationDraft, Seq, User
from analyst_server.inbox.migrations import MIGRATIONS, epoch_of, migrate
from analyst_server.inbox.sqlite import open_sqlite_inbox
from analyst_server.wire.messages import NotificationState

SCHEMAS = sorted(Path(__file__).with_name("schemas").glob("*.sql"), key=lambda each: int(each.stem))
PETR = User("petr")


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_every_released_schema_has_a_dump() -> None:
    assert [int(each.stem) for each in SCHEMAS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("dump", SCHEMAS, ids=lambda each: each.stem)
async def test_the_data_of_every_schema_survives_the_upgrade(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(dump.read_text())
    async with open_sqlite_inbox(path) as inbox:
        assert inbox.epoch == "0123456789abcdef0123456789abcdef"
        snapshot = await inbox.snapshot(PETR)
        assert snapshot.seq == 9
        assert [json.loads(each.body)["id"] for each in snapshot.notifications] == ["n2", "n3", "n4", "n5"]
        assert [each.state for each in snapshot.notifications] == [
            NotificationState(),
            NotificationState(read=True),
            NotificationState(read=True, snoozed_until="2026-11-22T08:00:00Z"),
            NotificationState(),
        ]
        assert [event.seq for event in await inbox.read(PETR, after=Seq(3), limit=10)] == [4, 5, 6, 8, 9]
        with pytest.raises(CursorLost, match="expired"):
            await inbox.read(PETR, after=Seq(1), limit=10)
        [trace] = await inbox.trace("n3")
        assert [(each.device, each.sent, each.acknowledged, each.read) for each in trace.devices] == [
            ("laptop", True, True, True)
        ]
        assert await inbox.may_read(PETR, "one.png")
        again = await inbox.append(NotificationDraft(User("eva"), "n1", b"{}", fingerprint=b"as sent"))
        assert (again.seq, again.duplicate) == (7, True)
        assert (await inbox.append(NotificationDraft(PETR, "n6", b"{}"))).seq > 9


def test_an_upgraded_file_has_the_schema_of_a_new_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
        migrate(new)
        expected = schema_of(new)
    for dump in SCHEMAS:
        with closing(sqlite3.connect(tmp_path / f"{dump.stem}.db", isolation_level=None)) as old:
            old.executescript(dump.read_text())
            migrate(old)
            assert schema_of(old) == expected


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        before = path.read_bytes()
        with pytest.raises(ConfigProblem, match="install the newer program"):
            migrate(connection)
        assert path.read_bytes() == before


@pytest.mark.parametrize("statement", ["CREATE TABLE songs (title)", "PRAGMA user_version = 1"])
def test_a_database_of_another_program_is_refused(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "songs.db", isolation_level=None)) as connection:
        connection.execute(statement)
        with pytest.raises(ConfigProblem, match="another program"):
            migrate(connection)


def test_several_processes_may_make_one_file_at_once(tmp_path: Path) -> None:
    def opened(_number: int) -> str:
        with closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None, timeout=10)) as connection:
            migrate(connection)
            return epoch_of(connection)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(opened, range(16)))) == 1
