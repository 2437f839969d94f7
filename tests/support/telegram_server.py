"""A scripted Bot API for what the foreign emulator has not: photos, limits, faults. It checks requests as the Bot API documents them.

https://core.telegram.org/bots/api
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from aiohttp import web

__all__ = ["TOKEN", "TelegramServer", "telegram_server"]

TOKEN = "123456:scripted-token"
FIELDS = {
    "getMe": set(),
    "getUpdates": {"offset", "timeout", "allowed_updates"},
    "sendMessage": {"chat_id", "text", "parse_mode", "link_preview_options", "reply_markup"},
    "sendPhoto": {"chat_id", "photo", "caption", "parse_mode", "reply_markup"},
    "answerCallbackQuery": {"callback_query_id", "text"},
    "editMessageReplyMarkup": {"chat_id", "message_id", "reply_markup"},
}
TAGS = {"b", "i", "a", "code", "pre"}

# A fault gets the method and its fields and returns an answer (status, body), "hang" (handled, but never answered), or None (as usual).
Fault = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]] | str | None]


@dataclass
class TelegramServer:
    """What the bot has said, and what it is told."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)  # texts and photos, in the order of their arrival
    other: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)  # asked in order; one that returns something is used up
    problems: list[str] = field(default_factory=list)  # requests that the real one would refuse
    updates: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _update_id: int = 100

    @property
    def texts(self) -> list[str]:
        """Return texts and captions."""
        return [message.get("text") or message.get("caption") or "" for message in self.messages]

    def write(self, text: str, *, chat: int = 7, person: int | None = None) -> None:
        """Let a person write to the bot."""
        self._update(
            message={
                "message_id": 1,
                "text": text,
                "chat": {"id": chat, "type": "private"},
                "from": {"id": chat if person is None else person},
            }
        )

    def press(self, data: str, *, chat: int = 7, person: int | None = None, message: int = 1) -> None:
        """Let a person press a button."""
        self._update(callback_query={"id": f"q{self._update_id}", "data": data, "from": {"id": chat if person is None else person},
                                     "message": {"message_id": message, "chat": {"id": chat, "type": "private"}}})  # fmt: skip

    def answers(self) -> list[str]:
        """Return the words that pressed buttons were answered with."""
        return [fields["text"] for method, fields in self.other if method == "answerCallbackQuery"]

    async def until(self, condition: Callable[[], object], *, within_s: float = 30.0) -> None:
        """Wait for something that the bot does."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)

    def _update(self, **content: Any) -> None:
        self._update_id += 1
        self.updates.put_nowait({"update_id": self._update_id, **content})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        if request.match_info["token"] != TOKEN:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        method = request.match_info["method"]
        fields = await _fields(request)
        for fault in list(self.faults):
            if (answer := fault(method, fields)) is not None:
                self.faults.remove(fault)
                if isinstance(answer, str):
                    self._keep(method, fields)
                    await self.released.wait()
                    return web.Response()
                return web.json_response(answer[1], status=answer[0])
        if problem := _problem(method, fields):
            self.problems.append(f"{method}: {problem}")
            return web.json_response(
                {"ok": False, "error_code": 400, "description": f"Bad Request: {problem}"}, status=400
            )
        return web.json_response({"ok": True, "result": await self._result(method, fields)})

    async def _result(self, method: str, fields: dict[str, Any]) -> Any:
        if method == "getMe":
            return {"id": 1, "is_bot": True, "username": "scripted_bot"}
        if method == "getUpdates":
            try:
                async with asyncio.timeout(min(float(fields["timeout"]), 1.0)):
                    return [await self.updates.get()]
            except TimeoutError:
                return []
        return self._keep(method, fields)

    def _keep(self, method: str, fields: dict[str, Any]) -> Any:
        if method not in {"sendMessage", "sendPhoto"}:
            self.other.append((method, fields))
            return True
        self.messages.append(fields)
        return {"message_id": len(self.messages)}


@asynccontextmanager
async def telegram_server() -> AsyncIterator[TelegramServer]:
    """Serve on a free port of loopback."""
    server = TelegramServer()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/bot{token}/{method}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.released.set()
        await runner.cleanup()


async def _fields(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    fields: dict[str, Any] = {}
    async for part in await request.multipart():
        fields[str(part.name)] = (
            {"bytes": bytes(await part.read()), "filename": part.filename} if part.filename else await part.text()
        )
    for name in ("chat_id", "reply_markup"):
        if isinstance(fields.get(name), str):
            fields[name] = json.loads(fields[name])
    return fields


def _problem(method: str, fields: dict[str, Any]) -> str:
    """Return what the real Bot API would refuse, empty when it would not."""
    if method not in FIELDS:
        return f"unknown method {method}"
    if surplus := fields.keys() - FIELDS[method]:
        return f"unknown fields {sorted(surplus)}"
    for row in (fields.get("reply_markup") or {}).get("inline_keyboard", []):
        for button in row:
            if not 1 <= len(button["callback_data"].encode()) <= 64:
                return "BUTTON_DATA_INVALID"
    if method == "sendMessage":
        empty = "" if fields["text"].strip() else "message text is empty"
        return empty or _text_problem(fields["text"], fields.get("parse_mode", ""), 4096)
    return _photo_problem(fields) if method == "sendPhoto" else ""


def _photo_problem(fields: dict[str, Any]) -> str:
    photo = fields["photo"]["bytes"]
    if len(photo) > 10 * 1024 * 1024:
        return "file is too big for a photo"
    if not photo.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return "IMAGE_PROCESS_FAILED"
    return _text_problem(fields.get("caption", ""), fields.get("parse_mode", ""), 1024)


def _text_problem(text: str, parse_mode: str, limit: int) -> str:
    visible = text
    if parse_mode == "HTML":
        parser = _Html()
        parser.feed(text)
        parser.close()
        if parser.problem or parser.open:
            return f"can't parse entities: {parser.problem or parser.open}"
        visible = "".join(parser.visible)
    elif parse_mode == "MarkdownV2" and re.search(r"(?<!\\)[.!#+=|{}-]", text):
        return "can't parse entities: character is reserved and must be escaped"
    return "message is too long" if len(visible.encode("utf-16-le")) // 2 > limit else ""


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.visible: list[str] = []
        self.problem = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.problem = f"unsupported start tag {tag!r}"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problem = f"unexpected end tag {tag!r}"

    def handle_data(self, data: str) -> None:
        self.visible.append(data)
