"""Checks of the way to the server: name, TLS, clock, version, WebSocket, sign-in, replay."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from analyst_cli import __version__
from analyst_cli.client.accounts import last_account
from analyst_cli.client.checkup.finding import Finding, failed, fine, skipped, warned
from analyst_cli.client.device import device_id
from analyst_cli.client.socket_link import Closed, open_socket
from analyst_cli.client.target import LOOPBACK, Target, find_ws_url, inbox_for
from analyst_cli.client.tokens import TokenSource
from analyst_cli.errors import AnalystError
from analyst_server.wire.client_session import ClientSession, Phase, SignedIn
from analyst_server.wire.close_codes import CloseCode
from analyst_server.wire.messages import Cursor

__all__ = ["network_findings"]

_PATIENCE_S = 6.0
_SKEW_S = 60.0  # tokens are checked against the clock
_CERTIFICATE_DAYS = 14


async def network_findings(target: Target) -> AsyncIterator[Finding]:
    """Look at everything between here and a live inbox; what cannot work after a failure is skipped."""
    name = await _name(target)
    yield name
    if name.status == "failed":
        for check in ("TLS", "server", "clock", "WebSocket", "replay"):
            yield skipped(check, "the server's name is not known")
        return
    parts = urlsplit(target.server)
    if parts.scheme in {"https", "wss"}:
        yield await _tls(target)
    elif parts.hostname not in LOOPBACK:
        yield warned(
            "TLS",
            f"{target.server} is not encrypted: the network can read the token",
            "have it served by https (docs/portal.md)",
        )
    async for finding in _portal(target):
        yield finding
    async for finding in _websocket(target):
        yield finding


async def _name(target: Target) -> Finding:
    parts = urlsplit(target.ws_url or target.server)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme in {"https", "wss"} else 80)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return failed("DNS", f"{host}: no answer within {_PATIENCE_S:g} s", "check the network and the VPN")
    except OSError as problem:
        return failed(
            "DNS",
            f"{host} is not known ({problem.strerror})",
            "check the address (analyst server list), the network and the VPN",
        )
    addresses = sorted({str(one[4][0]) for one in found})
    return fine("DNS", f"{host} is {', '.join(addresses[:3])}")


async def _tls(target: Target) -> Finding:
    parts = urlsplit(target.server)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            context = ssl.create_default_context()
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
        certificate = writer.get_extra_info("peercert") or {}
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
    except TimeoutError:
        return failed("TLS", f"no answer within {_PATIENCE_S:g} s", "check the firewall and the proxy")
    except ssl.SSLCertVerificationError as problem:
        return failed(
            "TLS",
            f"the certificate is not valid: {problem.verify_message}",
            "have it renewed, or install your company's authority",
        )
    except OSError as problem:
        return failed("TLS", f"no connection ({_in_words(problem)})", "check that the server runs, and the firewall")
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86_400
    detail = f"{version}, the certificate is valid for {days:.0f} days"
    return fine("TLS", detail) if days > _CERTIFICATE_DAYS else warned("TLS", detail, "have the certificate renewed")


async def _portal(target: Target) -> AsyncIterator[Finding]:
    if not target.server.startswith("http"):
        yield skipped("server", "only a gateway is named, without a portal")
        return
    import aiohttp  # noqa: PLC0415

    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            sent_at = time.time()
            async with session.get(f"{target.server}/.well-known/analyst.json", allow_redirects=False) as answer:
                told = await answer.json(content_type=None) if answer.status == 200 else None
                date = answer.headers.get("Date")
                took_s = time.time() - sent_at
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
        remedy = "on the server: sudo systemctl status ws-gateway webapp; sudo journalctl -u webapp -n 50"
        if urlsplit(target.server).hostname in LOOPBACK:
            remedy = "start it: analyst gateway serve"
        yield failed("server", f"{target.server} does not answer as it should ({_in_words(problem)})", remedy)
        yield skipped("clock", "the server does not tell its time")
        return
    if isinstance(told, dict) and isinstance(told.get("protocol"), int):
        yield fine("server", f"protocol {told['protocol']}, answers in {took_s * 1000:.0f} ms")
    else:
        yield warned(
            "server", "an old one: no replay, marks stay on this machine", "ask for an upgrade to analyst gateway serve"
        )
    yield _clock(date, sent_at)


def _in_words(problem: Exception) -> str:
    """Say why in the system's words: what asyncio and aiohttp say names calls and addresses twice."""
    problem = getattr(problem, "os_error", problem)
    if isinstance(problem, ssl.SSLError):
        return str(getattr(problem, "verify_message", "") or problem.reason or "TLS failed")
    if isinstance(problem, OSError) and (problem.errno or 0) > 0:
        return os.strerror(problem.errno or 0).lower()
    if isinstance(problem, ValueError):
        return "what it says is no JSON: is it an analyst server?"
    return str(problem) or ("no answer in time" if isinstance(problem, TimeoutError) else type(problem).__name__)


def _clock(date: str | None, now: float) -> Finding:
    try:
        skew_s = now - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return skipped("clock", "the server does not tell its time")
    if abs(skew_s) > _SKEW_S:
        return failed(
            "clock",
            f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server",
            "set it: sudo timedatectl set-ntp true",
        )
    return fine("clock", "agrees with the server's within a minute")


async def _websocket(target: Target) -> AsyncIterator[Finding]:
    try:
        token = await TokenSource(target.server).token()
        ws_url = await find_ws_url(target)
        nudge = asyncio.Event()
        link = await open_socket(ws_url, nudge)
    except AnalystError as problem:
        remedy = (
            problem.way_out
            or "on the server: check that nginx has the location /ws/notifications, and that ws-gateway runs"
        )
        yield failed("WebSocket", problem.problem, remedy)
        yield skipped("replay", "there is no connection")
        return
    since = _cursor(target)
    session = ClientSession(token=token, device=device_id(), client=f"analyst-doctor/{__version__}", since=since)
    signed_in: SignedIn | None = None
    counted = 0
    try:
        await link.send(session.hello())
        async with asyncio.timeout(_PATIENCE_S):
            while session.phase is not Phase.LIVE:
                for text in await link.receive(within_s=_PATIENCE_S):
                    for event in session.receive(text):
                        signed_in = event if isinstance(event, SignedIn) else signed_in
                        counted += 1
        yield fine("WebSocket", f"{ws_url} knows us as {signed_in.username if signed_in else '?'}")
        yield _replay(session, signed_in, since, counted - 2)
    except TimeoutError:
        yield failed(
            "WebSocket",
            f"{ws_url} did not finish within {_PATIENCE_S:g} s",
            "on the server: journalctl -u ws-gateway -n 50",
        )
        yield skipped("replay", "there is no connection")
    except Closed as closed:
        yield _closed(closed, session)
        yield skipped("replay", "there is no connection")
    finally:
        await link.close()


def _closed(closed: Closed, session: ClientSession) -> Finding:
    words = session.refused_words or closed.reason or "no reason given"
    if closed.code == CloseCode.TOO_MANY_CONNECTIONS or words == "Too many connections":
        return failed(
            "WebSocket", "too many connections of this user", "end an inbox or a watch, here or on another machine"
        )
    if closed.code == CloseCode.TOKEN_REFUSED or words == "Invalid token":
        remedy = "sign in again: analyst login; if that does not help: is DESKTOP_JWT_SECRET the same in both .env files of the server?"
        return failed("WebSocket", f"the token is not accepted ({words})", remedy)
    return failed("WebSocket", f"closed with {closed.code} ({words})", "on the server: journalctl -u ws-gateway -n 50")


def _replay(session: ClientSession, signed_in: SignedIn | None, since: Cursor | None, counted: int) -> Finding:
    if session.protocol < 2 or signed_in is None:
        return warned(
            "replay",
            "this gateway keeps nothing: what comes while you are away is lost",
            "ask for an upgrade of the gateway",
        )
    if since is None:
        return fine("replay", "nothing was received on this machine yet; the first connection brings the latest")
    if signed_in.reason is not None:
        return warned(
            "replay",
            f"the server cannot go on where this machine was ({signed_in.reason})",
            "the next connection brings the latest",
        )
    return fine("replay", f"the server goes on where this machine was; {max(counted, 0)} events are waiting")


def _cursor(target: Target) -> Cursor | None:
    account = last_account(target.server)
    if account is None:
        return None
    try:
        with inbox_for(account) as inbox:
            return inbox.cursor()
    except AnalystError:
        return None
