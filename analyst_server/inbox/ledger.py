"""The delivery ledger: how far each notification has come on each device. Feeds `analyst dispatch --wait` and `analyst status ID`.

Not a list of deliveries. Events reach a device in order, so the ledger keeps one span a device, "was sent everything after A up to B, has
acknowledged everything up to C", and the stage of a notification on a device follows from it. Notes are merged in memory and written at most
once a second a device; a crash loses at most that second, which the device's cursor brings back when it reconnects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from analyst_server.inbox.log import START, Seq, User

__all__ = [
    "DeliveryLedger",
    "DeviceDelivery",
    "DeviceSpan",
    "SpanNotes",
    "Trace",
    "delivery_on",
    "with_acknowledged",
    "with_sent",
]


class DeviceSpan(msgspec.Struct, frozen=True, gc=False):
    """What a device was sent, (after, upto], and what it has said to have stored; `seen_at` is Unix time in seconds."""

    after: Seq = START
    upto: Seq = START
    acknowledged: Seq = START
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceDelivery:
    """How far one notification has come on one device. `read` means that it was marked read there."""

    device: str
    sent: bool
    acknowledged: bool
    read: bool
    seen_at: float  # when the device was last heard of or sent something, Unix time in seconds


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a notification is: stored as `seq` at `stored_at` (Unix time in seconds), and its stage on every known device of its user."""

    user: User
    seq: Seq
    stored_at: float
    read: bool  # its state now, whichever device marked it
    devices: tuple[DeviceDelivery, ...]


class DeliveryLedger(Protocol):
    """What was sent to whom. Notes do not wait and raise nothing; they are no part of the delivery guarantee."""

    def note_sent(self, user: User, device: str, *, after: Seq, upto: Seq) -> None:
        """Note that a device was sent every event after one position up to another (a snapshot: after its first, minus one)."""

    def note_acknowledged(self, user: User, device: str, upto: Seq) -> None:
        """Note that a device has stored everything up to a position: its `ack`, or the cursor with which it came."""

    async def trace(self, notification_id: str, *, user: User | None = None) -> Sequence[Trace]:
        """Return where a notification is, for one user or for all who have it; empty: nobody has it. Raises `StoreUnavailable`."""


class SpanNotes:
    """What was noted of a device since it was last written, merged. Added to every second for every connection, so it makes no objects."""

    __slots__ = ("_acknowledged", "_after", "_seen_at", "_upto")

    def __init__(self) -> None:
        self._after = self._upto = self._acknowledged = START  # after is upto: nothing was sent
        self._seen_at = 0.0

    def sent(self, *, after: Seq, upto: Seq, now: float) -> None:
        """Note that events were sent."""
        if self._after == self._upto or after > self._upto or upto < self._after:
            self._after, self._upto = after, upto
        else:
            self._after = min(self._after, after)
            self._upto = max(self._upto, upto)
        self._seen_at = now

    def acknowledged(self, *, upto: Seq, now: float) -> None:
        """Note that events were acknowledged."""
        self._acknowledged = max(self._acknowledged, upto)
        self._seen_at = now

    def added_to(self, span: DeviceSpan) -> DeviceSpan:
        """Return what the ledger says with these notes."""
        if self._after != self._upto:
            span = with_sent(span, after=self._after, upto=self._upto, now=self._seen_at)
        return with_acknowledged(span, upto=self._acknowledged, now=self._seen_at)


def with_sent(span: DeviceSpan, *, after: Seq, upto: Seq, now: float) -> DeviceSpan:
    """Return the span with another one added. A gap between them means that the device began anew (a snapshot): the older one is forgotten."""
    if after == upto:  # nothing
        return replace(span, seen_at=now)
    if after > span.upto or upto < span.after:
        return replace(span, after=after, upto=upto, seen_at=now)
    return replace(span, after=min(span.after, after), upto=max(span.upto, upto), seen_at=now)


def with_acknowledged(span: DeviceSpan, *, upto: Seq, now: float) -> DeviceSpan:
    """Return the span with an acknowledgement; it may be older than the last one, and counts only for what was sent."""
    return replace(span, acknowledged=max(span.acknowledged, upto), seen_at=now)


def delivery_on(device: str, span: DeviceSpan, seq: Seq, *, read_on: str | None) -> DeviceDelivery:
    """Return the stage of the notification `seq` on a device; whoever has read or stored it was also sent it."""
    read = read_on == device
    held = seq > span.after
    acknowledged = read or (held and seq <= span.acknowledged)
    return DeviceDelivery(device, acknowledged or (held and seq <= span.upto), acknowledged, read, span.seen_at)
