"""The HTTP API of apps: refresh, unlink, devices, scripts, charts, dispatch by remote publishers (sections 1.4, 2.5 and 2.6 of the protocol)."""

import logging
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused, ServerError, StoreUnavailable, TokenRefused
from analyst_server.inbox.log import User
from analyst_server.portal.accounts import DeviceRecord
from analyst_server.portal.audit import By
from analyst_server.portal.guards import json_answer
from analyst_server.portal.parts import PARTS
from analyst_server.portal.publishers import Publisher
from analyst_server.portal.requests import (
    address_of,
    bearer,
    bearer_token,
    body_of,
    by,
    is_form,
    members,
    note,
    note_failure,
    signed_in,
)
from analyst_server.portal.sessions import put_flash, session_of, session_user
from analyst_server.portal.times import rfc3339

__all__ = ["LIVE_TOKEN_S", "MAX_DISPATCH_BYTES", "ROUTES"]

log = logging.getLogger(__name__)

LIVE_TOKEN_S = 300.0  # a page's token for its WebSocket: in memory alone, and soon worthless
MAX_DISPATCH_BYTES = 256 << 10  # section 2.5
MAX_NAMED = 20  # addressees in a line of the audit log; a dispatch may have 1,000
_IMAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\.png", re.ASCII)


class UnlinkBody(msgspec.Struct, frozen=True):
    """`everywhere` ends all devices, tokens and sessions as well; `device` revokes that one device."""

    everywhere: bool = False
    device: str = ""


class RunBody(msgspec.Struct, frozen=True):
    """Which script to run."""

    name: str = ""


async def refresh(request: web.Request) -> web.Response:
    """Exchange a token, valid or expired less than 7 days ago, for a new one."""
    parts = request.app[PARTS]
    known = await bearer(request, for_refresh=True)
    if known.token_id.startswith("web-"):
        raise TokenRefused("a page's token is not refreshed", "sign in: analyst login")
    issued = parts.authentication.tokens.issue(known.username, now=parts.now(), device=known.device)
    return json_answer({"token": issued.token, "expires_at": rfc3339(issued.principal.expires_at)})


async def unlink(request: web.Request) -> web.Response:
    """Unlink the desktop app; with `everywhere`, sign out all devices and sessions too."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    body = await members(request, UnlinkBody)
    now = parts.now()
    if body.device:
        if not await parts.database.run(parts.accounts.revoke_device, user, body.device, now=now, by=by(request, user)):
            raise RequestRefused("there is no such device")
        await parts.revoked()
        return await _told(request, "The device was removed. It receives nothing any more.", "/#desktop")
    was_linked = await parts.database.run(parts.link_state.unlink, user)
    if body.everywhere:
        await parts.database.run(parts.accounts.sign_out_everywhere, user, now=now, by=by(request, user))
        await parts.revoked()
        return await _told(request, "Signed out everywhere.", "/signin?signed_out=everywhere")
    if not was_linked:
        raise RequestRefused("the desktop app is not linked")
    await note(request, "desktop unlinked", user)
    return await _told(
        request, "Unlinked. Devices stay signed in until they are removed, or you sign out everywhere.", "/#desktop"
    )


async def _told(request: web.Request, message: str, onward: str) -> web.Response:
    if not is_form(request):
        return json_answer({"ok": True, "message": message})
    if onward.startswith("/#"):
        await put_flash(request, message, about=onward.removeprefix("/#"))
    raise web.HTTPSeeOther(onward)


async def devices(request: web.Request) -> web.Response:
    """List the devices of the caller's account."""
    parts = request.app[PARTS]
    principal = await bearer(request)
    found = await parts.database.run(parts.accounts.devices, principal.username)
    return json_answer([_device(each) for each in found])


def _device(device: DeviceRecord) -> dict[str, str]:
    return {
        "device": device.id,
        "name": device.name,
        "linked_at": rfc3339(device.linked_at),
        "last_seen": rfc3339(device.last_seen_at),
    }


async def live_token(request: web.Request) -> web.Response:
    """Give a signed-in page a short token for its WebSocket."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    live_id = (await session_of(request)).content["live_id"]
    issued = parts.authentication.tokens.issue(user, now=parts.now(), token_id=live_id, lifetime_s=LIVE_TOKEN_S)
    return json_answer({"token": issued.token, "expires_at": rfc3339(issued.principal.expires_at)})


async def list_scripts(request: web.Request) -> web.Response:
    """List the caller's scripts."""
    scripts = request.app[PARTS].scripts
    principal = await bearer(request)
    found = await scripts.list(principal.username) if scripts else ()
    return json_answer([{"name": each.name, "stem": each.stem, "last_run": each.last_run} for each in found])


async def run_script(request: web.Request) -> web.Response:
    """Run one of the caller's scripts; its result arrives as a notification."""
    scripts = request.app[PARTS].scripts
    principal = await bearer(request)
    name = (await members(request, RunBody)).name
    if not name:
        raise RequestRefused("the script's name is missing")
    if scripts is None:
        return json_answer({"error": f"there is no script {name[:100]!r}"}, status=500)
    try:
        await scripts.run(principal.username, name)
    except ServerError as error:  # 1.4: 500 for "failed" and for "not found", whoever's script it is
        return json_answer({"error": str(error)}, status=500)
    return json_answer({"ok": True})


async def image(request: web.Request) -> web.Response:
    """Give a chart to those who have a notification that refers to it; to anyone else it does not exist."""
    parts = request.app[PARTS]
    name = request.match_info["name"]
    user = await _reader(request)
    png = await parts.images.get(User(user), name) if user and _IMAGE_NAME.fullmatch(name) else None
    if png is None:
        return json_answer({"error": "there is no such image"}, status=404)
    headers = {"Cache-Control": "private, max-age=86400, immutable"}  # the name is the content's hash
    return web.Response(body=png, content_type="image/png", headers=headers)


async def _reader(request: web.Request) -> str:
    """Return whose picture it may be, by bearer or session; empty: nobody's, which is told as a missing file."""
    if "Authorization" not in request.headers:
        return await session_user(request)
    try:
        return (await bearer(request)).username
    except TokenRefused:
        return ""


async def dispatch(request: web.Request) -> web.Response:
    """Take a notification from a remote publisher, by the same path as the gateway's own socket."""
    parts = request.app[PARTS]
    publisher = await _publisher(request)
    body = await body_of(request, max_bytes=MAX_DISPATCH_BYTES)
    users = _addressed(publisher, body)
    if parts.dispatch is None:
        return json_answer({"error": "this server takes nothing from remote publishers"}, status=503)
    answer = await parts.dispatch(body)
    if answer.status == 200:
        await _note_use(request, publisher, users, answer.body)
    return web.Response(body=answer.body, status=answer.status, content_type="application/json")


class _Stored(msgspec.Struct, frozen=True):
    id: str


async def _note_use(request: web.Request, publisher: Publisher, users: Sequence[str], answer: bytes) -> None:
    """Write the dispatch into the audit log; without it the answer stays 200, because a 503 says that nothing is stored."""
    parts = request.app[PARTS]
    actor = By(f"publisher {publisher.name}", address_of(request))
    named = ", ".join(users[:MAX_NAMED]) + (f", and {len(users) - MAX_NAMED} more" if len(users) > MAX_NAMED else "")
    what = msgspec.json.decode(answer, type=_Stored).id
    try:
        await parts.database.run(parts.publishers.note_use, publisher, named, what, now=parts.now(), by=actor)
    except StoreUnavailable as exc:
        log.warning("dispatched to %s by %s, which the audit log could not take: %s", named, publisher.id, exc)


async def _publisher(request: web.Request) -> Publisher:
    parts = request.app[PARTS]
    token = bearer_token(request)
    publisher = await parts.database.run(parts.publishers.by_token, token, now=parts.now())
    if publisher is None:
        await note_failure(request)
        raise TokenRefused(
            "the publisher's token is unknown, expired or revoked", "ask the administrator for a new one"
        )
    return publisher


def _addressed(publisher: Publisher, body: bytes) -> Sequence[str]:
    """Return to whom a body is addressed. Raises `RequestRefused` for what this publisher may not; the rest is judged by the dispatch path."""
    try:
        content: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RequestRefused("Invalid JSON") from exc
    if not isinstance(content, dict):
        raise RequestRefused("Missing 'user' or 'notification'")
    many = content.get("users")
    named = [content.get("user"), *(many if isinstance(many, list) else [])]
    users = [name for name in named if isinstance(name, str)]
    for name in users:
        if not publisher.may_reach(name):
            raise _OutOfScope(f"{publisher.name} may not dispatch to {name[:64]!r}")
    notification = content.get("notification")
    if isinstance(notification, dict) and "image_path" in notification:
        raise _OutOfScope(
            "image_path names a file of the gateway's machine",
            "remote publishers send the chart's numbers (`chart`) and a sentence (`image_alt`)",
        )
    return users


class _OutOfScope(RequestRefused):
    status = 403


ROUTES = [
    web.post("/api/desktop/refresh", refresh),
    web.post("/api/desktop/unlink", unlink),
    web.get("/api/desktop/devices", devices),
    web.get("/api/desktop/scripts", list_scripts),
    web.post("/api/desktop/scripts/run", run_script),
    web.post("/api/desktop/live-token", live_token),
    web.get("/api/notifications/images/{name}", image),
    web.post("/api/dispatch", dispatch),
]
