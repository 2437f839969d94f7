"""One-time codes and device codes in the database (section 2.7 of the protocol); `identity.grants` has the rules."""

from dataclasses import dataclass

from analyst_server.identity.grants import (
    CODE_LIFETIME_S,
    DEVICE_CODE_LIFETIME_S,
    POLL_INTERVAL_S,
    DeviceGrant,
    PollAnswer,
    digest,
    new_secret_text,
    new_user_code,
    poll_answer,
    verifier_matches,
)
from analyst_server.portal.database import Database

__all__ = ["Codes", "NewDeviceCode", "Redeemed", "Replayed"]

MAX_PENDING_DEVICE_CODES = 10_000  # anyone may ask for one: a flood must not fill the disk


@dataclass(frozen=True, slots=True)
class Redeemed:
    """For whom a code was redeemed, and on which device (its name)."""

    username: str
    device: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A code came a second time: the token that it gave is in doubt (RFC 6749 section 4.1.2)."""

    username: str
    token_id: str


@dataclass(frozen=True, slots=True)
class NewDeviceCode:
    """What the client is told, once."""

    device_code: str
    user_code: str
    expires_in_s: int = DEVICE_CODE_LIFETIME_S
    interval_s: int = POLL_INTERVAL_S


class Codes:
    """Hand out and redeem codes; each works once, however many ask at the same time."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def new_code(self, user: str, *, device: str, challenge: str, now: float) -> str:
        """Return a code that whoever has the verifier of this challenge can redeem within a minute."""
        code = new_secret_text()
        with self._db.transaction():
            self._db.execute("DELETE FROM codes WHERE expires_at < ?", now - 3_600)  # kept a while, to notice replays
            self._db.execute(
                "INSERT INTO codes VALUES (?, ?, ?, ?, ?, NULL)",
                digest(code),
                user,
                device,
                challenge,
                now + CODE_LIFETIME_S,
            )
        return code

    def redeem(self, code: str, verifier: str, *, token_id: str, now: float) -> Redeemed | Replayed | None:
        """Redeem a code for the token of this id; None when it is unknown, expired or the verifier is another's, and then it is used up."""
        with self._db.transaction():
            row = self._db.row("SELECT * FROM codes WHERE digest = ?", digest(code))
            if row is None:
                return None
            if row["token_id"] is not None:
                return Replayed(row["user"], row["token_id"])
            fits = verifier_matches(verifier, row["challenge"]) and now < row["expires_at"]
            self._db.execute("UPDATE codes SET token_id = ? WHERE digest = ?", token_id if fits else "", digest(code))
            return Redeemed(row["user"], row["device"]) if fits else None

    def new_device_code(self, device: str, *, now: float) -> NewDeviceCode | None:
        """Return a new pair of codes; None while too many wait."""
        new = NewDeviceCode(new_secret_text(), new_user_code())
        with self._db.transaction():
            self._db.execute("DELETE FROM device_codes WHERE expires_at < ?", now)
            waiting = self._db.row("SELECT count(*) AS n FROM device_codes")
            if waiting is not None and waiting["n"] >= MAX_PENDING_DEVICE_CODES:
                return None
            self._db.execute(
                "INSERT INTO device_codes(digest, user_code, device, expires_at, interval_s) VALUES (?, ?, ?, ?, ?)",
                *(digest(new.device_code), digest(new.user_code), device, now + new.expires_in_s, new.interval_s),
            )
        return new

    def device_of_user_code(self, user_code: str, *, now: float) -> str | None:
        """Return the name of the device that waits with this code, or None when none does."""
        row = self._db.row(
            "SELECT device FROM device_codes WHERE user_code = ? AND expires_at > ? AND user IS NULL AND denied = 0",
            *(digest(user_code), now),
        )
        return row["device"] if row else None

    def decide(self, user_code: str, user: str, *, approved: bool, now: float) -> bool:
        """Approve or deny a waiting device code as a user; tell whether one was waiting."""
        with self._db.transaction():
            changed = self._db.execute(
                """UPDATE device_codes SET user = ?, denied = ?
                   WHERE user_code = ? AND expires_at > ? AND user IS NULL AND denied = 0""",
                *(user if approved else None, not approved, digest(user_code), now),
            )
        return changed == 1

    def poll(self, device_code: str, *, now: float) -> PollAnswer | Redeemed:
        """Answer a client's poll; an approved code is redeemed by it, once."""
        with self._db.transaction():
            row = self._db.row("SELECT * FROM device_codes WHERE digest = ?", digest(device_code))
            if row is None:
                return PollAnswer.EXPIRED
            grant = DeviceGrant(
                row["device"],
                row["expires_at"],
                row["interval_s"],
                row["last_poll_at"],
                row["user"],
                bool(row["denied"]),
            )
            answer = poll_answer(grant, now=now)
            if answer is PollAnswer.APPROVED:
                self._db.execute("DELETE FROM device_codes WHERE digest = ?", digest(device_code))
                return Redeemed(row["user"], grant.device)
            slower_s = 5 if answer is PollAnswer.SLOW_DOWN else 0  # RFC 8628 section 3.5
            self._db.execute(
                "UPDATE device_codes SET last_poll_at = ?, interval_s = interval_s + ? WHERE digest = ?",
                *(now, slower_s, digest(device_code)),
            )
            return answer
