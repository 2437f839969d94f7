"""A client under test: `follow` in a task, what it tells in a list, and waits with deadlines."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from analyst_cli.client.accounts import Account, inbox_path
from analyst_cli.client.connection import follow
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.target import Target

if TYPE_CHECKING:
    from analyst_cli.client.events import ClientEvent

__all__ = ["Follower"]

E = TypeVar("E")


class Follower:
    """Collects what `follow` tells; waits for what is expected, under a deadline."""

    def __init__(
        self,
        url: str,
        delay_s: Callable[[int], float] = lambda _: 0.0,
        *,
        path: Path | None = None,
        device: str | None = None,
    ) -> None:
        """`path` is that of an inbox of its own; else the account's."""
        self.seen: list[ClientEvent] = []
        self.slept_s = 0.0  # how long the machine has slept
        self.nudge = asyncio.Event()
        self._changed = asyncio.Event()
        self._target = Target(url, url)
        self._delay_s = delay_s
        self._task: asyncio.Task[None] | None = None
        self._path = path or inbox_path(Account(url, "petr"))
        self._opens = None if path is None else self._open
        self._device = device
        self.inbox = Inbox(self._path)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.inbox.close()

    async def _run(self) -> None:
        opens = {} if self._opens is None else {"open_inbox": self._opens}
        following = follow(
            self._target,
            nudge=self.nudge,
            delay_s=self._delay_s,
            device=self._device,
            wall=lambda: time.time() + self.slept_s,
            **opens,
        )
        async with aclosing(following) as events:
            async for event in events:
                self.seen.append(event)
                self._changed.set()

    def _open(self, account: Account) -> Inbox:
        return Inbox(self._path)

    async def until(self, kind: type[E], times: int = 1) -> E:
        """Wait until an event of a kind was told so many times since the beginning, and return the last of them."""
        async with asyncio.timeout(30):
            while len(found := [event for event in self.seen if isinstance(event, kind)]) < times:
                self._changed.clear()
                await self._changed.wait()
        return found[times - 1]

    async def until_true(self, condition: Callable[[], object]) -> None:
        """Wait until something holds that events of the connection bring about."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()

    async def ended(self) -> None:
        assert self._task is not None
        async with asyncio.timeout(30):
            await self._task

    def titles(self) -> list[str]:
        return [row.title for row in self.inbox.view()]
