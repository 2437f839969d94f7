"""Times past as people type and read them: `2h`, `yesterday`, `2026-01-30`; "5m". Pure: `now` is given, with its zone. Coming times: `when`."""

import re
from datetime import datetime, timedelta

__all__ = ["EARLIER_EXAMPLES", "ago", "earlier"]

EARLIER_EXAMPLES = "30m, 2h, 3d, 1w, today, yesterday, 2026-01-30, 2026-01-30T10:00"

_SPAN = re.compile(r"(\d{1,4})\s*(m|min|h|d|w)", re.IGNORECASE)
_UNITS = {
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def earlier(typed: str, now: datetime) -> datetime:
    """Return the moment in the past that is meant. Raises `ValueError`."""
    words = typed.strip().lower()
    if span := _SPAN.fullmatch(words):
        return now - int(span[1]) * _UNITS[span[2].lower()]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match words:
        case "now":
            return now
        case "today":
            return midnight
        case "yesterday":
            return midnight - timedelta(days=1)
        case _ if words in _DAYS:
            return midnight - timedelta(days=(now.weekday() - _DAYS.index(words)) % 7)
        case _:
            return _exact(typed, now)


def ago(then: float, now: float) -> str:
    """Tell how long ago something was, in a few characters: `now`, `5m`, `3h`, `2d`, `6w`, `3y`; a future one with `in`."""
    seconds = now - then
    size = abs(seconds)
    for limit_s, unit_s, sign in (
        (60, 0, ""),
        (3_600, 60, "m"),
        (86_400, 3_600, "h"),
        (14 * 86_400, 86_400, "d"),
        (365 * 86_400, 7 * 86_400, "w"),
    ):
        if size < limit_s:
            short = "now" if not unit_s else f"{int(size // unit_s)}{sign}"
            break
    else:
        short = f"{int(size // (365 * 86_400))}y"
    return f"in {short}" if seconds <= -60 else short


def _exact(typed: str, now: datetime) -> datetime:
    moment = datetime.fromisoformat(re.sub(r"\s(\d):", r" 0\1:", typed.strip()))
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
