"""The few methods of the Telegram Bot API that are needed (https://core.telegram.org/bots/api), typed, on aiohttp. Knows nothing of notifications.

What goes wrong becomes a `DeliveryFailed` whose `Failure` tells permanent from transient from unknown; nothing else leaves this module. The token is
part of every URL, so no URL is ever put into an error's text.
"""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from analyst_server.channels.base import DeliveryFailed
from analyst_server.channels.retry import Failure

__all__ = ["API_URL", "BotApi", "ChatMigrated", "FormattingRefused", "PictureRefused", "TokenGone"]

API_URL = "https://api.telegram.org"
CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S = 10.0, 30.0
POLL_S = 25  # of long polling; the connection is kept open that long
MAX_PHOTO_BYTES = 10 * 1024 * 1024
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_PICTURE_WORDS = (
    "photo",
    "image",
    "file must be non-empty",
    "wrong type of the web page",
    "wrong file",
    "entity too large",
)


class FormattingRefused(DeliveryFailed):
    """Telegram cannot read the formatting; plain text will do."""


class PictureRefused(DeliveryFailed):
    """Telegram does not take the picture; the text without it will do."""


class ChatMigrated(DeliveryFailed):
    """The group has another id now."""

    def __init__(self, failure: Failure, new_chat: int) -> None:
        super().__init__(failure)
        self.new_chat = new_chat


class TokenGone(DeliveryFailed):
    """The token of the bot is revoked or wrong: nothing works until the administrator has acted."""


@dataclass(frozen=True, slots=True)
class BotApi:
    """One bot. Methods raise `DeliveryFailed` and its kinds alone."""

    session: aiohttp.ClientSession
    token: str
    url: str = API_URL
    answer_timeout_s: float = ANSWER_TIMEOUT_S

    async def get_me(self) -> str:
        """Return the bot's user name."""
        return str((await self._call("getMe", {}))["username"])

    async def get_updates(self, offset: int, *, poll_s: float = POLL_S) -> list[dict[str, Any]]:
        """Return what has happened since, waiting up to `poll_s` for something to happen."""
        wanted = {"offset": offset, "timeout": int(poll_s), "allowed_updates": ["message", "callback_query"]}
        updates = await self._call("getUpdates", wanted, timeout_s=poll_s + 10)
        return [update for update in updates if isinstance(update, dict)]

    async def send_message(self, chat: int, text: str, *, parse_mode: str = "", keyboard: Any = None) -> int:
        """Send a text and return the message's id."""
        message = {
            "chat_id": chat,
            "text": text,
            "link_preview_options": {"is_disabled": True},
            **_formatted(parse_mode, keyboard),
        }
        return _message_id(await self._call("sendMessage", message))

    async def send_photo(
        self, chat: int, photo: bytes, *, caption: str = "", parse_mode: str = "", keyboard: Any = None
    ) -> int:
        """Send a picture with a caption and return the message's id."""
        if len(photo) > MAX_PHOTO_BYTES:
            raise PictureRefused(
                Failure(f"the picture has {len(photo)} bytes, more than {MAX_PHOTO_BYTES}", permanent=True)
            )
        form = aiohttp.FormData()
        fields = {"chat_id": str(chat), "caption": caption, **_formatted(parse_mode, keyboard)}
        for name, value in fields.items():
            if value:
                form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        form.add_field("photo", photo, filename="chart.png", content_type="image/png")
        return _message_id(await self._call("sendPhoto", form))

    async def answer_callback(self, callback: str, text: str) -> None:
        """Answer a pressed button with a word, so that it stops turning."""
        await self._call("answerCallbackQuery", {"callback_query_id": callback, "text": text[:200]})

    async def edit_keyboard(self, chat: int, message: int, keyboard: Any) -> None:
        """Replace the buttons under a message."""
        await self._call("editMessageReplyMarkup", {"chat_id": chat, "message_id": message, "reply_markup": keyboard})

    async def _call(
        self, method: str, content: dict[str, Any] | aiohttp.FormData, *, timeout_s: float | None = None
    ) -> Any:
        timeout = aiohttp.ClientTimeout(total=timeout_s or self.answer_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        body = {"data": content} if isinstance(content, aiohttp.FormData) else {"json": content}
        try:
            async with self.session.post(f"{self.url}/bot{self.token}/{method}", timeout=timeout, **body) as response:
                status, raw = response.status, await response.read()
        except _BEFORE_SENDING as exc:
            raise DeliveryFailed(
                Failure(f"Telegram cannot be reached ({type(exc).__name__})", everywhere=True)
            ) from exc
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            raise DeliveryFailed(Failure(f"no answer from Telegram ({type(exc).__name__})", unconfirmed=True)) from exc
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = {}
        if isinstance(answer, dict) and answer.get("ok") and status < 300:
            return answer.get("result")
        raise _refusal(status, answer if isinstance(answer, dict) else {})


def _formatted(parse_mode: str, keyboard: Any) -> dict[str, Any]:
    return ({"parse_mode": parse_mode} if parse_mode else {}) | ({"reply_markup": keyboard} if keyboard else {})


def _message_id(message: Any) -> int:
    return int(message["message_id"]) if isinstance(message, dict) and "message_id" in message else 0


def _refusal(status: int, answer: dict[str, Any]) -> DeliveryFailed:
    """Return what a refusal means. The words of 400 are not documented as stable, so only parts of them are compared."""
    words = str(answer.get("description") or f"HTTP {status}")[:300]
    code = answer.get("error_code")
    status = code if isinstance(code, int) else status
    parameters = answer.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    if isinstance(new_chat := parameters.get("migrate_to_chat_id"), int):
        return ChatMigrated(Failure(words), new_chat)
    if status == 429:
        return DeliveryFailed(Failure(words, retry_after_s=_seconds(parameters.get("retry_after"))))
    if status == 401 or (status == 404 and words.lower() == "not found"):  # a wrong token makes the whole URL unknown
        return TokenGone(Failure(f"Telegram does not know the bot's token ({words})", everywhere=True))
    if status in {400, 403, 413}:
        return _permanent(status, words)
    return DeliveryFailed(Failure(words, unconfirmed=status == 504))


def _permanent(status: int, words: str) -> DeliveryFailed:
    lower = words.lower()
    failure = Failure(words, permanent=True)
    if status == 413 or any(each in lower for each in _PICTURE_WORDS):
        return PictureRefused(failure)
    if "can't parse" in lower or "entit" in lower or "too long" in lower:
        return FormattingRefused(failure)
    return DeliveryFailed(failure)


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 86_400 else 5.0
