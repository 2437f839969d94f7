"""Sessions of browsers: a random key in a cookie, everything else in the database, so that signing out ends it on the server.

The key has 256 random bits and is stored as a hash: a signature on the cookie would protect nothing that guessing does not already fail at.
Why not aiohttp-session: its newest release (2.12.1, of 2024) stores under string keys, about which aiohttp 3.14 warns on every request, and
ages sessions by its own clock. Its storage, the greater part, would be ours anyway.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from analyst_server.identity.grants import digest, new_secret_text
from analyst_server.portal.database import Database

__all__ = [
    "SESSIONS",
    "Session",
    "SessionStore",
    "Sessions",
    "keep_session",
    "put_flash",
    "save_now",
    "session_of",
    "session_user",
    "sign_in",
    "sign_out",
]

IDLE_S = 3_600.0  # issue 4: one hour
LONGEST_S = 12 * 3_600.0  # a working day, however busy
MAX_NAMELESS = 10_000  # sign-ins under way: anyone may begin one, so the oldest give way
TOUCH_EVERY_S = 60.0  # a write a minute and session at most


@dataclass(slots=True)
class Session:
    """What is remembered of one browser during one request; whoever changes `content` sets `changed`."""

    key: str = ""  # empty: not stored yet
    content: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    def put(self, name: str, value: Any) -> None:
        """Remember something."""
        self.content[name] = value
        self.changed = True

    def take(self, name: str) -> Any:
        """Return what was remembered under a name, and forget it; None: nothing was."""
        if name not in self.content:
            return None
        self.changed = True
        return self.content.pop(name)


class SessionStore:
    """The table `sessions`. The methods are for the database's thread."""

    def __init__(self, database: Database, *, now: Callable[[], float]) -> None:
        self._db = database
        self._now = now

    def read(self, key: str, *, by_person: bool) -> Session:
        """Return a stored session that is alive, or a new one; only what a person does keeps it alive."""
        now = self._now()
        row = self._db.row("SELECT * FROM sessions WHERE digest = ?", digest(key))
        if row is None:
            return Session()
        if now - row["last_seen_at"] >= IDLE_S or now - row["created_at"] >= LONGEST_S:
            self.delete(key)
            return Session()
        if by_person and now - row["last_seen_at"] >= TOUCH_EVERY_S:
            self._db.execute("UPDATE sessions SET last_seen_at = ? WHERE digest = ?", now, digest(key))
        return Session(key, json.loads(row["content"]))

    def write(self, session: Session) -> str:
        """Store a session; return its key."""
        now, content, user = self._now(), json.dumps(session.content), str(session.content.get("user", ""))
        if (
            session.key
        ):  # never inserted again: a request that runs while its session is signed out must not bring it back
            self._db.execute("UPDATE sessions SET content = ? WHERE digest = ?", content, digest(session.key))
            return session.key
        key = new_secret_text()
        with self._db.transaction():
            self._db.execute("DELETE FROM sessions WHERE last_seen_at < ?", now - IDLE_S)
            self._db.execute(
                """DELETE FROM sessions WHERE user = '' AND digest IN (
                     SELECT digest FROM sessions WHERE user = '' ORDER BY created_at DESC LIMIT -1 OFFSET ?)""",
                MAX_NAMELESS,
            )
            self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", digest(key), user, content, now, now)
        return key

    def delete(self, key: str) -> None:
        """Forget a session."""
        self._db.execute("DELETE FROM sessions WHERE digest = ?", digest(key))


@dataclass(frozen=True, slots=True)
class Sessions:
    """The store, and the cookie that leads to it."""

    store: SessionStore
    database: Database
    secure: bool

    @property
    def cookie(self) -> str:
        """Name of the cookie. `__Host-` makes browsers refuse one that a sibling host or plain HTTP tries to plant (session fixation)."""
        return "__Host-analyst" if self.secure else "analyst-session"


SESSIONS = web.AppKey("sessions", Sessions)
_SESSION = web.RequestKey("session", Session)


@web.middleware
async def keep_session(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Store what a request has changed in its session, and tell the browser its key."""
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        await _keep(request, redirect)
        raise
    await _keep(request, response)
    return response


async def session_of(request: web.Request) -> Session:
    """Return the session of this browser: read once a request, new when it has none that is alive."""
    session = request.get(_SESSION)
    if session is None:
        sessions = request.app[SESSIONS]
        key = request.cookies.get(sessions.cookie, "")
        # not a page's own script, which asks as long as it is open
        by_person = request.headers.get("Sec-Fetch-Dest") != "empty"
        session = await sessions.database.run(sessions.store.read, key, by_person=by_person) if key else Session()
        request[_SESSION] = session
    return session


async def session_user(request: web.Request) -> str:
    """Return who is signed in in this browser; empty: nobody."""
    return str((await session_of(request)).content.get("user", ""))


async def put_flash(request: web.Request, text: str, *, about: str, is_problem: bool = False) -> None:
    """Let the dashboard tell something once, in the section that it is about."""
    (await session_of(request)).put("flash", {"text": text, "about": about, "problem": is_problem})


async def save_now(request: web.Request) -> None:
    """Store what was changed before the handler goes on: what is spent stays spent, however the request ends."""
    session, sessions = await session_of(request), request.app[SESSIONS]
    if session.key and session.changed:
        await sessions.database.run(sessions.store.write, session)


async def sign_in(request: web.Request, user: str) -> None:
    """Begin a session of this user under a new key; whatever session the browser came with ends (session fixation)."""
    await _forget(request)
    live_id = "web-" + new_secret_text()[:16]  # the id of this session's short tokens: revoking it ends its sockets
    request[_SESSION] = Session(content={"user": user, "live_id": live_id}, changed=True)


async def sign_out(request: web.Request) -> None:
    """End the session here and in the browser."""
    await _forget(request)
    request[_SESSION] = Session(changed=True)


async def _forget(request: web.Request) -> None:
    session, sessions = await session_of(request), request.app[SESSIONS]
    if session.key:
        await sessions.database.run(sessions.store.delete, session.key)


async def _keep(request: web.Request, response: web.StreamResponse) -> None:
    session, sessions = request.get(_SESSION), request.app[SESSIONS]
    if session is None or not session.changed:
        return
    if not session.key and not session.content:
        response.del_cookie(sessions.cookie, path="/", secure=sessions.secure, httponly=True, samesite="Lax")
        return
    known, session.key = session.key, await sessions.database.run(sessions.store.write, session)
    if session.key != known:
        response.set_cookie(
            sessions.cookie, session.key, path="/", secure=sessions.secure, httponly=True, samesite="Lax"
        )
