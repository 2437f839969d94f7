"""The bot socket of section 1.5 of the protocol: HTTP on a Unix socket for the source system's own callers.

`POST /send`, `POST /send_photo`, `GET /health`. The answer tells what Telegram said: nothing is queued here, callers wait for it.
"""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

from aiohttp import web

from analyst_server.channels.base import DeliveryFailed
from analyst_server.channels.outbox import Outbox
from analyst_server.channels.telegram_api import MAX_PHOTO_BYTES, FormattingRefused, PictureRefused
from analyst_server.channels.telegram_channel import NAME, TelegramChannel
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.channels.telegram_text import MAX_CAPTION_UNITS, split_text, units
from analyst_server.errors import RequestRefused, StoreUnavailable

__all__ = ["bot_socket_app"]

MAX_BODY_BYTES = 256 * 1024
PARSE_MODES = ("", "HTML", "Markdown", "MarkdownV2")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class _NotLinked(RequestRefused):
    status = 404


def bot_socket_app(channel: TelegramChannel, links: TelegramLinks, outbox: Outbox) -> web.Application:
    """Return the application; the caller binds the socket."""
    calls = _Calls(channel, links, outbox)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [web.post("/send", calls.send), web.post("/send_photo", calls.send_photo), web.get("/health", calls.health)]
    )
    return app


class _Calls:
    def __init__(self, channel: TelegramChannel, links: TelegramLinks, outbox: Outbox) -> None:
        self._channel = channel
        self._links = links
        self._outbox = outbox

    async def send(self, request: web.Request) -> web.Response:
        """Send a text to a user's chat."""
        try:
            members = await _members(request, "user", "text")
            chat = await self._chat_of(members["user"])
            await self._say(chat, members["text"], members["parse_mode"])
        except (RequestRefused, StoreUnavailable, DeliveryFailed) as exc:
            return _refusal(exc)
        return web.json_response({"ok": True})

    async def send_photo(self, request: web.Request) -> web.Response:
        """Send a picture to a user's chat; a picture that Telegram does not take becomes its caption."""
        try:
            members = await _members(request, "user", "photo_path")
            chat = await self._chat_of(members["user"])
            photo = await asyncio.to_thread(_picture, members["photo_path"])
            await self._show(chat, photo, members["caption"], members["parse_mode"])
        except (RequestRefused, StoreUnavailable, DeliveryFailed) as exc:
            return _refusal(exc)
        return web.json_response({"ok": True})

    async def health(self, _request: web.Request) -> web.Response:
        """Tell how many deliveries are in which state."""
        try:
            counts = await asyncio.to_thread(self._outbox.counts, NAME)
        except StoreUnavailable as exc:
            return _refusal(exc)
        return web.json_response({"status": "ok", "bot": self._links.bot_name, "deliveries": counts})

    async def _chat_of(self, user: str) -> int:
        link = await self._links.link_of(user)
        if link is None:
            raise _NotLinked(f"{user!r} has no linked Telegram")
        return link.chat_id

    async def _say(self, chat: int, text: str, parse_mode: str) -> None:
        for piece in split_text(text):
            try:
                await self._channel.say(chat, piece, parse_mode=parse_mode)
            except FormattingRefused:  # by the caller, or by the cut
                if not parse_mode:
                    raise
                await self._channel.say(chat, piece)

    async def _show(self, chat: int, photo: bytes, caption: str, parse_mode: str) -> None:
        fits = units(caption) <= MAX_CAPTION_UNITS
        try:
            try:
                await self._channel.show(chat, photo, caption=caption if fits else "", parse_mode=parse_mode)
            except FormattingRefused:
                await self._channel.show(chat, photo, caption=caption if fits else "")
        except PictureRefused:
            if not caption:
                raise
            fits = False
        if not fits:
            await self._say(chat, caption, parse_mode)


async def _members(request: web.Request, *required: str) -> dict[str, str]:
    try:
        body: Any = json.loads(await request.read())
    except (ValueError, RecursionError) as exc:
        raise RequestRefused("Invalid JSON") from exc
    if not isinstance(body, dict):
        raise RequestRefused("Invalid JSON")
    for name in required:
        if not isinstance(body.get(name), str) or not body[name].strip():
            raise RequestRefused(f"Missing {' or '.join(repr(each) for each in required)}")
    members = {name: str(body.get(name) or "") for name in ("user", "text", "photo_path", "caption", "parse_mode")}
    if members["parse_mode"] not in PARSE_MODES:
        raise RequestRefused(f"parse_mode {members['parse_mode'][:40]!r} is none of HTML, Markdown, MarkdownV2")
    return members


def _picture(path: str) -> bytes:
    """Return a PNG or JPEG file's bytes: only what is a picture leaves this machine. Raises `RequestRefused`."""
    try:
        found = Path(path)
        if not stat.S_ISREG(found.stat().st_mode):
            raise RequestRefused(f"{path!r} is no file")
        with found.open("rb") as file:
            content = file.read(MAX_PHOTO_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise RequestRefused(f"{path!r} cannot be read") from exc
    if not content.startswith(_MAGIC):
        raise RequestRefused(f"{path!r} is neither PNG nor JPEG")
    return content


def _refusal(error: RequestRefused | StoreUnavailable | DeliveryFailed) -> web.Response:
    status = error.status if isinstance(error, RequestRefused | StoreUnavailable) else 502
    return web.json_response({"error": str(error)}, status=status)
