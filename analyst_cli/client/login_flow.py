"""The ways to sign in (section 2.7 of the protocol): which one fits here, and each of them from start to token."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from enum import Enum
from typing import NamedTuple

from analyst_cli.client import receivers
from analyst_cli.client.credentials import claims_of
from analyst_cli.client.portal import AuthorizationPending, DeviceCode, IssuedToken, Portal
from analyst_cli.client.sign_in import Attempt, CallbackRefused, Code, OldServerToken, begin, read_callback
from analyst_cli.errors import ServerRefused, ServerUnreachable, SignInNeeded

__all__ = ["Talk", "Way", "await_device_code", "choose_way", "open_browser", "through_browser", "through_device_code"]

WAIT_S = 300.0  # for a person who may have to sign in to the provider first


class Way(Enum):
    """How a token comes to this machine."""

    CUSTOM_URL = "custom-url"
    LOOPBACK = "loopback"
    DEVICE = "device"


class Talk(NamedTuple):
    """How the flow talks to the person."""

    tell: Callable[[str], None]
    confirm: Callable[[str], bool]  # asks yes or no; no where nobody can be asked


def choose_way(environment: Mapping[str, str], *, handler_installed: bool, has_desktop: bool) -> Way:
    """Return the way that fits: over SSH or without a browser the device code; else the custom URL where it is registered, else loopback."""
    over_ssh = any(environment.get(name) for name in ("SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"))
    if over_ssh or not (has_desktop or environment.get("BROWSER")):
        return Way.DEVICE
    return Way.CUSTOM_URL if handler_installed else Way.LOOPBACK


def has_desktop() -> bool:
    """Tell whether a browser can be shown on this machine."""
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> bool:
    """Open the URL in the person's browser (`BROWSER` first) without waiting for it; tell whether a browser was started."""
    chosen = os.environ.get("BROWSER", "").split(os.pathsep)[0]
    if chosen:
        words = shlex.split(chosen)
        command = [word.replace("%s", url) for word in words] if "%s" in chosen else [*words, url]
    elif sys.platform == "darwin":
        command = ["open", url]
    elif sys.platform == "win32":
        command = ["rundll32", "url.dll,FileProtocolHandler", url]
    else:
        command = ["xdg-open", url]
    if shutil.which(command[0]) is None:
        return False
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


async def through_browser(
    portal: Portal, server: str, *, way: Way, device: str, scheme: str, talk: Talk, is_old_server: bool
) -> IssuedToken:
    """Sign in with the person's browser. Raises `SignInNeeded` when nobody comes back, `ServerRefused` when the code is not taken."""
    async with AsyncExitStack() as stack:
        attempt: Attempt
        arrival: receivers.Arrival[Code | OldServerToken]
        arrival = receivers.Arrival(lambda url: _judged(attempt, url, talk, is_old_server=is_old_server))
        if way is Way.LOOPBACK:
            redirect_uri = await stack.enter_async_context(receivers.loopback(arrival.offer))
            attempt = begin(redirect_uri=redirect_uri)
        else:
            attempt = begin(scheme=scheme)
            await stack.enter_async_context(receivers.handler_socket(arrival))
        await stack.enter_async_context(receivers.pasted(arrival, talk.tell))
        page = attempt.link_url(server, device)
        opened = await asyncio.to_thread(open_browser, page)
        talk.tell("Your browser opens:" if opened else "Open this page in a browser:")
        talk.tell(f"  {page}")
        talk.tell(
            "Waiting for you to authorize this device; if the browser cannot come back, paste the link of its button here. Ctrl-C ends this."
        )
        try:
            accepted = await arrival.wait(WAIT_S)
        except TimeoutError as exc:
            raise SignInNeeded(
                f"nobody authorized this device within {WAIT_S / 60:g} minutes", "try again, or use --device"
            ) from exc
    match accepted:
        case Code(code):
            return await portal.exchange(code, attempt.verifier)
        case OldServerToken(token):
            talk.tell(
                "This server sends the token itself through the browser, where other programs may see it: the weaker way. Ask for an update of it."
            )
            return IssuedToken(token)


async def through_device_code(portal: Portal, device: str, talk: Talk) -> IssuedToken:
    """Sign in with a code that the person types on any device (RFC 8628)."""
    code = await portal.device_code(device)
    talk.tell(f"Open {code.verification_uri} in a browser on any device and type this code:")
    talk.tell(f"  {code.user_code}")
    talk.tell("Waiting. Ctrl-C ends this.")
    return await await_device_code(portal, code)


async def await_device_code(
    portal: Portal, code: DeviceCode, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> IssuedToken:
    """Ask at the server's interval until the code was typed, and less often while the server does not answer (RFC 8628 section 3.5).

    Raises `SignInNeeded` when the code expires first, `ServerRefused` when it was denied.
    """
    interval_s = max(code.interval, 0.2)
    try:
        async with asyncio.timeout(max(code.expires_in, 1.0)):
            while True:
                try:
                    return await portal.redeem_device_code(code.device_code)
                except AuthorizationPending as pending:
                    interval_s += 5.0 if pending.slow_down else 0.0  # RFC 8628 section 3.5
                except ServerUnreachable:  # it may be restarting while the person types
                    interval_s = min(interval_s * 2, 60.0)
                await sleep(interval_s)
    except TimeoutError as exc:
        raise SignInNeeded(
            f"the code {code.user_code} was not typed in time", "try again: analyst login --device"
        ) from exc
    except ServerRefused as refused:
        if "expired_token" in refused.problem:
            raise SignInNeeded(
                f"the code {code.user_code} has expired", "try again: analyst login --device"
            ) from refused
        raise


def _judged(attempt: Attempt, url: str, talk: Talk, *, is_old_server: bool) -> Code | OldServerToken:
    answer = read_callback(attempt, url)
    match answer:
        case OldServerToken(token):
            if not is_old_server:
                raise CallbackRefused("the link carries a token, which this server never sends")
            try:
                username = claims_of(token).username
            except ValueError as exc:
                raise CallbackRefused(f"the link's token cannot be read: {exc}") from exc
            if not talk.confirm(f"The link signs you in as {username!r}. Is that you?"):
                raise CallbackRefused("the account was not confirmed")
        case Code():
            pass
    return answer
