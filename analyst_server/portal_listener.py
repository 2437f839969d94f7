"""The portal's share of the composition: its settings from ours, its ports from the other parts, its listener."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from analyst_server.config import Settings, is_loopback
from analyst_server.errors import ListenProblem
from analyst_server.gateway.unix_http import HttpAnswer
from analyst_server.identity.oidc import OidcClient
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.log import InboxLog
from analyst_server.portal import settings as portal_part
from analyst_server.portal.application import URL_FILE, open_portal
from analyst_server.portal.parts import CloseWhere, DispatchAnswer, Scripts
from analyst_server.portal.revocation import Authentication
from analyst_server.portal.telegram_link import TelegramLinks

__all__ = ["PortalPorts", "Start", "open_portal_listener", "portal_origins", "portal_settings"]

SHUTDOWN_S = 3.0  # for requests of browsers that are under way

_log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], None]  # starts a task of the process's lifetime


@dataclass(frozen=True, slots=True)
class PortalPorts:
    """What the portal gets of the other parts."""

    authentication: Authentication
    log: InboxLog
    images: ImageStore
    close_where: CloseWhere
    publish: Callable[[bytes], Awaitable[HttpAnswer]]
    scripts: Scripts | None = None  # None: this server runs no scripts
    telegram: TelegramLinks | None = None  # None: no Telegram


async def open_portal_listener(
    stack: contextlib.AsyncExitStack,
    start: Start,
    settings: Settings,
    data_dir: Path,
    ports: PortalPorts,
    *,
    files: contextlib.ExitStack,
    ws_port: int,
) -> str | None:
    """Serve the portal until the stack unwinds; return its URL, None if it is switched off. Raises `ConfigProblem`, `ListenProblem`.

    `files` unwinds when the tasks that were started have ended.
    """
    own = portal_settings(settings, data_dir, ws_port=ws_port)
    if settings.portal.enabled:
        for warning in portal_part.checked(own, host=settings.portal.host):
            _log.warning("%s", warning)
    portal = open_portal(
        own,
        ports.authentication,
        ports.log,
        ports.images,
        ports.close_where,
        dispatch=_dispatch(ports.publish),
        scripts=ports.scripts,
        telegram=ports.telegram,
    )
    files.callback(portal.close)
    start(portal.watch())  # revocations close sockets without a portal, too
    if not settings.portal.enabled:
        return None
    runner = web.AppRunner(portal.application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, port = settings.portal.host, settings.portal.port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as exc:
        raise ListenProblem(
            f"cannot serve the portal on {host} port {port}: {exc.strerror or exc}",
            "another program has it (find it with: ss -ltnp), or choose another: --portal-port",
        ) from exc
    shown = f"[{host}]" if ":" in host else host
    url = own.public_url or f"http://{shown}:{runner.addresses[0][1]}"
    _tell_url(stack, data_dir / URL_FILE, url)
    return url


def _tell_url(stack: contextlib.AsyncExitStack, file: Path, url: str) -> None:
    """Note for administrators' commands where the portal is, whatever flags it was started with, as long as it runs."""
    file.write_text(f"{url}\n", encoding="utf-8")
    stack.callback(file.unlink, missing_ok=True)


def portal_settings(settings: Settings, data_dir: Path, *, ws_port: int) -> portal_part.PortalSettings:
    """Return the settings as the portal has them."""
    ours = settings.portal
    oidc = None
    if ours.oidc_issuer:
        oidc = OidcClient(
            issuer=ours.oidc_issuer,
            client_id=ours.oidc_client_id,
            client_secret=ours.oidc_client_secret,
            allowed_domains=ours.oidc_allowed_domains,
            username_claim=ours.oidc_username_claim,
            scopes=ours.oidc_scopes,
            label=ours.oidc_label,
        )
    return portal_part.PortalSettings(
        data_dir=data_dir,
        public_url=ours.public_url,
        ws_url=ours.ws_url,
        ws_port=ws_port,
        scheme=ours.scheme,
        trusted_proxies=ours.trusted_proxies,
        dev_user=ours.dev_user,
        link_by_token=ours.link_by_token,
        download_dir=ours.download_dir,
        oidc=oidc,
    )


def portal_origins(url: str | None) -> tuple[str, ...]:
    """Return the origins of the portal's own pages, which follow the inbox live through the WebSocket; on loopback by any of its names."""
    if url is None:
        return ()
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return (url,)
    return tuple(f"{parts.scheme}://{host}:{parts.port or 80}" for host in ("127.0.0.1", "localhost", "[::1]"))


def _dispatch(publish: Callable[[bytes], Awaitable[HttpAnswer]]) -> Callable[[bytes], Awaitable[DispatchAnswer]]:
    async def dispatch(body: bytes) -> DispatchAnswer:
        answer = await publish(body)
        return DispatchAnswer(answer.status, answer.body)

    return dispatch
