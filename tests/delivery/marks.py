"""R12, R13: marks of several devices at once, offline, repeated, in any order: all devices converge, and nothing pops up that was read."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from analyst_server.wire.messages import NotificationState
from analyst_server.wire.states import after_mark
from tests.delivery.harness import Subscriber, World, publishing

__all__ = ["SCENARIOS"]

STATES = ("read", "unread", "archived", "unarchived", "acknowledged", "snoozed")


def states_of(device: Subscriber) -> dict[str, NotificationState]:
    """Return the state of everything that a device holds, derived from the events it got."""
    states: dict[str, NotificationState] = {}
    for event in device.events:
        if event.id is not None:
            given = event.message.get("state", {})
            states[event.id] = NotificationState(**given)
            continue
        for each in event.message["ids"]:
            if each in states:
                states[each] = after_mark(states[each], event.message["state"], until=event.message.get("until"))
    return states


async def devices_converge(world: World) -> None:
    """R12: two devices mark and unmark at once, go offline with marks in hand, repeat them; the late device sees what both see."""
    gateway, user = world.gateway, world.name("r12")
    devices = [gateway.subscriber(user, f"d{i}") for i in range(2)]
    ids = [world.name("n") for _ in range(20)]
    async with publishing(gateway, 1) as [publisher]:
        for each in ids:
            await publisher.accepted(user, each)
    count = world.scale(60, 600)
    await asyncio.gather(*(_mark_at_random(world, device, ids, count) for device in devices))
    late = gateway.subscriber(user, "late")
    await late.catch_up()
    await late.close()
    for device in devices:
        device.abort()
        await device.catch_up()
        await device.close()
        assert {answer["ref"] for answer in device.answers} == {f"{device.device}-{n}" for n in range(count)}
        assert not any(answer["type"] == "mark_error" for answer in device.answers)
    assert states_of(devices[0]) == states_of(devices[1]) == states_of(late)
    unread = [sum(not state.read for state in states_of(device).values()) for device in (*devices, late)]
    assert len(set(unread)) == 1
    assert [(event.seq, event.id) for event in devices[0].events[20:]] == [
        (event.seq, event.id) for event in devices[1].events[20:]
    ]


async def _mark_at_random(world: World, device: Subscriber, ids: list[str], count: int) -> None:
    """Mark from a queue; now and then the connection falls away, and what was not answered is sent again (as a client must)."""
    marks = []
    for number in range(count):
        mark = {
            "type": "mark",
            "ref": f"{device.device}-{number}",
            "ids": world.rng.sample(ids, world.rng.randint(1, 5)),
            "state": world.rng.choice(STATES),
        }
        if mark["state"] == "snoozed":
            mark["until"] = f"2027-01-{world.rng.randint(1, 28):02}T08:00:00Z"
        marks.append(mark)
    answered: set[str] = set()
    await device.catch_up()
    for mark in marks:
        if world.rng.random() < 0.1:
            if world.rng.random() < 0.5:
                await device.send(mark)  # it may arrive or not; it is sent again
            device.abort()
            await device.catch_up()
        await device.send(mark)
        while mark["ref"] not in answered:
            await device.receive()
            answered.update(answer["ref"] for answer in device.answers)


async def read_before_seen(world: World) -> None:
    """R13: what was read elsewhere while a device was away comes to it as replay, with its mark before the replay ends; live, the mark is second."""
    gateway, user = world.gateway, world.name("r13")
    desk, phone = gateway.subscriber(user, "desk"), gateway.subscriber(user, "phone")
    await phone.catch_up()
    await phone.close()
    await desk.catch_up()
    async with publishing(gateway, 1) as [publisher]:
        for round_number in range(20):
            if round_number == 10:
                await phone.catch_up()
                assert all(event.message["replay"] for event in phone.events)
                assert all(state.read for state in states_of(phone).values())
                assert len(states_of(phone)) == 10
            name = (await publisher.accepted(user))["id"]
            while not desk.ids or desk.ids[-1] != name:
                await desk.receive()
            await desk.send({"type": "mark", "ref": name, "ids": [name], "state": "read"})
            while len(desk.answers) <= round_number:
                await desk.receive()
        while len(phone.events) < 40:
            await phone.receive()
    kinds = [event.id is not None for event in phone.events]
    assert kinds == [True, False] * 20
    await desk.close()
    await phone.close()


async def unknown_ids(world: World) -> None:
    """S9 on this socket: an id of somebody else is an id that does not exist, and nothing is stored for it."""
    gateway, user, other = world.gateway, world.name("r12"), world.name("r12")
    device = gateway.subscriber(user)
    await device.catch_up()
    async with publishing(gateway, 1) as [publisher]:
        theirs = (await publisher.accepted(other))["id"]
        mine = (await publisher.accepted(user))["id"]
        await device.send({"type": "mark", "ref": "1", "ids": [theirs, "nobody's"], "state": "read"})
        await device.send({"type": "mark", "ref": "2", "ids": [theirs, mine], "state": "read"})
        while len(device.answers) < 2:
            await device.receive()
        status, trace = await publisher.request("GET", f"/status?id={theirs}")
        assert status == 200
        assert not trace["users"][other]["read"]
    assert [(each["type"], each["ref"], each["unknown"]) for each in device.answers] == [
        ("mark_error", "1", [theirs, "nobody's"]),
        ("mark_ok", "2", [theirs]),
    ]
    assert json.dumps([theirs]) not in [json.dumps(event.message.get("ids")) for event in device.events]
    await device.close()


async def ledger_tells_each_device(world: World) -> None:
    """The delivery ledger: stored, sent, acknowledged, read, for each device."""
    gateway, user = world.gateway, world.name("ledger")
    desk, phone = gateway.subscriber(user, "desk"), gateway.subscriber(user, "phone")
    await desk.catch_up()
    await phone.catch_up()
    async with publishing(gateway, 1) as [publisher]:
        answer = await publisher.accepted(user)
        for device in (desk, phone):
            while device.seq < answer["seq"]:
                await device.receive()
        await phone.close()
        await desk.send({"type": "ack", "seq": answer["seq"]})
        await desk.send({"type": "mark", "ref": "1", "ids": [answer["id"]], "state": "read"})
        while not desk.answers:
            await desk.receive()
        later = await publisher.accepted(user)
        stages = {}
        for name in (answer["id"], later["id"]):
            _, trace = await publisher.request("GET", f"/status?id={name}&user={user}")
            stages[name] = {
                each["device"]: (each["sent"], each["acknowledged"], each["read"])
                for each in trace["users"][user]["devices"]
            }
    await desk.close()
    assert stages[answer["id"]] == {"desk": (True, True, True), "phone": (True, False, False)}
    assert stages[later["id"]] == {"desk": (True, False, False), "phone": (False, False, False)}


SCENARIOS: dict[str, Callable[[World], Coroutine[Any, Any, None]]] = {
    "R12": devices_converge,
    "R13": read_before_seen,
    "S9 marks": unknown_ids,
    "ledger": ledger_tells_each_device,
}
