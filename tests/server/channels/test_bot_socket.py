"""The bot socket of section 1.5: the source system's own caller works as it is (httpx over the Unix socket)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.channels.conftest import PNG, World


@asynccontextmanager
async def bot(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the socket and return a client of it."""
    world.link()
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(world.folder / "bot.sock"))
    async with (
        world.channels(bot_socket=bound),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(world.folder / "bot.sock"))) as session,
    ):
        yield session


async def post(session: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with session.post(f"http://localhost{path}", data=data) as response:
        return response.status, await response.json()


async def test_a_text_is_sent_as_the_caller_formats_it(world: World) -> None:
    async with bot(world) as session:
        assert await post(session, "/send", {"user": "petr", "text": "*hi*", "parse_mode": "Markdown"}) == (
            200,
            {"ok": True},
        )
        assert await post(session, "/send", {"user": "petr", "text": "1.5!", "parse_mode": "MarkdownV2"}) == (
            200,
            {"ok": True},
        )
        assert await post(session, "/send", {"user": "petr", "text": "w " * 3000}) == (200, {"ok": True})
    assert [message.get("parse_mode") for message in world.telegram.messages] == ["Markdown", None, None, None]
    assert world.telegram.texts[:2] == ["*hi*", "1.5!"]


async def test_a_text_whose_formatting_does_not_survive_its_cut_goes_without(world: World) -> None:
    """A tag that is opened before the cut and closed after it is none in either half."""
    text = f"<b>{'word ' * 900}</b>"
    async with bot(world) as session:
        assert (await post(session, "/send", {"user": "petr", "text": text, "parse_mode": "HTML"}))[0] == 200
    assert ["parse_mode" in message for message in world.telegram.messages] == [False, False]
    assert "".join("".join(world.telegram.texts).split()) == "".join(text.split())


async def test_a_picture_is_sent_and_a_bad_one_becomes_its_caption(world: World, tmp_path: Path) -> None:
    good, big = tmp_path / "good.png", tmp_path / "big.png"
    good.write_bytes(PNG)
    big.write_bytes(PNG + b"0" * 10 * 1024 * 1024)
    async with bot(world) as session:
        assert await post(session, "/send_photo", {"user": "petr", "photo_path": str(good), "caption": "c"}) == (
            200,
            {"ok": True},
        )
        assert await post(session, "/send_photo", {"user": "petr", "photo_path": str(good), "caption": "x" * 2000}) == (
            200,
            {"ok": True},
        )
        assert await post(session, "/send_photo", {"user": "petr", "photo_path": str(big), "caption": "c"}) == (
            200,
            {"ok": True},
        )
        status, answer = await post(session, "/send_photo", {"user": "petr", "photo_path": str(big)})
        assert (status, "more than" in answer["error"]) == (502, True)
    assert world.telegram.texts == ["c", "", "x" * 2000, "c"]


BAD_REQUESTS: list[tuple[str, Any, int, str]] = [
    ("/send", b"{", 400, "Invalid JSON"),
    ("/send", b"[" * 100_000, 400, "Invalid JSON"),
    ("/send", [], 400, "Invalid JSON"),
    ("/send", {"user": "petr"}, 400, "Missing 'user' or 'text'"),
    ("/send", {"user": "petr", "text": 5}, 400, "Missing 'user' or 'text'"),
    ("/send", {"user": "petr", "text": "x", "parse_mode": "Latex"}, 400, "none of HTML, Markdown, MarkdownV2"),
    ("/send", {"user": "nobody", "text": "x"}, 404, "'nobody' has no linked Telegram"),
    ("/send_photo", {"user": "petr"}, 400, "Missing 'user' or 'photo_path'"),
    ("/send_photo", {"user": "petr", "photo_path": "/etc/passwd"}, 400, "neither PNG nor JPEG"),
    ("/send_photo", {"user": "petr", "photo_path": "/nowhere/\0.png"}, 400, "cannot be read"),
    ("/send_photo", {"user": "petr", "photo_path": "/dev/zero"}, 400, "is no file"),
]


async def test_bad_requests_are_told_what_is_wrong(world: World) -> None:
    async with bot(world) as session:
        for path, body, status, words in BAD_REQUESTS:
            got, answer = await post(session, path, body)
            assert (got, words in answer["error"]) == (status, True), answer
    assert world.telegram.messages == []


async def test_what_telegram_refuses_is_a_502(world: World) -> None:
    refusal = (403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"})
    world.telegram.faults.append(lambda method, _: refusal if method == "sendMessage" else None)
    async with bot(world) as session:
        assert await post(session, "/send", {"user": "petr", "text": "x"}) == (
            502,
            {"error": "Forbidden: bot was blocked by the user"},
        )
        async with session.get("http://localhost/health") as response:
            assert (await response.json())["status"] == "ok"


@pytest.mark.real("python:httpx")
async def test_the_source_systems_caller_works_as_it_is(world: World) -> None:
    import httpx  # noqa: PLC0415

    def call() -> tuple[int, Any]:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(world.folder / "bot.sock")), timeout=10) as client:
            response = client.post(
                "http://localhost/send", json={"user": "petr", "text": "from httpx", "parse_mode": "HTML"}
            )
            return response.status_code, response.json()

    async with bot(world):
        assert await asyncio.to_thread(call) == (200, {"ok": True})
    assert world.telegram.texts == ["from httpx"]
