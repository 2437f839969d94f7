"""Deliver what the outbox holds for one channel: in order for each address, several addresses at once, at the channel's pace, with patience.

A failing address holds up nobody else's; a failure of the whole channel (no network, no token) pauses all of it and loses nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from analyst_server.channels.base import Channel, DeliveryFailed, Item
from analyst_server.channels.outbox import Head, Outbox
from analyst_server.channels.retry import FIRST_DELAY_S, GIVE_UP_AFTER_S, Failure, GiveUp, after_failure
from analyst_server.errors import StoreUnavailable
from analyst_server.wire.inert import inert_line

__all__ = ["Delivery"]

MAX_AT_ONCE = 8
MAX_WAIT_S = 5.0  # another process may have queued something
DRAIN_S = 5.0
MAX_PAUSE_S = 60.0

_log = logging.getLogger(__name__)


class Delivery:
    """One channel's deliveries; `wake` tells it that there is something new."""

    def __init__(
        self,
        outbox: Outbox,
        channel: Channel,
        *,
        first_delay_s: float = FIRST_DELAY_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.wake = asyncio.Event()
        self._outbox = outbox
        self._channel = channel
        self._now = now
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._resume_at = 0.0
        self._first_delay_s = first_delay_s
        self._pause_s = first_delay_s

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then gets a moment to be confirmed, or it is delivered again after the next start."""
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    self.wake.clear()
                    wait_s = await self._turn(group)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self.wake.wait()
            except asyncio.CancelledError:
                if self._flying:
                    await asyncio.wait(self._flying.values(), timeout=DRAIN_S)
                raise

    async def _turn(self, group: asyncio.TaskGroup) -> float:
        """Begin what may begin now; return how long to wait, unless something happens."""
        try:
            heads = await asyncio.to_thread(self._outbox.heads, self._channel.name)
        except StoreUnavailable as exc:
            _log.warning("%s", exc)
            return MAX_WAIT_S
        now = self._now()
        soonest = now + MAX_WAIT_S
        for head in heads:
            if head.address in self._flying:
                continue
            at = max(head.next_at, self._resume_at, self._channel.earliest(head.address, now=now))
            if at > now:
                soonest = min(soonest, max(at, now + 0.01))
            elif len(self._flying) < MAX_AT_ONCE:
                self._flying[head.address] = group.create_task(self._one(head))
        return max(0.0, soonest - self._now())

    async def _one(self, head: Head) -> None:
        try:
            item = await asyncio.to_thread(self._outbox.item, head)
            if item is not None:
                await self._safely(item)
        except StoreUnavailable as exc:  # it stays queued: tried again, perhaps doubled, never lost
            _log.warning("%s", exc)
            await asyncio.sleep(self._first_delay_s)
        finally:
            self._flying.pop(head.address, None)
            self.wake.set()

    async def _safely(self, item: Item) -> None:
        try:
            await self._try(item)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - a delivery attempt: a defect of one message must not end the channel
            _log.exception("delivery %s over %s", item.id, item.channel)
            reason = "a defect of the server, see its log"
            await asyncio.to_thread(self._outbox.gave_up, item, state="failed", reason=reason, now=self._now())

    async def _try(self, item: Item) -> None:
        try:
            receipt = await self._channel.deliver(item)
        except DeliveryFailed as exc:
            await self._failed(item, exc.failure)
            return
        self._pause_s = self._first_delay_s
        await asyncio.to_thread(self._outbox.sent, item, receipt, now=self._now())

    async def _failed(self, item: Item, failure: Failure) -> None:
        now = self._now()
        verdict = after_failure(
            failure, tries=item.tries + 1, queued_at=item.queued_at, now=now, first_delay_s=self._first_delay_s
        )
        if isinstance(verdict, GiveUp):
            state = "unconfirmed" if verdict.unconfirmed else "failed"
            what = inert_line(str(item.notification.get("id", "a notice")))
            _log.warning("%s to %s is %s: %s", what, item.user, state, inert_line(failure.reason))
            if verdict.too_old:
                older_than = now - GIVE_UP_AFTER_S
                await asyncio.to_thread(self._outbox.leave_out, item, older_than=older_than, now=now)
            else:
                await asyncio.to_thread(self._outbox.gave_up, item, state=state, reason=failure.reason, now=now)
            return
        at = verdict.at
        if failure.everywhere:
            at = self._resume_at = now + self._pause_s
            self._pause_s = min(MAX_PAUSE_S, self._pause_s * 2)
            _log.warning("%s is paused for %.0f s: %s", self._channel.name, at - now, failure.reason)
        counts = not failure.everywhere and failure.retry_after_s is None
        await asyncio.to_thread(self._outbox.again, item, at=at, reason=failure.reason, counts=counts)
