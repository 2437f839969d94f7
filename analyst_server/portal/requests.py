"""Read a request: its body with limits, who sent it, and how often they have failed. Every handler goes through here."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused, TokenRefused, TooLarge
from analyst_server.identity.principal import Principal
from analyst_server.identity.throttle import address_key
from analyst_server.portal.audit import By, record
from analyst_server.portal.origin import client_address
from analyst_server.portal.parts import PARTS
from analyst_server.portal.sessions import session_user

__all__ = [
    "SignInFirst",
    "TooManyFailures",
    "address_of",
    "bearer",
    "bearer_token",
    "body_of",
    "by",
    "is_form",
    "may_guess",
    "members",
    "note",
    "note_failure",
    "signed_in",
]

T = TypeVar("T", bound=msgspec.Struct)

MAX_MEMBERS_BYTES = 16_384  # every body but a dispatch: names, codes, ids
MAX_FORM_FIELDS = 600  # 500 ids to mark, and a few more


class SignInFirst(Exception):
    """A page needs somebody who is signed in."""


class TooManyFailures(RequestRefused):
    """Somebody has failed too often; `wait_s` tells when the next try is allowed."""

    status = 429

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many failed attempts", f"try again in {max(1, round(wait_s))} seconds")
        self.wait_s = wait_s


def is_form(request: web.Request) -> bool:
    """Tell whether a page's form sent this, so that a page is the answer. A program may claim the same content type, as `curl -d` does."""
    return request.content_type == "application/x-www-form-urlencoded" and (
        "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
    )


class TooSlow(RequestRefused):
    """The body did not come in time."""

    status = 408


async def body_of(request: web.Request, *, max_bytes: int) -> bytes:
    """Read a body with its bounds in size and time. Raises `TooLarge`, `TooSlow`."""
    body = bytearray()
    try:
        async with asyncio.timeout(request.app[PARTS].body_timeout_s):
            async for chunk in request.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > max_bytes:
                    raise TooLarge(f"the body has more than {max_bytes >> 10} KiB")
    except TimeoutError as exc:
        raise TooSlow("the body did not come in time", "send it faster") from exc
    return bytes(body)


async def members(request: web.Request, kind: type[T]) -> T:
    """Read the body, JSON or a form, as a record. Raises `RequestRefused` naming what cannot be read."""
    body = await body_of(request, max_bytes=MAX_MEMBERS_BYTES)
    try:
        if request.content_type == "application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{"):
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
            return msgspec.convert(dict(fields), kind, strict=False)
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise RequestRefused(f"the body cannot be read ({str(exc)[:200]})") from exc


def address_of(request: web.Request) -> str:
    """Return the network address of the client."""
    parts = request.app[PARTS]
    return client_address(
        request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", [])), parts.settings.trusted_proxies
    )


def by(request: web.Request, actor: str) -> By:
    """Return who does something, for the audit log."""
    return By(actor, address_of(request))


async def note(request: web.Request, action: str, user: str) -> None:
    """Write a line of the audit log about what a person has done to themselves, outside the database."""
    parts = request.app[PARTS]
    await parts.database.run(record, parts.database, action, user, now=parts.now(), by=by(request, user))


async def may_guess(request: web.Request, *, user: str = "") -> None:
    """Let somebody try a secret that people type. Raises `TooManyFailures` while the address (or the user) has no failure left.

    What has 256 random bits or a signature needs no such look before: there `note_failure` alone answers 429, and whoever has a good token
    is not held up by a broken program behind the same address.
    """
    parts = request.app[PARTS]
    wait_s = await parts.database.run(parts.throttling.wait_s, _keys(request, user), now=parts.now())
    if wait_s > 0:
        raise TooManyFailures(wait_s)


async def note_failure(request: web.Request, *, user: str = "") -> None:
    """Count a failed attempt. Raises `TooManyFailures` when there was none left (S7)."""
    await may_guess(request, user=user)
    parts = request.app[PARTS]
    await parts.database.run(parts.throttling.note_failure, _keys(request, user), now=parts.now())


def _keys(request: web.Request, user: str) -> Sequence[str]:
    return [address_key(address_of(request)), *([f"user:{user}"] if user else [])]


async def signed_in(request: web.Request) -> str:
    """Return who is signed in in this browser. Raises `SignInFirst`."""
    user = await session_user(request)
    if not user:
        raise SignInFirst
    return user


def bearer_token(request: web.Request) -> str:
    """Return the token of the Authorization header. Raises `TokenRefused` when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("the Authorization header carries no bearer token", "sign in: analyst login")
    return token.strip()


async def bearer(request: web.Request, *, for_refresh: bool = False) -> Principal:
    """Return who is behind the bearer token, marked as linked and seen (1.4). Raises `TokenRefused`, `TooManyFailures`."""
    parts = request.app[PARTS]
    token = bearer_token(request)
    verify = parts.authentication.verify_for_refresh if for_refresh else parts.authentication.verify
    try:
        principal = verify(token)
    except TokenRefused:
        await note_failure(request)
        raise
    if not principal.token_id.startswith("web-"):
        await parts.database.run(parts.note_seen, principal)
    return principal
