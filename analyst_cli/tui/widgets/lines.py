"""A list of short lines to choose from, whose chosen line is seen without colour too."""

from rich.style import Style
from textual.strip import Strip
from textual.widgets import OptionList

__all__ = ["Lines"]

_REVERSE = Style(reverse=True)


class Lines(OptionList):
    """An `OptionList`, compact; where colours are the terminal's, or there are none, the chosen line is reversed.

    The stylesheet cannot do that: `Widget.get_visual_style` of Textual 8.2 passes every attribute on but this one.
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, compact=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen (Textual calls it)."""
        strip = super().render_line(y)
        is_chosen = self.highlighted is not None and any(
            segment.style and segment.style.meta.get("option") == self.highlighted for segment in strip
        )
        return strip.apply_style(_REVERSE) if is_chosen and self.app.native_ansi_color else strip
