"""The composition root of `analyst gateway serve`: builds the store, the gateway and the portal, and ends them in order.

Nothing else picks an implementation. One task group holds whatever runs; the end is: stop listening, answer what was begun, send the clients
away, close the store.
"""

import asyncio
import contextlib
import ipaddress
import resource
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_server.channel_parts import PortalScripts, PortalTelegram, open_channel_parts, scripts_of_users
from analyst_server.config import GatewaySettings, Settings, is_loopback
from analyst_server.errors import ConfigProblem, ListenProblem
from analyst_server.gateway.allowances import UserLimits
from analyst_server.gateway.dispatch import DispatchApi
from analyst_server.gateway.hub import Hub, Limits
from analyst_server.gateway.publishing import Publisher
from analyst_server.gateway.unix_http import HttpServer
from analyst_server.gateway.unix_socket import BoundSocket, bind_unix_socket
from analyst_server.gateway.websocket import BACKLOG, Gate, listen
from analyst_server.identity.secret import SigningSecret, signing_secret, token_keys
from analyst_server.identity.tokens import Tokens
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import WriterSettings, open_sqlite_inbox
from analyst_server.inbox.upkeep import keep_up
from analyst_server.portal.application import open_authentication
from analyst_server.portal_listener import PortalPorts, Start, open_portal_listener, portal_origins, portal_settings
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.publication import MAX_BODY_BYTES

__all__ = ["Running", "running", "serve"]

INBOX_FILE = "inbox.db"
IMAGES_FOLDER = "images"
DAY_S = 86_400.0


@dataclass(slots=True)
class Running:
    """A gateway that serves, and where."""

    ws_url: str
    socket: Path
    data_dir: Path
    secret: SigningSecret
    hub: Hub
    tokens: Tokens
    portal_url: str | None = None  # None: no portal is served
    end_with: CloseCode = CloseCode.RESTARTING  # what clients are told at the end


async def serve(
    settings: Settings, *, data_dir: Path, socket: Path, on_ready: Callable[[Running], None] = lambda _: None
) -> None:
    """Serve until SIGTERM (clients are told 1012: back in a moment) or SIGINT (1001). Raises `ServerError` if it cannot start.

    A second signal ends the waiting for clients.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with running(settings, data_dir=data_dir, socket=socket) as gateway:

        def end(code: CloseCode) -> None:
            if stop.is_set():
                gateway.hub.abort_all()
            gateway.end_with = code
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, end, CloseCode.RESTARTING)
        loop.add_signal_handler(signal.SIGINT, end, CloseCode.GOING_AWAY)
        on_ready(gateway)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(settings: Settings, *, data_dir: Path, socket: Path) -> AsyncIterator[Running]:
    """Serve as long as the block lasts. Raises `ServerError` if it cannot start."""
    _raise_descriptor_limit()
    _make_data_folder(data_dir)
    secret = signing_secret(settings.identity.secret, folder=data_dir, only_loopback=_only_loopback(settings))
    keys = token_keys(
        secret,
        previous=settings.identity.previous_secret,
        previous_until=settings.identity.previous_secret_until,
        folder=data_dir,
    )
    tokens = Tokens(keys, issuer=settings.identity.issuer)
    authentication = open_authentication(portal_settings(settings, data_dir, ws_port=0), tokens)
    issuer_required = not settings.identity.accept_tokens_without_issuer
    async with contextlib.AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_sqlite_inbox(data_dir / INBOX_FILE, settings=_writer(settings)))
        images = ImageStore(data_dir / IMAGES_FOLDER, log)
        hub = Hub(
            log,
            log,
            lambda token: authentication.verify(token, issuer_required=issuer_required),
            limits=_limits(settings.gateway),
        )
        publisher = Publisher(hub, add_image=images.put_file, limits=_user_limits(settings.gateway))
        # closed after the background tasks that use them have ended
        files = stack.enter_context(contextlib.ExitStack())
        start = await stack.enter_async_context(_background())
        await _begun(start, hub.run)
        start(keep_up(log, images, _retention(settings)))
        running = Running("", socket, data_dir, secret, hub, tokens)
        gate, ws_port = await _open_listeners(stack, start, settings.gateway, running, publisher)
        scripts = scripts_of_users(stack, settings, publisher.publish)
        telegram = await open_channel_parts(stack, settings, data_dir, log, images, scripts=scripts)
        ports = PortalPorts(
            authentication,
            log,
            images,
            hub.close_where,
            lambda body: publisher.publish(body, local=False),
            PortalScripts(scripts) if scripts else None,
            PortalTelegram(telegram) if telegram else None,
        )
        running.portal_url = await open_portal_listener(
            stack, start, settings, data_dir, ports, files=files, ws_port=ws_port
        )
        gate.allow_origins(portal_origins(running.portal_url))
        yield running


async def _open_listeners(
    stack: contextlib.AsyncExitStack,
    start: Start,
    settings: GatewaySettings,
    running: Running,
    publisher: Publisher,
) -> tuple[Gate, int]:
    """Listen, and arrange that the end happens in the right order (the stack unwinds from the last to the first); return the WebSocket's port."""
    hub = running.hub
    gate = Gate(hub, allowed_origins=settings.allowed_origins, trusted_proxies=_networks(settings.trusted_proxies))
    api = DispatchApi(hub, publisher)
    http = HttpServer(api.handle, max_body_bytes=MAX_BODY_BYTES)
    await _begun(start, http.run)
    stack.push_async_callback(lambda: hub.drain(running.end_with, timeout_s=settings.drain_s))
    stack.push_async_callback(lambda: http.drain(settings.drain_s))
    websockets = await listen(gate, host=settings.host, port=settings.port)
    stack.callback(websockets.close)
    running.ws_url = f"ws://{_host_in_url(settings.host)}:{_port_of(websockets)}/ws/notifications"
    loop = asyncio.get_running_loop()
    bound = bind_unix_socket(running.socket)
    dispatch = await loop.create_unix_server(http, sock=bound.socket, backlog=BACKLOG)
    stack.callback(_stop_listening, dispatch, bound)
    if settings.metrics_port:
        read_only = HttpServer(api.handle_read_only, max_body_bytes=0)
        await _begun(start, read_only.run)
        stack.push_async_callback(lambda: read_only.drain(0))
        stack.callback((await _listen_for_metrics(read_only, settings.metrics_port)).close)
    return gate, _port_of(websockets)


async def _listen_for_metrics(server: HttpServer, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
    except OSError as exc:
        raise ListenProblem(
            f"cannot serve metrics on 127.0.0.1 port {port}: {exc.strerror or exc}",
            "choose another: gateway.metrics_port",
        ) from exc


def _stop_listening(server: asyncio.Server, bound: BoundSocket) -> None:
    server.close()
    bound.remove_file()


@contextlib.asynccontextmanager
async def _background() -> AsyncIterator[Start]:
    """Yield what starts a task of the whole lifetime: it is cancelled at the end, and if it fails, everything ends.

    A lone error leaves as it is, not in a group: it is the sentence that the administrator reads.
    """
    started: list[asyncio.Task[None]] = []
    try:
        async with asyncio.TaskGroup() as group:
            try:
                yield lambda work: started.append(group.create_task(work))
            finally:
                for task in started:
                    task.cancel()
    except BaseExceptionGroup as several:
        if len(several.exceptions) == 1:
            raise several.exceptions[0] from None
        raise


async def _begun(start: Start, run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    begun = asyncio.Event()
    start(run(begun))
    await begun.wait()


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        auth_timeout_s=settings.auth_timeout_s,
        heartbeat_s=settings.heartbeat_s,
        heartbeat_missed=settings.heartbeat_missed,
        per_user=settings.connections_per_user,
        per_address=settings.connections_per_address,
        connections=settings.connections,
    )


def _user_limits(settings: GatewaySettings) -> UserLimits:
    return UserLimits(
        user_rate=settings.user_rate, user_day_bytes=settings.user_day_bytes, user_day_images=settings.user_day_images
    )


def _retention(settings: Settings) -> Retention:
    return Retention(max_age_s=settings.store.keep_days * DAY_S, max_notifications=settings.store.keep_notifications)


def _writer(settings: Settings) -> WriterSettings:
    return WriterSettings(synchronous="NORMAL" if settings.store.synchronous == "NORMAL" else "FULL")


def _only_loopback(settings: Settings) -> bool:
    return is_loopback(settings.gateway.host) and (not settings.portal.enabled or is_loopback(settings.portal.host))


def _networks(names: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(name, strict=False) for name in names]
    except ValueError as exc:
        raise ConfigProblem(
            f"gateway.trusted_proxies: {exc}", "name addresses or networks, for instance 127.0.0.1"
        ) from exc


def _make_data_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigProblem(f"cannot make the data folder {folder}: {exc.strerror}", "choose another: --data") from exc


def _raise_descriptor_limit() -> None:
    """Allow as many connections as the system lets us; the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses an unlimited value
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _host_in_url(host: str) -> str:
    host = "127.0.0.1" if host in ("", "0.0.0.0") else "::1" if host == "::" else host  # noqa: S104 - compared, not bound
    return f"[{host}]" if ":" in host else host
