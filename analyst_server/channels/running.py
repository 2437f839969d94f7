"""Start and end all channels of a server: what `app.py` and `analyst telegram serve` call. It holds nothing up and takes nothing down."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from analyst_server.channels.apprise_channel import FILE_NAME, AppriseChannel, check_installed
from analyst_server.channels.bot_socket import bot_socket_app
from analyst_server.channels.delivery import Delivery
from analyst_server.channels.following import Following
from analyst_server.channels.outbox import Outbox
from analyst_server.channels.retry import FIRST_DELAY_S, Pace
from analyst_server.channels.telegram_api import API_URL, BotApi
from analyst_server.channels.telegram_bot import Bot, UserScripts
from analyst_server.channels.telegram_channel import NAME, ReadImage, TelegramChannel
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.inbox.log import InboxLog

__all__ = ["OUTBOX_FILE", "ChannelSettings", "Channels", "open_channels", "run_for_good"]

OUTBOX_FILE = "channels.db"
RESTART_AFTER_S = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the channels are told from outside."""

    data_dir: Path
    telegram_token: str = ""  # empty: no Telegram
    telegram_api: str = API_URL
    telegram_bot: bool = True  # False: links only, the bot runs in a process of its own
    apprise: bool = True
    pace: Pace | None = None  # None: Telegram's documented limits
    first_delay_s: float = FIRST_DELAY_S  # before the second try of a delivery
    bot_socket: socket.socket | None = None  # bound already, section 1.5; None: none


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels that run (outbox None: none does); `telegram_links` is the portal's port (None: no Telegram)."""

    outbox: Outbox | None
    telegram_links: TelegramLinks | None


@contextlib.asynccontextmanager
async def open_channels(
    settings: ChannelSettings,
    log: InboxLog,
    read_image: ReadImage,
    *,
    scripts: UserScripts | None = None,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Channels]:
    """Run the channels as long as the block lasts. Raises `ConfigProblem`, `StoreUnavailable` at the start."""
    if settings.apprise:
        check_installed(settings.data_dir)
    some_have_urls = settings.apprise and (settings.data_dir / FILE_NAME).exists()
    if not settings.telegram_token and not some_have_urls:
        yield Channels(None, None)
        return
    outbox = Outbox(settings.data_dir / OUTBOX_FILE)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(outbox.close)
        links = (
            await _telegram(stack, settings, log, read_image, outbox, scripts=scripts, now=now)
            if settings.telegram_token
            else None
        )
        if some_have_urls:
            apprise = AppriseChannel(settings.data_dir, read_image, now=now)
            stack.callback(apprise.close)
            delivery = Delivery(outbox, apprise, first_delay_s=settings.first_delay_s, now=now)
            following = Following(log, outbox, apprise, apprise.users, queued=delivery.wake.set, now=now)
            await _start(stack, following, delivery)
        yield Channels(outbox, links)


async def _telegram(
    stack: contextlib.AsyncExitStack,
    settings: ChannelSettings,
    log: InboxLog,
    read_image: ReadImage,
    outbox: Outbox,
    *,
    scripts: UserScripts | None,
    now: Callable[[], float],
) -> TelegramLinks:
    links = TelegramLinks(settings.data_dir, outbox, now=now)
    if not settings.telegram_bot:
        return links
    session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True))
    api = BotApi(session, settings.telegram_token, settings.telegram_api.rstrip("/"))
    telegram = TelegramChannel(
        api, links, outbox, read_image, scripts_run=scripts is not None, pace=settings.pace, now=now
    )
    delivery = Delivery(outbox, telegram, first_delay_s=settings.first_delay_s, now=now)
    following = Following(log, outbox, telegram, lambda: links.all().keys(), queued=delivery.wake.set, now=now)

    async def linked(user: str, chat: int | None) -> None:
        await following.look()  # what is stored from here on arrives, or does not any more
        if chat is not None:
            welcome = {"notice": f"This chat is linked with {user}. Alerts arrive here from now on; /help tells more."}
            await asyncio.to_thread(outbox.queue, NAME, str(chat), user, welcome, now=now())
            delivery.wake.set()

    links.changed = linked
    if settings.bot_socket is not None:
        runner = web.AppRunner(bot_socket_app(telegram, links, outbox), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, settings.bot_socket).start()
    await _start(stack, following, delivery, Bot(api, telegram, links, outbox, log, scripts=scripts, now=now))
    return links


async def _start(stack: contextlib.AsyncExitStack, *parts: Following | Delivery | Bot) -> None:
    """Run the parts of a channel; at the end they are cancelled and waited for."""
    tasks = [asyncio.create_task(run_for_good(part), name=type(part).__name__) for part in parts]

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)


async def run_for_good(part: Following | Delivery | Bot, *, restart_after_s: float = RESTART_AFTER_S) -> None:
    """Run a part of a channel; one that ends by a defect is started again."""
    while True:
        try:
            await part.run()
        except Exception:  # noqa: BLE001 - a task root: a defect of a channel is logged, and takes the gateway nowhere
            _log.exception("%s ended and is started again", type(part).__name__)
            await asyncio.sleep(restart_after_s)
