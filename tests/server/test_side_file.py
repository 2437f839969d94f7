"""A file of what may be lost: private, whole or not at all, and put aside when it is damaged."""

import sqlite3
import threading
from pathlib import Path

import pytest

from analyst_server.errors import StoreUnavailable
from analyst_server.side_file import SideFile

FIRST = "CREATE TABLE t (x)"


def opened(path: Path, *migrations: str) -> SideFile:
    return SideFile(path, "the history", migrations or (FIRST,), synchronous="NORMAL")


def rows(file: SideFile) -> list[tuple[int]]:
    with file.transaction() as db:
        return db.execute("SELECT x FROM t").fetchall()


def test_it_is_private_and_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    file = opened(tmp_path / "deep" / "f.db")
    assert (tmp_path / "deep" / "f.db").stat().st_mode & 0o777 == 0o600

    def half_of_it() -> None:
        with file.transaction() as db:
            db.execute("INSERT INTO t VALUES (1)")
            db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreUnavailable, match="no such table: nowhere"):
        half_of_it()
    assert rows(file) == []
    file.close()


def test_migrations_are_done_once_each(tmp_path: Path) -> None:
    file = opened(tmp_path / "f.db")
    with file.transaction() as db:
        db.execute("INSERT INTO t VALUES (1)")
    file.close()
    file = opened(tmp_path / "f.db", FIRST, "ALTER TABLE t ADD COLUMN y; UPDATE t SET x = x + 1")
    file.close()
    file = opened(tmp_path / "f.db", FIRST, "ALTER TABLE t ADD COLUMN y; UPDATE t SET x = x + 1")
    assert rows(file) == [(2,)]
    file.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.db").write_bytes(content)
    file = opened(tmp_path / "f.db")
    assert rows(file) == []
    file.close()
    (aside,) = tmp_path.glob("f.db.damaged-*")
    assert aside.read_bytes() == content


def test_of_several_that_find_a_damaged_file_one_puts_it_aside(tmp_path: Path) -> None:
    (tmp_path / "f.db").write_bytes(b"this is no database" * 100)
    barrier, files = threading.Barrier(4), list[SideFile]()

    def open_it() -> None:
        barrier.wait()
        files.append(opened(tmp_path / "f.db"))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, file in enumerate(files):
        with file.transaction() as db:
            db.execute("INSERT INTO t VALUES (?)", (number,))
    assert [len(rows(file)) for file in files] == [4] * 4, "all use the same new one"
    for file in files:
        file.close()
    (aside,) = tmp_path.glob("f.db.damaged-*")
    assert aside.read_bytes() == b"this is no database" * 100


def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"the history .*f.db cannot be opened"):
        opened(tmp_path / "file" / "f.db")


def test_many_threads_and_another_process_wait_for_each_other(tmp_path: Path) -> None:
    file, other = opened(tmp_path / "f.db"), sqlite3.connect(tmp_path / "f.db", timeout=10)

    def write() -> None:
        for number in range(20):
            with file.transaction() as db:
                db.execute("INSERT INTO t VALUES (?)", (number,))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        with other:
            other.execute("INSERT INTO t VALUES (?)", (number,))
    for thread in threads:
        thread.join()
    other.close()
    assert len(rows(file)) == 100
    file.close()
