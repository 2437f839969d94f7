"""What workers post to screens. Past tense: it has happened."""

from textual.message import Message

from analyst_cli.tui.widgets.status_bar import Link

__all__ = ["LinkChanged", "Said", "StoreChanged"]


class LinkChanged(Message):
    """The connection is in another state."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link


class StoreChanged(Message):
    """The local inbox is another one than a moment ago, by this or another process."""


class Said(Message):
    """Something the person should know has happened; `is_problem` when it did not go well."""

    def __init__(self, words: str, *, is_problem: bool = False) -> None:
        super().__init__()
        self.words = words
        self.is_problem = is_problem
