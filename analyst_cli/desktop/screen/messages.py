"""What the workers of the operator's screen tell it."""

from typing import Any

from textual.message import Message

__all__ = ["HostLost", "StatusArrived"]


class StatusArrived(Message):
    """The host told how it is."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__()
        self.status = status


class HostLost(Message):
    """Nobody answers."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words
