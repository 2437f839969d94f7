"""A box with words over the screen: doctor's findings, a text to decide about, what observe wrote."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

__all__ = ["WordsDialog"]


class WordsDialog(ModalScreen[str | None]):
    """Show words until a key is pressed. Returns `open` when the person wants the folder opened, where that is offered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss_it", "Close"),
        Binding("e", "open_it", "Open folder"),
    ]

    def __init__(self, title: str, words: str, *, offers_open: bool = False) -> None:
        super().__init__()
        self._title = title
        self._words = words
        self._offers_open = offers_open

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box") as box:
            box.border_title = self._title
            box.border_subtitle = "Esc closes, e opens the folder" if self._offers_open else "Esc closes"
            yield Static(self._words, markup=False, id="words")

    def action_dismiss_it(self) -> None:
        """Close the box."""
        self.dismiss(None)

    def action_open_it(self) -> None:
        """Close the box and open the folder."""
        if self._offers_open:
            self.dismiss("open")
