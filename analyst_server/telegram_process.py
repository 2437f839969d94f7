"""The composition root of `analyst telegram serve`: the bot in a process of its own, beside a gateway that has the same data folder."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from analyst_server.app import IMAGES_FOLDER, INBOX_FILE
from analyst_server.channel_parts import open_channel_parts, scripts_of_users
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.config import Settings
from analyst_server.errors import ConfigProblem
from analyst_server.gateway.unix_http import HttpAnswer, json_answer
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.sqlite import WriterSettings, open_sqlite_inbox
from analyst_server.runner.dispatching import GatewayAway, post

__all__ = ["serve_telegram"]


async def serve_telegram(
    settings: Settings, *, data_dir: Path, socket: Path, on_ready: Callable[[TelegramLinks], None] = lambda _: None
) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ServerError` if it cannot start."""
    if not (data_dir / INBOX_FILE).exists():
        raise ConfigProblem(
            f"there is no inbox in {data_dir}", "start the gateway first, or name its folder with --data"
        )

    async def publish(body: bytes) -> HttpAnswer:
        try:
            return HttpAnswer(*await asyncio.to_thread(post, socket, body))
        except GatewayAway as exc:
            return json_answer(503, {"error": str(exc)})

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_sqlite_inbox(data_dir / INBOX_FILE, settings=WriterSettings()))
        images = ImageStore(data_dir / IMAGES_FOLDER, log)
        scripts = scripts_of_users(stack, settings, publish)
        links = await open_channel_parts(stack, settings, data_dir, log, images, scripts=scripts, own_process=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if links is not None:
            on_ready(links)
        await stop.wait()
