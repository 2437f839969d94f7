"""What the portal is built from: its own stores, and the ports through which `app.py` gives it the other parts of the server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from analyst_server.identity.principal import Principal
from analyst_server.inbox.log import InboxLog, User
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.codes import Codes
from analyst_server.portal.database import Database
from analyst_server.portal.link_state import LinkState
from analyst_server.portal.publishers import Publishers
from analyst_server.portal.revocation import Authentication, read_revocations
from analyst_server.portal.settings import PortalSettings
from analyst_server.portal.telegram_link import TelegramLinks
from analyst_server.portal.throttling import Throttling
from analyst_server.portal.times import rfc3339
from analyst_server.wire.close_codes import CloseCode

__all__ = ["PARTS", "CloseWhere", "DispatchAnswer", "Images", "Parts", "PublisherDispatch", "ScriptEntry", "Scripts"]


@dataclass(frozen=True, slots=True)
class ScriptEntry:
    """A notification script that a person may run."""

    name: str  # "revenue_check.py"
    stem: str
    last_run: str | None  # for people: "5m ago"


class Scripts(Protocol):
    """Scripts of people, run as them."""

    async def list(self, user: str) -> Sequence[ScriptEntry]:
        """Return the user's scripts by name. Raises `ServerError`."""

    async def run(self, user: str, name: str) -> None:
        """Run one of the user's scripts now and dispatch what it says. Raises `ServerError` when it failed or is not the user's."""


class Images(Protocol):
    """Charts, each for those who have a notification that refers to it."""

    async def get(self, user: User, name: str) -> bytes | None:
        """Return the PNG, or None when it does not exist or is none of the user's. Raises `StoreUnavailable`."""


@dataclass(frozen=True, slots=True)
class DispatchAnswer:
    """What `POST /dispatch` answers, as the gateway's own socket would."""

    status: int
    body: bytes  # JSON


# The gateway's dispatch path: the same limits, idempotency and answers as on its socket.
PublisherDispatch = Callable[[bytes], Awaitable[DispatchAnswer]]
# Close the live sockets of those principals for whom the function says so; return how many.
CloseWhere = Callable[[Callable[[Principal], bool], CloseCode, str], int]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a request may need."""

    settings: PortalSettings
    database: Database
    accounts: Accounts
    codes: Codes
    publishers: Publishers
    throttling: Throttling
    authentication: Authentication
    link_state: LinkState
    inbox: InboxLog
    images: Images
    close_where: CloseWhere
    now: Callable[[], float]  # Unix time in seconds
    dispatch: PublisherDispatch | None = None  # None: no remote publishers
    scripts: Scripts | None = None  # None: this server runs no scripts
    telegram: TelegramLinks | None = None  # None: no Telegram bot
    body_timeout_s: float = 10.0  # a body is 256 KiB at most

    def note_seen(self, principal: Principal) -> None:
        """Remember, in the database's thread, that an app called: its user is linked (1.4), its device was here."""
        self.link_state.link(principal.username, at=rfc3339(self.now()))
        if principal.device:
            self.accounts.note_seen(principal.device, now=self.now())

    async def revoked(self) -> None:
        """Let a revocation that was just stored take effect at once, not with the watcher's next look."""
        self.authentication.revocations = await self.database.run(read_revocations, self.database)
        self.close_refused()

    def close_refused(self) -> None:
        """Close the sockets of everybody who is refused by now."""
        refusal = self.authentication.revocations.refusal
        self.close_where(lambda principal: bool(refusal(principal)), CloseCode.TOKEN_REFUSED, "revoked")


PARTS = web.AppKey("parts", Parts)
