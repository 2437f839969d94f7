"""Linking Telegram from the portal (section 1.4 of the protocol)."""

import re

import msgspec
from aiohttp import web

from analyst_server.errors import RequestRefused
from analyst_server.portal.guards import json_answer
from analyst_server.portal.parts import PARTS
from analyst_server.portal.requests import is_form, may_guess, members, note, note_failure, signed_in
from analyst_server.portal.sessions import put_flash
from analyst_server.portal.telegram_link import TelegramLinks

__all__ = ["ROUTES"]

_CODE = re.compile(r"[0-9]{6}", re.ASCII)


class VerifyBody(msgspec.Struct, frozen=True):
    """The code that the bot has told."""

    code: str = ""


async def verify(request: web.Request) -> web.Response:
    """Link the chat to which the bot has told this code."""
    user = await signed_in(request)
    await may_guess(request, user=user)
    code = re.sub(r"\s", "", (await members(request, VerifyBody)).code[:32])
    link = await _telegram(request).verify(user, code) if _CODE.fullmatch(code) else None
    if link is None:
        await note_failure(request, user=user)
        return await _refused(request, "This code is not valid, or older than 10 minutes. Ask the bot for a new one.")
    await note(request, "telegram linked", user)
    return await _done(request, "Telegram is linked.")


async def unlink(request: web.Request) -> web.Response:
    """Forget the person's chat."""
    user = await signed_in(request)
    if not await _telegram(request).unlink(user):
        return await _refused(request, "Telegram is not linked.")
    await note(request, "telegram unlinked", user)
    return await _done(request, "Telegram is unlinked.")


async def status(request: web.Request) -> web.Response:
    """Tell whether the person has linked Telegram."""
    user = await signed_in(request)
    telegram = request.app[PARTS].telegram
    link = await telegram.link_of(user) if telegram else None
    return json_answer({"linked": link is not None, "linked_at": link.linked_at if link else None})


def _telegram(request: web.Request) -> TelegramLinks:
    telegram = request.app[PARTS].telegram
    if telegram is None:
        raise RequestRefused("this server has no Telegram bot")
    return telegram


async def _done(request: web.Request, message: str) -> web.Response:
    if not is_form(request):
        return json_answer({"ok": True, "message": message})
    await put_flash(request, message, about="telegram")
    raise web.HTTPSeeOther("/#telegram")


async def _refused(request: web.Request, message: str) -> web.Response:
    if not is_form(request):
        return json_answer({"error": message}, status=400)
    await put_flash(request, message, about="telegram", is_problem=True)
    raise web.HTTPSeeOther("/#telegram")


ROUTES = [
    web.post("/api/telegram/verify", verify),
    web.post("/api/telegram/unlink", unlink),
    web.get("/api/telegram/status", status),
]
