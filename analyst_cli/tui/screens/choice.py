"""A small dialog: type to narrow, Enter to choose. With `read`, free text can be an answer too."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from analyst_cli.tui.text import cells

__all__ = ["Choice", "ChoiceScreen"]

T = TypeVar("T")


class Choice(NamedTuple, Generic[T]):
    """Something that can be chosen; `hint` is shown behind the label."""

    label: str
    value: T
    hint: str = ""


class ChoiceScreen(ModalScreen[T | None], Generic[T]):
    """Ends with the chosen value, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="choice.cancel"),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True, id="choice.down"),
        Binding("up,ctrl+p", "move(-1)", "Up", show=False, priority=True, id="choice.up"),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice[T]],
        *,
        placeholder: str = "type to narrow",
        read: Callable[[str], Choice[T] | str] | None = None,
    ) -> None:
        """`read` turns free text into a choice, or into words that say why it is none."""
        super().__init__()
        self._title = title
        self._choices = choices
        self._placeholder = placeholder
        self._read = read
        self._offered: list[Choice[T]] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Text(cells(self._title)), id="dialog-title")
            yield Input(placeholder=self._placeholder, id="dialog-input", compact=True)
            yield OptionList(id="dialog-options", compact=True)
            yield Static(id="dialog-problem", markup=False)

    def on_mount(self) -> None:
        self._offer("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._offer(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is not None:
            self.dismiss(self._offered[highlighted].value)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._offered[event.option_index].value)

    def action_move(self, lines: int) -> None:
        options = self.query_one(OptionList)
        if lines > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def _offer(self, typed: str) -> None:
        words = typed.lower().split()
        self._offered = [choice for choice in self._choices if all(word in choice.label.lower() for word in words)]
        problem = ""
        if typed.strip() and self._read is not None:
            answer = self._read(typed)
            if isinstance(answer, Choice):
                self._offered.insert(0, answer)
            elif not self._offered:
                problem = answer
        options = self.query_one(OptionList)
        options.clear_options()
        width = max((len(choice.label) for choice in self._offered), default=0)
        options.add_options(Option(_line(choice, width)) for choice in self._offered)
        options.highlighted = 0 if self._offered else None
        self.query_one("#dialog-problem", Static).update(problem or ("" if self._offered else "nothing matches"))


def _line(choice: Choice[T], width: int) -> Text:
    line = Text(cells(choice.label), no_wrap=True, overflow="ellipsis")
    if choice.hint:
        line.append(" " * (width - len(choice.label) + 2) + cells(choice.hint), "dim")
    return line
