"""The local inbox: idempotent, ordered, shared, undoable."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from analyst_cli.client.inbox import Inbox
from analyst_cli.client.inbox_apply import StaleEpoch
from analyst_cli.client.rows import Filter, rfc3339
from analyst_cli.client.schema import STEPS
from analyst_cli.errors import LocalProblem, NotFound
from analyst_server.wire.messages import Cursor, Notification, NotificationState, StateChange

NOW = 1_769_767_200.0  # 2026-01-30T10:00:00Z


def note(number: int, **members: object) -> Notification:
    values: dict[str, object] = {
        "id": f"n-{number}",
        "title": f"Title {number}",
        "message": f"message number {number}",
        "timestamp": rfc3339(NOW + number),
        "seq": number,
    }
    return Notification(**(values | members))  # type: ignore[arg-type]


def state(seq: int, ids: list[str], name: str, **members: object) -> StateChange:
    return StateChange(seq=seq, ids=ids, state=name, at=rfc3339(NOW), **members)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> list[float]:
    return [NOW + 100]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "petr.db"


@pytest.fixture
def inbox(path: Path, clock: list[float]) -> Inbox:
    return Inbox(path, clock=lambda: clock[0])


def fill(inbox: Inbox, *events: Notification | StateChange, epoch: str = "e") -> tuple[str, ...]:
    last = max(event.seq or 0 for event in events)
    return inbox.apply(events, cursor=Cursor(epoch, last)).new_ids


def titles(inbox: Inbox, **wanted: object) -> list[str]:
    return [row.title for row in inbox.view(Filter(**wanted))]  # type: ignore[arg-type]


def test_the_file_and_its_folder_are_for_the_owner_only(inbox: Inbox, path: Path) -> None:
    fill(inbox, note(1))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_received_twice_is_here_once(inbox: Inbox) -> None:
    assert fill(inbox, note(1), note(2)) == ("n-1", "n-2")
    assert fill(inbox, note(1), note(2), note(3)) == ("n-3",)
    assert titles(inbox) == ["Title 3", "Title 2", "Title 1"]
    assert inbox.cursor() == Cursor("e", 3)


def test_a_gateway_without_a_log_leaves_no_cursor(inbox: Inbox) -> None:
    assert inbox.apply([note(1, seq=None)], cursor=None).new_ids == ("n-1",)
    assert inbox.apply([note(1, seq=None)], cursor=None).new_ids == ()
    assert inbox.cursor() is None


def test_two_processes_apply_the_same_events_once_and_notice_each_other(inbox: Inbox, path: Path) -> None:
    other = Inbox(path, clock=lambda: NOW)
    before = other.revision()
    fill(inbox, note(1), note(2))
    assert other.revision() != before
    assert fill(other, note(1), note(2)) == ()
    assert [row.id for row in other.arrived_after(0)] == ["n-1", "n-2"]
    assert other.unread_count() == 2


def test_a_slower_process_does_not_bring_an_older_state_back(inbox: Inbox, path: Path) -> None:
    fill(inbox, note(1), state(2, ["n-1"], "read"), state(3, ["n-1"], "unread"))
    slower = Inbox(path)
    fill(slower, state(2, ["n-1"], "read"))
    assert titles(inbox, unread=True) == ["Title 1"]
    assert inbox.cursor() == Cursor("e", 3)
    slower.close()


def test_events_of_a_replaced_log_are_refused(inbox: Inbox) -> None:
    fill(inbox, note(1))
    with pytest.raises(StaleEpoch):
        fill(inbox, note(2), epoch="another")
    assert titles(inbox) == ["Title 1"]


def test_a_snapshot_replaces_everything_and_announces_only_what_is_new(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2), note(3))
    newest = inbox.newest_pos()
    snapshot = [note(2), note(8, state=NotificationState(read=True)), note(9)]
    applied = inbox.replace(snapshot, cursor=Cursor("new", 9), sent=Cursor("e", 3))
    assert applied.new_ids == ("n-8", "n-9")
    assert titles(inbox) == ["Title 9", "Title 8", "Title 2"]
    assert [row.id for row in inbox.arrived_after(newest)] == ["n-8", "n-9"]
    assert inbox.unread_count() == 2
    assert inbox.cursor() == Cursor("new", 9)


def test_a_second_process_does_not_replace_what_the_first_has_received_since(inbox: Inbox) -> None:
    fill(inbox, note(1))
    inbox.replace([note(5)], cursor=Cursor("new", 5), sent=Cursor("e", 1))
    fill(inbox, note(6), epoch="new")
    inbox.replace([note(5)], cursor=Cursor("new", 5), sent=Cursor("e", 1))
    assert titles(inbox) == ["Title 6", "Title 5"]


def test_a_log_that_has_gone_back_is_followed(inbox: Inbox) -> None:
    fill(inbox, note(1), note(7))
    inbox.replace([note(1)], cursor=Cursor("e", 1), sent=Cursor("e", 7))  # recovered: false, reason "ahead"
    assert titles(inbox) == ["Title 1"]
    assert inbox.cursor() == Cursor("e", 1)


def test_a_mark_that_arrives_before_its_notification_holds(inbox: Inbox) -> None:
    fill(inbox, state(1, ["n-2"], "read"))
    fill(inbox, note(2))
    assert inbox.unread_count() == 0


def test_repeats_of_a_key_are_one_line_with_a_counter(inbox: Inbox) -> None:
    fill(inbox, note(1, key="k"), note(2), note(3, key="k"), note(4, key="k"))
    rows = list(inbox.view())
    assert [(row.title, row.repeats) for row in rows] == [("Title 4", 3), ("Title 2", 1)]
    assert titles(inbox, collapsed=False) == ["Title 4", "Title 3", "Title 2", "Title 1"]
    assert [row.id for row in inbox.repeats_of("n-4")] == ["n-4", "n-3", "n-1"]
    inbox.mark(["n-4"], "archived")
    assert titles(inbox) == ["Title 2"]
    fill(inbox, note(5, key="k"))  # an archived line is closed: a new one begins
    assert [(row.title, row.repeats) for row in inbox.view()] == [("Title 5", 1), ("Title 2", 1)]


def test_filters_narrow_the_list(inbox: Inbox) -> None:
    fill(
        inbox,
        note(1, script="a.py", priority="low", tags=["x", "y"]),
        note(2, script="b.py", priority="critical", tags=["y"]),
        note(3, script="a.py", priority="high", message="Umsatz fällt"),
    )
    assert titles(inbox, script="a.py") == ["Title 3", "Title 1"]
    assert titles(inbox, min_level=2) == ["Title 3", "Title 2"]
    assert titles(inbox, tag="y") == ["Title 2", "Title 1"]
    assert titles(inbox, since=NOW + 2) == ["Title 3", "Title 2"]
    assert titles(inbox, search="umsatz fal") == ["Title 3"]
    assert titles(inbox, search='number -1 "') == ["Title 1"]
    assert titles(inbox, search='-:"*') == []
    assert inbox.scripts() == ["a.py", "b.py"]
    assert inbox.tags() == ["x", "y"]
    inbox.mark(["n-3"], "read")
    assert titles(inbox, unread=True) == ["Title 2", "Title 1"]


def test_what_is_snoozed_comes_back_by_itself(inbox: Inbox, clock: list[float]) -> None:
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1"], "snoozed", until=clock[0] + 60)
    assert titles(inbox) == ["Title 2"]
    assert (inbox.unread_count(), inbox.next_snooze_end()) == (1, clock[0] + 60)
    clock[0] += 61
    assert titles(inbox) == ["Title 2", "Title 1"]
    assert (inbox.unread_count(), inbox.next_snooze_end()) == (2, None)


def test_a_mark_is_shown_at_once_queued_and_confirmed(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    marked = inbox.mark(["n-1", "nope"], "read")
    assert (marked.ids, marked.unknown) == (("n-1",), ("nope",))
    assert inbox.unread_count() == 1
    assert inbox.mark(["n-1"], "read").undo == ""
    (queued,) = inbox.pending()
    assert inbox.sending([queued.ref]) == [queued]
    inbox.confirmed(queued.ref, 4)
    assert inbox.pending() == []
    fill(inbox, state(3, ["n-1"], "unread"), state(4, ["n-1"], "read"))
    assert inbox.unread_count() == 1


def test_an_unconfirmed_mark_wins_over_older_events_of_the_log(inbox: Inbox) -> None:
    fill(inbox, note(1))
    inbox.mark(["n-1"], "read")
    fill(inbox, state(2, ["n-1"], "unread"))
    assert inbox.unread_count() == 0
    inbox.replace([note(1)], cursor=Cursor("e2", 2), sent=Cursor("e", 2))
    assert inbox.unread_count() == 0


def test_a_later_event_wins_even_when_it_comes_before_the_answer_to_a_mark(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1", "n-2"], "read")
    (queued,) = inbox.pending()
    inbox.sending([queued.ref])
    fill(inbox, state(3, ["n-1"], "unread"), state(4, ["n-1", "n-2"], "read"), state(5, ["n-2"], "unread"))
    inbox.confirmed(queued.ref, 4)
    assert titles(inbox, unread=True) == ["Title 2"]


def test_what_a_snapshot_says_wins_over_a_mark_that_it_knows_already(inbox: Inbox, path: Path) -> None:
    """One program has sent the mark, and another one takes a snapshot before the answer is noted."""
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1", "n-2"], "read")
    inbox.mark(["n-1"], "snoozed", until=NOW + 500)
    queued = inbox.pending()
    inbox.sending([mark.ref for mark in queued])
    later = [
        note(1),
        note(2, state=NotificationState(read=True, archived=True)),
    ]  # n-1: unread again, not snoozed any more
    with Inbox(path) as other:
        other.replace(later, cursor=Cursor("e", 9), sent=Cursor("e", 2))
    for number, mark in enumerate(queued):
        inbox.confirmed(mark.ref, 4 + number)
    assert inbox.pending() == []
    assert titles(inbox) == titles(inbox, unread=True) == ["Title 1"]
    assert titles(inbox, archived=True) == ["Title 2"]


@pytest.mark.parametrize("cursor", [Cursor("another", 3), Cursor("another", 9), Cursor("e", 3)])
def test_a_mark_that_a_replaced_log_does_not_have_is_sent_again(inbox: Inbox, cursor: Cursor) -> None:
    fill(inbox, note(1), note(4))
    inbox.mark(["n-1"], "read")
    (queued,) = inbox.pending()
    inbox.sending([queued.ref])
    inbox.confirmed(queued.ref, 5)
    inbox.replace([note(1)], cursor=cursor, sent=Cursor("e", 4))
    assert inbox.sending([queued.ref]) == [queued]
    inbox.confirmed(queued.ref, 10)
    fill(inbox, state(10, ["n-1"], "read"), state(11, ["n-1"], "unread"), epoch=cursor.epoch)
    assert titles(inbox, unread=True) == ["Title 1"]


def test_an_answer_of_a_replaced_log_confirms_nothing(inbox: Inbox, path: Path) -> None:
    fill(inbox, note(1))
    inbox.mark(["n-1"], "read")
    (queued,) = inbox.pending()
    inbox.sending([queued.ref])
    with Inbox(path) as other:
        other.replace([note(1)], cursor=Cursor("another", 9), sent=Cursor("e", 1))
    inbox.confirmed(queued.ref, 2, epoch="e")
    assert inbox.pending() == [queued]


def test_a_mark_made_meanwhile_lies_over_the_later_event(inbox: Inbox) -> None:
    fill(inbox, note(1))
    inbox.mark(["n-1"], "read")
    (first,) = inbox.pending()
    inbox.sending([first.ref])
    inbox.mark(["n-1"], "archived")
    fill(inbox, state(2, ["n-1"], "read"), state(3, ["n-1"], "unread"), state(4, ["n-1"], "unarchived"))
    inbox.confirmed(first.ref, 2)
    assert titles(inbox, archived=True) == ["Title 1"]
    row = inbox.row("n-1")
    assert row is not None
    assert not row.is_read


def test_a_mark_that_the_server_could_not_store_is_taken_back_here(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1", "n-2"], "archived")
    (queued,) = inbox.pending()
    inbox.sending([queued.ref])
    fill(inbox, state(3, ["n-2"], "read"))
    inbox.refused(queued.ref, [])
    assert inbox.pending() == []
    assert titles(inbox) == ["Title 2", "Title 1"]
    assert titles(inbox, unread=True) == ["Title 1"]


def test_a_mark_that_was_not_sent_is_undone_without_a_trace(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1"], "read")
    marked = inbox.mark(["n-1", "n-2"], "archived")
    assert inbox.undo(marked.undo).ids == ("n-1", "n-2")
    assert titles(inbox) == ["Title 2", "Title 1"]
    assert [mark.state for mark in inbox.pending()] == ["read"]


def test_undoing_takes_nothing_back_that_another_device_has_done_meanwhile(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    first = inbox.mark(["n-1"], "read")
    inbox.mark(["n-1"], "snoozed", until=NOW + 500)
    fill(inbox, state(3, ["n-1"], "archived"))
    inbox.undo(first.undo)
    row = inbox.row("n-1")
    assert row is not None
    assert (row.is_read, row.archived, row.snoozed_until) == (False, True, NOW + 500)


def test_a_mark_that_was_sent_is_undone_by_another(inbox: Inbox) -> None:
    fill(inbox, note(1))
    marked = inbox.mark(["n-1"], "archived")
    (queued,) = inbox.pending()
    assert inbox.sending([queued.ref]) == [queued]
    inbox.confirmed(queued.ref, 2)
    fill(inbox, state(2, ["n-1"], "archived"))
    inbox.undo(marked.undo)
    assert titles(inbox) == ["Title 1"]
    assert [(mark.ids, mark.state) for mark in inbox.pending()] == [(("n-1",), "unarchived")]


def test_a_refused_mark_is_sent_again_without_the_unknown_ids(inbox: Inbox) -> None:
    fill(inbox, note(1), note(2))
    inbox.mark(["n-1", "n-2"], "read")
    (queued,) = inbox.pending()
    assert inbox.sending([queued.ref]) == [queued]
    inbox.refused(queued.ref, ["n-1"])
    assert [mark.ids for mark in inbox.pending()] == [("n-2",)]
    inbox.refused(queued.ref, ["n-2"])
    assert inbox.pending() == []


def test_many_ids_are_sent_in_marks_of_five_hundred(inbox: Inbox) -> None:
    fill(inbox, *[note(number) for number in range(1, 1_202)])
    marked = inbox.mark([f"n-{number}" for number in range(1, 1_202)], "read")
    assert [len(mark.ids) for mark in inbox.pending()] == [500, 500, 201]
    assert len(inbox.undo(marked.undo).ids) == 1_201
    assert inbox.unread_count() == 1_201


def test_a_notification_is_found_by_what_a_person_types(inbox: Inbox) -> None:
    fill(inbox, note(1, id="abc-1"), note(2, id="abd-2"))
    assert [inbox.resolve(typed) for typed in ("abc-1", "abc", "#2", "2", "last")] == [
        "abc-1",
        "abc-1",
        "abd-2",
        "abd-2",
        "abd-2",
    ]
    for typed in ("ab", "", "zzz", "99", "9" * 400, "²"):
        with pytest.raises(NotFound):
            inbox.resolve(typed)


def test_a_notification_comes_back_whole(inbox: Inbox) -> None:
    fill(inbox, note(1, data={"a": [1]}, tags=["t"], replay=True))
    assert inbox.get("n-1") == note(1, data={"a": [1]}, tags=["t"], seq=None)


def test_every_page_of_a_long_list_is_right_whichever_way_it_is_reached(inbox: Inbox) -> None:
    fill(inbox, *[note(number) for number in range(1_500)])
    expected = [f"Title {number}" for number in reversed(range(1_500))]
    for order in (range(1_500), reversed(range(1_500)), (1_499, 700, 0, 130, 1_300, 640, 511, 512)):
        view = inbox.view()
        assert view.count == 1_500
        for index in order:
            row = view.row(index)
            assert row is not None
            assert row.title == expected[index]
            assert index % 97 or view.index_of(row.pos) == index
    assert inbox.view().row(1_500) is None


def test_the_shown_counts_are_those_that_counting_gives(inbox: Inbox) -> None:
    fill(inbox, *[note(number, key=f"k{number % 7}" if number % 2 else None) for number in range(60)])
    inbox.mark([f"n-{number}" for number in range(0, 60, 3)], "read")
    inbox.mark([f"n-{number}" for number in range(0, 60, 5)], "archived")
    inbox.mark([f"n-{number}" for number in range(0, 60, 4)], "snoozed", until=NOW + 1_000)
    inbox.mark(["n-0"], "unarchived")
    assert inbox.view().count == len(list(inbox.view(Filter(since=0))))
    assert inbox.unread_count() == len(list(inbox.view(Filter(unread=True, since=0))))


def test_a_store_of_a_newer_program_is_refused(path: Path) -> None:
    store = Inbox(path)
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(LocalProblem, match="newer analyst"):
        Inbox(path)


def test_a_store_of_an_older_program_keeps_its_marks(path: Path) -> None:
    path.parent.mkdir()
    older = sqlite3.connect(path, isolation_level=None)
    for number, step in enumerate(STEPS[:2], 1):
        older.executescript(f"{step}; PRAGMA user_version = {number};")
    older.execute("INSERT INTO pending VALUES ('r-0', '[\"n-1\"]', 'read', NULL, '[]', 1, 1, NULL)")
    older.close()
    with Inbox(path) as store:
        assert [mark.ref for mark in store.sending(["r-0"])] == ["r-0"]


def test_a_damaged_store_and_a_symbolic_link_are_one_sentence(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(LocalProblem, match="damaged"):
        Inbox(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(LocalProblem, match="cannot be opened"):
        Inbox(link)


def test_a_store_that_another_process_makes_just_now_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.db"
    maker = sqlite3.connect(path, isolation_level=None)
    maker.execute("BEGIN IMMEDIATE")  # in a file without a log yet: SQLite then refuses to begin one, at once
    monkeypatch.setattr("time.sleep", lambda _: maker.in_transaction and maker.execute("COMMIT"))
    with Inbox(path) as inbox:
        assert not maker.in_transaction, "it was asked while the other wrote"
        assert inbox.unread_count() == 0
    maker.close()


def test_a_process_that_has_it_open_twice_keeps_it_whole_when_another_one_closes_it(inbox: Inbox, path: Path) -> None:
    """`analyst watch` has two connections; a command beside it opens, reads and closes, again and again."""
    for number in (1, 2):
        with Inbox(path):
            fill(inbox, note(number))
        beside = f"from analyst_cli.client.inbox import Inbox; box = Inbox({str(path)!r}); print(box.cursor().seq); box.close()"
        done = subprocess.run([sys.executable, "-c", beside], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == str(number), done.stderr


def test_the_oldest_go_when_there_are_more_than_a_person_keeps(inbox: Inbox) -> None:
    fill(inbox, *[note(number, tags=["t"]) for number in range(1, 11)])
    assert inbox.prune(20) == 0
    assert inbox.prune(4) == 6
    assert titles(inbox) == ["Title 10", "Title 9", "Title 8", "Title 7"]
    assert titles(inbox, search="title") == titles(inbox, tag="t") == titles(inbox)
    assert inbox.unread_count() == 4
