"""What a channel is: something that can deliver a notification to an address of a person, and say honestly what came of it."""

from dataclasses import dataclass
from typing import Any, Protocol

from analyst_server.channels.retry import Failure

__all__ = ["Channel", "DeliveryFailed", "Item", "Receipt", "Undelivered"]


class DeliveryFailed(Exception):
    """A delivery failed; `failure` says of what kind."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Undelivered:
    """How far a delivery of several parts has come, kept over restarts."""

    parts_done: int = 0
    without_image: bool = False  # the picture was refused: the text goes without it
    plain: bool = False  # the formatting was refused


@dataclass(frozen=True, slots=True)
class Item:
    """One notification for one address of one person, in the outbox."""

    id: int
    channel: str
    address: str  # a chat id, a URL: what the channel understands
    user: str
    notification: dict[
        str, Any
    ]  # as the log has it; `{"dropped": n}` instead stands for n older ones that were left out
    queued_at: float
    tries: int
    progress: Undelivered


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side calls the message, for buttons and corrections; empty where it has no such thing."""

    message_id: str = ""
    note: str = ""  # what was left out, if anything


class Channel(Protocol):
    """Deliver to the addresses of one kind. Order: the outbox calls one at a time for an address. Errors: `DeliveryFailed` alone."""

    @property
    def name(self) -> str:
        """What the outbox calls the channel; never changes."""

    def addresses(self, user: str) -> list[str]:
        """Return where the user wants to be told."""

    def earliest(self, address: str, *, now: float) -> float:
        """Return when the next delivery to the address may begin."""

    async def deliver(self, item: Item) -> Receipt:
        """Deliver. Raises `DeliveryFailed`; progress of parts is told through `Outbox.progress`."""
