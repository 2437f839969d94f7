"""Several open a file that is not there yet: each gets it, and its tables are made once."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.migrations import migrate
from analyst_server.inbox.sqlite_file import open_file
from analyst_server.portal.database import open_database
from analyst_server.side_file import SideFile
from analyst_server.sqlite_opening import connect, make_private

Opener = Callable[[Path], None]


def open_log(path: Path) -> None:
    with closing(open_file(path, create=True, busy_timeout_s=30)) as connection:
        migrate(connection)


def open_accounts(path: Path) -> None:
    open_database(path).close()


def open_history(path: Path) -> None:
    SideFile(path, "the history", ("CREATE TABLE t (x)",), synchronous="NORMAL").close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the others on a slow disk, too: what is looked for here is a refusal at once."""
    for module in ("portal.database", "side_file"):
        monkeypatch.setattr(f"analyst_server.{module}.BUSY_TIMEOUT_S", 30.0)


every_file = pytest.mark.parametrize("opener", [open_log, open_accounts, open_history])


def being_made(path: Path) -> sqlite3.Connection:
    """Write in a file that has no write-ahead log yet: SQLite then refuses one to another connection at once."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


@every_file
def test_who_opens_a_file_that_another_makes_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opener: Opener
) -> None:
    with closing(being_made(tmp_path / "new.db")) as maker:
        monkeypatch.setattr("time.sleep", lambda _: maker.in_transaction and maker.execute("COMMIT"))
        opener(tmp_path / "new.db")
        assert not maker.in_transaction, "it was asked while the other wrote"


def test_who_is_never_let_in_is_told(tmp_path: Path) -> None:
    with (
        closing(being_made(tmp_path / "new.db")),
        pytest.raises(sqlite3.OperationalError, match="database is locked"),
    ):
        connect(tmp_path / "new.db", busy_timeout_s=0, synchronous="FULL")


@every_file
def test_many_that_open_a_new_file_at_once_all_get_it(tmp_path: Path, opener: Opener) -> None:
    barrier, problems = threading.Barrier(4), list[Exception]()

    def open_each() -> None:
        for number in range(10):
            barrier.wait()
            try:
                opener(tmp_path / f"{number}.db")
            except (StoreUnavailable, sqlite3.Error) as exc:
                problems.append(exc)

    threads = [threading.Thread(target=open_each) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    assert make_private(tmp_path / "new.db")
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
    (tmp_path / "new.db").write_text("content")
    assert not make_private(tmp_path / "new.db")
    assert (tmp_path / "new.db").read_text() == "content"
