"""Read a coming time as people type it: `2h`, `tomorrow 9:00`, `mon 8:30`, `2026-12-24`. Pure: it is told the time.

All times here are *naive local* ones: a person means the clock on the wall. `parsed.astimezone()` of the result gives the right instant, also
across a change to or from summer time.
"""

import re
from datetime import datetime, time, timedelta

__all__ = ["MORNING", "NotATime", "parse_when", "presets"]

MORNING = time(9)
"""What a day without a clock means."""
_EVENING = time(18)

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(?:in\s+)?(\d{1,4})\s*(m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)")
_CLOCK = re.compile(r"(?:at\s+)?(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm)?")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:t|\s+|$)(.*)")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class NotATime(ValueError):
    """The text is no time, or one that has passed; the message tells which and what could be typed."""


def parse_when(text: str, now: datetime) -> datetime:
    """Return the coming local time that the text means; raise `NotATime`.

    A clock alone is the next time the clock shows it; a weekday is the next one, never today.
    """
    words = " ".join(text.lower().split())
    try:
        found = _span(words, now) or _date(words) or _day_and_clock(words, now)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise NotATime(f"{text.strip()!r} is no time I know; try 2h, tomorrow 9:00, mon 8:30 or 2026-12-24")
    if found <= now:
        raise NotATime(f"{text.strip()!r} has passed already; name a coming time")
    return found


def presets(now: datetime) -> list[tuple[str, datetime]]:
    """Return the times that are offered first, each once and in order."""
    offers = [("in 1 hour", now + timedelta(hours=1)), ("in 3 hours", now + timedelta(hours=3))]
    if now.time() < time(17):
        offers.append(("this evening", datetime.combine(now, _EVENING)))
    offers.append(("tomorrow morning", datetime.combine(now + timedelta(days=1), MORNING)))
    offers.append(("next Monday", parse_when("monday", now)))
    return [(name, at.replace(second=0, microsecond=0)) for name, at in offers]


def _span(words: str, now: datetime) -> datetime | None:
    match = _SPAN.fullmatch(words)
    return now + timedelta(**{_UNITS[match[2][0]]: int(match[1])}) if match else None


def _date(words: str) -> datetime | None:
    match = _DATE.fullmatch(words)
    if not match:
        return None
    clock = _clock(match[4].strip()) if match[4].strip() else MORNING
    return datetime.combine(datetime(int(match[1]), int(match[2]), int(match[3])), clock) if clock else None  # noqa: DTZ001 - local


def _day_and_clock(words: str, now: datetime) -> datetime | None:
    first, _, rest = words.removeprefix("next ").partition(" ")
    if first == "tonight":
        first, rest = "today", rest or f"{_EVENING:%H:%M}"
    days = _days_ahead(first, now)
    if days is None:
        clock = _clock(words)
        if clock is None:
            return None
        today = datetime.combine(now, clock)
        return today if today > now else today + timedelta(days=1)
    at = _clock(rest) if rest else MORNING
    return datetime.combine(now + timedelta(days=days), at) if at else None


def _days_ahead(word: str, now: datetime) -> int | None:
    if word == "today":
        return 0
    if word in {"tomorrow", "tmr", "tom"}:
        return 1
    if word == "week":
        return 7 - now.weekday()
    if len(word) >= 3:
        for number, name in enumerate(_DAYS):
            if name.startswith(word):
                return (number - now.weekday() - 1) % 7 + 1
    return None


def _clock(words: str) -> time | None:
    if words == "noon":
        return time(12)
    match = _CLOCK.fullmatch(words)
    if not match:
        return None
    hour = int(match[1])
    if match[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return time(hour, int(match[2] or 0))
