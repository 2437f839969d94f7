"""What an answer of Telegram, or the lack of one, means; and that the token is in no error."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from analyst_server.channels.base import DeliveryFailed
from analyst_server.channels.retry import Failure
from analyst_server.channels.telegram_api import BotApi, ChatMigrated, FormattingRefused, PictureRefused, TokenGone
from tests.server.channels.conftest import PNG
from tests.support.telegram_server import TOKEN, TelegramServer, telegram_server


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with telegram_server() as server:
        yield server


@pytest.fixture
async def api(telegram: TelegramServer) -> AsyncIterator[BotApi]:
    async with aiohttp.ClientSession() as session:
        yield BotApi(session, TOKEN, telegram.url)


async def failure_of(api: BotApi) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await api.send_message(7, "x")
    assert TOKEN not in str(caught.value) + repr(caught.value.failure)
    return caught.value


@pytest.mark.parametrize(
    ("status", "description", "kind", "expected"),
    [
        (400, "Bad Request: chat not found", DeliveryFailed, {"permanent": True}),
        (403, "Forbidden: bot was blocked by the user", DeliveryFailed, {"permanent": True}),
        (400, "Bad Request: can't parse entities: unmatched end tag", FormattingRefused, {"permanent": True}),
        (400, "Bad Request: message is too long", FormattingRefused, {"permanent": True}),
        (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", PictureRefused, {"permanent": True}),
        (400, "Bad Request: IMAGE_PROCESS_FAILED", PictureRefused, {"permanent": True}),
        (413, "nginx says no", PictureRefused, {"permanent": True}),
        (413, "Request Entity Too Large", PictureRefused, {"permanent": True}),
        (401, "Unauthorized", TokenGone, {"everywhere": True}),
        (404, "Not Found", TokenGone, {"everywhere": True}),
        (409, "Conflict: terminated by other getUpdates request", DeliveryFailed, {}),
        (500, "Internal Server Error", DeliveryFailed, {}),
        (502, "Bad Gateway", DeliveryFailed, {}),
        (504, "Gateway Timeout", DeliveryFailed, {"unconfirmed": True}),
    ],
)
async def test_what_a_refusal_means(
    telegram: TelegramServer, api: BotApi, *, status: int, description: str, kind: type, expected: dict[str, Any]
) -> None:
    telegram.faults.append(lambda *_: (status, {"ok": False, "error_code": status, "description": description}))
    failed = await failure_of(api)
    assert type(failed) is kind
    found = {
        name: getattr(failed.failure, name)
        for name in ("permanent", "unconfirmed", "everywhere")
        if getattr(failed.failure, name)
    }
    assert found == expected


@pytest.mark.parametrize(("told", "waited"), [(17, 17.0), (0, 5.0), ("soon", 5.0), (None, 5.0), (10**9, 5.0)])
async def test_how_long_to_wait(telegram: TelegramServer, api: BotApi, told: object, waited: float) -> None:
    telegram.faults.append(
        lambda *_: (429, {"ok": False, "error_code": 429, "description": "d", "parameters": {"retry_after": told}})
    )
    assert (await failure_of(api)).failure == Failure("d", retry_after_s=waited)


async def test_where_a_group_has_gone(telegram: TelegramServer, api: BotApi) -> None:
    telegram.faults.append(
        lambda *_: (400, {"ok": False, "description": "d", "parameters": {"migrate_to_chat_id": -1005}})
    )
    failed = await failure_of(api)
    assert isinstance(failed, ChatMigrated)
    assert failed.new_chat == -1005


@pytest.mark.parametrize("body", [{}, {"ok": False}, {"ok": True, "description": 5}])
async def test_an_answer_that_says_nothing_is_transient(
    telegram: TelegramServer, api: BotApi, body: dict[str, Any]
) -> None:
    telegram.faults.append(lambda *_: (503, body))
    assert (await failure_of(api)).failure.permanent is False


async def test_silence_after_sending_is_an_unknown_outcome(telegram: TelegramServer, api: BotApi) -> None:
    """T2: the message has arrived, and the answer never comes."""
    telegram.faults.append(lambda *_: "hang")
    impatient = BotApi(api.session, TOKEN, telegram.url, answer_timeout_s=2)  # long enough for the message to arrive
    assert (await failure_of(impatient)).failure.unconfirmed
    assert telegram.texts == ["x"]


async def test_a_connection_that_breaks_after_sending_is_an_unknown_outcome() -> None:
    async def take_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(take_and_hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, aiohttp.ClientSession() as session:
        assert (await failure_of(BotApi(session, TOKEN, url))).failure.unconfirmed


async def test_nobody_there_is_a_failure_of_everything_and_nothing_was_sent() -> None:
    async with aiohttp.ClientSession() as session:
        failed = await failure_of(BotApi(session, TOKEN, "http://127.0.0.1:9"))
    assert (failed.failure.everywhere, failed.failure.unconfirmed) == (True, False)


async def test_a_name_that_cannot_be_resolved_is_a_failure_of_everything() -> None:
    async with aiohttp.ClientSession() as session:
        failed = await failure_of(BotApi(session, TOKEN, "http://no-such-host.invalid"))
    assert (failed.failure.everywhere, failed.failure.unconfirmed) == (True, False)


async def test_a_photo_goes_as_multipart_with_its_caption(telegram: TelegramServer, api: BotApi) -> None:
    assert await api.send_photo(-5, PNG, caption="<b>c</b>", parse_mode="HTML", keyboard={"inline_keyboard": []}) == 1
    (sent,) = telegram.messages
    assert sent == {"chat_id": -5, "caption": "<b>c</b>", "parse_mode": "HTML", "reply_markup": {"inline_keyboard": []},
                    "photo": {"bytes": PNG, "filename": "chart.png"}}  # fmt: skip
