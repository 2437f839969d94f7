"""Which server a command talks to, which local inbox belongs to it, and where its WebSocket is."""

import os
from typing import NamedTuple

from analyst_cli import config
from analyst_cli.client import accounts, servers
from analyst_cli.client.inbox import Inbox
from analyst_cli.errors import LocalProblem, SettingsProblem, SignInNeeded, UsageProblem

__all__ = ["LOOPBACK", "Target", "find_ws_url", "inbox_for", "local_inbox", "named_server", "target_of"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Target(NamedTuple):
    """A server as the person names it; `ws_url` when a gateway is named directly."""

    server: str
    ws_url: str | None = None


def target_of(server: str | None = None, ws_url: str | None = None) -> Target:
    """Return what flags and environment name (`ANALYST_SERVER`, `ANALYST_WS_URL`), else the server chosen last. Raises `UsageProblem`.

    A gateway named without a portal is its own server: its inbox is kept under its address.
    """
    gateway = ws_url or os.environ.get("ANALYST_WS_URL") or None
    if gateway is not None:
        gateway = _checked_ws_url(gateway)
    portal = server or os.environ.get("ANALYST_SERVER")
    if gateway is not None and not portal:
        return Target(gateway, gateway)
    return Target(servers.current_server(server), gateway)


def named_server(server: str | None = None) -> str | None:
    """Return the server that is named by flag, environment or choice; None when nobody has named one."""
    if server or os.environ.get("ANALYST_SERVER") or os.environ.get("ANALYST_WS_URL"):
        return target_of(server).server
    return next((known.url for known in servers.known_servers() if known.is_current), None)


def local_inbox(server: str | None = None) -> Inbox:
    """Open the inbox that offline commands read: of the named server's last account, else of the account connected last.

    Raises `SignInNeeded` when there has never been one.
    """
    named = named_server(server)
    account = accounts.last_account(named)
    if account is None and named is not None:
        known_user = next((known.username for known in servers.known_servers() if known.url == named), "")
        account = accounts.Account(named, known_user) if known_user else None
    if account is None and server is None and not os.environ.get("ANALYST_SERVER"):
        account = accounts.last_account()
    if account is None:
        where = f"of {named} " if named else ""
        raise SignInNeeded(
            f"there is no inbox {where}on this machine yet",
            "sign in with: analyst login, then: analyst watch or analyst inbox",
        )
    return Inbox(accounts.inbox_path(account))


def inbox_for(account: accounts.Account) -> Inbox:
    """Open the inbox of an account that is connected, remember it for offline commands, and forget what is more than `inbox.keep`."""
    keep = int(config.load()["inbox.keep"])
    inbox = Inbox(accounts.inbox_path(account))
    try:
        accounts.remember(account)
        inbox.prune(keep)
    except OSError as exc:
        inbox.close()
        raise LocalProblem(
            f"the account cannot be remembered ({exc.strerror})", "check the data folder's rights"
        ) from exc
    return inbox


async def find_ws_url(target: Target) -> str:
    """Return where the server's WebSocket is: as named, as `/.well-known/analyst.json` tells, else `<server>/ws/notifications`.

    Raises `ServerUnreachable`, `SettingsProblem`.
    """
    if target.ws_url is not None:
        return target.ws_url
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415 - aiohttp costs 150 ms

    async with open_portal(target.server) as portal:
        facts = await portal.facts()
    if facts is None or not facts.ws_url:
        return "ws" + target.server.removeprefix("http") + "/ws/notifications"
    try:
        told = _checked_ws_url(facts.ws_url)
    except UsageProblem as exc:
        raise SettingsProblem(
            f"{target.server} names a WebSocket that is none ({facts.ws_url!r})", "give one with --ws-url"
        ) from exc
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(told)
    if target.server.startswith("https:") and parts.scheme == "ws" and parts.hostname not in LOOPBACK:
        raise SettingsProblem(
            f"{target.server} names an unencrypted WebSocket ({told}), which would show the token to the network",
            "tell the administrator; if it must be, give it with --ws-url",
        )
    return told


def _checked_ws_url(url: str) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and not parts.username and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageProblem(
            f"{url!r} is no WebSocket address", "give one like wss://analyst.example.com/ws/notifications"
        )
    return url.strip()
