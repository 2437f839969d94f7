"""The bot against an emulator of the Bot API that nobody here wrote (npm `telegram-test-api`): linking, commands, alerts, buttons."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from analyst_server.inbox.log import User
from tests.server.channels.conftest import World
from tests.support.node_tools import telegram_emulator

CHAT = {"id": 1, "first_name": "Petr", "type": "private"}
BOT_TOKEN = "42:emulated"


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with telegram_emulator() as url:
        yield url


class Phone:
    """A person's Telegram: the emulator's client interface."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.messages: list[dict[str, Any]] = []

    async def write(self, text: str) -> None:
        """Write to the bot."""
        command = [{"offset": 0, "length": len(text), "type": "bot_command"}] if text.startswith("/") else []
        await self._post("/sendCommand" if command else "/sendMessage", text=text, entities=command, chat=CHAT, date=0)

    async def press(self, message: dict[str, Any], button: int) -> None:
        """Press a button under a message."""
        data = message["message"]["reply_markup"]["inline_keyboard"][0][button]["callback_data"]
        await self._post("/sendCallback", message={"message_id": message["messageId"], "chat": CHAT}, data=data)

    async def receive(self, words: str) -> dict[str, Any]:
        """Wait for a message of the bot with these words."""
        async with asyncio.timeout(30):
            while True:
                async with self._session.post(
                    f"{self._url}/getUpdates", json={"token": BOT_TOKEN, "chatId": 1}
                ) as response:
                    self.messages += (await response.json())["result"]
                for message in self.messages:
                    if words in message["message"]["text"]:
                        return message
                await asyncio.sleep(0.02)

    async def _post(self, path: str, **content: Any) -> None:
        body = {"botToken": BOT_TOKEN, "from": {"id": 1, "first_name": "Petr", "is_bot": False}, **content}
        async with self._session.post(f"{self._url}{path}", json=body) as response:
            assert (await response.json())["ok"]


@pytest.mark.real("node", "npm")
async def test_a_person_links_reads_and_marks_on_a_phone(world: World, emulator: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        world.channels(telegram_token=BOT_TOKEN, telegram_api=emulator) as channels,
    ):
        phone = Phone(session, emulator)
        await phone.write("/start")
        told = await phone.receive("Enter this code")
        code = told["message"]["text"].partition("<code>")[2][:6]
        assert channels.telegram_links is not None
        assert await channels.telegram_links.verify("petr", code) is not None
        await phone.receive("This chat is linked with petr.")
        await phone.write("/whoami")
        await phone.receive("This chat is linked with petr.")

        await world.alert("a1", title="Revenue down", message="by 12 %")
        alert = await phone.receive("<b>Revenue down</b>")
        await phone.press(alert, 0)
        async with asyncio.timeout(30):
            while not (await world.log.snapshot(User("petr"))).notifications[0].state.read:
                await asyncio.sleep(0.02)
        await world.telegram.until(lambda: channels.outbox.counts("telegram") == {"sent": 2})
        assert channels.telegram_links.bot_name == "TestNameBot"
