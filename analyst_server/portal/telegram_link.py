"""The port between the portal and the Telegram channel: who linked which chat. The channel implements it, `app.py` passes it in."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["TelegramLink", "TelegramLinks"]


@dataclass(frozen=True, slots=True)
class TelegramLink:
    """A person's linked chat."""

    chat_id: int
    linked_at: str  # RFC 3339


class TelegramLinks(Protocol):
    """Link state of Telegram, kept in `telegram_users.json` of the data folder in the source system's shape.

    Order: a `link_of` after `verify` or `unlink` sees its effect. Durability: both return after the file is in place.
    Errors: `StoreUnavailable` when the file cannot be written.
    """

    @property
    def bot_name(self) -> str:
        """The bot's user name without the at sign, for the page's instruction; empty while it is not known."""

    async def link_of(self, user: str) -> TelegramLink | None:
        """Return the user's link, or None."""

    async def verify(self, user: str, code: str) -> TelegramLink | None:
        """Link the chat that was given this 6-digit code by the bot; None when no chat waits with it. A code works once and for 10 minutes.

        The caller limits how often somebody may try. Linking again replaces the user's chat.
        """

    async def unlink(self, user: str) -> bool:
        """Forget the user's chat; tell whether there was one."""
