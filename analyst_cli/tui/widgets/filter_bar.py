"""What the list is narrowed to, as chips that a click or a key takes off."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from analyst_cli.tui.filters import Chip
from analyst_cli.tui.text import count_of

__all__ = ["FilterBar"]


class FilterBar(Static):
    """One line of chips with what they leave; not there while nothing is narrowed."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.display = False

    def show(self, chips: Sequence[Chip], count: int, *, capped: bool = False) -> None:
        """Show these conditions and how many notifications they leave."""
        self.display = bool(chips)
        parts: list[Content] = [Content(" ")]
        for number, chip in enumerate(chips):
            parts += [
                Content.from_markup(
                    f"[@click=screen.drop_chip({number})][$chip] $label ×[/][/]", label=f" {chip.label} "
                ),
                Content(" "),
            ]
        found = count_of(count, "notification")
        parts.append(Content.from_markup("[$text-muted]$found[/]", found=f"first {found}" if capped else found))
        self.update(Content.assemble(*parts))
