"""A server's channels for one test: a real log in memory, a real outbox file, and a scripted Telegram."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analyst_server.channels.retry import Pace
from analyst_server.channels.running import Channels, ChannelSettings, open_channels
from analyst_server.inbox.log import InboxLog, NotificationDraft, User
from analyst_server.inbox.memory import MemoryInbox
from tests.support.telegram_server import TOKEN, TelegramServer, telegram_server

FAST = Pace(chat_interval_s=0.0, overall_window_s=0.0)  # for tests that are about something else than the pace
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@dataclass
class World:
    """Everything that a test of the channels needs."""

    telegram: TelegramServer
    log: InboxLog
    folder: Path
    images: dict[str, bytes] = field(default_factory=dict)
    scripts: Any = None

    async def read_image(self, _user: str, name: str) -> bytes | None:
        """The image store's port."""
        return self.images.get(name)

    async def alert(self, id: str, *, user: str = "petr", **members: Any) -> None:  # noqa: A002 - as the protocol calls it
        """Store an alert, as the gateway would."""
        body = {"id": id, "title": id, "message": "", "timestamp": "2026-11-21T10:00:00Z", **members}
        await self.log.append(NotificationDraft(User(user), id, json.dumps(body).encode()))

    async def alert_arrived(self, id: str, **members: Any) -> None:  # noqa: A002
        """Store an alert, and wait until the first message is in the chat."""
        await self.alert(id, **members)
        await self.telegram.until(lambda: self.telegram.messages)

    def link(self, user: str = "petr", chat: int = 7) -> None:
        """Link a chat as an operator would: in the file."""
        path = self.folder / "telegram_users.json"
        users = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(users | {user: {"chat_id": chat, "linked_at": "2026-01-01T00:00:00Z"}}))

    @asynccontextmanager
    async def channels(self, **settings: Any) -> AsyncIterator[Channels]:
        """Run the channels; ready when everybody's log is followed."""
        wanted = ChannelSettings(
            self.folder,
            **(
                {"telegram_token": TOKEN, "telegram_api": self.telegram.url, "pace": FAST, "first_delay_s": 0.05}
                | settings
            ),
        )
        async with open_channels(wanted, self.log, self.read_image, scripts=self.scripts) as running:
            path = self.folder / "telegram_users.json"
            for user in json.loads(path.read_text()) if path.exists() and wanted.telegram_token else ():
                while running.outbox.cursor("telegram", user) is None:
                    await asyncio.sleep(0.01)
            yield running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(telegram_server())
        yield World(telegram, MemoryInbox(), tmp_path)
