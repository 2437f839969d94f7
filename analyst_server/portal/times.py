"""Times as the wire and as people read them."""

from datetime import UTC, datetime, timedelta

import humanize

__all__ = ["ago", "rfc3339"]


def rfc3339(moment: float) -> str:
    """Return a Unix time in seconds as RFC 3339 in UTC with `Z`, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(moment: float, *, now: float) -> str:
    """Return how long ago something was, for people: `5 minutes ago`."""
    if abs(now - moment) < 10:  # seconds that differ between two machines' clocks
        return "just now"
    length = humanize.naturaldelta(timedelta(seconds=abs(now - moment)))  # no dates: the year 1 has no local time
    return f"{length} ago" if moment <= now else f"{length} from now"
