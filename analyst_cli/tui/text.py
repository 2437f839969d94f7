"""Words and cells that screens are made of. Pure: every function takes the time it needs.

Times are aware `datetime`s; they are shown in the zone they carry, so callers convert to the person's zone first.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta

from rich.cells import cell_len, set_cell_size

from analyst_cli.client import moments
from analyst_server.wire.inert import inert_line

__all__ = [
    "PRIORITY_MARKS",
    "ago",
    "cells",
    "count_of",
    "day_title",
    "duration",
    "exact",
    "fit",
    "list_time",
    "until",
]

PRIORITY_MARKS = {"critical": "!!", "high": "! ", "normal": "  ", "low": "· "}
"""Two cells that tell a priority without colour."""

_ELLIPSIS = "…"
_MOST_COMBINING = 2  # marks a base character may carry; more ("zalgo") would climb over the lines above
_JOINED = re.compile("\u200d.|[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\u20e3\u200c]", re.DOTALL)
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{1,2}")
_LINE = 400  # characters of a text that can matter on one line of any terminal


def cells(text: str) -> str:
    """Return one inert line whose width every terminal agrees on.

    Terminals disagree about joined emoji, skin tones, keycaps and flags: the first emoji stands for a joined one, a flag becomes its two
    letters. Piles of combining marks are cut to two. What is past the 400th character is left out: no terminal line is as long.
    """
    line = inert_line(text[:_LINE])
    if line.isascii():
        return line
    line = _FLAG.sub(_letters, _JOINED.sub("", line)).replace("\u200d", "")
    kept, pile = [], 0
    for character in line:
        pile = pile + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if pile <= _MOST_COMBINING:
            kept.append(character)
    return "".join(kept)


def fit(text: str, width: int) -> str:
    """Return the text in exactly `width` cells: cut with an ellipsis, or filled with blanks. The text must have passed `cells`."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + _ELLIPSIS, width)


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago it was, as part of a sentence; a clock that is wrong, here or there, may put it before us."""
    short = moments.ago(then.timestamp(), now.timestamp())
    if short == "now":
        return "just now"
    return short if short.startswith("in ") else f"{short} ago"


def list_time(then: datetime, now: datetime) -> str:
    """Return the time as a list that is grouped by day shows it, in at most six cells: minutes within the hour, else the clock."""
    is_fresh = 0 <= (now - then).total_seconds() < 3600
    return moments.ago(then.timestamp(), now.timestamp()) if is_fresh else f"{then:%H:%M}"


def day_title(day: date, today: date) -> str:
    """Return the heading of a day."""
    match (today - day).days:
        case 0:
            return "Today"
        case 1:
            return "Yesterday"
        case days if 1 < days < 7:
            return f"{day:%A}"
        case _:
            year = "" if day.year == today.year else f" {day.year}"
            return f"{day:%a} {day.day} {day:%B}{year}"


def exact(then: datetime) -> str:
    """Return the time to the second with its zone, for people who compare it with a log."""
    return f"{then:%a} {then.day} {then:%b %Y, %H:%M:%S} {then.tzname() or ''}".rstrip()


def until(then: datetime, now: datetime) -> str:
    """Return a coming time the way people say it: the clock today, the weekday within a week, else the date."""
    days = (then.date() - now.date()).days
    clock = f"{then:%H:%M}"
    if days == 0:
        return clock
    if days == 1:
        return f"tomorrow {clock}"
    if 1 < days < 7:
        return f"{then:%a} {clock}"
    return f"{then.day} {then:%b} {clock}" if then.year == now.year else f"{then.day} {then:%b %Y} {clock}"


def duration(seconds: float) -> str:
    """Return a time span as short as it can be understood."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    span = timedelta(seconds=round(seconds))
    minutes, rest = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes + span.days * 1440, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun in the right form."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", "\u202f")


def _letters(match: re.Match[str]) -> str:
    return "".join(chr(ord(character) - 0x1F1E6 + ord("A")) for character in match[0])
