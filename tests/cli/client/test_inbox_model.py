"""The local inbox against a model of a few lines: whatever happens in whatever order, both say the same."""

import sqlite3
import threading
from itertools import pairwise
from pathlib import Path

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from analyst_cli.client.events import CaughtUp, ConnectionLost
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.rows import Filter, rfc3339
from analyst_server.wire.messages import Cursor, Notification, NotificationState, StateChange
from analyst_server.wire.states import after_mark
from tests.support.follower import Follower
from tests.support.scripted_gateway import scripted_gateway

NOW = 1_769_767_200.0
MARKS = ["read", "unread", "archived", "unarchived", "acknowledged", "snoozed"]
ids = st.integers(0, 7).map(lambda number: f"n-{number}")
steps = st.one_of(
    st.tuples(st.just("new"), ids, st.sampled_from([None, "k1", "k2"])),
    st.tuples(st.just("state"), ids, st.sampled_from(MARKS)),
    st.tuples(st.just("mark"), ids, st.sampled_from(MARKS)),
    st.tuples(st.just("again"), ids, st.none()),
    st.tuples(st.just("snapshot"), ids, st.none()),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=st.lists(steps, max_size=25), answered_late=st.booleans())
def test_any_history_gives_the_state_that_the_log_gives(
    happened: list[tuple[str, str, str | None]], answered_late: bool
) -> None:
    answers: list[tuple[str, int]] = []
    model: dict[str, NotificationState] = {}
    log: list[Notification | StateChange] = []
    until = rfc3339(NOW + 60)
    with Inbox(":memory:", clock=lambda: NOW) as inbox:
        for kind, id_, word in happened:
            if kind == "new" and id_ not in model:
                log.append(Notification(id=id_, title="T", message="m", timestamp=until, seq=len(log) + 1, key=word))
                model[id_] = NotificationState()
            elif kind == "state" and id_ in model and word is not None:
                log.append(
                    StateChange(
                        seq=len(log) + 1, ids=[id_], state=word, at=until, until=until if word == "snoozed" else None
                    )
                )
                model[id_] = after_mark(model[id_], word, until=until)
            elif (
                kind == "mark" and id_ in model and word is not None
            ):  # made here, confirmed at once or in the end, then heard of as everybody
                marked = inbox.mark([id_], word, until=NOW + 60 if word == "snoozed" else None, repeats=False)
                for pending in inbox.sending([f"{marked.undo}-0"]) if marked.undo else []:
                    log.append(
                        StateChange(
                            seq=len(log) + 1,
                            ids=[id_],
                            state=word,
                            at=until,
                            until=until if word == "snoozed" else None,
                        )
                    )
                    if answered_late:
                        answers.append((pending.ref, len(log)))
                    else:
                        inbox.confirmed(pending.ref, len(log))
                model[id_] = after_mark(model[id_], word, until=until)
            elif kind == "snapshot":  # as another process takes it, before the answers are noted
                whole = [structs.replace(one, state=model[one.id]) for one in log if isinstance(one, Notification)]
                inbox.replace(whole, cursor=Cursor("e", len(log)), sent=inbox.cursor())
            inbox.apply(log[-3:] if kind == "again" else log[-1:], cursor=Cursor("e", len(log)))
        for ref, seq in answers:
            inbox.confirmed(ref, seq)
        found = {row.id: row for row in inbox.view(Filter(archived=None, snoozed=None, collapsed=False))}
        assert {
            id_: (row.is_read, row.archived, row.acknowledged, row.snoozed_until is not None)
            for id_, row in found.items()
        } == {
            id_: (state.read, state.archived, state.acknowledged, state.snoozed_until is not None)
            for id_, state in model.items()
        }
        assert inbox.view().count == len(list(inbox.view(Filter(since=0))))
        assert inbox.unread_count() == len(list(inbox.view(Filter(unread=True, since=0))))
        assert inbox.pending() == []


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=6), again=st.booleans())
def test_however_the_log_is_cut_into_batches_the_inbox_is_the_same(cuts: list[int], again: bool) -> None:
    log: list[Notification | StateChange] = []
    for number in range(15):
        log.append(
            Notification(
                id=f"n-{number}",
                title="T",
                message="m",
                timestamp=rfc3339(NOW),
                seq=2 * number + 1,
                key=f"k{number % 4}",
            )
        )
        log.append(StateChange(seq=2 * number + 2, ids=[f"n-{number // 2}"], state=MARKS[number % 5], at=rfc3339(NOW)))
    whole, parts = Inbox(":memory:"), Inbox(":memory:")
    whole.apply(log, cursor=Cursor("e", 30))
    edges = [0, *sorted(cuts), 30]
    for start, stop in pairwise(edges):
        batch = log[start - 3 if again and start > 3 else start : stop]
        if batch:
            parts.apply(batch, cursor=Cursor("e", max(stop, start)))
    assert list(whole.view(Filter(archived=None))) == list(parts.view(Filter(archived=None)))
    assert whole.cursor() == parts.cursor()
    whole.close()
    parts.close()


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "petr.db"
    Inbox(path).close()
    log = [
        Notification(id=f"n-{number}", title="T", message="m", timestamp=rfc3339(NOW), seq=number + 1)
        for number in range(200)
    ]
    new: list[str] = []

    def write() -> None:
        with Inbox(path) as inbox:
            for number, notification in enumerate(log):
                new.extend(inbox.apply([notification], cursor=Cursor("e", number + 1)).new_ids)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == sorted(notification.id for notification in log)
    with Inbox(path) as inbox:
        assert [row.id for row in inbox.view()] == [notification.id for notification in reversed(log)]


async def test_a_store_that_another_process_holds_is_waited_for_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANALYST_TOKEN", jwt.encode({"sub": "petr"}, "s" * 32, algorithm="HS256"))
    monkeypatch.setattr("analyst_cli.client.inbox._BUSY_TIMEOUT_S", 0.1)
    async with scripted_gateway() as gateway, Follower(gateway.url) as client:
        server = await gateway.accept()
        await server.greet(seq=0)
        await server.send(type="replay_done", seq=0)
        await client.until(CaughtUp)
        holder = sqlite3.connect(client.inbox.path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        alert = {"type": "notification", "id": "n-1", "title": "T", "message": "m", "timestamp": rfc3339(NOW), "seq": 1}
        await server.send(**alert)
        assert "locked by another process" in (await client.until(ConnectionLost)).problem
        holder.execute("ROLLBACK")
        holder.close()
        server = await gateway.accept()
        assert server.auth.get("since", {"seq": 0})["seq"] == 0
        await server.greet(seq=1)
        await server.send(**alert, replay=True)
        await server.send(type="replay_done", seq=1)
        assert (await client.until(CaughtUp, 2)).count == 1
