"""A small dialog: type to narrow, Enter to choose. With `read`, free text can be an answer too."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from analyst_cli.tui.text import cells, fit
from analyst_cli.tui.widgets.lines import Lines

__all__ = ["Choice", "ChoiceScreen", "key_words"]

T = TypeVar("T")
_WIDEST_LABEL = 42  # cells; a hint stands behind it


class Choice(NamedTuple, Generic[T]):
    """Something that can be chosen; `hint` is shown behind the label."""

    label: str
    value: T
    hint: str = ""


class ChoiceScreen(ModalScreen[T | None], Generic[T]):
    """Ends with the chosen value, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", priority=True, id="choice.choose"),
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
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Text(cells(self._title))
            typed = Input(placeholder=self._placeholder, id="dialog-input", compact=True)
            typed.cursor_blink = False
            yield typed
            yield Lines(id="dialog-options")
            yield Static(id="dialog-problem", markup=False)

    def on_mount(self) -> None:
        self._offer("")
        self.query_one("#dialog").border_subtitle = key_words(self)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._offer(event.value)

    def action_choose(self) -> None:
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
        width = min(max((cell_len(cells(choice.label)) for choice in self._offered), default=0), _WIDEST_LABEL)
        options.add_options(Option(_line(choice, width)) for choice in self._offered)
        options.highlighted = 0 if self._offered else None
        problem = problem or ("" if self._offered else "nothing matches")
        self.query_one("#dialog-problem", Static).update(problem)
        self.query_one("#dialog-problem").display = bool(problem)


def _line(choice: Choice[T], width: int) -> Text:
    label = cells(choice.label)
    if not choice.hint:
        return Text(label, no_wrap=True, overflow="ellipsis")
    line = Text(fit(label, width) + "  ", no_wrap=True, overflow="ellipsis")
    return line.append(cells(choice.hint), "dim")


def key_words(screen: Screen[Any]) -> Text:
    """Return the keys of a dialog for the lower edge of its frame."""
    by_action: dict[str, Binding] = {}
    for active in screen.active_bindings.values():
        if active.binding.show and active.node is screen:
            by_action.setdefault(active.binding.action, active.binding)
    return Text(" · ".join(f"{screen.app.get_key_display(one)} {one.description}" for one in by_action.values()))
