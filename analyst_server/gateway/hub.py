"""Who is here: every connection, the events that go to them, one timer for all of them, and how they are sent away.

One subscription to the log a user, shared by the user's connections. The hub holds no events: what a connection missed is in the log.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from analyst_server.gateway.admission import FailureThrottle
from analyst_server.gateway.connection import Connection
from analyst_server.gateway.metrics import Metrics
from analyst_server.gateway.room import Room
from analyst_server.identity.principal import Principal
from analyst_server.inbox.ledger import DeliveryLedger
from analyst_server.inbox.log import InboxLog, User
from analyst_server.wire.close_codes import CloseCode, close_reason
from analyst_server.wire.gateway_session import Refuse

__all__ = ["Hub", "Limits"]

SPREAD_BATCH_S = 0.05
CLOSES_A_SECOND = 500  # how fast clients are sent away, and asked to come back, in a restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how many; the reasons are with the settings."""

    auth_timeout_s: float = 10.0
    heartbeat_s: float = 30.0
    heartbeat_missed: int = 3
    per_user: int = 5
    per_address: int = 100
    connections: int = 10_000


class Hub:
    """All connections of this process."""

    def __init__(
        self,
        log: InboxLog,
        ledger: DeliveryLedger,
        authenticate: Callable[[str], Principal],
        *,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.monotonic,
        wall_now: Callable[[], float] = time.time,
    ) -> None:
        self.log = log
        self.ledger = ledger
        self.authenticate = authenticate  # raises `TokenRefused`
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        self.now = now
        self.draining = False
        self._wall_now = wall_now
        self._connections: dict[Connection, None] = {}  # a set in the order of arrival
        self._rooms: dict[str, Room] = {}
        self._addresses: Counter[str] = Counter()
        self._failures = FailureThrottle()
        self._tasks: asyncio.TaskGroup | None = None
        self._empty = asyncio.Event()

    # Coming and going

    def admit(self, connection: Connection) -> None:
        """Take a connection whose handshake is complete."""
        self._connections[connection] = None
        self._addresses[connection.address] += 1
        self.metrics.connections_opened += 1

    def refusal(self, address: str) -> str | None:
        """Return why a handshake from this address is not accepted now; None: it is. An empty address (a local peer) has no limit of its own."""
        if self.draining:
            return "restarting"
        if len(self._connections) >= self.limits.connections:
            return "capacity"
        if address and self._addresses[address] >= self.limits.per_address:
            return "address"
        if address and not self._failures.allows(address, self.now()):
            return "failures"
        return None

    def has_room_for(self, username: str) -> bool:
        """Tell whether one more connection of this user may sign in."""
        room = self._rooms.get(username)
        return room is None or len(room) < self.limits.per_user

    def join(self, connection: Connection, username: str) -> None:
        """Send the events of this user to the connection from now on."""
        room = self._rooms.get(username)
        if room is None:
            room = Room(self.metrics)
            room.leave_log = self.log.subscribe(User(username), room.deliver)
            self._rooms[username] = room
        room.add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection whose socket is gone."""
        if self._connections.pop(connection, connection) is connection:
            return
        self._addresses[connection.address] -= 1
        if self._addresses[connection.address] <= 0:
            del self._addresses[connection.address]
        principal = connection.principal
        if principal is not None and (room := self._rooms.get(principal.username)) is not None:
            room.remove(connection)
            if not room:
                room.leave_log()
                del room.leave_log  # it knows the room: without this the garbage collector has to find both
                del self._rooms[principal.username]
        if not self._connections:
            self._empty.set()

    def token_refused(self, address: str) -> None:
        """Count a bad token against its address."""
        self.metrics.auth_failures += 1
        if address:
            self._failures.failed(address, self.now())

    def close_where(self, applies: Callable[[Principal], bool], code: CloseCode, reason: str) -> int:
        """End every connection whose principal it applies to; return how many."""
        affected = [each for each in self._connections if each.principal is not None and applies(each.principal)]
        for connection in affected:
            connection.refuse(Refuse(code, reason))
        return len(affected)

    # What others ask

    def connections_of(self, username: str) -> int:
        """Return how many live connections get this user's events."""
        room = self._rooms.get(username)
        return room.count_signed_in() if room is not None else 0

    def users(self) -> dict[str, int]:
        """Return the number of live connections of every user who has one."""
        counts = {name: self.connections_of(name) for name in self._rooms}
        return {name: count for name, count in counts.items() if count}

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for slow readers."""
        return sum(connection.queue.byte_count for connection in self._connections)

    @property
    def open_connections(self) -> int:
        """Connections of any phase."""
        return len(self._connections)

    # Life

    async def run(self, started: asyncio.Event) -> None:
        """Sweep until cancelled; tasks of connections live in here."""
        tick_s = min(1.0, self.limits.heartbeat_s / 4, self.limits.auth_timeout_s / 4)
        async with asyncio.TaskGroup() as self._tasks:
            started.set()
            while True:
                await asyncio.sleep(tick_s)
                self.sweep()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what a connection waits for. The coroutine handles its own errors."""
        assert self._tasks is not None, "the hub does not run"  # noqa: S101 - the composition root starts it first
        self._tasks.create_task(work)

    def note_progress(self) -> None:
        """Bring the ledger up to date; whoever asks it calls this first."""
        for connection in self._connections:
            connection.note_progress()

    def sweep(self) -> None:
        """Let every connection do what is due. 10,000 of them take about a millisecond."""
        now, wall_now = self.now(), self._wall_now()
        for connection in tuple(self._connections):
            connection.sweep(now, wall_now)

    async def drain(self, code: CloseCode, *, timeout_s: float) -> None:
        """Send everybody away, not all at once, and wait until they are gone; drop who is left after the timeout.

        The reason asks each of a large crowd to come back at a moment of its own, so that the next process is not overrun.
        """
        self.draining = True
        words = "restarting" if code is CloseCode.RESTARTING else "going away"
        crowd = list(self._connections)
        window_s = min(len(crowd) / CLOSES_A_SECOND, timeout_s / 2)
        batch = max(1, int(CLOSES_A_SECOND * SPREAD_BATCH_S))
        try:
            async with asyncio.timeout(timeout_s):
                for index, connection in enumerate(crowd):
                    retry_s = round(random.uniform(0, window_s), 2) if window_s >= 1 else None  # noqa: S311 - spread, no secret
                    connection.refuse(Refuse(code, close_reason(words, retry_s=retry_s)))
                    if index % batch == batch - 1 and index + 1 < len(crowd):
                        await asyncio.sleep(SPREAD_BATCH_S)
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            self.abort_all()

    def abort_all(self) -> None:
        """Drop every connection now."""
        for connection in tuple(self._connections):
            connection.abort()
