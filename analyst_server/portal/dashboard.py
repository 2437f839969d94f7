"""The dashboard: the person's own notifications with their charts and read state, and the channels that bring them."""

import asyncio
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused
from analyst_server.identity.grants import digest
from analyst_server.inbox.log import MarkDraft, Snapshot, StoredNotification, User
from analyst_server.portal.chart_svg import chart_svg
from analyst_server.portal.downloads import downloadable
from analyst_server.portal.guards import ORIGIN
from analyst_server.portal.message_html import message_html
from analyst_server.portal.pages import page, rendered
from analyst_server.portal.parts import PARTS, Parts
from analyst_server.portal.requests import members, signed_in
from analyst_server.portal.sessions import session_of
from analyst_server.portal.times import ago, rfc3339
from analyst_server.portal.wellknown import ws_url
from analyst_server.wire.messages import Notification

__all__ = ["ROUTES"]

SHOWN = 50  # section 2.2: as many as a snapshot has
PREVIEW_CHARS = 160  # one line of the widest page


class MarkForm(msgspec.Struct, frozen=True):
    """A mark made without JavaScript; `id` empty: all that are shown."""

    state: Literal["read", "unread"] = "read"
    id: str = ""


class Shown(msgspec.Struct, frozen=True):
    """One notification as the page shows it."""

    id: str
    title: str
    message: str
    preview: str  # the message's beginning as plain text
    when: str
    timestamp: str
    script: str
    priority: str
    tags: list[str]
    read: bool
    image_url: str
    image_alt: str
    chart: str  # SVG; empty: none
    resolved: bool
    url: str  # on the web; empty: none


async def dashboard(request: web.Request) -> web.Response:
    """Show the person's notifications and channels."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    session = await session_of(request)
    flash = session.take("flash")
    snapshot = await parts.inbox.snapshot(User(user), limit=SHOWN)
    shown = _shown(snapshot, now=parts.now())
    socket = ws_url(parts.settings, request[ORIGIN])
    return await asyncio.to_thread(
        page,
        "dashboard.html",
        user=user,
        connect_to="{0.scheme}://{0.netloc}".format(urlsplit(socket)),
        flash=flash,
        notifications=shown,
        unread=sum(not each.read for each in shown),
        epoch=parts.inbox.epoch,
        seq=snapshot.seq,
        ws_url=socket,
        device_name="browser-"
        + digest(session.content["live_id"])[:6],  # one a session, so that the ledger tells two browsers apart
        downloads=await parts.database.run(downloadable, parts.settings.downloads),
        **await _channels(parts, user),
    )


async def notifications_fragment(request: web.Request) -> web.Response:
    """Give the list alone, for a page that was told of something new."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    snapshot = await parts.inbox.snapshot(User(user), limit=SHOWN)
    shown = _shown(snapshot, now=parts.now())
    unread = sum(not each.read for each in shown)
    html = await asyncio.to_thread(rendered, "notifications.html", notifications=shown, unread=unread)
    return web.Response(text=html, content_type="text/html", charset="utf-8")


async def mark(request: web.Request) -> web.Response:
    """Mark one notification, or all that are shown, by a page's form."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    form = await members(request, MarkForm)
    ids = (
        [form.id]
        if form.id
        else [each.id for each in _shown(await parts.inbox.snapshot(User(user), limit=SHOWN), now=0)]
    )
    if ids:
        draft = MarkDraft(User(user), ids, form.state, rfc3339(parts.now()), device="browser")
        marked = await parts.inbox.mark(draft)
        if form.id in marked.unknown:
            raise RequestRefused("there is no such notification")
    raise web.HTTPSeeOther("/#notifications")


async def _channels(parts: Parts, user: str) -> dict[str, Any]:
    now = parts.now()
    linked_at = await parts.database.run(parts.link_state.linked_at, user)
    devices = await parts.database.run(parts.accounts.devices, user)
    return {
        "linked_at": linked_at,
        "devices": [
            {
                "id": each.id,
                "name": each.name,
                "linked": ago(each.linked_at, now=now),
                "seen": ago(each.last_seen_at, now=now),
            }
            for each in devices
        ],
        "telegram": parts.telegram is not None,
        "telegram_bot": parts.telegram.bot_name if parts.telegram else "",
        "telegram_link": await parts.telegram.link_of(user) if parts.telegram else None,
    }


def _shown(snapshot: Snapshot, *, now: float) -> list[Shown]:
    return [_as_shown(each, now=now) for each in reversed(snapshot.notifications) if not each.state.archived]


def _as_shown(stored: StoredNotification, *, now: float) -> Shown:
    body = msgspec.json.decode(stored.body, type=Notification)
    when = _moment(body.timestamp)
    return Shown(
        id=body.id,
        title=body.title,
        message=body.message,
        preview=message_html(body.message).striptags()[:PREVIEW_CHARS],
        when=ago(when, now=now) if when is not None else "",
        timestamp=body.timestamp if when is not None else "",
        script=body.script or "",
        priority=body.priority,
        tags=body.tags,
        read=stored.state.read,
        image_url=body.image_url if body.image_url and body.image_url.startswith("/api/notifications/images/") else "",
        image_alt=body.image_alt or f"Chart of “{body.title}”",
        chart=chart_svg(body.chart) if body.chart is not None else "",
        resolved=body.status == "resolved",
        url=body.url if body.url and body.url.startswith(("https://", "http://")) else "",
    )


def _moment(timestamp: str) -> float | None:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


ROUTES = [
    web.get("/", dashboard),
    web.get("/notifications", notifications_fragment),
    web.post("/notifications/mark", mark),
]
