"""What one transaction does to the SQLite log, as functions over a connection. Beginning and committing are the writer's.

Rows go in with few statements of a few sizes: every step of a statement hands Python's lock over, which costs more than the row.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from analyst_server.errors import Conflict
from analyst_server.inbox.ledger import DeviceSpan, SpanNotes
from analyst_server.inbox.log import Appended, Event, MarkDraft, Marked, NotificationDraft, Seq, User
from analyst_server.inbox.recent import fold
from analyst_server.inbox.sqlite_read import decode_state, last_seq
from analyst_server.wire.messages import NotificationState
from analyst_server.wire.states import after_mark

__all__ = ["Job", "Outcome", "Transaction", "Work"]

_T = TypeVar("_T")
_Taken = dict[tuple[str, int], tuple[Seq, bytes]]  # (id, uid) -> where that notification is, and what it was

Job = Callable[["Transaction"], Any]
Work = NotificationDraft | MarkDraft | Job
Outcome = Any  # `Appended`, `Marked`, `Conflict`, or what a job returns

_ROWS = 64  # of the largest statement; smaller ones have a power of two, so that few are prepared
_COLUMNS = ("seq", "uid", "stored_at", "id", "fingerprint", "image", "body")


class Transaction:
    """The changes of one commit, applied in order to an open transaction."""

    def __init__(self, connection: sqlite3.Connection, uids: Mapping[User, int], *, now: float) -> None:
        self.connection = connection
        self.now = now
        self.began_at = last_seq(connection)
        self.events: list[Event] = []  # in order; true once committed
        self.new_uids: dict[User, int] = {}
        self.placed: list[tuple[int, Seq]] = []  # user and number of each event
        self.folded_upto: Seq | None = None  # None: nothing was folded
        self._uids = uids
        self._seq = self.began_at
        self._rows: list[tuple[Any, ...]] = []  # not yet inserted

    @property
    def ended_at(self) -> Seq:
        """The highest number given so far."""
        return self._seq

    def apply(self, works: Sequence[Work]) -> list[Outcome]:
        """Do every piece of work; the outcomes are in the same order, a `Conflict` among them as a value."""
        taken: _Taken = self._notifications(
            [(work.id, self.uid(work.user)) for work in works if isinstance(work, NotificationDraft)]
        )
        outcomes = [None if callable(work) else self._apply(work, taken) for work in works]
        self._insert_rows()
        # Jobs come last: one may remove what `taken` speaks of, and none has a place in the order of events.
        return [work(self) if callable(work) else outcome for work, outcome in zip(works, outcomes, strict=True)]

    def uid(self, user: User) -> int:
        """Return the number of a user, who gets one with the first event."""
        known = self._uids.get(user) or self.new_uids.get(user)
        if known is None:
            self.connection.execute("INSERT INTO users (name) VALUES (?) ON CONFLICT DO NOTHING", (user,))
            known = int(self.connection.execute("SELECT uid FROM users WHERE name = ?", (user,)).fetchone()[0])
            self.new_uids[user] = known
        return known

    def fold(self) -> None:
        """Bring the list of events by user up to now."""
        self.folded_upto = fold(self.connection, self._seq)

    def merge_spans(self, notes: Mapping[tuple[User, str], SpanNotes]) -> None:
        """Add to what the ledger knows of devices."""
        noted = {(self.uid(user), device): each for (user, device), each in notes.items()}
        spans: dict[tuple[int, str], DeviceSpan] = {}
        for chunk, marks in _chunks(list(noted), "(?, ?)"):
            rows = self.connection.execute(
                f"WITH asked (uid, device) AS (VALUES {marks}) SELECT uid, device, after, upto, acknowledged, seen_at"  # noqa: S608
                " FROM asked CROSS JOIN devices USING (uid, device)",
                [value for key in chunk for value in key],
            )
            spans.update({(uid, device): DeviceSpan(*span) for uid, device, *span in rows})
        for chunk, marks in _chunks(list(noted), "(?, ?, ?, ?, ?, ?)"):
            values: list[Any] = []
            for key in chunk:
                span = noted[key].added_to(spans.get(key, DeviceSpan()))
                values += (*key, span.after, span.upto, span.acknowledged, span.seen_at)
            self.connection.execute(f"REPLACE INTO devices VALUES {marks}", values)  # noqa: S608 - only question marks

    def _apply(self, draft: NotificationDraft | MarkDraft, taken: _Taken) -> Appended | Conflict | Marked:
        if isinstance(draft, NotificationDraft):
            return self._append(draft, taken)
        self._insert_rows()  # it may mark what came in with the same commit
        return self._mark(draft)

    def _append(self, draft: NotificationDraft, taken: _Taken) -> Appended | Conflict:
        fingerprint = draft.fingerprint or sha256(draft.body).digest()
        uid = self.uid(draft.user)
        if (known := taken.get((draft.id, uid))) is not None:
            if known[1] != fingerprint:
                return Conflict(
                    f"the id {draft.id} is taken by another notification of {draft.user}",
                    "send it under an id of its own",
                )
            return Appended(known[0], duplicate=True)
        seq = self._add_row(uid, draft.id, fingerprint, draft.image, draft.body)
        taken[draft.id, uid] = (seq, fingerprint)
        self.events.append(Event(draft.user, seq, is_notification=True, body=draft.body))
        return Appended(seq, duplicate=False)

    def _mark(self, draft: MarkDraft) -> Marked:
        uid = self.uid(draft.user)
        ids = tuple(dict.fromkeys(draft.ids))
        found = self._notifications([(notification_id, uid) for notification_id in ids])
        known = [notification_id for notification_id in ids if (notification_id, uid) in found]
        unknown = tuple(notification_id for notification_id in ids if (notification_id, uid) not in found)
        if not known:
            return Marked(None, unknown)
        self._change_states([seq for seq, _ in found.values()], draft)
        body = draft.body_for(known)
        seq = self._add_row(uid, None, None, None, body)
        self.events.append(Event(draft.user, seq, is_notification=False, body=body))
        return Marked(seq, unknown)

    def _change_states(self, seqs: Sequence[Seq], draft: MarkDraft) -> None:
        stored = {}
        for chunk, marks in _chunks(seqs, "?"):
            asked = f"SELECT seq, state, read_on FROM states WHERE seq IN ({marks})"  # noqa: S608 - only question marks
            for seq, state, read_on in self.connection.execute(asked, chunk):
                stored[seq] = (decode_state(state), read_on)
        for chunk, marks in _chunks(seqs, "(?, ?, ?)"):
            values: list[Any] = []
            for seq in chunk:
                state, read_on = stored.get(seq, (NotificationState(), None))
                if draft.state in ("read", "unread"):
                    read_on = draft.device if draft.state == "read" else None
                values += (seq, msgspec.json.encode(after_mark(state, draft.state, until=draft.until)), read_on)
            self.connection.execute(f"REPLACE INTO states VALUES {marks}", values)  # noqa: S608 - only question marks

    def _notifications(self, keys: Iterable[tuple[str, int]]) -> _Taken:
        """Return where those notifications are that exist, and what they were."""
        found = {}
        for chunk, marks in _chunks(list(keys), "(?, ?)"):
            rows = self.connection.execute(
                f"WITH asked (id, uid) AS (VALUES {marks}) SELECT id, uid, seq, fingerprint"  # noqa: S608 - only question marks
                " FROM asked CROSS JOIN events USING (id, uid) WHERE events.id IS NOT NULL",
                [value for key in chunk for value in key],
            )
            found.update(
                {(notification_id, uid): (Seq(seq), fingerprint) for notification_id, uid, seq, fingerprint in rows}
            )
        return found

    def _add_row(
        self, uid: int, notification_id: str | None, fingerprint: bytes | None, image: str | None, body: bytes
    ) -> Seq:
        self._seq = Seq(self._seq + 1)
        self.placed.append((uid, self._seq))
        self._rows.append((self._seq, uid, self.now, notification_id, fingerprint, image, body))
        return self._seq

    def _insert_rows(self) -> None:
        rows, self._rows = self._rows, []
        one = f"({', '.join('?' * len(_COLUMNS))})"
        size = _ROWS
        while rows:
            while size > len(rows):
                size //= 2
            self.connection.execute(
                f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES {', '.join([one] * size)}",  # noqa: S608 - only question marks
                [value for row in rows[:size] for value in row],
            )
            rows = rows[size:]


def _chunks(items: Sequence[_T], mark: str) -> Iterator[tuple[list[_T], str]]:
    """Yield the items in lists of at most `_ROWS`, each with its question marks; the last item is repeated up to a power of two."""
    for start in range(0, len(items), _ROWS):
        chunk = list(items[start : start + _ROWS])
        chunk += chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))
        yield chunk, ", ".join([mark] * len(chunk))
