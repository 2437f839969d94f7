"""The logs under test: each opens on a folder, so that a test can close one and open it again."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from analyst_server.inbox.memory import MemoryInbox
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox

Inbox = MemoryInbox | SqliteInbox


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "sqlite that folds often"])
def open_inbox(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Callable[[], AbstractAsyncContextManager[Inbox]]:
    """Return what opens the log; opening it again finds what was stored."""
    if request.param != "memory":
        settings = WriterSettings() if request.param == "sqlite" else WriterSettings(fold_when_busy=3, fold_when_idle=2)
        return lambda: open_sqlite_inbox(tmp_path / "inbox.db", settings=settings, clock=clock)
    memory = MemoryInbox(clock=clock)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Inbox]:
        yield memory
        await memory.close()

    return opened


@pytest.fixture
async def inbox(open_inbox: Callable[[], AbstractAsyncContextManager[Inbox]]) -> AsyncIterator[Inbox]:
    async with open_inbox() as opened:
        yield opened
