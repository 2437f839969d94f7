"""The last line of every screen: the keys that work here, as many as fit in whole; for a while the words for what has just happened instead.

The line above it, with the connection and the counts, is never covered by them.
"""

from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from analyst_cli.tui.text import cells

__all__ = ["BottomLine", "Key", "fitting"]

_MOST_LINES = 3
_PROBLEM = "✗ "


class Key(NamedTuple):
    """A key of the line: `name` is what is pressed, `sign` how it is written."""

    name: str
    sign: str
    words: str

    @property
    def width(self) -> int:
        """Cells with the blanks within and behind it."""
        return cell_len(self.sign) + cell_len(self.words) + 2


def fitting(keys: list[Key], width: int) -> list[Key]:
    """Return as many of the keys, from the first, as fit in whole, with room for a sign that there are more."""
    used, shown = 0, []
    for number, key in enumerate(keys):
        used += key.width
        if used > width + 1 - (0 if number == len(keys) - 1 else 2):  # none is behind the last one
            break
        shown.append(key)
    return shown


class BottomLine(Widget):
    """Shows the keys of the screen it is on, and what it is told to say."""

    DEFAULT_CSS = "BottomLine { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self._said = ""
        self._is_problem = False

    def say(self, words: str, *, is_problem: bool = False) -> None:
        """Show these words in place of the keys; none: the keys again."""
        self._said, self._is_problem = cells(words), is_problem
        self.refresh(layout=True)

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's interface
        if not self._said or width < 1:
            return 1
        return min(_MOST_LINES, self._words().get_height({}, width))

    def render(self) -> Content:
        if self._said:
            return self._words()
        keys, width = self._keys(), self.content_size.width
        shown = fitting(keys, width)
        parts = [Content.assemble((key.sign, "$footer-key-foreground bold"), f" {key.words}") for key in shown]
        if len(shown) < len(keys):
            parts.append(Content.styled("…", "$foreground-muted"))
        return Content(" ").join(parts)

    def on_click(self, event: events.Click) -> None:
        if self._said:
            self.say("")
            return
        end = 1
        for key in fitting(self._keys(), self.content_size.width):
            end += key.width
            if event.x < end:
                self.app.simulate_key(key.name)
                return

    def _words(self) -> Content:
        if self._is_problem:
            return Content.styled(_PROBLEM + self._said, "$error bold")
        return Content.styled(self._said, "$foreground bold")

    def _keys(self) -> list[Key]:
        found: dict[str, Key] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in found:
                found[binding.action] = Key(binding.key, self.app.get_key_display(binding), binding.description)
        return list(found.values())
