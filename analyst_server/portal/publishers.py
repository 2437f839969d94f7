"""Tokens of remote publishers: programs elsewhere that may dispatch to named users. Random, stored as a hash, scoped, revocable."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_server.identity.grants import digest, new_secret_text
from analyst_server.portal.audit import By, record
from analyst_server.portal.database import Database

__all__ = ["EVERYBODY", "Publisher", "Publishers"]

EVERYBODY = "*"
PREFIX = "analyst-publisher-"  # recognisable by people and by scanners for leaked secrets


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who may dispatch, and to whom."""

    id: str
    name: str
    users: tuple[str, ...]  # names, or `EVERYBODY`
    created_at: float
    expires_at: float | None
    last_used_at: float | None

    def may_reach(self, user: str) -> bool:
        """Tell whether this publisher may dispatch to a user."""
        return EVERYBODY in self.users or user in self.users


class Publishers:
    """Issue, find and revoke publisher tokens."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def issue(
        self, name: str, users: Sequence[str], *, now: float, by: By, lifetime_s: float | None = None
    ) -> tuple[str, str]:
        """Return the id and the token of a new publisher; the token cannot be shown again."""
        publisher_id, token = "p-" + secrets.token_hex(4), PREFIX + new_secret_text()
        expires_at = None if lifetime_s is None else now + lifetime_s
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO publishers VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
                *(publisher_id, name, digest(token), json.dumps(list(users)), now, expires_at),
            )
            record(
                self._db, "publisher issued", "", now=now, by=by, detail=f"{publisher_id} {name} -> {', '.join(users)}"
            )
        return publisher_id, token

    def by_token(self, token: str, *, now: float) -> Publisher | None:
        """Return whose token this is, or None when it is unknown, expired or revoked."""
        row = self._db.row(
            "SELECT * FROM publishers WHERE digest = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
            *(digest(token), now),
        )
        return _publisher(dict(row)) if row else None

    def note_use(self, publisher: Publisher, users: str, notification_id: str, *, now: float, by: By) -> None:
        """Remember a dispatch, in the audit log too."""
        with self._db.transaction():
            self._db.execute("UPDATE publishers SET last_used_at = ? WHERE id = ?", now, publisher.id)
            record(self._db, "dispatched", users, now=now, by=by, detail=f"{publisher.id} {notification_id}")

    def all(self) -> list[Publisher]:
        """Return those that are not revoked, newest first."""
        rows = self._db.rows("SELECT * FROM publishers WHERE revoked_at IS NULL ORDER BY created_at DESC")
        return [_publisher(dict(row)) for row in rows]

    def revoke(self, publisher_id: str, *, now: float, by: By) -> bool:
        """Revoke a publisher's token; tell whether there was one."""
        with self._db.transaction():
            changed = self._db.execute(
                "UPDATE publishers SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", now, publisher_id
            )
            if changed:
                record(self._db, "publisher revoked", "", now=now, by=by, detail=publisher_id)
        return changed == 1


def _publisher(row: dict[str, object]) -> Publisher:
    kept = {name: row[name] for name in ("id", "name", "created_at", "expires_at", "last_used_at")}
    return Publisher(**kept, users=tuple(json.loads(str(row["users"]))))  # type: ignore[arg-type]
