"""What stands before and after every handler: one answer for every error, protection against other sites, headers of every response."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused, ServerError, StoreUnavailable, TokenRefused
from analyst_server.portal.origin import cross_site_problem, own_origin
from analyst_server.portal.pages import error_page
from analyst_server.portal.parts import PARTS
from analyst_server.portal.requests import SignInFirst, TooManyFailures, is_form
from analyst_server.portal.sessions import SESSIONS, session_user

__all__ = ["ORIGIN", "add_headers", "answer_errors", "json_answer", "refuse_other_sites"]

log = logging.getLogger(__name__)

ORIGIN = web.RequestKey("origin", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # clickjacking, for browsers without `frame-ancestors`
    # A one-time code in an address is no other site's business; `no-referrer` would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",  # pages bring their own
    "Cache-Control": "no-store",
    "Server": "analyst",  # which versions run here helps nobody but attackers
}
_HTTPS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON response."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into one sentence: JSON for the API, a page for people. Nothing internal gets out."""
    try:
        return await handler(request)
    except SignInFirst:
        if request.path.startswith("/api/") and not is_form(request):
            return json_answer({"error": "sign in first"}, status=401)
        raise web.HTTPSeeOther("/signin" + _next_of(request)) from None
    except ServerError as error:
        return await _refusal(request, error)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        headers = {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else {}
        return await _told(request, answer.status, _WORDS.get(answer.status, answer.reason.lower()), "", headers)
    except Exception:  # a per-request handler: the log has the trace, the client a sentence without internals
        log.exception("%s %s failed", request.method, request.path)
        return await _told(request, 500, "this should not have happened", "the server's log tells more", {})


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign hosts, and changes that another site asks for in the person's browser."""
    origin = own_origin(request.app[PARTS].settings.public_url, request.host)
    if not origin:
        return await _told(
            request, 421, f"this server is not {request.host[:100]}", "use the address it was started with", {}
        )
    request[ORIGIN] = origin
    problem = cross_site_problem(
        request.method, request.headers, origin=origin, has_cookie=request.app[SESSIONS].cookie in request.cookies
    )
    if problem:
        return await _told(request, 403, f"refused: {problem}", "open the page here and try again", {})
    return await handler(request)


@web.middleware
async def add_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every response the headers that keep a browser from doing harm with it."""
    secure = request.app[PARTS].settings.public_url.startswith("https:")
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        _protect(redirect, secure=secure)
        raise
    _protect(response, secure=secure)
    return response


def _protect(response: web.StreamResponse, *, secure: bool) -> None:
    for name, value in (_HEADERS | (_HTTPS_HEADERS if secure else {})).items():
        response.headers.setdefault(name, value)


async def _refusal(request: web.Request, error: ServerError) -> web.Response:
    match error:
        case TooManyFailures():
            headers = {"Retry-After": str(max(1, round(error.wait_s)))}
            return await _told(request, error.status, error.problem, error.way_out, headers)
        case RequestRefused():
            return await _told(request, error.status, error.problem, error.way_out, {})
        case StoreUnavailable():  # the log tells which file and why; the client cannot do anything about it
            log.warning("%s %s: %s", request.method, request.path, error)
            return await _told(request, error.status, "the server cannot store or read now", "try again later", {})
        case TokenRefused():
            return await _told(request, 401, error.problem, error.way_out, {"WWW-Authenticate": "Bearer"})
        case _:
            log.warning("%s %s: %s", request.method, request.path, error)
            return await _told(request, 500, error.problem, error.way_out, {})


async def _told(request: web.Request, status: int, problem: str, way_out: str, headers: dict[str, str]) -> web.Response:
    if request.path.startswith(("/api/", "/.well-known/")) and not is_form(request):
        words = f"{problem}; {way_out}" if way_out else problem
        return json_answer({"error": words}, status=status, headers=headers)
    response = error_page(status, problem, way_out, user=await _user(request))
    response.headers.update(headers)
    return response


async def _user(request: web.Request) -> str:
    try:
        return await session_user(request)
    except StoreUnavailable:  # perhaps what the page is about to tell
        return ""


def _next_of(request: web.Request) -> str:
    return "?" + urlencode({"next": request.path_qs}) if request.method == "GET" and request.path != "/" else ""


_WORDS = {
    404: "there is no such page",
    405: "this cannot be done here",
    413: "the body is too large",
}
