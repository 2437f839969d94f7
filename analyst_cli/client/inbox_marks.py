"""Marks in the local inbox: shown at once, queued for the server, laid over what arrives until it has confirmed them, undone on request.

Called by `Inbox` inside a write transaction (the readers outside of one).
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from analyst_cli.client.rows import Marked, PendingMark

__all__ = [
    "confirmed", "covered", "lay_over", "mark", "new_token", "pending", "refused", "release", "sending", "set_state", "settle", "settle_all",
    "unconfirm", "undo", "with_repeats",
]  # fmt: skip

_IDS_A_MARK = 500  # protocol 2.3
_DONE_KEPT = 200  # marks that can still be undone
_CLAIM_S = 10.0  # the server answers within milliseconds; who has not heard it by then may never hear it
_QUEUED, _SENT, _DONE = 0, 1, 2

_SET = {
    "read": "is_read = 1",
    "unread": "is_read = 0",
    "archived": "archived = 1",
    "unarchived": "archived = 0",
    "acknowledged": "acknowledged = 1",
    "snoozed": "snoozed_until = ?1",
    "resolved": "status = 'resolved'",
}
_DIFFERS = {
    "read": "is_read = 0",
    "unread": "is_read = 1",
    "archived": "archived = 0",
    "unarchived": "archived = 1",
    "acknowledged": "acknowledged = 0",
    "snoozed": "snoozed_until IS NOT ?1",
}


def set_state(db: sqlite3.Connection, id_: str, state: str, until: float | None) -> bool:
    """Set the state of one notification; tell whether it is here. Unknown states change nothing."""
    change = _SET.get(state)
    if change is None:
        return db.execute("SELECT 1 FROM notification WHERE id = ?", (id_,)).fetchone() is not None
    params = (until, id_) if state == "snoozed" else (id_,)
    return db.execute(f"UPDATE notification SET {change} WHERE id = ?{len(params)}", params).rowcount > 0  # noqa: S608


def mark(db: sqlite3.Connection, ids: Sequence[str], state: str, *, until: float | None, repeats: bool) -> Marked:
    """See `Inbox.mark`."""
    unknown = tuple(id_ for id_ in ids if not _here(db, id_))
    known = [id_ for id_ in dict.fromkeys(ids) if id_ not in unknown]
    wanted = with_repeats(db, known) if repeats else known
    differing = [id_ for id_ in wanted if _differs(db, id_, state, until)]
    if not differing:
        return Marked("", (), unknown)
    token = new_token()
    for number, start in enumerate(range(0, len(differing), _IDS_A_MARK)):
        _queue(db, f"{token}-{number}", differing[start : start + _IDS_A_MARK], state, until)
    return Marked(token, tuple(differing), unknown)


def undo(db: sqlite3.Connection, token: str, *, now: float) -> Marked:
    """See `Inbox.undo`."""
    marks = db.execute(
        "SELECT ref, state, stage, before, claimant, claimed_at FROM pending WHERE ref >= ? AND ref < ? ORDER BY ref",
        (f"{token}-", f"{token}."),
    ).fetchall()
    taken_back: list[str] = []
    redo = new_token()
    for number, (ref, state, stage, before, claimant, claimed_at) in enumerate(marks):
        states = json.loads(before)
        if stage == _QUEUED:
            _restore(db, states)
            taken_back += [one[0] for one in states]
        elif state != "acknowledged":  # the protocol has no way back from it
            taken_back += _queue_inverse(db, f"{redo}-{number}", state, states, now)
            # it has to arrive after what it undoes
            claim = (claimant, claimed_at, f"{redo}-{number}-", f"{redo}-{number}.")
            db.execute("UPDATE pending SET claimant = ?, claimed_at = ? WHERE ref >= ? AND ref < ?", claim)
        db.execute("DELETE FROM pending WHERE ref = ?", (ref,))
        if stage == _QUEUED:
            _change_again(db, [one[0] for one in states], after=0)
    return Marked(redo if any(stage != _QUEUED for _, _, stage, *_ in marks) else "", tuple(taken_back), ())


def pending(db: sqlite3.Connection) -> list[PendingMark]:
    """See `Inbox.pending`."""
    found = db.execute(
        "SELECT ref, ids, state, until FROM pending WHERE stage < ? AND confirmed_seq IS NULL ORDER BY order_made",
        (_DONE,),
    )
    return [PendingMark(ref, tuple(json.loads(ids)), state, until) for ref, ids, state, until in found]


def sending(db: sqlite3.Connection, refs: Sequence[str], claimant: str, *, now: float) -> list[PendingMark]:
    """See `Inbox.sending`. A claim of the future is none: the clock was set back."""
    claimed_by_others = {
        str(ref)
        for ref, claimed_at in db.execute("SELECT ref, claimed_at FROM pending WHERE claimant != ?", (claimant,))
        if 0 <= now - claimed_at < _CLAIM_S
    }
    marks = []
    for mark in pending(db):
        if mark.ref in claimed_by_others:
            break  # over two connections a later mark could arrive before an earlier one
        if mark.ref in set(refs):
            marks.append(mark)
    claims = [(_SENT, claimant, now, mark.ref) for mark in marks]
    db.executemany("UPDATE pending SET stage = ?, claimant = ?, claimed_at = ? WHERE ref = ?", claims)
    return marks


def release(db: sqlite3.Connection, claimant: str) -> None:
    """Let others send what this one has claimed."""
    db.execute("UPDATE pending SET claimant = NULL, claimed_at = NULL WHERE claimant = ?", (claimant,))


def confirmed(db: sqlite3.Connection, ref: str, seq: int, epoch: str | None) -> None:
    """See `Inbox.confirmed`."""
    found = db.execute("SELECT value FROM meta WHERE name = 'cursor'").fetchone()
    reached = None if found is None else json.loads(found[0])
    if reached is not None and epoch not in {None, reached[0]}:
        return
    done = reached is not None and reached[1] >= seq
    heard = "UPDATE pending SET confirmed_seq = ?, stage = ?, claimant = NULL, claimed_at = NULL WHERE ref = ?"
    db.execute(heard, (seq, _DONE if done else _SENT, ref))
    found = db.execute("SELECT ids FROM pending WHERE ref = ?", (ref,)).fetchone()
    if done and found is not None:  # a later event may have come before this answer, and the mark was laid over it
        _change_again(db, json.loads(found[0]), after=seq)


def refused(db: sqlite3.Connection, ref: str, unknown: Sequence[str]) -> None:
    """See `Inbox.refused`."""
    found = db.execute("SELECT ids, before FROM pending WHERE ref = ?", (ref,)).fetchone()
    if found is None:
        return
    remaining = [id_ for id_ in json.loads(found[0]) if id_ not in set(unknown)] if unknown else []
    if remaining and len(remaining) < len(json.loads(found[0])):
        again = "UPDATE pending SET ids = ?, stage = ?, claimant = NULL, claimed_at = NULL WHERE ref = ?"
        db.execute(again, (json.dumps(remaining), _QUEUED, ref))
    else:
        db.execute("UPDATE pending SET stage = ? WHERE ref = ?", (_DONE, ref))
        if not unknown:  # nothing was marked: here neither
            _restore(db, json.loads(found[1]))
            _change_again(db, json.loads(found[0]), after=0)


def settle(db: sqlite3.Connection, seq: int) -> None:
    """Finish the marks whose own event has been applied, and forget old ones."""
    db.execute("UPDATE pending SET stage = ? WHERE stage < ? AND confirmed_seq <= ?", (_DONE, _DONE, seq))
    db.execute(
        "DELETE FROM pending WHERE stage = ? AND order_made < (SELECT max(order_made) FROM pending) - ?",
        (_DONE, _DONE_KEPT),
    )


def unconfirm(db: sqlite3.Connection) -> None:
    """Send again what the log that is followed from now on may not have."""
    db.execute("UPDATE pending SET confirmed_seq = NULL WHERE stage < ?", (_DONE,))


def settle_all(db: sqlite3.Connection) -> None:
    """See `Inbox.settle_pending`."""
    db.execute("UPDATE pending SET stage = ? WHERE stage < ?", (_DONE, _DONE))


def covered(db: sqlite3.Connection) -> set[str]:
    """Return the ids over which unconfirmed marks lie; what the log says of them meanwhile is kept in `early_state`."""
    lying = "SELECT DISTINCT value FROM pending, json_each(pending.ids) WHERE stage < ?"
    return {str(id_) for (id_,) in db.execute(lying, (_DONE,))}


def lay_over(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Apply the unconfirmed marks again where an older event of the log has just been applied: the later one wins."""
    changed = set(ids)
    if not changed:
        return
    unconfirmed = db.execute(
        "SELECT ids, state, until FROM pending WHERE stage < ? ORDER BY order_made", (_DONE,)
    ).fetchall()
    for joined, state, until in unconfirmed:
        for id_ in changed.intersection(json.loads(joined)):
            set_state(db, id_, state, until)


def with_repeats(db: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """Return the ids and those of the older repeats that their lines stand for, each line's own id first."""
    wanted: dict[str, None] = {}
    for id_ in ids:
        wanted[id_] = None
        found = db.execute("SELECT key, pos, repeats FROM notification WHERE id = ? AND head = 1", (id_,)).fetchone()
        if found is None or not found[0] or found[2] < 2:
            continue
        key, pos, repeats = found
        older = db.execute(
            "SELECT id FROM notification WHERE key = ? AND pos < ? AND head = 0 ORDER BY pos DESC LIMIT ?",
            (key, pos, repeats - 1),
        )
        wanted.update((str(one), None) for (one,) in older)
    return list(wanted)


def new_token() -> str:
    """Return a name that no other mark or program has."""
    import secrets  # noqa: PLC0415 - reading needs none

    return secrets.token_hex(8)


def _queue(db: sqlite3.Connection, ref: str, ids: list[str], state: str, until: float | None) -> None:
    before = [
        db.execute(
            "SELECT id, is_read, archived, acknowledged, snoozed_until FROM notification WHERE id = ?", (id_,)
        ).fetchone()
        for id_ in ids
    ]
    uncovered = set(ids) - covered(db)
    db.executemany("DELETE FROM early_state WHERE id = ?", [(id_,) for id_ in uncovered])  # of an earlier mark
    for id_ in ids:
        set_state(db, id_, state, until)
    db.execute(
        "INSERT INTO pending (ref, ids, state, until, before, order_made)"
        " VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(order_made), 0) + 1 FROM pending))",
        (ref, json.dumps(ids), state, until, json.dumps(before)),
    )


def _queue_inverse(db: sqlite3.Connection, ref: str, state: str, before: list[list[object]], now: float) -> list[str]:
    """Queue the mark that leads back; a snooze is ended, or set to what it was."""
    inverse = {
        "read": "unread",
        "unread": "read",
        "archived": "unarchived",
        "unarchived": "archived",
        "snoozed": "snoozed",
    }[state]
    by_until: dict[float | None, list[str]] = {}
    for id_, _, _, _, snoozed_until in before:
        back_to = (float(str(snoozed_until)) if snoozed_until else now) if state == "snoozed" else None
        by_until.setdefault(back_to, []).append(str(id_))
    for number, (until, ids) in enumerate(by_until.items()):
        _queue(db, f"{ref}-{number}", ids, inverse, until)
    return [str(one[0]) for one in before]


def _restore(db: sqlite3.Connection, before: list[list[object]]) -> None:
    db.executemany(
        "UPDATE notification SET is_read = ?, archived = ?, acknowledged = ?, snoozed_until = ? WHERE id = ?",
        [(*values, id_) for id_, *values in before],
    )


def _change_again(db: sqlite3.Connection, ids: list[str], *, after: int) -> None:
    """Apply what the log has said of these ids after an event, and the marks that are still unconfirmed."""
    kept = (
        "SELECT id, state, until FROM early_state WHERE seq > ? AND id IN (SELECT value FROM json_each(?)) ORDER BY seq"
    )
    for id_, state, until in db.execute(kept, (after, json.dumps(ids))).fetchall():
        set_state(db, id_, state, until)
    lay_over(db, ids)


def _here(db: sqlite3.Connection, id_: str) -> bool:
    return db.execute("SELECT 1 FROM notification WHERE id = ?", (id_,)).fetchone() is not None


def _differs(db: sqlite3.Connection, id_: str, state: str, until: float | None) -> bool:
    params = (until, id_) if state == "snoozed" else (id_,)
    sql = f"SELECT 1 FROM notification WHERE {_DIFFERS[state]} AND id = ?{len(params)}"  # noqa: S608 - built of constants
    return db.execute(sql, params).fetchone() is not None
