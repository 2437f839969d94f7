"""What is kept, and for how long: a decision without I/O.

Retention always cuts a prefix of a user's log, never single events: what remains is complete in itself (every mark of a kept notification is
kept), so state can be derived from it, and a cursor before the cut is recognised as expired.
"""

from dataclasses import dataclass

__all__ = ["Purged", "Retention"]

_DAY_S = 86_400.0
_EVENTS_PER_NOTIFICATION = 4  # marks are events too; somebody who toggles one mark for ever is bounded by this


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, and how many notifications a user, the log keeps."""

    max_age_s: float = 90 * _DAY_S
    max_notifications: int = 10_000

    @property
    def max_events(self) -> int:
        """The bound of a user's log in events of both kinds."""
        return self.max_notifications * _EVENTS_PER_NOTIFICATION

    def cutoff(self, now: float) -> float:
        """Return the Unix time in seconds before which everything goes."""
        return now - self.max_age_s


@dataclass(frozen=True, slots=True)
class Purged:
    """What a run of retention has removed; `images` may have lost their last reference."""

    events: int = 0
    images: frozenset[str] = frozenset()
