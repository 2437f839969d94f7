"""A portal in this process on a port of its own, with a clock that tests move, real files, and small real doubles of what `app.py` would give it."""

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from analyst_server.errors import ServerError
from analyst_server.identity.grants import challenge_of
from analyst_server.identity.principal import Principal
from analyst_server.identity.tokens import TokenKeys, Tokens
from analyst_server.inbox.log import NotificationDraft, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.portal.application import Portal, open_authentication, open_portal
from analyst_server.portal.audit import ADMINISTRATOR
from analyst_server.portal.parts import DispatchAnswer, ScriptEntry
from analyst_server.portal.settings import PortalSettings
from analyst_server.portal.telegram_link import TelegramLink
from analyst_server.wire.close_codes import CloseCode

SECRET = "5" * 64
START = 1_800_000_000.0
VERIFIER = "v" * 64
STATE = "state-of-this-sign-in"
PNG = b"\x89PNG\r\n\x1a\n of a chart"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Sockets:
    """The live connections that a hub would hold."""

    live: list[Principal] = field(default_factory=list)
    closed: list[tuple[Principal, CloseCode]] = field(default_factory=list)

    def close_where(self, applies: Callable[[Principal], bool], code: CloseCode, _reason: str) -> int:
        gone = [each for each in self.live if applies(each)]
        self.live = [each for each in self.live if each not in gone]
        self.closed += [(each, code) for each in gone]
        return len(gone)


class Charts:
    """Charts in memory, each for whoever has a notification that refers to it."""

    def __init__(self, inbox: MemoryInbox) -> None:
        self._inbox = inbox
        self.files: dict[str, bytes] = {}

    async def get(self, user: User, name: str) -> bytes | None:
        allowed = await self._inbox.may_read(user, name)
        return self.files.get(name) if allowed else None


class HomeScripts:
    """Scripts of people in memory."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}
        self.ran: list[tuple[str, str]] = []

    async def list(self, user: str) -> Sequence[ScriptEntry]:
        return [ScriptEntry(f"{stem}.py", stem, None) for stem in self.of.get(user, [])]

    async def run(self, user: str, name: str) -> None:
        if name.removesuffix(".py") not in self.of.get(user, []):
            raise ServerError(f"there is no script {name!r}")
        self.ran.append((user, name))


class Chats:
    """Telegram links in memory; the bot has given out one code."""

    bot_name = "team_bot"

    def __init__(self) -> None:
        self.codes = {"123456": 42}
        self.links: dict[str, TelegramLink] = {}

    async def link_of(self, user: str) -> TelegramLink | None:
        return self.links.get(user)

    async def verify(self, user: str, code: str) -> TelegramLink | None:
        if code not in self.codes:
            return None
        self.links[user] = TelegramLink(self.codes.pop(code), "2027-01-15T08:00:00Z")
        return self.links[user]

    async def unlink(self, user: str) -> bool:
        return self.links.pop(user, None) is not None


@dataclass
class World:
    """Everything a test may touch."""

    url: str
    portal: Portal
    clock: Clock
    tokens: Tokens
    inbox: MemoryInbox
    charts: Charts
    scripts: HomeScripts
    chats: Chats
    sockets: Sockets
    data_dir: Path
    dispatched: list[dict[str, Any]]

    @asynccontextmanager
    async def browser(self, user: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """Return what a browser would send of itself; signed in by an invitation if a user is named."""
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": self.url}
        jar = aiohttp.CookieJar(unsafe=True)  # cookies for an address in place of a name
        async with aiohttp.ClientSession(self.url, headers=headers, cookie_jar=jar) as session:
            if user is not None:
                code = self.invite(user)
                async with session.post("/signin/invite", data={"code": code}, allow_redirects=False) as answer:
                    assert answer.status == 303, await answer.text()
            yield session

    @asynccontextmanager
    async def program(self, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
        """Return a program without cookies, with a bearer token if given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(self.url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield session

    def invite(self, user: str) -> str:
        return self.portal.parts.accounts.invite(user, now=self.clock.now, by=ADMINISTRATOR)

    def token(self, user: str, device: str = "") -> str:
        return self.tokens.issue(user, now=self.clock.now, device=device).token

    async def code(self, browser: aiohttp.ClientSession, **changed: str) -> str:
        """Let the signed-in person authorize a device; return the one-time code."""
        body = {"code_challenge": challenge_of(VERIFIER), "state": STATE, "device": "laptop", **changed}
        async with browser.post("/api/desktop/authorize", json=body) as answer:
            assert answer.status == 200, await answer.text()
            url = (await answer.json())["url"]
        found = re.search(r"[?&]code=([^&]+)&state=" + STATE, url)
        assert found, url
        return found[1]

    async def linked(self, user: str, device: str = "laptop") -> str:
        """Sign a device of the user in; return its token."""
        async with self.browser(user) as browser, self.program() as program:
            code = await self.code(browser, device=device)
            async with program.post("/api/desktop/token", json={"code": code, "code_verifier": VERIFIER}) as answer:
                assert answer.status == 200, await answer.text()
                return str((await answer.json())["token"])

    async def notify(self, user: str, notification_id: str, *, image: str | None = None, **members: Any) -> None:
        """Put a notification into the user's log."""
        body = {
            "id": notification_id,
            "title": "Revenue drop",
            "message": "-12 %",
            "timestamp": "2027-01-15T07:59:00Z",
            **members,
        }
        if image:
            body["image_url"] = f"/api/notifications/images/{image}"
            self.charts.files[image] = PNG
        await self.inbox.append(NotificationDraft(User(user), notification_id, json.dumps(body).encode(), image))


@asynccontextmanager
async def portal_world(
    data_dir: Path, *, port: int = 0, real_time: bool = False, body_timeout_s: float = 10.0, **settings: Any
) -> AsyncIterator[World]:
    """Serve a portal until the block ends; with `real_time` the clock begins at the machine's, for real partners."""
    clock, inbox, sockets = Clock(), MemoryInbox(), Sockets()
    clock.now = time.time() if real_time else START
    charts, scripts, chats = Charts(inbox), HomeScripts(), Chats()
    tokens = Tokens(TokenKeys(SECRET))
    dispatched: list[dict[str, Any]] = []

    async def dispatch(body: bytes) -> DispatchAnswer:
        dispatched.append(json.loads(body))
        return DispatchAnswer(200, b'{"sent":0,"id":"a","seq":1,"duplicate":false}')

    chosen = PortalSettings(data_dir=data_dir, **settings)
    authentication = open_authentication(chosen, tokens, now=clock)
    portal = open_portal(
        *(chosen, authentication, inbox, charts, sockets.close_where),
        dispatch=dispatch,
        scripts=scripts,
        telegram=chats,
        now=clock,
        body_timeout_s=body_timeout_s,
    )
    runner = web.AppRunner(portal.application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield World(
            *(
                f"http://{host}:{port}",
                portal,
                clock,
                tokens,
                inbox,
                charts,
                scripts,
                chats,
                sockets,
                data_dir,
                dispatched,
            )
        )
    finally:
        await runner.cleanup()
        portal.close()
