"""Pictures of screens as text that is read like code: the words, and below them which cells have which style.

A style is a letter; the legend at the end of a file tells what the letter is in every theme. Letters stay with their style when a file is written
again, so that a change shows only what has changed.
"""

import re
from itertools import groupby, product
from pathlib import Path
from string import ascii_lowercase

from rich.style import Style
from textual.strip import Strip

__all__ = ["Album", "Looks", "style_words", "words_of"]

Looks = dict[str, list[Strip]]
"""One screen as every theme draws it."""

_NAMES = tuple(first + last for first, last in product(("", *ascii_lowercase), ascii_lowercase))
_LEGEND = re.compile(r"^  ([a-z]{1,2})  (.+)$")
_LEGEND_TITLE = "======== legend"


def words_of(strips: list[Strip]) -> list[str]:
    """Return the text of a screen without blanks at the ends of lines."""
    return [strip.text.rstrip() for strip in strips]


def style_words(style: Style | None) -> str:
    """Return what a terminal is told of a style, in words."""
    if style is None:
        return "-"
    attributes = [name for name in ("bold", "dim", "italic", "underline", "reverse", "strike") if getattr(style, name)]
    ink, ground = (color.name if color is not None else "default" for color in (style.color, style.bgcolor))
    return " ".join([*attributes, f"{ink} on {ground}"])


class Album:
    """The pictures of one file, as they are now."""

    def __init__(self, kept: Path) -> None:
        self.kept = kept
        self._kept_names = _kept_legend(kept)
        self._free = [name for name in _NAMES if name not in self._kept_names.values()]
        self._used: dict[str, str] = {}
        self._lines: list[str] = []

    def add(self, title: str, looks: Looks) -> None:
        """Add a screen; its words must be the same in all themes."""
        words = {theme: words_of(strips) for theme, strips in looks.items()}
        first = next(iter(words.values()))
        for theme, others in words.items():
            assert others == first, f"{title} has other words in the theme {theme}"
        self._lines += [f"======== {title}", *first, "--------"]
        numbered = list(enumerate(self._styles(list(rows)) for rows in zip(*looks.values(), strict=True)))
        for styles, group in groupby(numbered, key=lambda line: line[1]):
            numbers = [number for number, _ in group]
            last = f"-{numbers[-1]}" if len(numbers) > 1 else ""
            self._lines.append(f"{numbers[0]}{last}: {styles}")

    def lines(self) -> list[str]:
        """Return the file as it should be."""
        legend = sorted((len(name), name, style) for style, name in self._used.items())
        return [*self._lines, _LEGEND_TITLE, *(f"  {name}  {style}" for _, name, style in legend)]

    def _styles(self, themes: list[Strip]) -> str:
        columns = zip(*(_cells(strip) for strip in themes), strict=True)
        runs = [(self._name(" | ".join(style)), len(list(cells))) for style, cells in groupby(columns)]
        return " ".join(f"{name}{length}" for name, length in runs)

    def _name(self, style: str) -> str:
        if style not in self._used:
            self._used[style] = self._kept_names.get(style) or self._free.pop(0)
        return self._used[style]


def _cells(strip: Strip) -> list[str]:
    return [words for segment in strip for words in [style_words(segment.style)] * segment.cell_length]


def _kept_legend(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    lines = file.read_text().splitlines()
    legend = lines[lines.index(_LEGEND_TITLE) + 1 :] if _LEGEND_TITLE in lines else []
    return {match[2]: match[1] for line in legend if (match := _LEGEND.match(line))}
