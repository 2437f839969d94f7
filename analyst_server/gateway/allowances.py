"""How much a user may be sent: notifications in a moment, bytes and pictures in a day. Pure; `publishing.py` asks it before anything is stored.

Each limit is a leaking bucket: full after its amount, empty again after its time. The levels live in memory, so a restart forgives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analyst_server.errors import StoreUnavailable

__all__ = ["UserAllowances", "UserLimits"]

RATE_WINDOW_S = 10.0
DAY_S = 86_400.0
MAX_TRACKED_USERS = 10_000  # of each limit; beyond it the longest untouched is forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """What one user may be sent; 0: no limit."""

    user_rate: int = 0  # notifications in `RATE_WINDOW_S`
    user_day_bytes: int = 0
    user_day_images: int = 0


class UserAllowances:
    """Count what users are sent, and refuse what is too much."""

    def __init__(self, limits: UserLimits) -> None:
        self._rate = _Buckets(limits.user_rate, RATE_WINDOW_S, "notifications in 10 s", "gateway.user_rate")
        self._bytes = _Buckets(limits.user_day_bytes, DAY_S, "bytes in a day", "gateway.user_day_bytes")
        self._images = _Buckets(limits.user_day_images, DAY_S, "pictures in a day", "gateway.user_day_images")

    def take(self, users: Sequence[str], *, body_bytes: int, images: int, now: float) -> None:
        """Count one notification for each of these users; over a limit of any of them nothing is counted, and it raises `StoreUnavailable`."""
        counted = self._counted(body_bytes, images)
        for buckets, amount in counted:
            for user in users:
                buckets.check(user, amount, now)
        for buckets, amount in counted:
            for user in users:
                buckets.add(user, amount, now)

    def give_back(self, users: Sequence[str], *, body_bytes: int, images: int, now: float) -> None:
        """Take back what `take` counted, because nothing was stored of it."""
        for buckets, amount in self._counted(body_bytes, images):
            for user in users:
                buckets.add(user, -amount, now)

    def _counted(self, body_bytes: int, images: int) -> "list[tuple[_Buckets, int]]":
        amounts = ((self._rate, 1), (self._bytes, body_bytes), (self._images, images))
        return [(buckets, amount) for buckets, amount in amounts if amount and buckets.most]


class _Buckets:
    """One limit, with a level for each user."""

    __slots__ = ("_leak_per_s", "_levels", "_setting", "_words", "most")

    def __init__(self, most: int, window_s: float, words: str, setting: str) -> None:
        self.most = most
        self._leak_per_s = most / window_s
        self._words = words
        self._setting = setting
        self._levels: dict[str, tuple[float, float]] = {}  # user -> (amount that counts, as of when)

    def check(self, user: str, amount: float, now: float) -> None:
        if self._level(user, now) + amount > self.most:
            raise StoreUnavailable(
                f"more than {self.most} {self._words} for {user}", f"send less, or raise {self._setting}"
            )

    def add(self, user: str, amount: float, now: float) -> None:
        level = max(0.0, self._level(user, now) + amount)
        self._levels.pop(user, None)  # to the end: the order is that of the last touch
        self._levels[user] = (level, now)
        if len(self._levels) > MAX_TRACKED_USERS:
            del self._levels[next(iter(self._levels))]

    def _level(self, user: str, now: float) -> float:
        known = self._levels.get(user)
        return 0.0 if known is None else max(0.0, known[0] - (now - known[1]) * self._leak_per_s)
