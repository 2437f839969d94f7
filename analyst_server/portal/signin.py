"""Signing in and out of the browser: by invitation, as the trial user; `oidc_signin.py` adds a provider."""

from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
from aiohttp import web

from analyst_server.errors import TokenRefused
from analyst_server.identity.grants import SIGN_IN_LIFETIME_S
from analyst_server.portal.pages import page
from analyst_server.portal.parts import PARTS
from analyst_server.portal.requests import by, members, note_failure, signed_in
from analyst_server.portal.sessions import session_of, session_user, sign_in, sign_out

__all__ = ["ROUTES", "local_path"]

ONWARD = "analyst-onward"  # a cookie without secrets


_TOLD = {
    "here": "You are signed out of this browser.",
    "everywhere": "You are signed out everywhere: no device and no browser has access any more.",
}
_WHY = "Sign in first; the page that connects your device comes next."


class InviteForm(msgspec.Struct, frozen=True):
    """What the page of an invitation posts."""

    code: str = ""


class NextForm(msgspec.Struct, frozen=True):
    """What a sign-in without questions posts."""

    next: str = "/"


async def signin_page(request: web.Request) -> web.Response:
    """Offer the ways of signing in."""
    parts = request.app[PARTS]
    onward = local_path(request.query.get("next", "/"))
    if await session_user(request):
        raise web.HTTPSeeOther(onward)
    oidc = parts.settings.oidc
    label = (oidc.label or ("Google" if oidc.is_google else urlsplit(oidc.issuer).hostname)) if oidc else ""
    shown = page(
        "signin.html",
        provider=label,
        provider_url="/signin/oidc?" + urlencode({"next": onward}),
        dev_user=parts.settings.dev_user,
        onward=onward,
        told=_TOLD.get(request.query.get("signed_out", ""), "") or (_WHY if onward.startswith("/desktop/") else ""),
    )
    if onward != "/":  # an invitation is opened from elsewhere, and goes on where the person was sent away
        secure = parts.settings.public_url.startswith("https:")
        shown.set_cookie(
            ONWARD, quote(onward), max_age=SIGN_IN_LIFETIME_S, httponly=True, samesite="Lax", secure=secure
        )
    return shown


async def invite_page(request: web.Request) -> web.Response:
    """Show whom an invitation is for. It is not used up: mail programs and chat previews open links too."""
    parts = request.app[PARTS]
    code = request.query.get("code", "")
    user = await parts.database.run(parts.accounts.invited_user, code, now=parts.now())
    if user is None:
        await note_failure(request)
        return await _invitation_is_over(request)
    return page("invite.html", invited=user, code=code, signed_in_as=await session_user(request))


async def redeem_invite(request: web.Request) -> web.Response:
    """Use an invitation up and begin a session."""
    parts = request.app[PARTS]
    form = await members(request, InviteForm)
    user = await parts.database.run(
        parts.accounts.redeem_invite, form.code, now=parts.now(), by=by(request, "invitation")
    )
    if user is None:
        await note_failure(request)
        return await _invitation_is_over(request)
    await sign_in(request, user)
    onward = web.HTTPSeeOther(local_path(unquote(request.cookies.get(ONWARD, "/"))))
    onward.del_cookie(ONWARD)
    raise onward


async def dev_signin(request: web.Request) -> web.Response:
    """Sign in as the trial user; the settings allow it on loopback only."""
    parts = request.app[PARTS]
    user = parts.settings.dev_user
    if not user:
        raise web.HTTPNotFound
    form = await members(request, NextForm)
    await parts.database.run(parts.accounts.ensure_user, user, now=parts.now(), by=by(request, "--dev-user"))
    if not await parts.database.run(parts.accounts.user_is_welcome, user):
        raise TokenRefused(f"the account {user} is disabled", "ask the administrator")
    await sign_in(request, user)
    raise web.HTTPSeeOther(local_path(form.next))


async def signout(request: web.Request) -> web.Response:
    """End the session, and the sockets that its page has opened."""
    parts = request.app[PARTS]
    user = await signed_in(request)
    live_id = (await session_of(request)).content.get("live_id", "")
    await sign_out(request)
    await parts.database.run(parts.accounts.sign_out, user, live_id, now=parts.now(), by=by(request, user))
    await parts.revoked()
    raise web.HTTPSeeOther("/signin?signed_out=here")


def local_path(target: Any) -> str:
    """Return a path of this portal, whatever was asked: never another host (open redirect)."""
    if (
        not isinstance(target, str)
        or not target.startswith("/")
        or target.startswith(("//", "/\\"))
        or len(target) > 2_000
    ):
        return "/"
    if any(ord(character) < 0x21 or ord(character) == 0x7F or character == "\\" for character in target):
        return "/"  # browsers drop tabs and newlines, and take a backslash for a slash
    return target


async def _invitation_is_over(request: web.Request) -> web.Response:
    return page(
        "error.html",
        user=await session_user(request),
        status=404,
        problem="this invitation is used, expired or unknown",
        way_out="ask the administrator for a new one: analyst gateway invite <your name>",
    )


ROUTES = [
    web.get("/signin", signin_page),
    web.get("/signin/invite", invite_page),
    web.post("/signin/invite", redeem_invite),
    web.post("/signin/dev", dev_signin),
    web.post("/signout", signout),
]
