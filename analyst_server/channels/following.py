"""Follow the inbox log of everybody who uses a channel and queue their notifications in the outbox, by cursor: a restart misses nothing."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from analyst_server.channels.base import Channel
from analyst_server.channels.outbox import Cursor, Outbox
from analyst_server.errors import CursorLost, StoreUnavailable
from analyst_server.inbox.log import Event, InboxLog, Seq, User

__all__ = ["Following"]

LOOK_S = 2.0  # for people who came or left
LOOK_AT_ALL_S = 30.0  # whether or not the log has told of something
BATCH = 200
_log = logging.getLogger(__name__)
GAP = "Some alerts could not be sent here. They are in the inbox."


class Following:
    """Follow the logs of a channel's users; `changed` tells it to look now."""

    def __init__(
        self,
        log: InboxLog,
        outbox: Outbox,
        channel: Channel,
        users: Callable[[], Collection[str]],
        *,
        queued: Callable[[], None] = lambda: None,
        look_at_all_s: float = LOOK_AT_ALL_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.changed = asyncio.Event()
        self._log = log
        self._outbox = outbox
        self._channel = channel
        self._users = users
        self._queued = queued
        self._now = now
        self._listening: dict[str, Callable[[], None]] = {}
        self._cursors: dict[str, Cursor] = {}
        self._behind: set[str] = set()  # users of whom the log has told something new
        self._look_at_all_s = look_at_all_s
        self._all_seen_at = -look_at_all_s
        self._last_problem = ""
        # of two looks at once, one could take away what the other has just begun, or queue it again
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                self.changed.clear()
                try:
                    await self.look()
                    self._last_problem = ""
                except StoreUnavailable as exc:
                    if str(exc) != self._last_problem:  # said once, not every two seconds
                        _log.warning("%s", exc)
                    self._last_problem = str(exc)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self.changed.wait()
        finally:
            for stop in self._listening.values():
                stop()
            self._listening.clear()

    async def look(self) -> None:
        """Queue what is new. Raises `StoreUnavailable`."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        users = set(await asyncio.to_thread(self._users))
        come, gone = users - self._listening.keys(), self._listening.keys() - users
        for user in come:
            self._listening[user] = self._log.subscribe(User(user), self._heard)
        for user in gone:
            self._listening.pop(user)()
            self._cursors.pop(user, None)
            await asyncio.to_thread(self._outbox.forget_user, self._channel.name, user)
        now = asyncio.get_running_loop().time()
        if now - self._all_seen_at >= self._look_at_all_s:
            self._behind, self._all_seen_at = set(users), now
        self._behind |= come
        for user in sorted(self._behind & users):
            self._behind.discard(user)  # before reading: what is stored meanwhile is heard
            try:
                await self._catch_up(User(user))
            except BaseException:
                self._behind.add(user)
                raise
        self._behind &= users

    def _heard(self, event: Event) -> None:
        self._behind.add(event.user)
        self.changed.set()

    async def _catch_up(self, user: User) -> None:
        cursor = self._cursors.get(user) or await asyncio.to_thread(self._outbox.cursor, self._channel.name, user)
        if cursor is None:  # new here: what came before is in the inbox, and stays there
            await self._begin_at_the_end(user)
            return
        if cursor.epoch != self._log.epoch:
            await self._begin_at_the_end(user, [{"notice": GAP}])
            return
        after = Seq(cursor.seq)
        while True:
            try:
                events = await self._log.read(user, after=after, limit=BATCH)
            except CursorLost:
                await self._begin_at_the_end(user, [{"notice": GAP}])
                return
            if not events:
                return
            after = events[-1].seq
            await self._queue(
                user, after, [msgspec.json.decode(event.body) for event in events if event.is_notification]
            )

    async def _begin_at_the_end(self, user: User, notices: list[dict[str, Any]] | None = None) -> None:
        snapshot = await self._log.snapshot(user, limit=1)
        await self._queue(user, snapshot.seq, notices or [])

    async def _queue(self, user: User, seq: Seq, notifications: list[dict[str, Any]]) -> None:
        cursor = Cursor(self._log.epoch, seq)
        addresses = await asyncio.to_thread(self._channel.addresses, user)
        await asyncio.to_thread(
            self._outbox.follow, self._channel.name, user, cursor, notifications, addresses, now=self._now()
        )
        self._cursors[user] = cursor
        if notifications:
            self._queued()
