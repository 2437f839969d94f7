"""From what a session received to what is told: store first, in a thread and in one transaction a batch; then tell what is new in the inbox.

What is told comes from the inbox by order of arrival, so notifications that another process has stored are told as well, and each is told once.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

from analyst_cli import log
from analyst_cli.client.events import (
    CaughtUp,
    ClientEvent,
    MarkConfirmed,
    MarkFailed,
    NotificationArrived,
    StateChanged,
)
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.rows import PendingMark, Row, rfc3339
from analyst_server.wire.client_session import (
    ClientSession,
    EventReceived,
    MarkAccepted,
    MarkRefused,
    MessageUnreadable,
    Phase,
    ReplayFinished,
    SessionEvent,
    SignedIn,
    SnapshotReceived,
)
from analyst_server.wire.messages import Cursor, MarkState, RecoveryReason

__all__ = ["Delivery", "to_the_end"]

T = TypeVar("T")

_TOLD_AT_ONCE = 1_000
_MISSED_AT_MOST = 20_000  # `watch --json` prints each; the server keeps 10,000 unless told otherwise
_GAPS: dict[RecoveryReason, str] = {
    "epoch_changed": "the server's store is another one now: these are its latest notifications",
    "expired": "you were away for longer than the server keeps notifications: these are the latest",
    "ahead": "the server's store was set back to an older state: these are its latest notifications",
}


async def to_the_end(work: Callable[[], T]) -> T:
    """Run work in a thread and return only when it has ended, also when this is cancelled: who cancels closes what the thread still uses."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()  # nobody is left to hear of it
        raise


class _Stored(NamedTuple):
    changed: bool
    arrived: list[Row]  # live, by this or another process
    missed: list[Row]  # what the replay brought and is unread, the latest
    missed_count: int
    newest_pos: int
    marks: list[PendingMark]  # to be sent now


class Delivery:
    """One connection's way into the inbox. `told_pos` is the newest arrival that was told, and goes on to the next connection."""

    def __init__(self, session: ClientSession, inbox: Inbox, *, sent: Cursor | None, told_pos: int) -> None:
        self._session = session
        self._inbox = inbox
        self._sent = sent
        self.told_pos = told_pos
        self._reason: RecoveryReason | None = None
        # of the server's log: after the first, not after the second
        self._missed_seqs = (0 if sent is None else sent.seq, 0)
        self._seen_revision: tuple[int, int] | None = None
        self._more_to_tell = False
        self._sent_refs: set[str] = set()
        self._marks_wait = False  # for what another program is just sending
        self._stored_cursor: Cursor | None = None

    async def take(self, events: Sequence[SessionEvent], *, now: float, is_part: bool = False) -> list[ClientEvent]:
        """Store what was received and queue the answers in the session; return what is to be told. `now` is monotonic, in seconds.

        Raises `LocalProblem` when the inbox cannot be used, `StaleEpoch`; then this connection is to be given up, and nothing is lost.
        """
        told: list[ClientEvent] = []
        for index, event in enumerate(events[:-1]):
            if isinstance(
                event, ReplayFinished
            ):  # what is live is told one by one, even when it was received together with the replay
                told = await self.take(events[: index + 1], now=now, is_part=True)
                events = events[index + 1 :]
                break
        if events or self._more_to_tell or self._marks_wait or self._inbox.revision() != self._seen_revision:
            stored = await to_the_end(partial(self._store, events, is_part=is_part))
            told += self._told(events, stored)
            for mark in stored.marks:
                until = None if mark.until is None else rfc3339(mark.until)
                self._session.mark(mark.ref, mark.ids, _state(mark.state), until)
        if self._stored_cursor is not None:
            self._session.acknowledge(self._stored_cursor, now=now)
        return told

    def _store(self, events: Sequence[SessionEvent], *, is_part: bool) -> _Stored:
        """Do everything that touches the file; runs in a thread, because another process may hold it for a while."""
        # before anything is read: what another process stores from here on is seen the next time
        others, _ = self._inbox.revision()
        changed = self._seen_revision is not None and others != self._seen_revision[0]
        changed = self._store_events(events, is_part=is_part) or changed
        marks = self._marks()
        newest_pos = self._inbox.newest_pos()
        self._note_missed(events)
        missed_count, but = 0, (0, 0)
        missed: list[Row] = []
        if any(isinstance(event, ReplayFinished) for event in events):
            but = self._missed_seqs  # what another process has stored live meanwhile was not missed
            missed_count, missed = self._inbox.missed_after(
                self.told_pos, upto=newest_pos, seqs=but, limit=_MISSED_AT_MOST
            )
        arrived = self._inbox.arrived_after(self.told_pos, upto=newest_pos, but=but, limit=_TOLD_AT_ONCE)
        self._more_to_tell = len(arrived) == _TOLD_AT_ONCE
        _, own = self._inbox.revision()
        self._seen_revision = (others, own)
        return _Stored(changed, arrived, missed, missed_count, newest_pos, marks)

    def _note_missed(self, events: Sequence[SessionEvent]) -> None:
        for event in events:
            match event:
                case SnapshotReceived(cursor=cursor):
                    self._missed_seqs = (-1, cursor.seq)
                case EventReceived(event=received, replayed=True) if received.seq is not None:
                    self._missed_seqs = (self._missed_seqs[0], received.seq)
                case _:
                    pass

    def _store_events(self, events: Sequence[SessionEvent], *, is_part: bool) -> bool:
        changed = 0
        log_events = []
        for event in events:
            match event:
                case SignedIn(reason=reason):
                    self._reason = reason
                case SnapshotReceived(notifications=notifications, cursor=cursor):
                    changed += self._inbox.replace(notifications, cursor=cursor, sent=self._sent).changed
                case EventReceived(event=received):
                    log_events.append(received)
                case MessageUnreadable(problem=problem):
                    log.warning("a message of the server cannot be read and was passed over: %s", problem)
                case _:
                    pass
        reached = self._session.cursor
        if reached is not None and log_events and (last_seq := log_events[-1].seq) is not None:
            reached = Cursor(reached.epoch, last_seq)  # the session may have received more than this
        is_new_position = self._session.phase is Phase.LIVE and reached is not None and reached != self._stored_cursor
        if log_events or (is_new_position and not is_part):
            changed += self._inbox.apply(log_events, cursor=reached).changed
            self._stored_cursor = reached
        for event in events:
            match event:  # after the log events: a mark is done when its own event is stored
                case MarkAccepted(ref=ref, seq=seq):
                    self._inbox.confirmed(ref, seq, epoch=None if reached is None else reached.epoch)
                case MarkRefused(ref=ref, unknown=unknown):
                    self._inbox.refused(ref, unknown)
                    self._sent_refs.discard(ref)
                case _:
                    pass
        return changed > 0

    def _marks(self) -> list[PendingMark]:
        """Return the marks that are to be sent now, claimed; with protocol 1 there is nowhere to send them, so they are done."""
        self._marks_wait = False
        if self._session.phase is not Phase.LIVE:
            return []
        pending = self._inbox.pending()
        if pending and self._session.protocol < 2:
            self._inbox.settle_pending()
            return []
        unsent = [mark.ref for mark in pending if mark.ref not in self._sent_refs]
        marks = self._inbox.sending(unsent) if unsent else []
        self._sent_refs.update(mark.ref for mark in marks)
        self._marks_wait = len(marks) < len(unsent)
        return marks

    def _told(self, events: Sequence[SessionEvent], stored: _Stored) -> list[ClientEvent]:
        told: list[ClientEvent] = [
            MarkFailed(event.message) for event in events if isinstance(event, MarkRefused) and not event.unknown
        ]
        told += [MarkConfirmed() for event in events if isinstance(event, MarkAccepted)]
        if stored.changed:
            told.append(StateChanged())
        if any(isinstance(event, ReplayFinished) for event in events):
            gap = _GAPS.get(self._reason, "") if self._reason else ""
            told.append(CaughtUp(stored.missed_count, tuple(stored.missed), gap))
            told += [NotificationArrived(row) for row in stored.arrived]
            self.told_pos = stored.newest_pos
        elif self._session.phase is Phase.LIVE and stored.arrived:
            told += [NotificationArrived(row) for row in stored.arrived]
            self.told_pos = stored.arrived[-1].pos
        return told


def _state(name: str) -> MarkState:
    match name:
        case "read" | "unread" | "archived" | "unarchived" | "acknowledged" | "snoozed":
            return name
        case _:
            raise ValueError(name)
