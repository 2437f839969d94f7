"""From the inbox log to the chat, against a scripted Telegram: order, limits, every fault of T1 to T5."""

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Sequence

import pytest

from analyst_server.channels.following import Following
from analyst_server.channels.outbox import Cursor, Outbox
from analyst_server.channels.retry import Pace
from analyst_server.channels.running import OUTBOX_FILE, Channels
from analyst_server.inbox.log import Event, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from tests.server.channels.conftest import PNG, World
from tests.support.telegram_server import TOKEN, Fault


def refuse(status: int, description: str, *, on: str = "send", **parameters: object) -> Fault:
    """Return a fault that refuses one message."""

    def fault(method: str, _fields: object) -> tuple[int, dict[str, object]] | None:
        if not method.startswith(on):
            return None
        return status, {"ok": False, "error_code": status, "description": description, "parameters": parameters}

    return fault


class OneChat:
    """As much of a channel as following a log needs."""

    name = "one"

    def addresses(self, _user: str) -> list[str]:
        return ["7"]


def states(channels: Channels) -> dict[str, int]:
    return channels.outbox.counts("telegram")


async def test_an_alert_reaches_the_chat_with_its_chart_and_buttons_in_one_message(world: World) -> None:
    world.link()
    world.images["abc.png"] = PNG
    async with world.channels():
        await world.alert(
            "a1",
            title="Revenue down",
            message="by **12 %**",
            image_url="/api/notifications/images/abc.png",
            priority="high",
        )
        await world.telegram.until(lambda: world.telegram.messages)
    (message,) = world.telegram.messages
    assert (message["chat_id"], message["caption"], message["photo"]["bytes"]) == (
        7,
        "<b>🟠 Revenue down</b>\n\nby <b>12 %</b>",
        PNG,
    )
    assert [button["text"] for button in message["reply_markup"]["inline_keyboard"][0]] == [
        "✓ Mark read",
        "⏰ Snooze 1h",
    ]
    assert world.telegram.problems == []


async def test_somebody_without_a_link_is_not_written_to(world: World) -> None:
    world.link("petr")
    async with world.channels():
        await world.alert("j1", user="jana")
        await world.alert_arrived("p1")
    assert world.telegram.texts == ["<b>p1</b>"]


async def test_what_came_before_the_link_stays_in_the_inbox(world: World) -> None:
    await world.alert("old")
    async with world.channels():
        world.link()
        await world.telegram.until(lambda: _is_followed(world))
        await world.alert_arrived("new")
    assert world.telegram.texts == ["<b>new</b>"]


async def test_what_was_stored_while_the_channels_were_down_arrives_after_the_start_once_and_in_order(
    world: World,
) -> None:
    world.link()
    async with world.channels():
        await world.alert_arrived("a0")
    for number in range(1, 6):
        await world.alert(f"a{number}")
    async with world.channels():
        await world.telegram.until(lambda: len(world.telegram.messages) >= 6)
    async with world.channels():
        await world.alert("a6")
        await world.telegram.until(lambda: len(world.telegram.messages) >= 7)
    assert world.telegram.texts == [f"<b>a{number}</b>" for number in range(7)]


class HeldLog(MemoryInbox):
    """A log whose first reading takes until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self, user: User, *, after: Seq, limit: int) -> Sequence[Event]:
        if not self.reading.is_set():
            self.reading.set()
            await self.go_on.wait()
        return await super().read(user, after=after, limit=limit)


async def test_two_that_look_at_once_queue_everything_once(world: World) -> None:
    world.log = log = HeldLog()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    following = Following(log, outbox, OneChat(), lambda: {"petr"})
    await following.look()
    await world.alert("a1")
    first = asyncio.create_task(following.look())
    await log.reading.wait()
    await world.alert("a2")
    second = asyncio.create_task(following.look())
    await asyncio.wait({second}, timeout=0.3)  # it ends, or it waits for the first
    log.go_on.set()
    await asyncio.gather(first, second)
    assert [each["notification_id"] for each in outbox.latest("one", limit=9)] == ["a2", "a1"]
    outbox.close()


async def test_a_restart_with_a_thousand_queued_goes_on_and_repeats_nothing_confirmed(world: World) -> None:
    """T5."""
    world.link()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    alerts = [{"id": f"n{number}", "title": f"n{number}"} for number in range(1000)]
    outbox.follow("telegram", "petr", Cursor(world.log.epoch, 0), alerts, ["7"], now=1.0)
    outbox.close()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    outbox.change(lambda db: db.execute("UPDATE deliveries SET queued_at = strftime('%s')"))
    outbox.close()
    for bound in (100, 250):
        async with world.channels():
            await world.telegram.until(lambda wanted=bound: len(world.telegram.messages) >= wanted)
    texts = world.telegram.texts
    assert texts == [f"<b>n{number}</b>" for number in range(len(texts))]
    outbox = Outbox(world.folder / OUTBOX_FILE)
    counts = outbox.counts("telegram")
    outbox.close()
    assert counts == {"sent": len(texts), "queued": 1000 - len(texts)}


async def test_a_sender_that_is_killed_again_and_again_loses_nothing_and_repeats_only_what_was_not_confirmed(
    world: World,
) -> None:
    """T5: a process of its own, SIGKILL at four moments."""
    world.link()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    alerts = [{"id": f"n{number}", "title": f"n{number}"} for number in range(120)]
    outbox.follow("telegram", "petr", Cursor("e", 0), alerts, ["7"], now=time.time())
    outbox.close()
    code = f"""
import asyncio, aiohttp, pathlib
from analyst_server.channels.delivery import Delivery
from analyst_server.channels.outbox import Outbox
from analyst_server.channels.retry import Pace
from analyst_server.channels.telegram_api import BotApi
from analyst_server.channels.telegram_channel import TelegramChannel
from analyst_server.channels.telegram_links import TelegramLinks

async def main():
    folder = pathlib.Path({str(world.folder)!r})
    outbox = Outbox(folder / {OUTBOX_FILE!r})
    async with aiohttp.ClientSession() as session:
        api = BotApi(session, {TOKEN!r}, {world.telegram.url!r})
        channel = TelegramChannel(api, TelegramLinks(folder, outbox), outbox, None, pace=Pace(0.0, 0.0))
        await Delivery(outbox, channel).run()

asyncio.run(main())
"""
    for wanted in (10, 40, 41, 90, 120):
        sender = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        await world.telegram.until(lambda wanted=wanted: len(set(world.telegram.texts)) >= wanted)
        sender.kill()
        await sender.wait()
    texts = world.telegram.texts
    assert list(dict.fromkeys(texts)) == [f"<b>n{number}</b>" for number in range(120)]
    assert len(texts) - 120 <= 5  # at most what was under way at each kill


async def test_we_wait_as_long_as_telegram_says_and_keep_the_order(world: World) -> None:
    """T1: bursts of 429; another chat is not held up."""
    world.link()
    world.link("jana", 8)
    for _ in range(3):
        world.telegram.faults.append(refuse(429, "Too Many Requests: retry after 1", retry_after=1))
    async with world.channels() as channels:
        for number in range(4):
            await world.alert(f"a{number}")
        await world.telegram.until(lambda: len(world.telegram.faults) == 2)
        began = asyncio.get_running_loop().time()
        await world.alert("j", user="jana")
        await world.telegram.until(lambda: "<b>a3</b>" in world.telegram.texts and "<b>j</b>" in world.telegram.texts)
        assert asyncio.get_running_loop().time() - began >= 0.9
        await world.telegram.until(
            lambda: states(channels) == {"sent": 5}
        )  # a message is there before it is noted as sent
    assert [text for text in world.telegram.texts if text != "<b>j</b>"] == [f"<b>a{number}</b>" for number in range(4)]


class NotedPace(Pace):
    """Telegram's pace, and when something went: it arrives a little later, the first time more so than the second."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def sent(self, chat: int, *, now: float) -> None:
        super().sent(chat, now=now)
        self.times.append(now)


async def test_a_chat_is_written_to_once_a_second(world: World) -> None:
    world.link()
    pace = NotedPace()
    async with world.channels(pace=pace):
        for number in range(3):
            await world.alert(f"a{number}")
        await world.telegram.until(lambda: len(world.telegram.messages) == 3)
    first, second, third = pace.times
    assert second - first > 0.99
    assert third - second > 0.99


async def test_an_unknown_outcome_is_tried_once_more_and_recorded_as_unconfirmed(world: World) -> None:
    """T2: the message has arrived, the answer is a gateway's timeout; what follows is not held up."""
    world.link()

    def lost(method: str, fields: dict[str, object]) -> tuple[int, dict[str, object]] | None:
        if method != "sendMessage" or "lost" not in str(fields["text"]):
            return None
        world.telegram._keep(method, fields)
        return 504, {"ok": False, "error_code": 504, "description": "Gateway Timeout"}

    world.telegram.faults += [lost, lost]
    async with world.channels() as channels:
        await world.alert("lost")
        await world.alert("next")
        await world.telegram.until(lambda: "<b>next</b>" in world.telegram.texts)
        await world.telegram.until(lambda: states(channels) == {"unconfirmed": 1, "sent": 1})
        (_, record) = channels.outbox.latest("telegram", limit=2)
    assert world.telegram.texts == ["<b>lost</b>", "<b>lost</b>", "<b>next</b>"]
    assert (record["state"], record["note"]) == ("unconfirmed", "Gateway Timeout")


@pytest.mark.parametrize(
    "photo",
    [b"\x89PNG\r\n\x1a\n" + b"0" * 10 * 1024 * 1024, b"no picture at all"],
    ids=["over 10 MB", "broken"],
)
async def test_a_bad_picture_never_mutes_the_alert(world: World, photo: bytes) -> None:
    """T3."""
    world.link()
    world.images["abc.png"] = photo
    async with world.channels() as channels:
        await world.alert("a1", message="text", image_url="/api/notifications/images/abc.png")
        await world.telegram.until(lambda: states(channels) == {"sent": 1})
        (record,) = channels.outbox.latest("telegram", limit=1)
    assert world.telegram.texts == ["<b>a1</b>\n\ntext"]
    assert record["note"].startswith("without its chart: ")


async def test_a_server_that_stumbles_over_pictures_gets_the_text_at_the_third_try(world: World) -> None:
    world.link()
    world.images["abc.png"] = PNG
    world.telegram.faults += [refuse(500, "Internal Server Error", on="sendPhoto")] * 3
    async with world.channels() as channels:
        await world.alert("a1", image_url="/api/notifications/images/abc.png")
        await world.telegram.until(lambda: states(channels) == {"sent": 1})
    assert (world.telegram.texts, "photo" in world.telegram.messages[0]) == (["<b>a1</b>"], False)


async def test_parts_that_went_are_not_sent_again_after_a_failure_in_the_middle(world: World) -> None:
    world.link()
    world.images["abc.png"] = PNG
    world.telegram.faults.append(refuse(500, "Internal Server Error", on="sendMessage"))
    async with world.channels():
        await world.alert("a1", title="t", message="m" * 1_100, image_url="/api/notifications/images/abc.png")
        await world.telegram.until(lambda: len(world.telegram.messages) == 2)
    assert world.telegram.faults == []
    assert ["photo" in message for message in world.telegram.messages] == [True, False]
    assert world.telegram.messages[1]["link_preview_options"] == {"is_disabled": True}


async def test_a_picture_that_is_gone_never_mutes_the_alert(world: World) -> None:
    world.link()
    async with world.channels():
        await world.alert_arrived("a1", image_url="/api/notifications/images/gone.png")
    assert world.telegram.texts == ["<b>a1</b>"]


@pytest.mark.parametrize("message", ["m" * 4097, "m" * 1025, "**bold " * 900, "<b>", "a\\ud800b", "*_`[" * 500])
async def test_long_and_odd_texts_arrive(world: World, message: str) -> None:
    """T3."""
    world.link()
    world.images["abc.png"] = PNG
    async with world.channels() as channels:
        await world.alert("a1", message=message, image_url="/api/notifications/images/abc.png")
        await world.telegram.until(lambda: states(channels) == {"sent": 1})
    assert world.telegram.problems == []
    assert world.telegram.messages[0]["photo"]["bytes"] == PNG


async def test_formatting_that_telegram_dislikes_is_sent_plain(world: World) -> None:
    world.link()
    world.telegram.faults.append(refuse(400, "Bad Request: can't parse entities: Unsupported start tag"))
    async with world.channels():
        await world.alert_arrived("a1", message="**b**")
    assert (world.telegram.texts, "parse_mode" in world.telegram.messages[0]) == (["a1\n\n**b**"], False)


async def test_a_blocked_bot_is_permanent_for_this_chat_alone(world: World) -> None:
    """T4."""
    world.link()
    world.link("jana", 8)
    world.telegram.faults.append(refuse(403, "Forbidden: bot was blocked by the user"))
    async with world.channels() as channels:
        await world.alert("a1")
        await world.telegram.until(lambda: states(channels) == {"failed": 1})
        await world.alert("j1", user="jana")
        await world.telegram.until(lambda: states(channels) == {"failed": 1, "sent": 1})
        assert channels.outbox.latest("telegram", limit=2)[1]["note"] == "Forbidden: bot was blocked by the user"


async def test_a_migrated_group_is_followed_to_its_new_id(world: World) -> None:
    """T4."""
    world.link(chat=-5)
    world.telegram.faults.append(
        refuse(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1005)
    )
    async with world.channels():
        await world.alert("a1")
        await world.alert("a2")
        await world.telegram.until(lambda: len(world.telegram.messages) == 2)
    assert [message["chat_id"] for message in world.telegram.messages] == [-1005, -1005]
    assert json.loads((world.folder / "telegram_users.json").read_text())["petr"]["chat_id"] == -1005


async def test_a_revoked_token_pauses_everything_and_loses_nothing(world: World) -> None:
    """T4."""
    world.link()
    async with world.channels(telegram_token="123456:revoked") as channels:
        await world.alert("a1")
        await world.telegram.until(
            lambda: [entry for entry in channels.outbox.latest("telegram", limit=1) if entry["note"]]
        )
        (record,) = channels.outbox.latest("telegram", limit=1)
        assert (record["state"], record["note"], record["tries"]) == (
            "queued",
            "Telegram does not know the bot's token (Unauthorized)",
            0,
        )
    async with world.channels(telegram_token=TOKEN):
        await world.telegram.until(lambda: world.telegram.texts == ["<b>a1</b>"])


async def test_no_network_pauses_everything_and_loses_nothing(world: World) -> None:
    """T4. Nobody listens at the port "discard"."""
    world.link()
    async with world.channels(telegram_api="http://127.0.0.1:9") as channels:
        await world.alert("a1")
        await world.telegram.until(
            lambda: [entry for entry in channels.outbox.latest("telegram", limit=1) if entry["note"]]
        )
        (record,) = channels.outbox.latest("telegram", limit=1)
        assert record["note"].startswith("Telegram cannot be reached (ClientConnectorError)")
    async with world.channels():
        await world.telegram.until(lambda: world.telegram.texts == ["<b>a1</b>"])


async def test_a_lost_cursor_is_said(world: World) -> None:
    world.link()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    outbox.follow("telegram", "petr", Cursor("another epoch", 5), [], [], now=1.0)
    outbox.close()
    async with world.channels():
        await world.telegram.until(lambda: world.telegram.messages)
    assert world.telegram.texts == ["Some alerts could not be sent here. They are in the inbox."]


async def test_who_unlinks_is_not_written_to_any_more(world: World) -> None:
    world.link()
    world.telegram.faults.append(refuse(429, "later", retry_after=60))
    async with world.channels() as channels:
        await world.alert("a1")
        await world.telegram.until(lambda: not world.telegram.faults)
        assert channels.telegram_links is not None
        assert await channels.telegram_links.unlink("petr")
        assert not await channels.telegram_links.unlink("petr")
        await world.telegram.until(lambda: states(channels) == {"dropped": 1})
    assert world.telegram.messages == []


def _is_followed(world: World) -> bool:
    with contextlib.closing(sqlite3.connect(world.folder / OUTBOX_FILE)) as db:
        return db.execute("SELECT 1 FROM cursors").fetchone() is not None
