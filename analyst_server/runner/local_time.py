"""The machine's time zone with its daylight saving rules, and times as people read them."""

import os
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["both_times", "local_zone"]


def local_zone() -> tzinfo:
    """Return the zone that `TZ` or /etc/localtime names; today's fixed offset where neither tells."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    target = os.path.realpath("/etc/localtime")
    if "/zoneinfo/" in target:
        candidates.append(target.partition("/zoneinfo/")[2])
    for name in candidates:
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return datetime.now(UTC).astimezone().tzinfo or UTC


def both_times(moment: float, zone: tzinfo | None = None) -> str:
    """Return `2026-03-29 07:30 CEST (05:30 UTC)`."""
    utc = datetime.fromtimestamp(moment, UTC)
    local = utc.astimezone(zone or local_zone())
    if local.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()} ({day}{utc:%H:%M} UTC)"
