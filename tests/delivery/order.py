"""R1, R2, R3, R6, R7, R14: each gets each once and in order, whoever publishes, connects or falls away meanwhile."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tests.delivery.harness import DEADLINE_S, Publisher, Subscriber, World, publishing

__all__ = ["SCENARIOS"]


async def each_gets_each_once(world: World) -> None:
    """R1: 40 devices, 1,000 messages."""
    gateway = world.gateway
    users = [world.name("r1") for _ in range(8)]
    devices = [gateway.subscriber(user, f"d{i}") for user in users for i in range(5)]
    ids = [world.name("n") for _ in range(world.scale(200, 1000))]
    async with asyncio.TaskGroup() as group, publishing(gateway, 1) as [publisher]:
        following = [group.create_task(device.follow()) for device in devices]
        for device in devices:
            await device.until(lambda device=device: device.caught_up)
        for each in ids:
            last = await publisher.accepted(users, each)
        for device in devices:
            await device.until_seq(last["users"][device.user]["seq"])
        for task in following:
            task.cancel()
    for device in devices:
        assert device.ids == ids
        assert not any(event.message.get("replay") for event in device.events)
    await _let_go(devices)


async def recovery_storm(world: World) -> None:
    """R2: 10 devices, each cut 8 times while 1,000 messages are published at about 1 kHz."""
    gateway, user = world.gateway, world.name("r2")
    devices = [gateway.subscriber(user, f"d{i}") for i in range(10)]
    count = world.scale(600, 1200)
    cuts = sorted((world.rng.random(), device) for device in range(10) for _ in range(8))
    ids = [world.name("n") for _ in range(count)]
    last: dict[str, Any] = {}
    async with asyncio.TaskGroup() as group, publishing(gateway, 1) as [publisher]:
        following = [group.create_task(device.follow()) for device in devices]
        for device in devices:
            await device.until(lambda device=device: device.caught_up)
        began = time.monotonic()
        for number, each in enumerate(ids):
            await asyncio.sleep(max(0.0, began + number / 1000 - time.monotonic()))
            while cuts and cuts[0][0] * count <= number:
                devices[cuts.pop(0)[1]].abort()
            last = await publisher.accepted(user, each)
        for device in devices:
            await device.until_seq(last["seq"])
        for task in following:
            task.cancel()
    assert sum(len(device.welcomes) for device in devices) > 40, "hardly anything was cut"
    for device in devices:
        assert device.ids == ids
        assert all(welcome["recovered"] for welcome in device.welcomes[1:])
    await _let_go(devices)


async def publish_during_replay(world: World) -> None:
    """R3: 100 random interleavings of a replay and of what is published meanwhile."""
    gateway = world.gateway
    async with publishing(gateway, 8) as publishers:
        for _ in range(world.scale(12, 100)):
            user = world.name("r3")
            device = gateway.subscriber(user)
            await device.catch_up()
            await device.close()
            before = [world.name("b") for _ in range(world.rng.choice([0, 3, 40, 255, 256, 257, 300]))]
            await _publish_all(publishers, user, before)
            meanwhile = [world.name("m") for _ in range(world.rng.randrange(60))]
            replay = asyncio.create_task(device.follow())
            await asyncio.sleep(world.rng.random() * 0.01)
            await _publish_all(publishers, user, meanwhile)
            expected = sorted(before + meanwhile)
            await device.until(lambda device=device, expected=expected: len(device.ids) >= len(expected))
            replay.cancel()
            assert sorted(device.ids) == expected
            assert device.welcomes[-1]["recovered"]
            await _let_go([device])


async def one_id_at_once(world: World) -> None:
    """R6: 50 concurrent dispatches of one id are one; another body is 409."""
    gateway, user, name = world.gateway, world.name("r6"), world.name("n")
    device = gateway.subscriber(user)
    await device.catch_up()
    async with publishing(gateway, 50) as publishers:
        answers = await asyncio.gather(*(each.accepted(user, name) for each in publishers))
        assert len({answer["seq"] for answer in answers}) == 1
        assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 49
        status, answer = await publishers[0].dispatch(user, name, message="something else")
        assert (status, name in answer["error"]) == (409, True)
        last = await publishers[0].accepted(user)
    while device.seq < last["seq"]:
        await device.receive()
    assert device.ids == [name, last["id"]]
    await device.close()


async def many_publishers(world: World) -> None:
    """R7: 16 publishers to one inbox, two devices and a late one: one order."""
    gateway, user = world.gateway, world.name("r7")
    devices = [gateway.subscriber(user, f"d{i}") for i in range(2)]
    ids = [world.name("n") for _ in range(world.scale(320, 3200))]
    async with publishing(gateway, 16) as publishers:
        for device in devices:
            await device.catch_up()
        answers = await _publish_all(publishers, user, ids)
    for device in devices:
        while len(device.ids) < len(ids):
            await device.receive()
        await device.close()
    late = gateway.subscriber(user, "late")
    await late.catch_up(since={"epoch": devices[0].epoch, "seq": 0})
    await late.close()
    assert devices[0].ids == devices[1].ids == late.ids
    assert [answers[name]["seq"] for name in late.ids] == sorted(answer["seq"] for answer in answers.values())


async def clocks_of_publishers_do_not_order(world: World) -> None:
    """R14: an hour back, the hours of a DST change, a leap day: the order is the order of arrival, and the times stay as they came."""
    gateway, user = world.gateway, world.name("r14")
    times = [
        "2028-02-29T23:59:59Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z", "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00", "2026-03-29T01:00:00Z", "2024-02-29T12:00:00Z", "1999-12-31T23:59:60Z", "2026-11-21T08:00:00Z",
        "2026-11-21T07:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
    ]  # fmt: skip
    taken: list[str] = []
    async with gateway.publisher() as publisher:
        for time in times:
            status, answer = await publisher.dispatch(user, timestamp=time)
            assert status in (200, 400), answer
            if status == 200:
                taken.append(answer["id"])
    device = gateway.subscriber(user)
    await device.catch_up()
    assert len(taken) >= 10
    assert device.ids == taken
    await device.close()


async def _publish_all(publishers: list[Publisher], user: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Publish every id once, shared out among the publishers; return the answers by id."""
    answers: dict[str, dict[str, Any]] = {}

    async def share(publisher: Publisher, own: list[str]) -> None:
        for each in own:
            answers[each] = await publisher.accepted(user, each)

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(share(each, ids[i :: len(publishers)]) for i, each in enumerate(publishers)))
    return answers


async def _let_go(devices: list[Subscriber]) -> None:
    for device in devices:
        device.abort()


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "R1": each_gets_each_once,
    "R2": recovery_storm,
    "R3": publish_during_replay,
    "R6": one_id_at_once,
    "R7": many_publishers,
    "R14": clocks_of_publishers_do_not_order,
}
