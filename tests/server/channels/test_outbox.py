"""What the outbox promises: order, bounds, and to say what it left out."""

import time

from analyst_server.channels.base import Receipt
from analyst_server.channels.outbox import KEPT_DONE_S, MAX_BACKLOG, Cursor, Outbox
from analyst_server.channels.running import OUTBOX_FILE
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
