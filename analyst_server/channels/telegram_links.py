"""Who has linked which chat: `telegram_users.json` in the data folder, in the source system's shape (section 1.4 of the protocol), and the codes
that make a link. It is the portal's port to Telegram. Several processes may share the file and the outbox.
"""

import asyncio
import fcntl
import json
import os
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyst_server.channels.outbox import Outbox
from analyst_server.errors import StoreUnavailable

__all__ = ["FILE_NAME", "Link", "TelegramLinks"]

FILE_NAME = "telegram_users.json"
CODE_TTL_S = 600.0
NEW_CODE_AFTER_S = 300.0  # asking again within this time tells the same code: a chat cannot fish for many


LinkChanged = Callable[[str, int | None], Awaitable[None]]  # called with the user and the new chat, None: unlinked


@dataclass(frozen=True, slots=True)
class Link:
    """A person's linked chat."""

    chat_id: int
    linked_at: str  # RFC 3339


class TelegramLinks:
    """See the module. Raises `StoreUnavailable` when the file cannot be read or written."""

    def __init__(self, folder: Path, outbox: Outbox, *, now: Callable[[], float] = time.time) -> None:
        self._path = folder / FILE_NAME
        self._outbox = outbox
        self._now = now
        self._lock = threading.Lock()
        self._bot_name = ""
        self.changed: LinkChanged = _nobody_listens

    @property
    def bot_name(self) -> str:
        """The bot's user name without the at sign; empty while it is not known."""
        if not self._bot_name:
            self._bot_name = self._outbox.fact("bot name")
        return self._bot_name

    async def link_of(self, user: str) -> Link | None:
        """Return the user's link, or None."""
        return (await asyncio.to_thread(self.all)).get(user)

    async def verify(self, user: str, code: str) -> Link | None:
        """Link the chat that was given this code; None when no chat waits with it. A code works once and for 10 minutes."""
        waiting = await asyncio.to_thread(self._outbox.change, lambda db: _take(db, code, self._now()))
        if waiting is None:
            return None
        chat, person = waiting
        link = Link(chat, datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        await asyncio.to_thread(self._link, user, link, person)
        await self.changed(user, chat)
        return link

    async def unlink(self, user: str) -> bool:
        """Forget the user's chat; tell whether there was one."""
        there = bool(await asyncio.to_thread(self._edit, lambda users: users.pop(user, None)))
        if there:
            await self.changed(user, None)
        return there

    def new_code(self, chat: int, person: int) -> str:
        """Return the code that links this chat when it is entered on the dashboard; blocking."""
        return str(self._outbox.change(lambda db: _give(db, chat, person, self._now())))

    def all(self) -> dict[str, Link]:
        """Return every link; blocking."""
        return {
            user: Link(int(entry["chat_id"]), str(entry.get("linked_at", ""))) for user, entry in self._read().items()
        }

    def user_of(self, chat: int) -> str | None:
        """Return whose chat it is; blocking."""
        return next((user for user, link in self.all().items() if link.chat_id == chat), None)

    def may_press(self, chat: int, person: int) -> bool:
        """Tell whether a person may press buttons in a chat: who linked it, and in a private chat its owner; blocking."""
        linked_by = self._outbox.change(
            lambda db: db.execute("SELECT person FROM people WHERE chat = ?", (chat,)).fetchone()
        )
        return person == (linked_by[0] if linked_by else chat)

    def migrate(self, old: int, new: int) -> None:
        """Follow a group to its new id; blocking."""

        def moved(users: dict[str, dict[str, Any]]) -> None:
            for entry in users.values():
                if entry["chat_id"] == old:
                    entry["chat_id"] = new

        self._edit(moved)
        self._outbox.change(lambda db: db.execute("UPDATE OR REPLACE people SET chat = ? WHERE chat = ?", (new, old)))

    def _link(self, user: str, link: Link, person: int) -> None:
        def linked(users: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
            for other in [name for name, entry in users.items() if entry["chat_id"] == link.chat_id]:
                del users[other]  # a chat is one person's: the last who linked it
            before = users.get(user)
            users[user] = {"chat_id": link.chat_id, "linked_at": link.linked_at}
            return before

        before = self._edit(linked)
        if before is not None:  # what waits for the old chat goes to the new one
            self._outbox.move_address("telegram", str(before["chat_id"]), str(link.chat_id), user=user)
        self._outbox.change(
            lambda db: db.execute("INSERT OR REPLACE INTO people VALUES (?, ?)", (link.chat_id, person))
        )

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            users = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise StoreUnavailable(f"cannot read {self._path} ({exc})", "repair the file or move it away") from exc
        if not isinstance(users, dict):
            raise StoreUnavailable(f"cannot read {self._path} (it is no object)", "repair the file or move it away")
        return {
            str(user): entry
            for user, entry in users.items()
            if isinstance(entry, dict) and isinstance(entry.get("chat_id"), int)
        }

    def _edit(self, edit: Callable[[dict[str, dict[str, Any]]], Any]) -> Any:
        """Change the file as a whole: never half-written, what others have put into it stays."""
        try:
            with self._lock, self._locked():
                users = self._read()
                answer = edit(users)
                descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{FILE_NAME}.")
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(users, file, indent=2)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
        except OSError as exc:
            raise StoreUnavailable(f"cannot write {self._path} ({exc.strerror})", "is the disk full?") from exc
        return answer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the file: the gateway links, the bot in a process of its own follows groups to their new numbers."""
        descriptor = os.open(self._path.with_name(f".{FILE_NAME}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _give(db: sqlite3.Connection, chat: int, person: int, now: float) -> str:
    db.execute("DELETE FROM codes WHERE expires_at <= ?", (now,))
    row = db.execute(
        "SELECT code FROM codes WHERE chat = ? AND person = ? AND expires_at > ?",
        (chat, person, now + CODE_TTL_S - NEW_CODE_AFTER_S),
    ).fetchone()
    if row:
        return str(row[0])
    db.execute("DELETE FROM codes WHERE chat = ?", (chat,))
    while True:
        code = f"{secrets.randbelow(1_000_000):06}"
        if db.execute(
            "INSERT OR IGNORE INTO codes VALUES (?, ?, ?, ?)", (code, chat, person, now + CODE_TTL_S)
        ).rowcount:
            return code


def _take(db: sqlite3.Connection, code: str, now: float) -> tuple[int, int] | None:
    row = db.execute("DELETE FROM codes WHERE code = ? RETURNING chat, person, expires_at", (code,)).fetchone()
    return (row[0], row[1]) if row and row[2] > now else None


async def _nobody_listens(_user: str, _chat: int | None) -> None:
    pass
