"""The only writer of stdout and stderr of the command line: data goes to stdout, talk goes to stderr.

Text of strangers (titles, messages, script names) is made inert here, so no command can forget it. Colour is used only on a terminal
and never alone; `NO_COLOR` (when not empty) and `--color` decide, see https://no-color.org.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TextIO

from analyst_server.wire.inert import inert_json, inert_line, inert_text

__all__ = [
    "TTY_STYLES",
    "color_wanted",
    "is_terminal",
    "json_line",
    "line",
    "note",
    "raw",
    "speaks_unicode",
    "styled",
    "table",
    "text",
]

TTY_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


def is_terminal(stream: TextIO | None = None) -> bool:
    """Tell whether a person looks at the stream (stdout unless given)."""
    return (stream or sys.stdout).isatty()


def color_wanted(stream: TextIO | None = None) -> bool:
    """Tell whether to colour: `ANALYST_COLOR` (always, never) wins, then `NO_COLOR`, then whether it is a terminal."""
    match os.environ.get("ANALYST_COLOR", "auto"):
        case "always":
            return True
        case "never":
            return False
        case _:
            return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and is_terminal(stream)


def speaks_unicode() -> bool:
    """Tell whether stdout can carry every character; where it cannot, JSON needs `\\u` escapes, and other text shows `?`."""
    return (sys.stdout.encoding or "utf-8").lower().startswith("utf")


def styled(words: str, *styles: str) -> str:
    """Return the words in these styles (`TTY_STYLES`) if colour is wanted; the words must be inert already."""
    if not styles or not color_wanted():
        return words
    return f"\x1b[{';'.join(TTY_STYLES[style] for style in styles)}m{words}\x1b[0m"


def line(words: str = "", *styles: str) -> None:
    """Write one line of data to stdout."""
    sys.stdout.write(styled(inert_line(words), *styles) + "\n")


def text(words: str) -> None:
    """Write text of several lines to stdout."""
    sys.stdout.write(inert_text(words).rstrip("\n") + "\n")


def raw(words: str) -> None:
    """Write what is trusted and already formatted (a completion script, a rendered chart) to stdout as it is."""
    sys.stdout.write(words)


def json_line(value: Any) -> None:
    """Write one JSON object on a line of its own to stdout and flush, so that a pipe sees it at once."""
    import msgspec  # noqa: PLC0415 - 23 ms that commands without JSON need not pay

    words = inert_json(msgspec.json.encode(value).decode())
    if not speaks_unicode():
        import json  # noqa: PLC0415 - for this alone

        words = json.dumps(json.loads(words))  # as `\u` escapes: a value is never changed by the locale
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    row_styles: Sequence[Sequence[str]] = (),
    plain: bool = False,
) -> None:
    """Write aligned columns; the header only on a terminal, tab-separated in a pipe (as `gh` does). `row_styles`: styles of each row, or none.

    `plain`: a sentence a row, each value behind its column's name, for people who listen.
    """
    cells = [[inert_line(cell) for cell in row] for row in rows]
    if plain:
        for row in cells:
            named = [f"{name.lower()} {cell}" for name, cell in zip(header, row, strict=True) if cell]
            sys.stdout.write(", ".join(named) + ".\n")
        return
    if not is_terminal():
        for row in cells:
            sys.stdout.write("\t".join(row) + "\n")
        return
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    sys.stdout.write(styled(_aligned(header, widths), "bold") + "\n")
    for number, row in enumerate(cells):
        styles = row_styles[number] if number < len(row_styles) else ()
        sys.stdout.write(styled(_aligned(row, widths), *styles) + "\n")


def note(words: str) -> None:
    """Tell the person something, on stderr: it is no data, so a stderr that nobody reads is no failure."""
    with suppress(OSError):
        sys.stderr.write(inert_text(words).rstrip("\n") + "\n")
        sys.stderr.flush()


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def _width(words: str) -> int:
    if words.isascii():
        return len(words)
    from rich.cells import cell_len  # noqa: PLC0415 - only wide characters need it

    return cell_len(words)
