"""Failed attempts in the database (S7), so that a restart forgives nothing; `identity.throttle` has the rule."""

from collections.abc import Iterable

from analyst_server.identity.throttle import MAX_FAILURES, REFILL_S, Bucket, after_failure, wait_s
from analyst_server.portal.database import Database

__all__ = ["Throttling"]


class Throttling:
    """Count failures per key (an address, a user)."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def wait_s(self, keys: Iterable[str], *, now: float) -> float:
        """Return how long somebody with these keys must wait before the next try; 0: not at all."""
        return max((wait_s(self._bucket(key), now=now) for key in keys), default=0.0)

    def note_failure(self, keys: Iterable[str], *, now: float) -> None:
        """Count one failed attempt for each key."""
        with self._db.transaction():
            self._db.execute("DELETE FROM failures WHERE at < ?", now - MAX_FAILURES * REFILL_S)  # full again by now
            for key in keys:
                bucket = after_failure(self._bucket(key), now=now)
                self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", key, bucket.left, bucket.at)

    def _bucket(self, key: str) -> Bucket:
        row = self._db.row("SELECT left, at FROM failures WHERE key = ?", key)
        return Bucket(row["left"], row["at"]) if row else Bucket()
