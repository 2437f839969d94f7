"""From a script to the phone and back: the real gateway, the real runner, a scripted Telegram. The inbox never waits for it."""

import asyncio
import contextlib
import re
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from system import PROGRAM, System, running_system

from tests.support.telegram_server import TOKEN, TelegramServer, telegram_server

pytestmark = pytest.mark.real("python:httpx")

CHART_SCRIPT = """
import json, os
from PIL import Image
path = os.path.join(os.environ["ANALYST_RUN_DIR"], "chart.png")
Image.new("RGB", (60, 40), "red").save(path)
print(json.dumps({"notify": True, "title": "Revenue down", "message": "by **12 %**", "image_path": path}))
"""


@asynccontextmanager
async def linked_system(*, bot_in_gateway: bool) -> AsyncIterator[tuple[System, TelegramServer]]:
    """Run a gateway with a Telegram, and a person who has linked a chat; her scripts are those of this account."""
    async with telegram_server() as telegram:
        environment = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "ANALYST_TELEGRAM_API_URL": telegram.url,
            "ANALYST_TELEGRAM_ENABLED": "true" if bot_in_gateway else "false",
            "ANALYST_USER": "petr",
        }
        system_of_test = running_system(**environment)
        system = await asyncio.to_thread(system_of_test.__enter__)
        try:
            (data_folder(system) / "telegram_users.json").write_text(
                '{"petr": {"chat_id": 7, "linked_at": "2026-01-01T00:00:00Z"}}'
            )
            await asyncio.to_thread(system.sign_in, "petr")
            yield system, telegram
        finally:
            telegram.released.set()
            await asyncio.to_thread(system_of_test.__exit__, None, None, None)


async def run(system: System, *words: str, **more: str) -> str:
    return (await asyncio.to_thread(lambda: system.run(*words, **more))).stdout


async def alert_in_chat(telegram: TelegramServer, system: System, title: str) -> dict[str, Any]:
    """Wait until the bot follows the log, and send an alert."""
    outbox = data_folder(system) / "channels.db"
    assert await asyncio.to_thread(eventually, lambda: outbox.exists() and _cursors(outbox))
    assert await asyncio.to_thread(_dispatch, system.socket, title) == 200
    await telegram.until(lambda: telegram.texts and title in telegram.texts[-1])
    return telegram.messages[-1]


def data_folder(system: System) -> Path:
    found = re.search(r"(?m)^data +(.+)$", system.log.read_text())
    assert found
    return Path(found[1])


def _cursors(outbox: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(outbox)) as db:
        try:
            return db.execute("SELECT * FROM cursors").fetchall()
        except sqlite3.OperationalError:  # being made just now
            return []


async def newest_when_read(system: System) -> dict[str, Any]:
    """Return the newest of the inbox once it is read there."""

    def seen() -> dict[str, Any]:
        with system.watching("--quiet"):
            assert eventually(lambda: (inbox := system.inbox()) and inbox[0]["read"])
        return system.inbox()[0]

    return await asyncio.to_thread(seen)


def button(message: dict[str, Any], words: str) -> str:
    return next(
        str(each["callback_data"]) for each in message["reply_markup"]["inline_keyboard"][0] if words in each["text"]
    )


async def test_a_script_reaches_the_phone_with_its_chart_and_the_phone_reaches_the_inbox_and_the_script() -> None:
    async with linked_system(bot_in_gateway=True) as (system, telegram):
        await alert_in_chat(telegram, system, "first")
        scripts = system.home / "user" / "notifications"
        scripts.mkdir(parents=True)
        (scripts / "revenue.py").write_text(CHART_SCRIPT)
        assert "revenue: sent - Revenue down" in await run(system, "runner", "once")
        await telegram.until(lambda: telegram.texts[-1] == "<b>Revenue down</b>\n\nby <b>12 %</b>")
        photo = telegram.messages[-1]
        assert photo["photo"]["bytes"].startswith(b"\x89PNG")

        telegram.press(button(photo, "Mark read"), message=len(telegram.messages))
        await telegram.until(telegram.answers)
        assert telegram.answers() == ["Marked as read everywhere."]
        assert (await newest_when_read(system))["title"] == "Revenue down"

        telegram.press(button(photo, "Run"), message=2)
        await telegram.until(lambda: telegram.texts.count("<b>Revenue down</b>\n\nby <b>12 %</b>") == 2)
        assert "handed over" in await run(system, "scripts", "history", "revenue")
        assert (await run(system, "scripts", "list", "--remote")).startswith("revenue\t")
        told = await run(system, "scripts", "run", "revenue", "--remote")
        assert told == "revenue: it runs on the server; what it says arrives as a notification\n"
        await telegram.until(lambda: telegram.texts.count("<b>Revenue down</b>\n\nby <b>12 %</b>") == 3)
        assert telegram.problems == []


async def test_the_inbox_does_not_notice_that_telegram_stands_still() -> None:
    """T1: a chat that has to wait for a minute, a Telegram that never answers."""

    def patience(method: str, _fields: object) -> tuple[int, dict[str, Any]] | None:
        if method != "sendMessage":
            return None
        return 429, {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests",
            "parameters": {"retry_after": 60},
        }

    async with linked_system(bot_in_gateway=True) as (system, telegram):
        await alert_in_chat(telegram, system, "first")
        telegram.faults.append(patience)
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await asyncio.to_thread(_dispatch_all, system.socket, [f"alert-{number}" for number in range(40)])
        assert done == [200] * 40
        assert loop.time() - began < 20
        inbox = await asyncio.to_thread(system.receive, 40)
        assert len({entry["id"] for entry in inbox if entry["id"].startswith("alert-")}) >= 40
        assert sum("alert-" in text for text in telegram.texts) == 0
        await telegram.until(lambda: not telegram.faults)
        status = lambda: system.run("telegram", "status", "--limit", "40").stdout  # noqa: E731
        assert await asyncio.to_thread(eventually, lambda: "Too Many Requests" in status())
        assert "40 queued" in await asyncio.to_thread(status)


async def test_the_bot_in_a_process_of_its_own_serves_beside_the_gateway() -> None:
    async with linked_system(bot_in_gateway=False) as (system, telegram):
        bot_socket = system.home / "bot.sock"
        bot = await asyncio.to_thread(_bot_process, system, bot_socket)
        try:
            message = await alert_in_chat(telegram, system, "first")
            telegram.press(button(message, "Mark read"))
            await telegram.until(telegram.answers)
            assert (await newest_when_read(system))["title"] == "first"
            status, answer = await asyncio.to_thread(
                _send_with_httpx, bot_socket, "/send", {"user": "petr", "text": "by httpx"}
            )
            assert (status, answer) == (200, {"ok": True})
            accepted = {"user": "petr", "notification": {"id": "h1", "title": "by httpx too", "message": ""}}
            status, answer = await asyncio.to_thread(_send_with_httpx, system.socket, "/dispatch", accepted)
            assert (status, answer["id"]) == (200, "h1")
            await telegram.until(lambda: "<b>by httpx too</b>" in telegram.texts)
            assert "by httpx" in telegram.texts
        finally:
            bot.terminate()
            out, err = await asyncio.to_thread(bot.communicate, timeout=20)
        assert (bot.returncode, "ready" in out, "Traceback" in err) == (0, True, False)
        assert not bot_socket.exists()


def _bot_process(system: System, bot_socket: Path) -> subprocess.Popen[str]:
    command = [*PROGRAM, "telegram", "serve", "--bot-socket", str(bot_socket)]
    return subprocess.Popen(command, env=system.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _dispatch(socket: Path, title: str) -> int:
    return _dispatch_all(socket, [title])[0]


def _dispatch_all(socket: Path, titles: list[str]) -> list[int]:
    bodies = [{"user": "petr", "notification": {"id": title, "title": title, "message": ""}} for title in titles]
    return [status for status, _ in _send_all_with_httpx(socket, "/dispatch", bodies)]


def _send_with_httpx(socket: Path, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return _send_all_with_httpx(socket, path, [body])[0]


def _send_all_with_httpx(socket: Path, path: str, bodies: list[dict[str, Any]]) -> list[tuple[int, Any]]:
    """What the source system's own callers do."""
    import httpx  # noqa: PLC0415

    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=10) as client:
        answers = [client.post(f"http://localhost{path}", json=body) for body in bodies]
    return [(answer.status_code, answer.json()) for answer in answers]
