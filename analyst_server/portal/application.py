"""Build the portal: its own stores from the data folder, the other parts of the server as arguments, one aiohttp application.

`app.py` calls `open_portal`, serves `portal.application`, runs `portal.watch()` in its task group, and calls `portal.close()` at the end.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from analyst_server.identity.tokens import Tokens
from analyst_server.inbox.log import InboxLog
from analyst_server.portal import api, dashboard, downloads, link, oidc_signin, signin, telegram_routes, wellknown
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.audit import prune_audit
from analyst_server.portal.codes import Codes
from analyst_server.portal.database import Database, open_database
from analyst_server.portal.guards import add_headers, answer_errors, refuse_other_sites
from analyst_server.portal.link_state import LinkState
from analyst_server.portal.pages import STATIC
from analyst_server.portal.parts import PARTS, CloseWhere, Images, Parts, PublisherDispatch, Scripts
from analyst_server.portal.publishers import Publishers
from analyst_server.portal.revocation import Authentication, read_revocations, watch_revocations
from analyst_server.portal.sessions import SESSIONS, Sessions, SessionStore, keep_session
from analyst_server.portal.settings import PortalSettings
from analyst_server.portal.telegram_link import TelegramLinks
from analyst_server.portal.throttling import Throttling

__all__ = ["ACCOUNTS_FILE", "URL_FILE", "Portal", "open_authentication", "open_portal"]

ACCOUNTS_FILE = "accounts.db"
URL_FILE = "portal-url"  # while the portal runs: how browsers reach it
MAX_BODY_BYTES = (256 << 10) + 1  # aiohttp's own bound; what a call takes is told by the call


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that can be served."""

    application: web.Application
    parts: Parts
    watched: Database

    async def watch(self) -> None:
        """Until cancelled: notice revocations of other processes, close the sockets of those who are refused, note which devices came by."""
        await watch_revocations(self.watched, self.parts.authentication, self.parts.close_refused)

    def close(self) -> None:
        """Close the files."""
        self.watched.close()
        self.parts.database.close()


def open_authentication(
    settings: PortalSettings, tokens: Tokens, *, now: Callable[[], float] = time.time
) -> Authentication:
    """Return who tells whether a token is good; made before the portal, because the gateway needs it as well. Raises `StoreUnavailable`."""
    authentication = Authentication(tokens, now=now)
    database = open_database(settings.data_dir / ACCOUNTS_FILE)
    try:
        authentication.revocations = read_revocations(database)
    finally:
        database.close()
    return authentication


def open_portal(
    settings: PortalSettings,
    authentication: Authentication,
    inbox: InboxLog,
    images: Images,
    close_where: CloseWhere,
    *,
    dispatch: PublisherDispatch | None = None,
    scripts: Scripts | None = None,
    telegram: TelegramLinks | None = None,
    now: Callable[[], float] = time.time,
    body_timeout_s: float = 10.0,
) -> Portal:
    """Open the accounts and return the portal. Raises `StoreUnavailable`."""
    database = open_database(settings.data_dir / ACCOUNTS_FILE)
    prune_audit(database, now=now())
    parts = Parts(
        settings=settings,
        database=database,
        accounts=Accounts(database),
        codes=Codes(database),
        publishers=Publishers(database),
        throttling=Throttling(database),
        authentication=authentication,
        link_state=LinkState(settings.data_dir / "desktop_users.json"),
        inbox=inbox,
        images=images,
        close_where=close_where,
        now=now,
        dispatch=dispatch,
        scripts=scripts,
        telegram=telegram,
        body_timeout_s=body_timeout_s,
    )
    return Portal(_application(parts), parts, open_database(settings.data_dir / ACCOUNTS_FILE))


def _application(parts: Parts) -> web.Application:
    secure = parts.settings.public_url.startswith("https:")
    # The order matters: headers around everything, errors around what may fail, the session saved before an error becomes an answer.
    application = web.Application(
        middlewares=[add_headers, answer_errors, refuse_other_sites, keep_session],
        client_max_size=MAX_BODY_BYTES,
    )
    application[PARTS] = parts
    application[oidc_signin.known_providers] = {}
    application[SESSIONS] = Sessions(SessionStore(parts.database, now=parts.now), parts.database, secure)
    for part in (signin, oidc_signin, link, api, telegram_routes, dashboard, downloads, wellknown):
        application.add_routes(part.ROUTES)
    application.add_routes([web.static("/static", STATIC)])
    return application
