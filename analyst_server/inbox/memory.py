"""The log in memory: every promise of `log.py` but durability. For tests, for a gateway that may forget, and as the model for the other logs."""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from analyst_server.errors import Conflict, CursorLost
from analyst_server.inbox.ledger import DeviceSpan, Trace, delivery_on, with_acknowledged, with_sent
from analyst_server.inbox.log import (
    START,
    Appended,
    Event,
    EventListener,
    MarkDraft,
    Marked,
    NotificationDraft,
    Seq,
    Snapshot,
    StoredNotification,
    User,
)
from analyst_server.inbox.retention import Purged, Retention
from analyst_server.wire.messages import NotificationState
from analyst_server.wire.states import after_mark

__all__ = ["MemoryInbox"]


@dataclass(slots=True)
class _Notification:
    seq: Seq
    body: bytes
    fingerprint: bytes
    image: str | None
    state: NotificationState = field(default_factory=NotificationState)
    read_on: str | None = None  # the device that marked it read; None: unread


@dataclass(slots=True)
class _UserLog:
    events: list[Event] = field(default_factory=list)
    stored_at: dict[Seq, float] = field(default_factory=dict)
    notifications: dict[str, _Notification] = field(default_factory=dict)  # by id, in log order
    floor: Seq = START  # the newest event that retention has removed
    listeners: list[EventListener] = field(default_factory=list)
    devices: dict[str, DeviceSpan] = field(default_factory=dict)

    @property
    def head(self) -> Seq:
        return self.events[-1].seq if self.events else self.floor


class MemoryInbox:
    """The log, its delivery ledger and its image references in the memory of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._epoch = secrets.token_hex(16)
        self._last_seq = START  # of all users together: a user's own numbers have gaps, as the interface says
        self._users: defaultdict[User, _UserLog] = defaultdict(_UserLog)

    @property
    def epoch(self) -> str:
        return self._epoch

    async def append(self, draft: NotificationDraft) -> Appended:
        log = self._users[draft.user]
        fingerprint = draft.fingerprint or sha256(draft.body).digest()
        if (known := log.notifications.get(draft.id)) is not None:
            if known.fingerprint != fingerprint:
                raise Conflict(
                    f"the id {draft.id} is taken by another notification of {draft.user}",
                    "send it under an id of its own",
                )
            return Appended(known.seq, duplicate=True)
        seq = self._next_seq()
        log.notifications[draft.id] = _Notification(seq, draft.body, fingerprint, draft.image)
        self._store(log, Event(draft.user, seq, is_notification=True, body=draft.body))
        return Appended(seq, duplicate=False)

    async def mark(self, draft: MarkDraft) -> Marked:
        log = self._users[draft.user]
        ids = tuple(dict.fromkeys(draft.ids))
        known = [notification_id for notification_id in ids if notification_id in log.notifications]
        unknown = tuple(notification_id for notification_id in ids if notification_id not in log.notifications)
        if not known:
            return Marked(None, unknown)
        for notification_id in known:
            _apply(log.notifications[notification_id], draft)
        seq = self._next_seq()
        self._store(log, Event(draft.user, seq, is_notification=False, body=draft.body_for(known)))
        return Marked(seq, unknown)

    async def read(self, user: User, *, after: Seq, limit: int) -> Sequence[Event]:
        log = self._users[user]
        if after < 0 or 0 < after < log.floor:
            raise CursorLost("expired")
        if after > log.head:
            raise CursorLost("ahead")
        return [event for event in log.events if event.seq > after][:limit]

    async def snapshot(self, user: User, *, limit: int = 50) -> Snapshot:
        log = self._users[user]
        latest = list(log.notifications.values())[-limit:] if limit else []
        return Snapshot(log.head, tuple(StoredNotification(each.seq, each.body, each.state) for each in latest))

    def subscribe(self, user: User, listener: EventListener) -> Callable[[], None]:
        listeners = self._users[user].listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener) if listener in listeners else None

    def note_sent(self, user: User, device: str, *, after: Seq, upto: Seq) -> None:
        devices = self._users[user].devices
        devices[device] = with_sent(devices.get(device, DeviceSpan()), after=after, upto=upto, now=self._clock())

    def note_acknowledged(self, user: User, device: str, upto: Seq) -> None:
        devices = self._users[user].devices
        devices[device] = with_acknowledged(devices.get(device, DeviceSpan()), upto=upto, now=self._clock())

    async def trace(self, notification_id: str, *, user: User | None = None) -> Sequence[Trace]:
        users = [user] if user is not None else list(self._users)
        return tuple(trace for each in users for trace in self._traces(each, notification_id))

    async def may_read(self, user: User, name: str) -> bool:
        return any(each.image == name for each in self._users[user].notifications.values())

    async def referenced(self, names: Collection[str]) -> frozenset[str]:
        held = {each.image for log in self._users.values() for each in log.notifications.values()}
        return frozenset(name for name in names if name in held)

    async def retain(self, retention: Retention) -> Purged:
        """Remove what is too old or too much of every user."""
        removed = [self._retain_user(log, retention) for log in self._users.values()]
        images = frozenset().union(*(each.images for each in removed))
        return Purged(sum(each.events for each in removed), images - await self.referenced(images))

    async def close(self) -> None:
        """Forget the listeners; the events stay, as a file would."""
        for log in self._users.values():
            log.listeners.clear()

    def _next_seq(self) -> Seq:
        self._last_seq = Seq(self._last_seq + 1)
        return self._last_seq

    def _store(self, log: _UserLog, event: Event) -> None:
        log.events.append(event)
        log.stored_at[event.seq] = self._clock()
        for listener in tuple(log.listeners):
            listener(event)

    def _traces(self, user: User, notification_id: str) -> Iterator[Trace]:
        log = self._users.get(user)
        if log is None or (known := log.notifications.get(notification_id)) is None:
            return
        devices = [delivery_on(name, span, known.seq, read_on=known.read_on) for name, span in log.devices.items()]
        yield Trace(user, known.seq, log.stored_at[known.seq], known.state.read, tuple(devices))

    def _retain_user(self, log: _UserLog, retention: Retention) -> Purged:
        cutoff = retention.cutoff(self._clock())
        log.devices = {name: span for name, span in log.devices.items() if span.seen_at >= cutoff}
        cut = _cut(log, retention, cutoff)
        gone = [event for event in log.events if event.seq <= cut]
        if not gone:
            return Purged()
        log.floor = cut
        log.events = log.events[len(gone) :]
        images = frozenset(each.image for each in log.notifications.values() if each.seq <= cut and each.image)
        log.notifications = {name: each for name, each in log.notifications.items() if each.seq > cut}
        for event in gone:
            del log.stored_at[event.seq]
        return Purged(len(gone), images)


def _cut(log: _UserLog, retention: Retention, cutoff: float) -> Seq:
    """Return the newest event that must go; the log's floor if none must."""
    old = next((i for i, event in enumerate(log.events) if log.stored_at[event.seq] >= cutoff), len(log.events))
    cut = log.events[old - 1].seq if old else log.floor
    seqs = [each.seq for each in log.notifications.values()]
    if (surplus := len(seqs) - retention.max_notifications) > 0:
        cut = max(cut, seqs[surplus - 1])
    if (surplus := len(log.events) - retention.max_events) > 0:
        cut = max(cut, log.events[surplus - 1].seq)
    return cut


def _apply(notification: _Notification, mark: MarkDraft) -> None:
    notification.state = after_mark(notification.state, mark.state, until=mark.until)
    if mark.state in ("read", "unread"):
        notification.read_on = mark.device if mark.state == "read" else None
