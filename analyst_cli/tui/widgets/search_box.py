"""Search as you type: a line that tells every keystroke, and leaves the list its arrow keys."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

__all__ = ["SearchBox"]


class SearchBox(Input):
    """An input with Enter (keep), Escape (drop) and Down (into the list)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(False)", "Drop the search", id="search.drop"),
        Binding("enter", "submit", "Keep it", id="search.submit"),
        Binding("down,tab", "leave(True)", "To the list", id="search.keep"),
    ]

    class Left(Message):
        """The person is done typing; `keep`: the list stays narrowed."""

        def __init__(self, *, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    def __init__(self, value: str) -> None:
        hint = "words, is:unread, script:NAME, tag:NAME, priority:high, since:2d"
        super().__init__(value, placeholder=hint, id="search", compact=True, select_on_focus=False)
        self.cursor_blink = False  # calm, and nothing to draw while nobody types

    def action_leave(self, keep: bool) -> None:
        self.post_message(self.Left(keep=keep))
