"""`?`: every key that works where the person is, read from the bindings themselves, so that it is never wrong, also after a remap."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from analyst_cli.tui.screens.choice import key_words

__all__ = ["HelpScreen", "KeyLine", "key_lines"]

KeyLine = tuple[str, str, str]
"""Group, keys, what they do."""

_GROUPS = {
    "inbox": "On notifications",
    "list": "In the list",
    "detail": "In the message",
    "lines": "In the list",
    "app": "Everywhere",
}


def key_lines(screen: Screen[object]) -> list[KeyLine]:
    """Return the keys that act on a screen now, grouped, in the order of the code."""
    by_action: dict[tuple[str, str], list[str]] = {}
    bindings = [*screen.active_bindings.values(), *_other_half(screen)]
    for active in bindings:
        binding = active.binding
        if not binding.description or not binding.id:  # Textual's own, which ours stand before
            continue
        group = _GROUPS.get((binding.id or "app").partition(".")[0], "Here")
        keys = by_action.setdefault((group, binding.tooltip or binding.description), [])
        key = screen.app.get_key_display(binding)
        if key not in keys:
            keys.append(key)
    order = list(dict.fromkeys(["Here", *_GROUPS.values()]))
    return sorted(
        ((group, " ".join(keys), words) for (group, words), keys in by_action.items()),
        key=lambda line: order.index(line[0]),
    )


def _other_half(screen: Screen[object]) -> list[ActiveBinding]:
    """Return the bindings of the list or the message, whichever has no focus now."""
    found = []
    for widget in screen.query(".-keyed"):
        keymap = widget._bindings.copy()  # noqa: SLF001 - Textual has no public way to the bindings of a widget without focus
        keymap.apply_keymap(screen.app._keymap)  # noqa: SLF001
        found += [
            ActiveBinding(widget, binding, True, "")
            for bindings in keymap.key_to_bindings.values()
            for binding in bindings
            if binding.id
        ]
    return found


class HelpScreen(ModalScreen[None]):
    """The keys of the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="help.close"),
        Binding("j,down", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, lines: list[KeyLine]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="-help") as dialog:
            dialog.border_title = "Keys"
            yield Static(_table(self._lines), id="help-keys")
            yield Static(Text("Change any of them in keys.toml: see docs/themes-and-keys.md"), id="help-more")

    def on_mount(self) -> None:
        self.query_one("#dialog").border_subtitle = key_words(self)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#dialog").scroll_relative(y=lines, animate=False)


def _table(lines: list[KeyLine]) -> Table:
    table, group_before = Table.grid(padding=(0, 2, 0, 0)), ""
    table.add_column(style="bold", max_width=20)
    table.add_column(ratio=1)
    for group, keys, words in lines:
        if group != group_before:
            if group_before:
                table.add_row()
            table.add_row(Text(group, style="underline"))
            group_before = group
        table.add_row(Text(f"  {keys}"), Text(words))
    return table
