"""The local inbox: everything this account has received, readable offline, shared by all running programs of the person.

SQLite in WAL mode, mode 0600. Any number of processes read and write at once: a writer waits for another up to 3 s, readers never wait. Events of
a server are applied once, however often and by however many processes they are received; their cursor is stored with them. An `Inbox` belongs to
one thread at a time.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from analyst_cli.client import inbox_marks
from analyst_cli.client.inbox_view import InboxView, plain_count
from analyst_cli.client.query import COLUMNS, row_of
from analyst_cli.client.rows import Applied, Filter, Marked, PendingMark, Row
from analyst_cli.client.schema import migrate
from analyst_cli.errors import LocalProblem, NotFound
from analyst_cli.paths import private_folder

if TYPE_CHECKING:  # 23 ms that offline commands do not pay
    from analyst_server.wire.messages import Cursor, Notification, StateChange

__all__ = ["Inbox"]

_BUSY_TIMEOUT_S = 3.0


class Inbox:
    """The store of one account. Raises `LocalProblem` when the file cannot be used, or is locked for more than 3 s."""

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time) -> None:
        """Open the store, and create it when it is not there; `:memory:` keeps nothing."""
        self.path = path
        self._clock = clock
        self._claimant = ""  # under which name this one claims marks; empty: it has claimed none
        with self._translated():
            if path != ":memory:":
                private_folder(Path(path).parent)
                # An existing file is not opened here: closing a descriptor of it would drop the locks of every connection to it that
                # this process has, and the next process to close it would delete the log under them (sqlite.org/howtocorrupt.html, 2.2).
                with suppress(FileExistsError):
                    if Path(path).is_symlink():
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            # NORMAL may lose the last commits with the power, never consistency; the cursor is lost with them, so the server sends them again
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA mmap_size = 268435456")
            migrate(self._db)

    def close(self) -> None:
        """Close the file. Marks that it was to send and that nobody has confirmed may be sent by another program at once."""
        with suppress(LocalProblem):  # who cannot say so is overtaken after some seconds
            if self._claimant and self.pending():
                with self._writing() as db:
                    inbox_marks.release(db, self._claimant)
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Reading

    def view(self, wanted: Filter | None = None) -> InboxView:
        """Return the list of a filter, newest first, to be read by index."""
        with self._translated():
            return InboxView(self._db, wanted or Filter(), now=self._clock(), translated=self._translated)

    def refresh(self, view: InboxView) -> None:
        """Bring a view up to date."""
        with self._translated():
            view.refresh(now=self._clock())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let everything that is read within be of one moment, whatever other processes store meanwhile; nests no other."""
        with self._translated():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            if self._db.in_transaction:
                self._db.execute("COMMIT")  # of reading alone: nothing that could fail

    def row(self, id_: str) -> Row | None:
        """Return the row of one notification, wherever it is listed; None when there is none."""
        return next(iter(self._rows("n.id = ?", id_)), None)

    def get(self, id_: str) -> "Notification":
        """Return a whole notification as it was received. Raises `NotFound`."""
        import msgspec  # noqa: PLC0415

        from analyst_server.wire.messages import Notification  # noqa: PLC0415 - see TYPE_CHECKING above

        with self._translated():
            found = self._db.execute("SELECT body FROM notification WHERE id = ?", (id_,)).fetchone()
        if found is None:
            raise NotFound(f"there is no notification {id_!r}", "see the ids with: analyst list")
        return msgspec.json.decode(found[0], type=Notification)

    def resolve(self, typed: str) -> str:
        """Return the id that a person means: the id, its unique beginning, the number that `list` shows, or `last`. Raises `NotFound`."""
        with self._translated():
            if typed == "last":
                found = self._db.execute("SELECT id FROM notification ORDER BY pos DESC LIMIT 1").fetchall()
            else:
                found = self._db.execute("SELECT id FROM notification WHERE id = ?", (typed,)).fetchall()
                number = typed.removeprefix("#")
                if not found and number.isascii() and number.isdigit() and len(number) < 19:
                    found = self._db.execute("SELECT id FROM notification WHERE pos = ?", (int(number),)).fetchall()
                if not found and typed:
                    ahead = "SELECT id FROM notification WHERE id >= ? AND id < ? LIMIT 2"
                    found = self._db.execute(ahead, (typed, typed + "\U0010ffff")).fetchall()
        if len(found) > 1:
            raise NotFound(f"several notifications begin with {typed!r}", "type more of the id")
        if not found:
            raise NotFound(f"there is no notification {typed!r}", "see the ids with: analyst list")
        return str(found[0][0])

    def ids_beginning(self, prefix: str, *, limit: int) -> list[tuple[str, str]]:
        """Return ids that begin so, with their titles, newest first; for completion."""
        with self._translated():
            ahead = "SELECT id, title FROM notification WHERE id >= ? AND id < ? ORDER BY pos DESC LIMIT ?"
            found = self._db.execute(ahead, (prefix, prefix + "\U0010ffff", limit))
            return [(str(id_), str(title)) for id_, title in found]

    def message_of(self, id_: str) -> str:
        """Return the whole message of a notification; empty when there is none."""
        with self._translated():
            found = self._db.execute("SELECT message FROM notification WHERE id = ?", (id_,)).fetchone()
        return "" if found is None else str(found[0])

    def prune(self, keep: int) -> int:
        """Forget the oldest notifications beyond so many; return how many. What is still to be sent stays."""
        from analyst_cli.client import inbox_apply  # noqa: PLC0415

        with self._writing() as db:
            return inbox_apply.prune(db, keep)

    def damage(self) -> str:
        """Check the file's structure; return what is wrong with it, or an empty string."""
        with self._translated():
            found = str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
        return "" if found == "ok" else found

    def repeats_of(self, id_: str, *, limit: int = 100) -> list[Row]:
        """Return the notifications that the line of `id_` stands for, itself first."""
        with self._translated():
            ids = inbox_marks.with_repeats(self._db, [id_])
        return [row for one in ids[:limit] if (row := self.row(one)) is not None]

    def unread_count(self) -> int:
        """Count the lines of the inbox that are unread and not snoozed."""
        with self._translated():
            return plain_count(self._db, unread=True, now=self._clock())

    def newest(self, *, unread: bool = True) -> Row | None:
        """Return the newest line of the inbox, or the newest unread one."""
        narrowed = " AND n.is_read = 0" if unread else ""
        sql = f"n.head = 1 AND n.archived = 0{narrowed} AND (n.snoozed_until IS NULL OR n.snoozed_until <= ?)"
        return next(iter(self._rows(sql, self._clock(), tail="ORDER BY n.pos DESC LIMIT 1")), None)

    def newest_pos(self) -> int:
        """Return the `pos` of the newest arrival; 0 when there is none."""
        with self._translated():
            return int(self._db.execute("SELECT coalesce(max(pos), 0) FROM notification").fetchone()[0])

    def arrived_after(
        self, pos: int, *, upto: int | None = None, but: tuple[int, int] = (0, 0), limit: int = 1_000
    ) -> list[Row]:
        """Return what has arrived after `pos` and was never here before, oldest first, by whichever process it was stored.

        What stands in the server's log after `but[0]` and not after `but[1]` is left out.
        """
        last = 1 << 62 if upto is None else upto
        where = "n.pos > ? AND n.pos <= ? AND n.held = 0 AND NOT coalesce(n.seq > ? AND n.seq <= ?, 0)"
        return self._rows(where, pos, last, *but, tail=f"ORDER BY n.pos LIMIT {limit}")

    def missed_after(self, pos: int, *, upto: int, seqs: tuple[int, int], limit: int = 1_000) -> tuple[int, list[Row]]:
        """Count what has arrived after `pos`, is still unread, and stands in the server's log after `seqs[0]` and not after `seqs[1]`.

        Return the count, and the latest of the rows, oldest first.
        """
        where = (
            "n.pos > ? AND n.pos <= ? AND n.held = 0 AND n.is_read = 0 AND n.archived = 0 AND n.seq > ? AND n.seq <= ?"
        )
        with self._translated():
            counted = f"SELECT count(*) FROM notification n WHERE {where}"  # noqa: S608 - constants
            count = int(self._db.execute(counted, (pos, upto, *seqs)).fetchone()[0])
        return count, self._rows(where, pos, upto, *seqs, tail=f"ORDER BY n.pos DESC LIMIT {limit}")[::-1]

    def scripts(self) -> list[str]:
        """Return the names of the scripts that are known here, sorted."""
        return self._distinct("script", "notification")

    def tags(self) -> list[str]:
        """Return the tags that are known here, sorted."""
        return self._distinct("tag", "tag")

    def next_snooze_end(self) -> float | None:
        """Return when the next snoozed one is due (Unix seconds), so that a list can be refreshed then; None when nothing is snoozed."""
        with self._translated():
            due = "SELECT min(snoozed_until) FROM notification WHERE snoozed_until > ? AND head = 1 AND archived = 0"
            found = self._db.execute(due, (self._clock(),)).fetchone()[0]
        return None if found is None else float(found)

    def revision(self) -> tuple[int, int]:
        """Return a value that is another one after any change of the store, by this or another process; microseconds."""
        with self._translated():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0]), self._db.total_changes

    # Events of a server

    def cursor(self) -> "Cursor | None":
        """Return how far this inbox has come in the server's log; None: it has met no log yet."""
        from analyst_cli.client import inbox_apply  # noqa: PLC0415 - with msgspec, 15 ms that reading does not need
        from analyst_server.wire.messages import Cursor  # noqa: PLC0415

        with self._translated():
            found = inbox_apply.cursor_of(self._db)
        return None if found is None else Cursor(*found)

    def apply(self, events: "Sequence[Notification | StateChange]", *, cursor: "Cursor | None") -> Applied:
        """Store events and the cursor after them in one transaction; what is here already changes nothing.

        `cursor` is None with a gateway without a log. Raises `StaleEpoch` when another process has met a newer log meanwhile.
        """
        from analyst_cli.client import inbox_apply  # noqa: PLC0415

        with self._writing() as db:
            return inbox_apply.apply(db, events, cursor=cursor, now=self._clock())

    def replace(self, snapshot: "Sequence[Notification]", *, cursor: "Cursor", sent: "Cursor | None") -> Applied:
        """Replace everything by a snapshot (oldest first); keep everything when another process has done so since `sent` was the cursor."""
        from analyst_cli.client import inbox_apply  # noqa: PLC0415

        with self._writing() as db:
            return inbox_apply.replace(db, snapshot, cursor=cursor, sent=sent, now=self._clock())

    # Marks

    def mark(self, ids: Sequence[str], state: str, *, until: float | None = None, repeats: bool = True) -> Marked:
        """Change the state here at once and queue it for the server; `repeats` includes what a collapsed line stands for.

        States as on the wire; "snoozed" needs `until` (Unix seconds). Marking twice is harmless.
        """
        with self._writing() as db:
            return inbox_marks.mark(db, ids, state, until=until, repeats=repeats)

    def undo(self, token: str) -> Marked:
        """Take back what `mark` did, here and on the server; `ids` are those that could be taken back."""
        with self._writing() as db:
            return inbox_marks.undo(db, token, now=self._clock())

    def pending(self) -> list[PendingMark]:
        """Return the marks that the server has not confirmed, in the order they were made."""
        with self._translated():
            return inbox_marks.pending(self._db)

    def sending(self, refs: Sequence[str]) -> list[PendingMark]:
        """Claim marks and note that they go on their way: return those that are to be sent here, in the order they were made.

        What was taken back is not among them; from now on undoing them needs a mark of its own. Neither is what another program is just sending,
        nor what was made after that: it can be claimed when that one is confirmed, or when its sender is closed or stays silent for 10 s.
        """
        self._claimant = self._claimant or inbox_marks.new_token()
        with self._writing() as db:
            return inbox_marks.sending(db, refs, self._claimant, now=self._clock())

    def confirmed(self, ref: str, seq: int, *, epoch: str | None = None) -> None:
        """Note that a mark is in the server's log at `seq`; of a log that is not followed any more (`epoch`) it says nothing."""
        with self._writing() as db:
            inbox_marks.confirmed(db, ref, seq, epoch)

    def refused(self, ref: str, unknown: Sequence[str]) -> None:
        """Take back a mark that the server refuses; with `unknown` ids, what remains of it is queued again."""
        with self._writing() as db:
            inbox_marks.refused(db, ref, unknown)

    def settle_pending(self) -> None:
        """Consider all marks done: the gateway has no log to keep them (protocol 1)."""
        with self._writing() as db:
            inbox_marks.settle_all(db)

    def _rows(self, where: str, *params: object, tail: str = "") -> list[Row]:
        with self._translated():
            found = self._db.execute(f"SELECT {COLUMNS} FROM notification n WHERE {where} {tail}", params)  # noqa: S608
            return [row_of(columns) for columns in found]

    def _distinct(self, column: str, table: str) -> list[str]:
        """Return the values of an indexed column, at most 1,000: hops over the index instead of walking it."""
        hop = (
            f"WITH RECURSIVE known(value) AS (SELECT min({column}) FROM {table} WHERE {column} > ''"  # noqa: S608 - constants
            f" UNION ALL SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM known WHERE value IS NOT NULL)"
            " SELECT value FROM known WHERE value IS NOT NULL LIMIT 1000"
        )
        with self._translated():
            return [str(value) for (value,) in self._db.execute(hop)]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise LocalProblem(
                    f"the local inbox {self.path} is locked by another process",
                    "try again, or end the process that holds it",
                ) from error
            raise LocalProblem(f"the local inbox {self.path} cannot be used: {error}", "run: analyst doctor") from error
        except sqlite3.DatabaseError as error:
            raise LocalProblem(
                f"the local inbox {self.path} is damaged: {error}",
                "move the file away; the server sends what it still keeps",
            ) from error
        except OSError as error:
            raise LocalProblem(
                f"the local inbox {self.path} cannot be opened: {error.strerror}", "check its owner and rights"
            ) from error
