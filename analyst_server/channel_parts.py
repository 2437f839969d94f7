"""The channels' and the scripts' share of the composition: their settings from ours, their ports from the other parts."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyst_server.channels.running import ChannelSettings, open_channels
from analyst_server.channels.telegram_links import Link, TelegramLinks
from analyst_server.config import Settings
from analyst_server.errors import ConfigProblem
from analyst_server.gateway.unix_http import HttpAnswer
from analyst_server.gateway.unix_socket import bind_unix_socket
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.log import InboxLog, User
from analyst_server.portal.parts import ScriptEntry
from analyst_server.portal.telegram_link import TelegramLink
from analyst_server.runner.isolation import ScriptsOfUsers

__all__ = ["PortalScripts", "PortalTelegram", "open_channel_parts", "scripts_of_users"]


@dataclass(frozen=True, slots=True)
class PortalScripts:
    """The scripts as the portal's port has them."""

    scripts: ScriptsOfUsers

    async def list(self, user: str) -> Sequence[ScriptEntry]:
        """Return the user's scripts by name. Raises `ServerError`."""
        return [ScriptEntry(each.name, each.stem, each.last_run) for each in await self.scripts.list(user)]

    async def run(self, user: str, name: str) -> None:
        """Run one and dispatch what it says. Raises `ServerError`."""
        await self.scripts.run(user, name)


@dataclass(frozen=True, slots=True)
class PortalTelegram:
    """The links as the portal's port has them."""

    links: TelegramLinks

    @property
    def bot_name(self) -> str:
        """The bot's user name."""
        return self.links.bot_name

    async def link_of(self, user: str) -> TelegramLink | None:
        """Return the user's link, or None."""
        return _as_the_portal_has_it(await self.links.link_of(user))

    async def verify(self, user: str, code: str) -> TelegramLink | None:
        """Link the chat that was given this code."""
        return _as_the_portal_has_it(await self.links.verify(user, code))

    async def unlink(self, user: str) -> bool:
        """Forget the user's chat."""
        return await self.links.unlink(user)


def _as_the_portal_has_it(link: Link | None) -> TelegramLink | None:
    return None if link is None else TelegramLink(link.chat_id, link.linked_at)


def scripts_of_users(
    stack: contextlib.AsyncExitStack, settings: Settings, publish: Callable[[bytes], Awaitable[HttpAnswer]]
) -> ScriptsOfUsers | None:
    """Return the scripts of all users until the stack unwinds, None where the settings switch them off."""
    if not settings.runner.enabled:
        return None
    scripts = ScriptsOfUsers(publish, group=settings.runner.group, command=settings.runner.command)
    stack.push_async_callback(asyncio.to_thread, scripts.close)
    return scripts


async def open_channel_parts(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    data_dir: Path,
    log: InboxLog,
    images: ImageStore,
    *,
    scripts: ScriptsOfUsers | None,
    own_process: bool = False,
) -> TelegramLinks | None:
    """Run the channels until the stack unwinds; return the portal's port to Telegram, None without a token. Raises `ConfigProblem`.

    `own_process` is for `analyst telegram serve`: Telegram alone, the other channels stay with the gateway.
    """
    telegram = settings.telegram
    runs_bot = telegram.enabled or own_process
    if runs_bot and not telegram.token:
        raise ConfigProblem("the Telegram bot has no token", "ask @BotFather for one and set TELEGRAM_BOT_TOKEN")
    channels = await stack.enter_async_context(
        open_channels(
            ChannelSettings(
                data_dir,
                telegram_token=telegram.token,
                telegram_api=telegram.api_url,
                telegram_bot=runs_bot,
                apprise=not own_process,
                bot_socket=_bot_socket(stack, telegram.socket) if runs_bot else None,
            ),
            log,
            lambda user, name: images.get(User(user), name),
            scripts=scripts,
        )
    )
    return channels.telegram_links


def _bot_socket(stack: contextlib.AsyncExitStack, path: Path | None) -> socket.socket | None:
    if path is None:
        return None
    bound = bind_unix_socket(path)
    stack.callback(bound.remove_file)
    return bound.socket
