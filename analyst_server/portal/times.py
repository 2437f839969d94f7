"""Times as the wire and as people read them."""

from datetime import UTC, datetime

import humanize

__all__ = ["ago", "rfc3339"]


def rfc3339(moment: float) -> str:
    """Return a Unix time in seconds as RFC 3339 in UTC with `Z`, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(moment: float, *, now: float) -> str:
    """Return how long ago something was, for people: `5 minutes ago`."""
    if abs(now - moment) < 10:  # seconds that differ between two machines' clocks
        return "just now"
    return humanize.naturaltime(datetime.fromtimestamp(moment, UTC), when=datetime.fromtimestamp(now, UTC))
