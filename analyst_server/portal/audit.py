"""The audit log: who signed in, linked, revoked and dispatched from afar, and from where. It holds no secret."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyst_server.portal.database import Database
from analyst_server.wire.inert import inert_line

__all__ = ["ADMINISTRATOR", "AuditLine", "By", "audit_lines", "prune_audit", "record"]

KEPT_S = 400 * 86_400  # a little over a year
MAX_DETAIL_CHARS = 300


@dataclass(frozen=True, slots=True)
class By:
    """Who does something: a user's name, `administrator`, or `publisher <name>`, and the network address it came from."""

    actor: str
    address: str = ""


ADMINISTRATOR = By("administrator")  # somebody who can write the data folder


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the log."""

    id: int
    at: float
    action: str
    user: str
    actor: str
    address: str
    detail: str


def record(database: Database, action: str, user: str, *, now: float, by: By, detail: str = "") -> None:
    """Add a line; to be called inside the transaction that does what the line tells."""
    database.execute(
        "INSERT INTO audit(at, action, user, actor, address, detail) VALUES (?, ?, ?, ?, ?, ?)",
        *(now, action, user, by.actor, by.address, inert_line(detail)[:MAX_DETAIL_CHARS]),
    )


def audit_lines(database: Database, *, user: str | None = None, limit: int = 100) -> Sequence[AuditLine]:
    """Return the newest lines (about one user, if given), newest first."""
    rows = database.rows(  # a dispatch names several, divided by a comma
        "SELECT * FROM audit WHERE ?1 IS NULL OR instr(', ' || user || ', ', ', ' || ?1 || ', ') ORDER BY id DESC LIMIT ?2",
        *(user, limit),
    )
    return [AuditLine(**dict(row)) for row in rows]


def prune_audit(database: Database, *, now: float) -> None:
    """Forget what is older than a year and a month."""
    database.execute("DELETE FROM audit WHERE at < ?", now - KEPT_S)
