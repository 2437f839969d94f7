"""Find out, once and before Textual owns the terminal, what pictures this terminal can show.

Names that terminals give themselves in the environment are looked at first; only where they say nothing is the terminal asked, with one query and a
short deadline. A terminal that is no terminal, or that must not be asked (tmux, screen), is not asked.
"""

import os
import re
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Abilities", "Images", "abilities_from_answer", "abilities_from_environment", "cell_size", "detect"]

Images = Literal["kitty", "sixel", "half"]
_DEADLINE_S = 0.5  # every terminal answers within a few ms; an answer that came later would be read as keys
_QUERY = (
    "\x1b[16t\x1b[c"  # size of a cell in pixels (xterm), primary device attributes; every terminal answers the second
)
_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]+)c")
_CELL = re.compile(r"\x1b\[6;(\d+);(\d+)t")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the terminal can do for pictures."""

    images: Images = "half"
    cell_width_px: int = 8  # where the terminal does not tell: small, so that a picture stays within its cells
    cell_height_px: int = 16


def detect(environ: Mapping[str, str] = os.environ) -> Abilities:
    """Return what the terminal of this process can do; takes at most the deadline, and eats no key a person has typed."""
    known = abilities_from_environment(environ)
    if known is not None and known.images == "half":
        return known
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or sys.platform == "win32":
        return Abilities()
    found = known or abilities_from_answer(_ask())
    cell = _cell_of_window() if found.images != "half" else None
    return Abilities(found.images, *cell) if cell else found


def abilities_from_environment(environ: Mapping[str, str]) -> Abilities | None:
    """Return what the environment alone tells; None: the terminal has to be asked."""
    if environ.get("TMUX") or environ.get("STY") or environ.get("TERM", "dumb") in {"dumb", "linux"}:
        return Abilities()  # a multiplexer redraws behind the picture's back
    if environ.get("KITTY_WINDOW_ID") or environ.get("TERM_PROGRAM") == "ghostty" or "kitty" in environ.get("TERM", ""):
        return Abilities("kitty")
    if environ.get("TERM_PROGRAM") in {"Apple_Terminal", "vscode"} or environ.get("VTE_VERSION"):
        return Abilities()
    return None


def abilities_from_answer(answer: str) -> Abilities:
    """Read the answer to the query: attribute 4 is Sixel (xterm's control sequences, "Send Device Attributes")."""
    attributes = _ATTRIBUTES.search(answer)
    if attributes is None or "4" not in attributes[1].split(";"):
        return Abilities()
    cell = _CELL.search(answer)
    if cell is None or not (4 <= int(cell[2]) <= 100 and 4 <= int(cell[1]) <= 200):
        return Abilities("sixel")
    return Abilities("sixel", int(cell[2]), int(cell[1]))


def cell_size(columns: int, lines: int, width_px: int, height_px: int) -> tuple[int, int] | None:
    """Return the pixels of one cell, rounded down; None where the terminal does not tell or tells nonsense."""
    if not (columns and lines):
        return None
    width, height = width_px // columns, height_px // lines
    return (width, height) if 4 <= width <= 100 and 4 <= height <= 200 else None


def _cell_of_window() -> tuple[int, int] | None:
    """Ask the terminal driver: xterm, kitty, foot and others tell the window's pixels with its size, and refuse escape sequences that ask."""
    import fcntl  # noqa: PLC0415 - not on Windows
    import struct  # noqa: PLC0415
    import termios  # noqa: PLC0415

    try:
        told = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (OSError, ValueError):
        return None
    lines, columns, width_px, height_px = struct.unpack("HHHH", told)
    return cell_size(columns, lines, width_px, height_px)


def _ask() -> str:
    import termios  # noqa: PLC0415 - not on Windows
    import tty  # noqa: PLC0415

    descriptor = sys.stdin.fileno()
    try:
        before = termios.tcgetattr(descriptor)
        if select.select([descriptor], [], [], 0)[0]:
            return ""  # a person types ahead: those keys are theirs
        tty.setcbreak(descriptor, termios.TCSANOW)
    except (termios.error, OSError, ValueError):
        return ""
    try:
        sys.stdout.write(_QUERY)
        sys.stdout.flush()
        return _read_answer(descriptor, time.monotonic() + _DEADLINE_S)
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _read_answer(descriptor: int, end: float) -> str:
    answer = ""
    while not _ATTRIBUTES.search(answer) and (left := end - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        answer += os.read(descriptor, 1024).decode("latin-1")
    return answer
