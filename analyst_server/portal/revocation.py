"""Which valid tokens are refused all the same: a copy in memory, and the watcher that keeps it fresh.

Whoever revokes, in this process or in an administrator's command, writes the database; the watcher notices within `WATCH_EVERY_S`, and closes the
sockets of those who are refused from now on (S8: within a second).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from analyst_server.errors import StoreUnavailable, TokenRefused
from analyst_server.identity.principal import Principal
from analyst_server.identity.tokens import Tokens
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.database import Database

__all__ = ["Authentication", "Revocations", "read_revocations", "watch_revocations"]

log = logging.getLogger(__name__)

WATCH_EVERY_S = 0.3  # a third of the promised second; reading one number costs about 20 µs


@dataclass(frozen=True, slots=True)
class Revocations:
    """What is refused at a moment."""

    disabled_users: frozenset[str] = frozenset()
    not_before: Mapping[str, float] = field(default_factory=dict)  # user -> tokens issued until then are refused
    revoked_devices: frozenset[str] = frozenset()
    new_devices: frozenset[str] = frozenset()  # linked after their user's `not_before`, perhaps in the same second
    revoked_tokens: frozenset[str] = frozenset()

    def refusal(self, principal: Principal) -> str:
        """Return why a principal is refused, or an empty string."""
        if principal.username in self.disabled_users:
            return "the account is disabled"
        if principal.device in self.revoked_devices:
            return "the device was revoked"
        if principal.token_id in self.revoked_tokens:
            return "the token was revoked"
        not_before = self.not_before.get(principal.username)
        # Tokens tell their time in whole seconds, so one of the same second is told apart by its device.
        if not_before is not None and principal.issued_at <= not_before and principal.device not in self.new_devices:
            return "signed out everywhere"
        return ""


class Authentication:
    """Tell who is behind a bearer token, and refuse the revoked. Fast: no file is read."""

    def __init__(self, tokens: Tokens, *, now: Callable[[], float]) -> None:
        self.tokens = tokens
        self.revocations = Revocations()
        self.seen: dict[
            str, float
        ] = {}  # devices that came by since the watcher last wrote it down, and when; at most all there are
        self._now = now

    def verify(self, token: str, *, issuer_required: bool = True) -> Principal:
        """Return who is behind a valid token. Raises `TokenRefused`."""
        principal = self._admitted(self.tokens.verify(token, now=self._now(), issuer_required=issuer_required))
        if principal.device:
            self.seen[principal.device] = self._now()
        return principal

    def verify_for_refresh(self, token: str) -> Principal:
        """Return who is behind a token that may be exchanged for a new one. Raises `TokenRefused`."""
        return self._admitted(self.tokens.verify_for_refresh(token, now=self._now()))

    def _admitted(self, principal: Principal) -> Principal:
        if refusal := self.revocations.refusal(principal):
            raise TokenRefused(refusal, "sign in again: analyst login")
        return principal


def read_revocations(database: Database) -> Revocations:
    """Read what is refused now."""
    users = database.rows(
        "SELECT name, disabled_at, tokens_not_before FROM users WHERE disabled_at IS NOT NULL OR tokens_not_before > 0"
    )
    return Revocations(
        disabled_users=frozenset(row["name"] for row in users if row["disabled_at"] is not None),
        not_before={row["name"]: row["tokens_not_before"] for row in users if row["tokens_not_before"]},
        revoked_devices=frozenset(
            row["id"] for row in database.rows("SELECT id FROM devices WHERE revoked_at IS NOT NULL")
        ),
        new_devices=frozenset(
            row["id"]
            for row in database.rows(
                """SELECT d.id FROM devices d JOIN users u ON u.name = d.user
                   WHERE u.tokens_not_before > 0 AND d.revoked_at IS NULL AND d.linked_at >= u.tokens_not_before"""
            )
        ),
        revoked_tokens=frozenset(row["id"] for row in database.rows("SELECT id FROM revoked_tokens")),
    )


def _write_seen(database: Database, seen: Mapping[str, float]) -> None:
    accounts = Accounts(database)
    with database.transaction():
        for device, at in seen.items():
            accounts.note_seen(device, now=at)


async def watch_revocations(
    database: Database, authentication: Authentication, on_change: Callable[[], None], *, every_s: float = WATCH_EVERY_S
) -> None:
    """Keep the copy fresh until cancelled; `on_change` is called on the loop after each change. The database is the watcher's own connection."""
    known: int | None = None
    while True:
        try:
            version = await database.run(database.version)
            if version != known:
                authentication.revocations = await database.run(read_revocations, database)
                known = version
                on_change()
            if authentication.seen:
                seen, authentication.seen = authentication.seen, {}
                await database.run(_write_seen, database, seen)
        except StoreUnavailable as unavailable:  # the copy stays as it is; the next round tries again
            log.warning("cannot look for revocations: %s", unavailable)
        await asyncio.sleep(every_s)
