"""What the runner knows: every run, the health of every script, what waits for the gateway. One SQLite file, 0600, several processes at once.

Blocking and safe from several threads. Each method is one transaction, so a crash leaves the state before it or after it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analyst_server.runner.failures import Health
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.side_file import SideFile

__all__ = ["History", "WaitingAlert"]

# a clock set back by more was wrong before, as cron(8) has it: its due times count for nothing
CLOCK_CORRECTED_S = 3 * 3_600.0
KEPT_RUNS = 2_000  # of each script: a week at one every 5 minutes

_MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, stem TEXT NOT NULL, script TEXT NOT NULL, trigger TEXT NOT NULL, started_at REAL NOT NULL,
        outcome TEXT NOT NULL, reason TEXT NOT NULL, duration_s REAL NOT NULL, exit_code INTEGER, cooldown_until REAL,
        due_at REAL, missed INTEGER NOT NULL, title TEXT NOT NULL, message TEXT NOT NULL, status TEXT NOT NULL,
        notification_id TEXT NOT NULL, stderr_tail TEXT NOT NULL, content_hash TEXT NOT NULL, warnings TEXT NOT NULL);
    CREATE INDEX runs_of_script ON runs (stem, started_at);
    CREATE TABLE scripts (
        stem TEXT PRIMARY KEY, considered_until REAL, failing_since REAL, told_failing_at REAL, last_told_at REAL,
        told_overdue_for REAL, held_back INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE waiting (stem TEXT PRIMARY KEY, run_id TEXT NOT NULL, since REAL NOT NULL, notification TEXT NOT NULL);
    CREATE TABLE beats (name TEXT PRIMARY KEY, at REAL NOT NULL);
    """,
    """
    DROP TABLE waiting;
    CREATE TABLE waiting (
        stem TEXT PRIMARY KEY, run_id TEXT NOT NULL, since REAL NOT NULL, notification TEXT NOT NULL, cooldown_s REAL NOT NULL);
    """,
)
_FORGET = """
    DELETE FROM runs WHERE stem = ? AND started_at <
        (SELECT started_at FROM runs WHERE stem = ? ORDER BY started_at DESC LIMIT 1 OFFSET ?)
"""
_WAITING = "stem, run_id, since, notification, cooldown_s"
_COLUMNS = tuple(RunRecord.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class WaitingAlert:
    """An alert that the gateway has not got yet; the newest of its script."""

    stem: str
    run_id: str
    since: float
    notification: dict[str, Any]
    cooldown_s: float  # begins when the gateway has it; 0: none begins


class History:
    """The runner's memory, see the module."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises `StoreUnavailable`."""
        self._file = SideFile(path, "the history", _MIGRATIONS, synchronous="NORMAL")

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def put(self, record: RunRecord) -> None:
        """Store a run, or what became of it."""
        values = {**asdict(record), "warnings": json.dumps(record.warnings)}
        marks = ", ".join(f":{column}" for column in _COLUMNS)
        with self._file.transaction() as db:
            db.execute(f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608 - names of our own
            db.execute(_FORGET,
                       (record.stem, record.stem, KEPT_RUNS))  # fmt: skip

    def runs(self, stem: str = "", *, limit: int = 20) -> list[RunRecord]:
        """Return the latest runs, newest first; of all scripts without a name."""
        with self._file.transaction() as db:
            rows = db.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE ? IN ('', stem) ORDER BY started_at DESC, rowid DESC LIMIT ?",  # noqa: S608
                (stem, limit),
            ).fetchall()
        return [_record(row) for row in rows]

    def last_sent_status(self, stem: str) -> str | None:
        """Return the `status` of the script's last alert that the gateway got; None when there was none."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT status FROM runs WHERE stem = ? AND outcome = 'sent' ORDER BY started_at DESC LIMIT 1", (stem,)
            ).fetchone()
        return row[0] if row else None

    def interrupt_unfinished(self, stem: str) -> None:
        """Say of runs without an end that they were interrupted; only for who holds the script's lock."""
        with self._file.transaction() as db:
            db.execute("UPDATE runs SET outcome = ?, reason = 'the runner ended in the middle of it' WHERE stem = ? AND outcome = ?",
                       (Outcome.INTERRUPTED, stem, Outcome.RUNNING))  # fmt: skip

    def considered_until(self, stem: str, *, now: float) -> float:
        """Return up to when the script's due times have been dealt with; `now` for one that is new, or was seen by a wrong clock."""
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO scripts (stem, considered_until) VALUES (?, ?)", (stem, now))
            (until,) = db.execute("SELECT considered_until FROM scripts WHERE stem = ?", (stem,)).fetchone()
            known = until is not None and until <= now + CLOCK_CORRECTED_S
            if not known:
                db.execute("UPDATE scripts SET considered_until = ? WHERE stem = ?", (now, stem))
        return float(until) if known else now

    def consider(self, stem: str, *, until: float) -> None:
        """Remember that due times up to this one have been dealt with."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO scripts (stem, considered_until) VALUES (?1, ?2) ON CONFLICT (stem) DO UPDATE SET considered_until = ?2",
                (stem, until),
            )

    def health(self, stem: str) -> Health:
        """Return what is known of a script between runs."""
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT failing_since, told_failing_at, last_told_at, told_overdue_for FROM scripts WHERE stem = ?",
                (stem,),
            ).fetchone()
        return Health(*row) if row else Health()

    def set_health(self, stem: str, health: Health) -> None:
        """Remember what is known of a script."""
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO scripts (stem) VALUES (?)", (stem,))
            db.execute("UPDATE scripts SET failing_since = ?, told_failing_at = ?, last_told_at = ?, told_overdue_for = ? WHERE stem = ?",
                       (health.failing_since, health.told_failing_at, health.last_told_at, health.told_overdue_for, stem))  # fmt: skip

    def hold_back(self, stem: str) -> int:
        """Count one more alert that the cooldown held back; return how many since the last one that was sent."""
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO scripts (stem) VALUES (?)", (stem,))
            (count,) = db.execute(
                "UPDATE scripts SET held_back = held_back + 1 WHERE stem = ? RETURNING held_back", (stem,)
            ).fetchone()
        return int(count)

    def take_held_back(self, stem: str, *, reset: bool) -> int:
        """Return how many alerts the cooldown has held back since the last one; and begin to count anew."""
        with self._file.transaction() as db:
            row = db.execute("SELECT held_back FROM scripts WHERE stem = ?", (stem,)).fetchone()
            if reset:
                db.execute("UPDATE scripts SET held_back = 0 WHERE stem = ?", (stem,))
        return int(row[0]) if row else 0

    def wait(self, alert: WaitingAlert) -> WaitingAlert | None:
        """Keep an alert until the gateway is back, in the place of an older one of the same script, which counts as held back; return that."""
        with self._file.transaction() as db:
            older = db.execute(f"SELECT {_WAITING} FROM waiting WHERE stem = ?", (alert.stem,)).fetchone()  # noqa: S608 - columns of our own
            db.execute(
                "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)",
                (alert.stem, alert.run_id, alert.since, json.dumps(alert.notification), alert.cooldown_s),
            )
            if older is None:
                return None
            db.execute("UPDATE runs SET outcome = ?, reason = 'a later alert took its place while the gateway was away' WHERE id = ?",
                       (Outcome.REPLACED, older[1]))  # fmt: skip
            db.execute("INSERT OR IGNORE INTO scripts (stem) VALUES (?)", (alert.stem,))
            db.execute("UPDATE scripts SET held_back = held_back + 1 WHERE stem = ?", (alert.stem,))
        return _waiting_alert(older)

    def waiting(self) -> list[WaitingAlert]:
        """Return what waits for the gateway, oldest first."""
        with self._file.transaction() as db:
            rows = db.execute(f"SELECT {_WAITING} FROM waiting ORDER BY since").fetchall()  # noqa: S608 - columns of our own
        return [_waiting_alert(row) for row in rows]

    def waited(
        self, alert: WaitingAlert, *, outcome: Outcome, reason: str, cooldown_until: float | None = None
    ) -> None:
        """Say what became of an alert that waited; a newer one that took its place stays."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM waiting WHERE stem = ? AND run_id = ?", (alert.stem, alert.run_id))
            db.execute("UPDATE runs SET outcome = ?, reason = ?, cooldown_until = ?, notification_id = ? WHERE id = ?",
                       (outcome, reason, cooldown_until, str(alert.notification.get("id", "")), alert.run_id))  # fmt: skip

    def beat(self, name: str, *, now: float) -> None:
        """Leave a sign of life of the runner."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO beats VALUES (?, ?)", (name, now))

    def last_beat(self) -> float | None:
        """Return when a runner last showed a sign of life; None: never."""
        with self._file.transaction() as db:
            (at,) = db.execute("SELECT max(at) FROM beats").fetchone()
        return None if at is None else float(at)


def _waiting_alert(row: tuple[Any, ...]) -> WaitingAlert:
    stem, run_id, since, notification, cooldown_s = row
    return WaitingAlert(stem, run_id, since, json.loads(notification), cooldown_s)


def _record(row: tuple[Any, ...]) -> RunRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["trigger"] = Trigger(values["trigger"])
    values["outcome"] = Outcome(values["outcome"])
    values["warnings"] = tuple(json.loads(values["warnings"]))
    return RunRecord(**values)
