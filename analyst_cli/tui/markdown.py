"""A message as the person reads it: Markdown laid out by rich, with nothing in it that could act.

Links are shown with their address and do nothing, pictures are not fetched, HTML is text. What Markdown cannot lay out (nested a thousand deep,
thousands of lines) is shown as it was written.
"""

import io
from functools import lru_cache

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown
from rich.style import Style
from rich.text import Text
from rich.theme import Theme

from analyst_server.wire.inert import inert_text

__all__ = ["message_text"]

_STYLES = {
    "markdown.h1": "bold underline",
    "markdown.h2": "bold",
    "markdown.h3": "bold italic",
    "markdown.h4": "italic",
    "markdown.code": "bold",
    "markdown.code_block": "none",
    "markdown.block_quote": "italic",
    "markdown.item.bullet": "bold",
    "markdown.item.number": "bold",
    "markdown.link": "underline",
    "markdown.link_url": "underline",
    "markdown.table.border": "dim",
    "markdown.table.header": "bold",
    "markdown.hr": "dim",
}
"""Attributes alone: they are legible in every theme and without colour."""

_MOST_LINES = 600  # of Markdown: laying out more would make the cursor wait


class _LeftHeading(Heading):
    """A heading where the text begins, not centred in a box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.justify = "left"
        yield text


class _Message(Markdown):
    elements = {**Markdown.elements, "heading_open": _LeftHeading}  # noqa: RUF012 - rich's own way


@lru_cache(maxsize=32)
def message_text(message: str, width: int) -> Text:
    """Return the message laid out in lines of at most `width` cells, inert."""
    message, width = inert_text(message), max(width, 8)
    text = _laid_out(message, width) if message.count("\n") <= _MOST_LINES else Text()
    if message.strip() and not text.plain.strip():
        return Text("\n").join(Text(message).wrap(Console(width=width, file=io.StringIO()), width))
    return text


def _laid_out(message: str, width: int) -> Text:
    console = Console(width=width, file=io.StringIO(), color_system=None, theme=Theme(_STYLES), legacy_windows=False)
    laid_out = _Message(_keep_breaks(message), hyperlinks=False, code_theme="bw")
    laid_out.parsed = (
        MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).parse(laid_out.markup)
    )
    lines = console.render_lines(laid_out, console.options.update(width=width, height=None), pad=False)
    text = Text(end="", no_wrap=True)
    was_blank = True
    for line in lines:
        words = Text.assemble(*((inert_text(segment.text), _attributes(segment.style)) for segment in line))
        words.rstrip()
        if was_blank and not words.plain:  # rich surrounds tables and lists with more room than a terminal has
            continue
        was_blank = not words.plain
        text.append_text(words).append("\n")
    text.rstrip()
    return text


def _attributes(style: Style | None) -> Style:
    """Keep what is legible in every theme and without colour, and drop colours and links."""
    if style is None:
        return Style.null()
    return Style(bold=style.bold, italic=style.italic, underline=style.underline, strike=style.strike, dim=style.dim)


def _keep_breaks(message: str) -> str:
    """Scripts print lines and mean lines: a single line break stays one (two blanks before it say so in Markdown)."""
    lines, fenced = [], False
    for line in message.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        is_block = not line.strip() or line.lstrip().startswith(("|", "#", "-", "*", ">"))
        lines.append(line if fenced or is_block else f"{line}  ")
    return "\n".join(lines)
