"""The connections of one user, and the short way of an event to those that are in step.

A connection is in step while it is live, has every event so far, and its socket takes everything at once. To those the next event is one system
call each and touches nothing else of theirs, for where they stand is where the room stands. All others are told one by one, and merge, queue or
drop the event as their own state asks.
"""

from collections.abc import Callable
from typing import Protocol

from analyst_server.gateway.metrics import Metrics
from analyst_server.gateway.outgoing import Outgoing, SendNow
from analyst_server.inbox.log import Event

__all__ = ["Member", "Room"]


class Member(Protocol):
    """A connection, as its room knows it."""

    signed_in: bool

    @property
    def protocol(self) -> int:
        """Which protocol it speaks."""

    def deliver(self, outgoing: Outgoing) -> None:
        """Send a live event, or keep it until its turn."""

    def is_in_step(self, seq: int) -> bool:
        """Tell whether it has every event before this one, and its socket takes everything."""

    def step_in(self, room: "Room") -> SendNow:
        """Stand where the room stands, until it steps out; return how the room sends to it."""

    def send_rest(self, rest: bytes) -> None:
        """Send what its socket did not take of a frame."""


class Room:
    """The connections of one user."""

    __slots__ = ("_apart", "_in_step", "_metrics", "leave_log", "upto")

    leave_log: Callable[[], None]  # end the room's subscription

    def __init__(self, metrics: Metrics) -> None:
        self.upto = 0  # the last event that was told
        self._metrics = metrics
        self._apart: list[Member] = []
        self._in_step: dict[int, dict[Member, SendNow]] = {}  # by protocol

    def __len__(self) -> int:
        return len(self._apart) + sum(map(len, self._in_step.values()))

    def count_signed_in(self) -> int:
        """Return how many connections events go to."""
        return len(self) - sum(not member.signed_in for member in self._apart)

    def add(self, member: Member) -> None:
        """Send events to this connection from now on."""
        self._apart.append(member)

    def remove(self, member: Member) -> None:
        """Forget a connection that has ended, and so has stepped out."""
        if member in self._apart:
            self._apart.remove(member)

    def step_out(self, member: Member) -> int:
        """Tell a connection one by one from now on; return the last event that it got."""
        del self._in_step[member.protocol][member]
        self._apart.append(member)
        return self.upto

    def deliver(self, event: Event) -> None:
        """Bring an event to all; one that was told before goes to nobody."""
        if event.seq <= self.upto:
            return
        self.upto = event.seq
        outgoing = Outgoing(event)
        for member in tuple(self._apart):
            if member.is_in_step(event.seq):
                self._in_step.setdefault(member.protocol, {})[member] = member.step_in(self)
                self._apart.remove(member)
            else:
                member.deliver(outgoing)
        for protocol, members in self._in_step.items():
            if not members:
                continue
            frame = outgoing.plain_frame() if protocol == 1 else outgoing.frame()
            if frame is not None:
                self._metrics.events_sent += len(members)
                _send_to_all(members, frame)


def _send_to_all(members: dict[Member, SendNow], frame: bytes) -> None:
    size = len(frame)
    unsent: list[tuple[Member, int]] = []
    for member, send_now in members.items():
        try:
            sent = send_now(frame)
        except OSError:  # full or broken: its transport will find the same, and knows what to do
            sent = 0
        if sent != size:
            unsent.append((member, sent))
    for member, sent in unsent:
        member.send_rest(frame[sent:])
