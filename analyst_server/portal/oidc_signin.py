"""Signing in by an OpenID Connect provider: leave for it, come back from it. `identity.oidc` decides; here is the I/O."""

from collections.abc import Generator
from dataclasses import asdict
from typing import TypeVar

import aiohttp
from aiohttp import web

from analyst_server.errors import RequestRefused, TokenRefused
from analyst_server.identity.grants import SIGN_IN_LIFETIME_S
from analyst_server.identity.oidc import (
    Attempt,
    Fetch,
    Fetched,
    OidcClient,
    Provider,
    authorization_url,
    discover,
    exchange,
    new_attempt,
)
from analyst_server.portal.accounts import IdentityClaim
from analyst_server.portal.guards import ORIGIN
from analyst_server.portal.parts import PARTS
from analyst_server.portal.requests import by, note_failure
from analyst_server.portal.sessions import save_now, session_of, sign_in
from analyst_server.portal.signin import local_path

__all__ = ["ROUTES", "ProviderUnavailable", "known_providers"]

T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=10)
MAX_ANSWER_BYTES = 512 << 10  # a key set or a token is a few KiB
KEPT_S = 3_600.0  # how long what discovery and the key set told is used before it is asked again

# What is known of the provider, by issuer, and since when. The keys lie inside, by `kid`, so one issuer's key never verifies another's token.
known_providers: "web.AppKey[dict[str, tuple[Provider, float]]]" = web.AppKey("known-providers", dict)


class ProviderUnavailable(RequestRefused):
    """The provider does not answer."""

    status = 502


async def leave(request: web.Request) -> web.Response:
    """Send the browser to the provider."""
    client = _client(request)
    now = request.app[PARTS].now()
    provider = await _provider(request, client)
    attempt = new_attempt(f"{request[ORIGIN]}/signin/callback", now=now)
    session = await session_of(request)
    session.put("attempt", asdict(attempt))
    session.put("onward", local_path(request.query.get("next", "/")))
    return web.Response(status=303, headers={"Location": authorization_url(provider, client, attempt)})


async def come_back(request: web.Request) -> web.Response:
    """Take what the provider says, and begin a session of whom it is about."""
    client, parts = _client(request), request.app[PARTS]
    session = await session_of(request)
    kept, onward = session.take("attempt"), session.take("onward")
    await save_now(request)  # before anything is judged: `state` and `nonce` work once, in a sign-in that fails, too
    try:
        attempt = _begun(kept, now=parts.now())
        provider = await _provider(request, client)
        came = exchange(provider, client, attempt, request.query, now=parts.now())
        provider, identity = await _carried_out(came)
        request.app[known_providers][client.issuer] = (provider, request.app[known_providers][client.issuer][1])
        claim = IdentityClaim(identity.issuer, identity.subject, identity.email, identity.username)
        user = await parts.database.run(
            parts.accounts.user_of_identity, claim, now=parts.now(), by=by(request, identity.username)
        )
    except TokenRefused:
        await note_failure(request)
        raise
    await sign_in(request, user)
    raise web.HTTPSeeOther(local_path(onward))


def _client(request: web.Request) -> OidcClient:
    client = request.app[PARTS].settings.oidc
    if client is None:
        raise web.HTTPNotFound
    return client


def _begun(kept: object, *, now: float) -> Attempt:
    """Return the attempt that this browser has begun (S5: its own, once, within 10 minutes). Raises `TokenRefused`."""
    if not isinstance(kept, dict):
        raise TokenRefused("no sign-in was begun in this browser", "begin it on this portal's own page")
    attempt = Attempt(**kept)
    if now - attempt.began_at >= SIGN_IN_LIFETIME_S:
        raise TokenRefused("the sign-in took longer than 10 minutes", "sign in again")
    return attempt


async def _provider(request: web.Request, client: OidcClient) -> Provider:
    known, now = request.app[known_providers], request.app[PARTS].now()
    if client.issuer in known and now - known[client.issuer][1] < KEPT_S:
        return known[client.issuer][0]
    provider = await _carried_out(discover(client.issuer))
    known[client.issuer] = (provider, now)
    return provider


async def _carried_out(steps: Generator[Fetch, Fetched, T]) -> T:
    """Make the requests of an exchange and return its result. No redirect is followed: the addresses are the provider's own (S2)."""
    async with aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            fetch = next(steps)
            while True:
                fetch = steps.send(await _fetched(session, fetch))
        except StopIteration as done:
            result: T = done.value
            return result


async def _fetched(session: aiohttp.ClientSession, fetch: Fetch) -> Fetched:
    method = "GET" if fetch.form is None else "POST"
    try:
        async with session.request(
            method, fetch.url, data=fetch.form, headers=fetch.headers, allow_redirects=False
        ) as answer:
            if answer.status >= 500:
                raise ProviderUnavailable(
                    f"the sign-in provider has a problem (status {answer.status})", "try again in a minute"
                )
            body = b""
            async for chunk in answer.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ProviderUnavailable("the sign-in provider answers with more than 512 KiB", "try again later")
            return Fetched(answer.status, body)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ProviderUnavailable("the sign-in provider does not answer", "try again in a minute") from exc


ROUTES = [web.get("/signin/oidc", leave), web.get("/signin/callback", come_back)]
