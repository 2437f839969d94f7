"""Linking devices: `/desktop/link`, `/desktop/device`, and the calls behind them (sections 1.4 and 2.7 of the protocol)."""

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused
from analyst_server.identity.grants import LinkRequest, PollAnswer, link_request, normal_user_code, return_address
from analyst_server.identity.tokens import new_token_id
from analyst_server.portal.codes import Redeemed, Replayed
from analyst_server.portal.guards import ORIGIN, json_answer
from analyst_server.portal.pages import page
from analyst_server.portal.parts import PARTS
from analyst_server.portal.requests import by, is_form, may_guess, members, note_failure, signed_in
from analyst_server.portal.times import rfc3339

__all__ = ["ROUTES"]


class AuthorizeBody(msgspec.Struct, frozen=True):
    """What the page "Authorize Desktop App" posts: the parameters it was opened with, and the person's decision."""

    code_challenge: str = ""
    code_challenge_method: str = "S256"
    state: str = ""
    device: str = ""
    redirect_uri: str = ""
    decision: str = "authorize"  # `authorize`, `show` (the link, to be pasted) or `cancel`


class TokenBody(msgspec.Struct, frozen=True):
    """What a client exchanges for a token: a code with its verifier, or a device code."""

    code: str = ""
    code_verifier: str = ""
    device_code: str = ""


class DeviceBody(msgspec.Struct, frozen=True):
    """What a client without browser tells of itself."""

    device: str = ""


class UserCodeBody(msgspec.Struct, frozen=True):
    """What the page of device codes posts."""

    user_code: str = ""
    decision: str = ""  # empty: show what is asked; `authorize` or `cancel`


async def link_page(request: web.Request) -> web.Response:
    """Show which account and which device a click would connect."""
    user = await signed_in(request)
    asked = link_request(request.query)
    parts = request.app[PARTS]
    targets = asked.redirect_uri.removesuffix("/callback") or f"{parts.settings.scheme}:"
    return page("link.html", user=user, asked=asked, scheme=parts.settings.scheme, form_targets=targets)


async def authorize(request: web.Request) -> web.Response:
    """Give the app what it needs to get a token, by the address that it waits at."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    body = await members(request, AuthorizeBody)
    asked = link_request({name: getattr(body, name) for name in body.__struct_fields__})
    if body.decision == "cancel":
        if not asked.challenge:
            raise web.HTTPSeeOther("/")
        return _leading_to(return_address(asked, scheme=parts.settings.scheme, error="access_denied"))
    url = await _address_with_grant(request, user, asked)
    await parts.database.run(parts.link_state.link, user, at=rfc3339(parts.now()))
    if not is_form(request):
        return json_answer({"url": url})
    if body.decision == "show":
        return page("link_shown.html", user=user, url=url, device=asked.device)
    return _leading_to(url)


def _leading_to(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})  # aiohttp's own redirect would write `//auth/?code`


async def _address_with_grant(request: web.Request, user: str, asked: LinkRequest) -> str:
    parts = request.app[PARTS]
    now = parts.now()
    if asked.challenge:
        code = await parts.database.run(
            parts.codes.new_code, user, device=asked.device, challenge=asked.challenge, now=now
        )
        return return_address(asked, scheme=parts.settings.scheme, code=code)
    if not parts.settings.link_by_token:
        raise RequestRefused("this server gives no token by address", "use an app that knows protocol 2: analyst login")
    name = asked.device or "desktop app"
    device = await parts.database.run(parts.accounts.link_device, user, name, now=now, by=by(request, user))
    token = parts.authentication.tokens.issue(user, now=now, device=device).token
    return f"{parts.settings.scheme}://auth?token={token}"


async def token(request: web.Request) -> web.Response:
    """Exchange a one-time code, or an approved device code, for a token."""
    body = await members(request, TokenBody)
    parts = request.app[PARTS]
    if body.device_code:
        answer = await parts.database.run(parts.codes.poll, body.device_code, now=parts.now())
        if isinstance(answer, PollAnswer):
            if answer is PollAnswer.EXPIRED:
                await note_failure(request)
            return json_answer({"error": answer.value}, status=400)
        return await _token_answer(request, answer, token_id="")
    token_id = new_token_id()
    redeemed = await parts.database.run(
        parts.codes.redeem, body.code, body.code_verifier, token_id=token_id, now=parts.now()
    )
    if isinstance(redeemed, Redeemed):
        return await _token_answer(request, redeemed, token_id=token_id)
    if isinstance(redeemed, Replayed) and redeemed.token_id:
        await parts.database.run(
            parts.accounts.revoke_token,
            redeemed.username,
            redeemed.token_id,
            now=parts.now(),
            by=by(request, "replayed code"),
        )
        await parts.revoked()
    await note_failure(request)
    return json_answer({"error": "the code is used, expired, unknown, or belongs to another sign-in"}, status=400)


async def _token_answer(request: web.Request, redeemed: Redeemed, *, token_id: str) -> web.Response:
    parts = request.app[PARTS]
    now, user = parts.now(), redeemed.username
    device = await parts.database.run(parts.accounts.link_device, user, redeemed.device, now=now, by=by(request, user))
    await parts.database.run(parts.link_state.link, user, at=rfc3339(now))
    if user in parts.authentication.revocations.not_before:  # its new device must be known before its token is shown
        await parts.revoked()
    issued = parts.authentication.tokens.issue(user, now=now, device=device, token_id=token_id)
    return json_answer(
        {"token": issued.token, "expires_at": rfc3339(issued.principal.expires_at), "username": user, "device": device}
    )


async def device_code(request: web.Request) -> web.Response:
    """Begin a sign-in of a client without browser (RFC 8628 section 3.1)."""
    body = await members(request, DeviceBody)
    parts = request.app[PARTS]
    await may_guess(request)
    device = link_request({"device": body.device}).device
    new = await parts.database.run(parts.codes.new_device_code, device, now=parts.now())
    if new is None:
        return json_answer({"error": "too many sign-ins wait; try again in ten minutes"}, status=503)
    await note_failure(request)  # not a failure, but anyone may ask: thirty at once, then one a minute
    where = f"{request[ORIGIN]}/desktop/device"
    return json_answer(
        {
            "device_code": new.device_code,
            "user_code": new.user_code,
            "verification_uri": where,
            "verification_uri_complete": f"{where}?user_code={new.user_code}",
            "interval": new.interval_s,
            "expires_in": new.expires_in_s,
        }
    )


async def device_page(request: web.Request) -> web.Response:
    """Ask for the code that a terminal shows."""
    user = await signed_in(request)
    return page("device.html", user=user, typed=request.query.get("user_code", "")[:16], problem="")


async def device_decision(request: web.Request) -> web.Response:
    """Show which device waits with a code, then approve or deny it."""
    user = await signed_in(request)
    parts = request.app[PARTS]
    await may_guess(request, user=user)
    body = await members(request, UserCodeBody)
    code, now = normal_user_code(body.user_code), parts.now()
    device = await parts.database.run(parts.codes.device_of_user_code, code, now=now)
    if device is not None and body.decision in {"authorize", "cancel"}:
        approved = body.decision == "authorize"
        if await parts.database.run(parts.codes.decide, code, user, approved=approved, now=now):
            return page("device_done.html", user=user, device=device, approved=approved)
        device = None
    if device is None:
        await note_failure(request, user=user)
        problem = "No device waits with this code. Look at the terminal again, or begin anew there."
        return page("device.html", user=user, status=400, typed=body.user_code[:16], problem=problem)
    return page("device_confirm.html", user=user, device=device, code=code)


ROUTES = [
    web.get("/desktop/link", link_page),
    web.get("/desktop/device", device_page),
    web.post("/desktop/device", device_decision),
    web.post("/api/desktop/authorize", authorize),
    web.post("/api/desktop/token", token),
    web.post("/api/desktop/device", device_code),
]
