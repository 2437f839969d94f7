"""What clients and machines ask first: where the WebSocket is, what the API looks like, whether the portal is up."""

from urllib.parse import urlsplit

from aiohttp import web

from analyst_server.portal.guards import ORIGIN, json_answer
from analyst_server.portal.openapi import document
from analyst_server.portal.parts import PARTS
from analyst_server.portal.settings import PortalSettings

__all__ = ["ROUTES", "ws_url"]


def ws_url(settings: PortalSettings, origin: str) -> str:
    """Return where the WebSocket is for a client that reached the portal at this origin.

    Behind a proxy (a public URL) it is the same host, as in the source system; else the portal's host on the gateway's own port.
    """
    if settings.ws_url:
        return settings.ws_url
    parts = urlsplit(origin)
    if settings.public_url:
        return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws/notifications"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"ws://{host}:{settings.ws_port}/ws/notifications"


async def facts(request: web.Request) -> web.Response:
    """Tell where the WebSocket is."""
    settings = request.app[PARTS].settings
    return json_answer({"ws_url": ws_url(settings, request[ORIGIN]), "protocol": 2, "scheme": settings.scheme})


async def openapi(request: web.Request) -> web.Response:
    """Give the OpenAPI document."""
    return json_answer(document(request[ORIGIN]))


async def health(_: web.Request) -> web.Response:
    """Say that the portal answers."""
    return json_answer({"status": "ok"})


ROUTES = [
    web.get("/.well-known/analyst.json", facts),
    web.get("/api/openapi.json", openapi),
    web.get("/api/health", health),
]
