"""Decide whether an alert may go out now, and read and write the one number that decides it. No I/O.

The state is one file a script, `state/<stem>.json`, in the shape of the source system (section 1.6 of the protocol): `{"last_sent": <unix s>}`.
"""

import json
import math
import re
from dataclasses import dataclass

__all__ = ["DEFAULT_COOLDOWN", "Cooldown", "decide", "duration_s", "last_sent_of", "state_text"]

DEFAULT_COOLDOWN = "1h"
MAX_DURATION_S = 366 * 86_400  # longer is a slip of the keyboard
CLOCK_SLACK_S = 60  # a `last_sent` this far ahead is ordinary clock adjustment; more means that the clock was set back

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9})([smhd])")


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Whether an alert may go out; `until` is the unix time when it may, None when it may now."""

    until: float | None

    @property
    def may_send(self) -> bool:
        """Tell whether nothing holds the alert back."""
        return self.until is None


def duration_s(text: str, *, units: str = "mhd") -> int:
    """Return the seconds of `30m`, `2h`, `1d`; `units` are the letters allowed. Raises `ValueError` with a sentence."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] not in units:
        wanted = ", ".join(f"<n>{unit}" for unit in units)
        raise ValueError(f"{text!r} is no duration (one of {wanted}, as in 30m)")
    seconds = int(match[1]) * _UNITS_S[match[2]]
    if seconds > MAX_DURATION_S:
        raise ValueError(f"{text!r} is longer than a year")
    return seconds


def decide(*, last_sent: float | None, cooldown_s: float, now: float) -> Cooldown:
    """Tell whether an alert may go out at `now`.

    A `last_sent` in the future means that the clock was set back: it is not believed, because a repeat is better than a silence.
    """
    if last_sent is None or last_sent > now + CLOCK_SLACK_S or last_sent + cooldown_s <= now:
        return Cooldown(until=None)
    return Cooldown(until=last_sent + cooldown_s)


def last_sent_of(state: bytes) -> float | None:
    """Return the unix time in a state file; None when it holds none. Raises `ValueError` when it is damaged."""
    try:
        last_sent = json.loads(state)["last_sent"]
    except (KeyError, TypeError, ValueError, RecursionError) as exc:
        raise ValueError(f"the cooldown state {state[:60]!r} is damaged") from exc
    if last_sent is None:
        return None
    if isinstance(last_sent, bool) or not isinstance(last_sent, int | float) or not math.isfinite(last_sent):
        raise ValueError(f"the cooldown state {state[:60]!r} is damaged")
    return float(last_sent)


def state_text(last_sent: float) -> str:
    """Return the content of a state file."""
    return json.dumps({"last_sent": round(last_sent, 3)})
