"""Make an alert plainer when the gateway refuses it as it is: a chart or another ornament must never mute the text. No I/O.

`flight.py` and `isolation.py` try what comes out of it in turn.
"""

from collections.abc import Set as AbstractSet
from typing import Any

from analyst_server.wire.publication import MAX_MESSAGE_BYTES

__all__ = ["plainer", "without_picture"]

PICTURES_A_DAY = (
    "gateway.user_day_images"  # the gateway's setting: its answer names it when a user has had all pictures of a day
)
_PICTURE = frozenset({"image_path", "image_alt"})
_PLAIN = frozenset({"id", "title", "message", "script", "timestamp", "priority", "status"})


def plainer(notification: dict[str, Any], *, status: int, words: str) -> tuple[dict[str, Any], str] | None:
    """Return the alert without what the gateway's answer is about, and a warning that says so; None: leaving more out would not help."""
    has_picture, has_ornaments = "image_path" in notification, bool(notification.keys() - _PLAIN - _PICTURE)
    if status == 503 and PICTURES_A_DAY in words and has_picture:
        return without_picture(notification, words), f"sent without its chart: {words}"
    if status not in {400, 413}:
        return None
    if has_picture and ("image" in words.lower() or not has_ornaments):
        return without_picture(notification, words), f"sent without its chart: {words}"
    if has_ornaments:
        return _only(notification, _PLAIN | _PICTURE), f"sent without its ornaments: {words}"
    return None


def without_picture(notification: dict[str, Any], words: str) -> dict[str, Any]:
    """Return the text with a sentence for its reader: somebody who expects a chart must know that there was one."""
    why = words.partition(" (")[0].partition(";")[0]
    sentence = f"(Its chart was left out: {why}.)"
    message = str(notification.get("message") or "")
    whole = f"{message}\n\n{sentence}" if message else sentence
    less = _only(notification, notification.keys() - _PICTURE)
    return less | {"message": whole} if len(whole.encode()) <= MAX_MESSAGE_BYTES else less


def _only(notification: dict[str, Any], names: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in notification.items() if name in names}
