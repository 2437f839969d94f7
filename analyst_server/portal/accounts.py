"""Who may use this server and with which devices: users, their identities at sign-in providers, invitations, devices.

Used by the portal (in the database's thread) and by `analyst gateway invite|users|devices|revoke` (directly). Times are Unix seconds and come as
arguments. Every method that changes something writes its own line of the audit log in the same transaction.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from analyst_server.errors import RequestRefused, TokenRefused
from analyst_server.identity.grants import INVITE_LIFETIME_S, digest, new_secret_text, username_problem
from analyst_server.portal.audit import By, record
from analyst_server.portal.database import Database

__all__ = ["Accounts", "DeviceRecord", "IdentityClaim", "UserRecord"]

SEEN_EVERY_S = 60.0  # how exact "last seen" is: a write a minute and device at most


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person who may use this server."""

    name: str
    created_at: float
    disabled_at: float | None
    email: str  # of the newest identity; empty: none
    devices: int


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device that receives a person's notifications."""

    id: str
    user: str
    name: str
    linked_at: float
    last_seen_at: float
    revoked_at: float | None


class IdentityClaim(NamedTuple):
    """What a provider has verified of a person."""

    issuer: str
    subject: str
    email: str
    username: str  # the name that the settings derive from it


class Accounts:
    """Users, identities, invitations and devices of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # Users

    def user_is_welcome(self, name: str) -> bool:
        """Tell whether a user exists and is not disabled."""
        return self._db.row("SELECT 1 FROM users WHERE name = ? AND disabled_at IS NULL", name) is not None

    def users(self) -> list[UserRecord]:
        """Return all users by name."""
        rows = self._db.rows(
            """SELECT name, created_at, disabled_at,
                 coalesce((SELECT email FROM identities i WHERE i.user = name ORDER BY created_at DESC LIMIT 1), '') AS email,
                 (SELECT count(*) FROM devices d WHERE d.user = name AND d.revoked_at IS NULL) AS devices
               FROM users ORDER BY name"""
        )
        return [UserRecord(**dict(row)) for row in rows]

    def ensure_user(self, name: str, *, now: float, by: By) -> None:
        """Make a user who does not exist yet. Raises `RequestRefused` for what cannot be a name."""
        if problem := username_problem(name):
            raise RequestRefused(f"{name!r} cannot be a user", problem)
        with self._db.transaction():
            self._make_user(name, now=now, by=by)

    def set_disabled(self, name: str, *, disabled: bool, now: float, by: By) -> None:
        """Shut a user out, with all devices, tokens and sessions, or let them in again. Raises `RequestRefused` for an unknown one."""
        with self._db.transaction():
            self._known_user(name)
            self._db.execute("UPDATE users SET disabled_at = ? WHERE name = ?", now if disabled else None, name)
            record(self._db, "user disabled" if disabled else "user enabled", name, now=now, by=by)
            if disabled:
                self._sign_out_everywhere(name, now=now)

    def expect_identity(self, name: str, email: str, *, now: float, by: By) -> None:
        """Let the next sign-in with this verified e-mail address become this user, who was made by invitation."""
        with self._db.transaction():
            self._known_user(name)
            self._db.execute("UPDATE users SET expected_email = ? WHERE name = ?", email.lower(), name)
            record(self._db, "identity expected", name, now=now, by=by, detail=email)

    # Sign-in

    def invite(self, name: str, *, now: float, by: By, lifetime_s: float = INVITE_LIFETIME_S) -> str:
        """Return the secret of a new one-time invitation of a user, who is made if missing. Raises `RequestRefused`."""
        self.ensure_user(name, now=now, by=by)
        secret = new_secret_text()
        with self._db.transaction():
            self._db.execute("DELETE FROM invites WHERE expires_at < ?", now)
            self._db.execute(
                "INSERT INTO invites VALUES (?, ?, ?, ?, NULL)", digest(secret), name, now, now + lifetime_s
            )
            record(self._db, "invited", name, now=now, by=by)
        return secret

    def invited_user(self, secret: str, *, now: float) -> str | None:
        """Return whom an invitation is for while it can be used, without using it."""
        row = self._db.row(
            """SELECT i.user FROM invites i JOIN users u ON u.name = i.user
               WHERE digest = ? AND used_at IS NULL AND expires_at > ? AND u.disabled_at IS NULL""",
            digest(secret),
            now,
        )
        return row["user"] if row else None

    def redeem_invite(self, secret: str, *, now: float, by: By) -> str | None:
        """Use an invitation up and return whom it is for; None when it is used, expired or unknown."""
        with self._db.transaction():
            user = self.invited_user(secret, now=now)
            if user is not None:
                self._db.execute("UPDATE invites SET used_at = ? WHERE digest = ?", now, digest(secret))
                record(self._db, "signed in", user, now=now, by=by, detail="invitation")
            return user

    def user_of_identity(self, claim: IdentityClaim, *, now: float, by: By) -> str:
        """Return the user of a verified identity, making one at the first sign-in. Raises `TokenRefused` for a disabled user or a taken name."""
        with self._db.transaction():
            known = self._db.row(
                "SELECT user FROM identities WHERE issuer = ? AND subject = ?", claim.issuer, claim.subject
            )
            user = known["user"] if known else self._first_sign_in(claim, now=now, by=by)
            if not self.user_is_welcome(user):
                raise TokenRefused(f"the account {user} is disabled", "ask the administrator")
            record(self._db, "signed in", user, now=now, by=by, detail=claim.issuer)
            return str(user)

    def _first_sign_in(self, claim: IdentityClaim, *, now: float, by: By) -> str:
        expected = self._db.row("SELECT name FROM users WHERE expected_email = ?", claim.email.lower())
        user = expected["name"] if expected else claim.username
        if expected is None and self._db.row("SELECT 1 FROM users WHERE name = ?", user) is not None:
            # Never hand an account to whoever has the same name elsewhere: the identity is issuer and subject, not the name.
            raise TokenRefused(
                f"the name {user} is taken by another account",
                f"an administrator can connect it: analyst gateway users --connect {user} {claim.email}",
            )
        self._make_user(user, now=now, by=by)
        self._db.execute("UPDATE users SET expected_email = NULL WHERE name = ?", user)
        self._db.execute(
            "INSERT INTO identities VALUES (?, ?, ?, ?, ?)", claim.issuer, claim.subject, user, claim.email, now
        )
        record(self._db, "identity connected", user, now=now, by=by, detail=f"{claim.issuer} {claim.email}")
        return user

    # Devices

    def link_device(self, user: str, name: str, *, now: float, by: By) -> str:
        """Return the id of the user's device of this name, which is made if missing or revoked."""
        name = name or "desktop app"
        with self._db.transaction():
            row = self._db.row("SELECT id FROM devices WHERE user = ? AND name = ? AND revoked_at IS NULL", user, name)
            device = row["id"] if row else "d-" + secrets.token_hex(6)
            self._db.execute(
                """INSERT INTO devices VALUES (?, ?, ?, ?, ?, NULL)
                   ON CONFLICT(id) DO UPDATE SET linked_at = excluded.linked_at, last_seen_at = excluded.last_seen_at""",
                *(device, user, name, now, now),
            )
            record(self._db, "device linked", user, now=now, by=by, detail=f"{device} {name}")
        return str(device)

    def devices(self, user: str | None = None, *, with_revoked: bool = False) -> list[DeviceRecord]:
        """Return a user's devices (everybody's for None), the one seen last first."""
        rows = self._db.rows(
            """SELECT * FROM devices WHERE (user = ?1 OR ?1 IS NULL) AND (revoked_at IS NULL OR ?2)
               ORDER BY last_seen_at DESC, id""",
            user,
            with_revoked,
        )
        return [DeviceRecord(**dict(row)) for row in rows]

    def note_seen(self, device: str, *, now: float) -> None:
        """Remember that a device was here, to the minute."""
        self._db.execute(
            "UPDATE devices SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?", now, device, now - SEEN_EVERY_S
        )

    # Revocation

    def revoke_device(self, user: str | None, device: str, *, now: float, by: By) -> bool:
        """Revoke a device (of this user, if given); tell whether there was one. A device of somebody else is one that does not exist."""
        with self._db.transaction():
            row = self._db.row(
                "SELECT user, name FROM devices WHERE id = ?1 AND (user = ?2 OR ?2 IS NULL) AND revoked_at IS NULL",
                device,
                user,
            )
            if row is None:
                return False
            self._db.execute("UPDATE devices SET revoked_at = ? WHERE id = ?", now, device)
            record(self._db, "device revoked", row["user"], now=now, by=by, detail=f"{device} {row['name']}")
            return True

    def revoke_token(self, user: str, token_id: str, *, now: float, by: By) -> None:
        """Revoke one token by its id, for ever."""
        with self._db.transaction():
            self._db.execute("INSERT OR IGNORE INTO revoked_tokens VALUES (?, ?, ?)", token_id, user, now)
            record(self._db, "token revoked", user, now=now, by=by, detail=token_id)

    def sign_out(self, user: str, live_id: str, *, now: float, by: By) -> None:
        """End the short tokens of a browser's session; they live minutes, so their revocation is forgotten after an hour."""
        with self._db.transaction():
            self._db.execute("DELETE FROM revoked_tokens WHERE id LIKE 'web-%' AND at < ?", now - 3_600)
            self._db.execute("INSERT OR IGNORE INTO revoked_tokens VALUES (?, ?, ?)", live_id, user, now)
            record(self._db, "signed out", user, now=now, by=by)

    def sign_out_everywhere(self, user: str, *, now: float, by: By) -> None:
        """End all sessions, devices and tokens of a user; the next sign-in starts anew. Raises `RequestRefused` for an unknown user."""
        with self._db.transaction():
            self._known_user(user)
            self._sign_out_everywhere(user, now=now)
            record(self._db, "signed out everywhere", user, now=now, by=by)

    def _sign_out_everywhere(self, user: str, *, now: float) -> None:
        self._db.execute("UPDATE users SET tokens_not_before = ? WHERE name = ?", now, user)
        self._db.execute("UPDATE devices SET revoked_at = ? WHERE user = ? AND revoked_at IS NULL", now, user)
        for table in ("sessions", "codes", "device_codes", "invites"):
            self._db.execute(f"DELETE FROM {table} WHERE user = ?", user)  # noqa: S608 - names from the line above

    def _known_user(self, name: str) -> sqlite3.Row:
        row = self._db.row("SELECT * FROM users WHERE name = ?", name)
        if row is None:
            raise RequestRefused(f"there is no user {name!r}", "analyst gateway users lists them")
        return row

    def _make_user(self, name: str, *, now: float, by: By) -> None:
        if self._db.execute("INSERT OR IGNORE INTO users(name, created_at) VALUES (?, ?)", name, now):
            record(self._db, "user made", name, now=now, by=by)
