"""Telegram as a channel: notifications become messages with a chart and buttons, at Telegram's pace."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from analyst_server.channels.base import DeliveryFailed, Item, Receipt, Undelivered
from analyst_server.channels.outbox import Outbox
from analyst_server.channels.retry import Failure, Pace
from analyst_server.channels.telegram_api import BotApi, ChatMigrated, FormattingRefused, PictureRefused
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.channels.telegram_text import Part, parts_of

__all__ = ["ReadImage", "TelegramChannel", "buttons"]

NAME = "telegram"
TRIES_WITH_IMAGE = 3  # of failures that say nothing about the picture; then the text goes alone

ReadImage = Callable[
    [str, str], Awaitable[bytes | None]
]  # user and name in the image store to the PNG, None: not there


class TelegramChannel:
    """The channel; see `base.Channel` for its promises."""

    name = NAME

    def __init__(
        self,
        api: BotApi,
        links: TelegramLinks,
        outbox: Outbox,
        read_image: ReadImage,
        *,
        scripts_run: bool = False,
        pace: Pace | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._links = links
        self._outbox = outbox
        self._read_image = read_image
        self._scripts_run = scripts_run
        self._now = now
        self._pace = pace or Pace()

    def addresses(self, user: str) -> list[str]:
        """Return the user's chat."""
        link = self._links.all().get(user)
        return [] if link is None else [str(link.chat_id)]

    def earliest(self, address: str, *, now: float) -> float:
        """Return when the next message may go to the chat."""
        return self._pace.earliest(int(address), now=now)

    async def deliver(self, item: Item) -> Receipt:
        """Send a notification's parts, those that have not gone yet. Raises `DeliveryFailed`."""
        try:
            return await self._deliver(item)
        except PictureRefused as exc:
            return await self._without_image(item, exc.failure.reason)
        except ChatMigrated as exc:
            await asyncio.to_thread(self._links.migrate, int(item.address), exc.new_chat)
            await asyncio.to_thread(self._outbox.move_address, NAME, item.address, str(exc.new_chat), user=item.user)
            raise DeliveryFailed(Failure("the group has a new id", retry_after_s=0.0)) from exc
        except DeliveryFailed as exc:
            failure = exc.failure
            picture_may_be_why = (
                "image_url" in item.notification and not item.progress.parts_done and not item.progress.without_image
            )
            told = failure.permanent or failure.everywhere or failure.unconfirmed or failure.retry_after_s is not None
            if item.tries + 1 < TRIES_WITH_IMAGE or told or not picture_may_be_why:
                raise
            return await self._without_image(item, failure.reason)

    async def _without_image(self, item: Item, reason: str) -> Receipt:
        """Send the text alone; nothing has gone yet, because the picture is the first part."""
        again = replace(item, progress=Undelivered(without_image=True, plain=item.progress.plain))
        await asyncio.to_thread(self._outbox.progress, item, again.progress)
        return replace(await self._deliver(again), note=f"without its chart: {reason}")

    async def say(self, chat: int, text: str, *, parse_mode: str = "", keyboard: Any = None) -> None:
        """Send a text of the bot itself, at the same pace. Raises `DeliveryFailed`."""
        await self._wait(chat)
        await self._api.send_message(chat, text, parse_mode=parse_mode, keyboard=keyboard)

    async def show(self, chat: int, photo: bytes, *, caption: str, parse_mode: str = "") -> None:
        """Send a picture of the bot itself, at the same pace. Raises `DeliveryFailed`."""
        await self._wait(chat)
        await self._api.send_photo(chat, photo, caption=caption, parse_mode=parse_mode)

    async def _deliver(self, item: Item) -> Receipt:
        if item.address not in await asyncio.to_thread(self.addresses, item.user):  # unlinked, or another's chat by now
            raise DeliveryFailed(Failure("the chat is not linked any more", permanent=True))
        progress = item.progress
        image = None if progress.without_image else await self._image_of(item)
        parts = _parts(item.notification, has_image=image is not None, plain=progress.plain)
        keyboard = buttons(item, scripts_run=self._scripts_run)
        message = 0
        for number, part in enumerate(parts):
            if number < progress.parts_done:
                continue
            last = keyboard if number == len(parts) - 1 else None
            message, progress = await self._part(item, part, progress, image, last)
            progress = replace(progress, parts_done=number + 1)
            if number < len(parts) - 1:
                await asyncio.to_thread(self._outbox.progress, item, progress)
        return Receipt(str(message))

    async def _part(
        self, item: Item, part: Part, progress: Undelivered, image: bytes | None, keyboard: Any
    ) -> tuple[int, Undelivered]:
        try:
            return await self._send(int(item.address), part, image, keyboard), progress
        except FormattingRefused:
            if not part.is_html:
                raise
            plain = replace(progress, plain=True)
            await asyncio.to_thread(self._outbox.progress, item, plain)
            same = _parts(item.notification, has_image=image is not None, plain=True)[progress.parts_done]
            return await self._send(int(item.address), same, image, keyboard), plain

    async def _send(self, chat: int, part: Part, image: bytes | None, keyboard: Any) -> int:
        await self._wait(chat)
        parse_mode = "HTML" if part.is_html else ""
        if part.is_photo and image is not None:
            return await self._api.send_photo(chat, image, caption=part.text, parse_mode=parse_mode, keyboard=keyboard)
        return await self._api.send_message(chat, part.text, parse_mode=parse_mode, keyboard=keyboard)

    async def _wait(self, chat: int) -> None:
        while (at := self._pace.earliest(chat, now=self._now())) > (now := self._now()):  # noqa: ASYNC110 - a known time
            await asyncio.sleep(at - now)
        self._pace.sent(chat, now=self._now())

    async def _image_of(self, item: Item) -> bytes | None:
        name = str(item.notification.get("image_url") or "").rpartition("/")[2]
        return await self._read_image(item.user, name) if name else None


def buttons(item: Item, *, scripts_run: bool, without: str = "") -> Any:
    """Return the inline keyboard under an alert, without the button of one action; None where there is none."""
    if "id" not in item.notification:
        return None
    known = [("read", "✓ Mark read"), ("snooze", "⏰ Snooze 1h")]
    if scripts_run and item.notification.get("script"):
        known.insert(0, ("run", "▶ Run"))
    row = [{"text": text, "callback_data": f"{action}:{item.id}"} for action, text in known if action != without]
    return {"inline_keyboard": [row]}


def _parts(notification: dict[str, Any], *, has_image: bool, plain: bool) -> list[Part]:
    if "notice" in notification:
        return [Part(str(notification["notice"]), is_html=False)]
    if "dropped" in notification:
        return [
            Part(f"{notification['dropped']} older alerts were left out here. They are in the inbox.", is_html=False)
        ]
    return parts_of(
        title=str(notification.get("title", "")),
        message=str(notification.get("message", "")),
        priority=str(notification.get("priority", "normal")),
        status=str(notification.get("status") or ""),
        url=str(notification.get("url") or ""),
        has_image=has_image,
        plain=plain,
    )
