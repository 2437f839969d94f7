"""What the outbox promises: order, bounds, and to say what it left out."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import pytest

from analyst_server.channels.base import Receipt
from analyst_server.channels.following import Following
from analyst_server.channels.outbox import KEPT_DONE_S, MAX_BACKLOG, Cursor, Outbox
from analyst_server.channels.running import OUTBOX_FILE, run_for_good
from analyst_server.channels.telegram_api import BotApi
from analyst_server.channels.telegram_channel import TelegramChannel
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.inbox.log import EventListener, User
from analyst_server.inbox.memory import MemoryInbox
from tests.server.channels.conftest import World

DAY_S = 86_400.0


def test_a_delivery_that_was_put_off_meanwhile_is_not_tried_before_its_time(world: World) -> None:
    """T1: the heads were read, then the answer to the try under way came: wait for a minute."""
    outbox = Outbox(world.folder / OUTBOX_FILE)
    outbox.queue("one", "7", "petr", {"id": "a1"}, now=100)
    (head,) = outbox.heads("one")
    item = outbox.item(head)
    assert item is not None
    outbox.again(item, at=160, reason="too many requests")
    assert outbox.item(head) is None
    (head,) = outbox.heads("one")
    assert outbox.item(head) is not None
    outbox.close()


def test_the_backlog_is_bounded_and_says_what_it_left_out(world: World) -> None:
    outbox = Outbox(world.folder / OUTBOX_FILE)
    for start in range(0, MAX_BACKLOG + 300, 100):
        alerts = [{"id": f"n{number}"} for number in range(start, start + 100)]
        outbox.follow("telegram", "petr", Cursor("e", start), alerts, ["7"], now=1.0)
    (head,) = outbox.heads("telegram")
    item = outbox.item(head)
    assert outbox.counts("telegram")["queued"] == MAX_BACKLOG
    assert item is not None
    assert item.notification == {"dropped": 301}
    outbox.close()


def test_what_was_delivered_long_ago_is_forgotten(world: World) -> None:
    outbox = Outbox(world.folder / OUTBOX_FILE)
    for number, age_s in enumerate((KEPT_DONE_S + 60, KEPT_DONE_S - 60, 0)):
        outbox.queue("one", "7", "petr", {"id": f"a{number}"}, now=0)
        (head,) = outbox.heads("one")
        item = outbox.item(head)
        assert item is not None
        outbox.sent(item, Receipt(), now=4e9 - age_s)
    assert [entry["notification_id"] for entry in outbox.latest("one", limit=9)] == ["a2", "a1"]
    outbox.close()


async def test_what_could_not_be_sent_for_a_day_becomes_one_notice_at_its_place(world: World) -> None:
    """The channel comes back at the moment in which the oldest has waited for too long."""
    world.link()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    now = time.time()
    outbox.queue("telegram", "8", "jana", {"id": "b1", "title": "b1"}, now=now - 2 * DAY_S)
    for name, age_s in (("a1", DAY_S + 60), ("a2", DAY_S + 30), ("a3", DAY_S - 600)):
        outbox.queue("telegram", "7", "petr", {"id": name, "title": name}, now=now - age_s)
    outbox.close()
    world.telegram.faults.append(lambda method, _: (500, {"ok": False}) if method.startswith("send") else None)
    async with world.channels() as channels:
        await world.telegram.until(lambda: "<b>a3</b>" in world.telegram.texts)
        left_out = [
            entry["note"] for entry in channels.outbox.latest("telegram", limit=9) if entry["state"] == "dropped"
        ]
    assert world.telegram.texts == ["2 older alerts were left out here. They are in the inbox.", "<b>a3</b>"]
    assert left_out == ["it waited for too long"]


class DeafLog(MemoryInbox):
    """A log that tells of nothing: another process has stored it, and its word got lost."""

    def subscribe(self, user: User, listener: EventListener) -> Callable[[], None]:
        return lambda: None


@pytest.mark.parametrize(("look_at_all_s", "queued"), [(0.0, ["a1"]), (1e9, [])])
async def test_everybodys_log_is_looked_at_now_and_then_whatever_was_told(
    world: World, look_at_all_s: float, queued: list[str]
) -> None:
    world.link()
    world.log = DeafLog()
    outbox = Outbox(world.folder / OUTBOX_FILE)
    links = TelegramLinks(world.folder, outbox)
    async with aiohttp.ClientSession() as session:
        channel = TelegramChannel(BotApi(session, "1:x"), links, outbox, world.read_image)
        following = Following(world.log, outbox, channel, links.all, look_at_all_s=look_at_all_s)
        await following.look()
        await world.alert("a1")
        await following.look()
    assert [entry["notification_id"] for entry in outbox.latest("telegram", limit=9)] == queued
    outbox.close()


async def test_a_part_of_a_channel_that_ends_by_a_defect_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    class StumblingFollowing(Following):
        def __init__(self) -> None:
            self.starts = 0

        async def run(self) -> None:
            self.starts += 1
            if self.starts < 3:
                raise RuntimeError("a defect")
            await asyncio.Event().wait()

    part = StumblingFollowing()
    task = asyncio.create_task(run_for_good(part, restart_after_s=0.0))
    while part.starts < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.getMessage() for record in caplog.records] == [
        "StumblingFollowing ended and is started again"
    ] * 2  # fmt: skip
