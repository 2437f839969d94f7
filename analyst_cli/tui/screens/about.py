"""A list, and below it words about the chosen line: what the scripts and the settings have in common."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import OptionList, Static

from analyst_cli.tui.widgets.bottom_line import BottomLine
from analyst_cli.tui.widgets.lines import Lines
from analyst_cli.tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from analyst_cli.tui.app import InboxApp

__all__ = ["AboutScreen"]


class AboutScreen(Screen[None]):
    """Heading, list, words, status, keys. Words that were asked for stay while their line is the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,left,backspace", "app.pop_screen", "Back", id="lines.back"),
        Binding("j,down", "move('down')", "Down", show=False, priority=True, id="lines.down"),
        Binding("k,up", "move('up')", "Up", show=False, priority=True, id="lines.up"),
        Binding("g,home", "move('first')", "First", show=False, priority=True, id="lines.first"),
        Binding("G,end", "move('last')", "Last", show=False, priority=True, id="lines.last"),
        Binding(
            "pagedown,ctrl+d,space",
            "page(1)",
            "Words below: a page down",
            show=False,
            priority=True,
            id="lines.page_down",
        ),
        Binding("pageup,ctrl+u", "page(-1)", "Words below: a page up", show=False, priority=True, id="lines.page_up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._answered: str | None = None

    @property
    def inbox_app(self) -> "InboxApp":
        return cast("InboxApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(id="heading", markup=False)
        yield Lines(id="lines")
        with VerticalScroll(id="about", can_focus=False):
            yield Static(id="about-text", markup=False)
        yield StatusBar(self.inbox_app.status, self.inbox_app.now)
        yield BottomLine()

    def tell_about(self, line: str, words: str) -> None:
        """Show the words that belong to a line, unless an answer for it is shown."""
        if line != self._answered:
            self._answered = None
            self.tell(words)

    def answer(self, line: str, words: str | Text | Table) -> None:
        """Show what was asked for of a line; it stays until another line is chosen."""
        self._answered = line
        self.tell(words)

    def tell(self, words: str | Text | Table) -> None:
        """Show these words, from their beginning."""
        self.query_one("#about-text", Static).update(Text(words) if isinstance(words, str) else words)
        self.query_one("#about").scroll_home(animate=False)

    def action_move(self, way: str) -> None:
        options = self.query_one(OptionList)
        ways = {
            "down": options.action_cursor_down,
            "up": options.action_cursor_up,
            "first": options.action_first,
            "last": options.action_last,
        }
        ways[way]()

    def action_page(self, pages: int) -> None:
        about = self.query_one("#about")
        about.scroll_relative(y=pages * max(1, about.size.height - 1), animate=False)
