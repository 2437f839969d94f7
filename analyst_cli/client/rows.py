"""Records of the local inbox: what a list shows of a notification, and what a list is narrowed to.

Plain records without I/O and without the wire types, so that offline commands start fast; `Inbox.get` decodes a whole notification.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

__all__ = ["PRIORITIES", "Applied", "Filter", "Marked", "PendingMark", "Row", "rfc3339", "titled", "unix_seconds"]

PRIORITIES = ("low", "normal", "high", "critical")


class Row(NamedTuple):
    """One line of a list. `pos` is the order of arrival: it grows, and is never used twice."""

    pos: int
    id: str
    repeats: int  # how many notifications of one `key` this line stands for
    is_read: bool
    archived: bool
    acknowledged: bool
    snoozed_until: float | None  # Unix seconds; None: not snoozed
    level: int  # index in PRIORITIES
    at: float  # Unix seconds, as the sender says
    has_image: bool
    has_chart: bool
    status: str  # "firing", "resolved" or ""
    script: str
    key: str | None
    joined_tags: str
    title: str
    preview: str  # the beginning of the message, 200 characters

    @property
    def priority(self) -> str:
        """Its priority as the wire names it."""
        return PRIORITIES[self.level]

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags, in the sender's order."""
        return tuple(self.joined_tags.split("\n")) if self.joined_tags else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list is narrowed to; the default is the inbox: nothing archived, nothing snoozed, repeats collapsed."""

    unread: bool = False  # only unread ones
    script: str | None = None
    min_level: int = 0  # index in PRIORITIES
    tag: str | None = None
    since: float | None = None  # Unix seconds
    archived: bool | None = False  # None: archived or not
    snoozed: bool | None = False  # True: only those that are snoozed now; None: snoozed or not
    search: str = ""  # words that all occur, the last one as a prefix
    collapsed: bool = True  # repeats of a key as one line

    @property
    def is_plain(self) -> bool:
        """Whether this is the inbox as it opens (perhaps only the unread ones): counted at no cost."""
        return self in (_PLAIN, _PLAIN_UNREAD)


class Applied(NamedTuple):
    """What events from a server changed here."""

    new_ids: tuple[str, ...]  # notifications that were not here before, in order
    changed: int  # rows whose state is another now


class Marked(NamedTuple):
    """What a mark changed here; `undo` is empty when it changed nothing."""

    undo: str
    ids: tuple[str, ...]
    unknown: tuple[str, ...]


class PendingMark(NamedTuple):
    """A mark for the server, at most 500 ids."""

    ref: str
    ids: tuple[str, ...]
    state: str
    until: float | None


_PLAIN = Filter()
_PLAIN_UNREAD = Filter(unread=True)


def unix_seconds(timestamp: str, *, otherwise: float) -> float:
    """Read an RFC 3339 time; a sender's nonsense becomes `otherwise`."""
    try:
        moment = datetime.fromisoformat(timestamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def rfc3339(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 UTC with `Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def titled(title: str) -> str:
    """Return the title, or words for one that nobody could see."""
    return title if title.strip() else "(no title)"
