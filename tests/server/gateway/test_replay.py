"""Protocol 2: cursors, snapshots, the seam of replay and live events, marks on all devices, the delivery ledger."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.log import Event, NotificationDraft, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.inbox.retention import Retention
from tests.support.gateway_world import LogWithGaps, World, gateway_world, until


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


async def test_a_cursor_brings_what_was_missed_in_order_and_says_where_live_begins(world: World) -> None:
    first = await world.dispatch(title="seen")
    missed = [await world.dispatch(title=f"missed {n}") for n in range(3)]
    client, heard = await world.client(since={"epoch": world.hub.log.epoch, "seq": first["seq"]})
    assert heard[0] == {
        "type": "auth_ok",
        "username": "petr",
        "protocol": 2,
        "epoch": world.hub.log.epoch,
        "seq": missed[-1]["seq"],
        "recovered": True,
        "heartbeat_s": 30.0,
    }
    assert [message["seq"] for message in heard[1:-1]] == [each["seq"] for each in missed]
    assert all(message["replay"] for message in heard[1:-1])
    assert heard[-1] == {"type": "replay_done", "seq": missed[-1]["seq"]}
    live = await world.dispatch(title="live")
    arrived = await client.hear()
    assert (arrived["seq"], arrived.get("replay")) == (live["seq"], None)


async def test_nothing_missed_is_nothing_sent(world: World) -> None:
    seq = (await world.dispatch())["seq"]
    _, heard = await world.client(since={"epoch": world.hub.log.epoch, "seq": seq})
    assert kinds(heard) == ["auth_ok", "replay_done"]
    assert heard[-1]["seq"] == seq


async def test_seq_0_of_the_right_epoch_means_everything_that_is_kept(world: World) -> None:
    for n in range(600):  # more than two pages
        await world.hub.log.append(_draft(n))
    _, heard = await world.client(since={"epoch": world.hub.log.epoch, "seq": 0})
    assert heard[0]["recovered"]
    assert heard[0]["seq"] == heard[-1]["seq"]
    assert [message["id"] for message in heard[1:-1]] == [f"n{n}" for n in range(600)]


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        (None, "no_cursor"),
        ({"epoch": "right", "seq": -1}, "no_cursor"),
        ({"epoch": "another", "seq": 1}, "epoch_changed"),
        ({"epoch": "", "seq": 0}, "epoch_changed"),
        ({"epoch": "right", "seq": 10**6}, "ahead"),
        ({"epoch": "right", "seq": 2**63}, "ahead"),
        ({"epoch": "right", "seq": 10**30}, "ahead"),
        ({"epoch": "right", "seq": 1}, "expired"),
    ],
)
async def test_a_cursor_that_cannot_be_honoured_gets_its_reason_and_a_snapshot(
    world: World, since: dict[str, Any] | None, reason: str
) -> None:
    ids = [(await world.dispatch(title=f"{n}"))["id"] for n in range(60)]
    if reason == "expired":
        await world.hub.log.retain(Retention(max_notifications=55))
        ids = ids[5:]
    if since is not None and since["epoch"] == "right":
        since = since | {"epoch": world.hub.log.epoch}
    _, heard = await world.client(since=since)
    assert heard[0]["recovered"] is False
    assert heard[0]["reason"] == reason
    assert kinds(heard) == ["auth_ok", *["notification"] * 50, "replay_done"]
    assert [message["id"] for message in heard[1:-1]] == ids[-50:]  # the latest, oldest first; never everything
    assert all(message["snapshot"] for message in heard[1:-1])
    assert heard[-1]["seq"] == heard[0]["seq"] == heard[-2]["seq"]


async def test_a_snapshot_carries_the_state_that_each_has_now(world: World) -> None:
    client, _ = await world.client(device="desk")
    ids = [(await world.dispatch())["id"] for _ in range(2)]
    await client.say({"type": "mark", "ref": "1", "ids": ids[:1], "state": "read"})
    await client.hear_all(until="mark_ok")
    _, heard = await world.client(device="phone")
    assert [message["state"] for message in heard[1:-1]] == [{"read": True}, {}]


async def test_events_that_arrive_during_a_replay_are_neither_lost_nor_repeated_nor_reordered(tmp_path: Path) -> None:
    seed = 20_260_130
    for round_ in range(100):  # R3: 100 random interleavings
        await _one_interleaving(tmp_path / str(round_), random.Random(seed + round_))


async def _one_interleaving(folder: Path, chance: random.Random) -> None:
    folder.mkdir()
    log = _SlowLog(chance)
    async with gateway_world(folder, log=log) as world:
        stored = [(await log.append(_draft(n))).seq for n in range(chance.randrange(1, 700))]
        start = chance.randrange(0, stored[-1])

        async def publish() -> None:
            for n in range(10_000, 10_000 + chance.randrange(1, 400)):
                stored.append((await log.append(_draft(n))).seq)
                if chance.random() < 0.2:
                    await asyncio.sleep(0)

        publishing = asyncio.ensure_future(publish())
        client, heard = await world.client(since={"epoch": log.epoch, "seq": start})
        await publishing
        while heard[-1].get("seq", 0) < stored[-1]:
            heard.append(await client.hear())
        seqs = [message["seq"] for message in heard[1:] if message["type"] == "notification"]
        assert seqs == [seq for seq in stored if seq > start]
        done = kinds(heard).index("replay_done")
        assert all(message.get("replay") for message in heard[1:done])
        assert not any(message.get("replay") for message in heard[done:])


class _SlowLog(LogWithGaps):
    """A log whose reads take turns of the loop, so that live events come in between."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def read(self, user: User, *, after: Seq, limit: int) -> Any:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        page = await super().read(user, after=after, limit=self._chance.randrange(1, limit + 1))
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        return page


async def test_marks_reach_all_devices_in_log_order_and_are_answered_to_the_sender(world: World) -> None:
    desk, _ = await world.client(device="desk")
    phone, _ = await world.client(device="phone")
    answer = await world.dispatch()
    await desk.hear()
    await phone.hear()
    await desk.say(
        {
            "type": "mark",
            "ref": "r",
            "ids": [answer["id"], "unknown"],
            "state": "snoozed",
            "until": "2026-01-30T10:00:00+02:00",
        }
    )
    told = {(message := await desk.hear())["type"]: message for _ in range(2)}
    elsewhere = await phone.hear()
    assert told["mark_ok"] == {"type": "mark_ok", "ref": "r", "seq": elsewhere["seq"], "unknown": ["unknown"]}
    assert told["state"] == elsewhere
    assert elsewhere | {"at": ""} == {
        "type": "state",
        "seq": elsewhere["seq"],
        "ids": [answer["id"]],
        "state": "snoozed",
        "at": "",
        "device": "desk",
        "until": "2026-01-30T08:00:00Z",
    }


async def test_marks_are_stored_in_the_order_in_which_they_were_sent(world: World) -> None:
    client, _ = await world.client()
    answer = await world.dispatch()
    await client.hear()
    states = ["read", "unread"] * 150
    for n, state in enumerate(states):
        await client.say({"type": "mark", "ref": str(n), "ids": [answer["id"]], "state": state})
    heard = [await client.hear() for _ in range(2 * len(states))]
    assert [each["ref"] for each in heard if each["type"] == "mark_ok"] == [str(n) for n in range(len(states))]
    assert [each["state"] for each in heard if each["type"] == "state"] == states


async def test_another_users_notification_is_an_unknown_id(world: World) -> None:
    theirs = await world.dispatch("jana")
    client, _ = await world.client("petr")
    await client.say({"type": "mark", "ref": "r", "ids": [theirs["id"]], "state": "read"})
    assert await client.hear() == {
        "type": "mark_error",
        "ref": "r",
        "message": "no such notification",
        "unknown": [theirs["id"]],
    }


async def test_the_ledger_tells_what_was_sent_acknowledged_and_read_on_each_device(world: World) -> None:
    desk, _ = await world.client(device="desk")
    answer = await world.dispatch()
    await desk.hear()
    await desk.say({"type": "ack", "seq": answer["seq"]})
    phone, _ = await world.client(device="phone")
    await phone.say({"type": "mark", "ref": "r", "ids": [answer["id"]], "state": "read"})
    await phone.hear_all(until="mark_ok")
    status, told = await world.get(f"/status?id={answer['id']}")
    assert status == 200
    devices = {each["device"]: each for each in told["users"]["petr"]["devices"]}
    assert {name: (each["sent"], each["acknowledged"], each["read"]) for name, each in devices.items()} == {
        "desk": (True, True, False),
        "phone": (True, True, True),
    }
    assert told["users"]["petr"]["read"] is True
    assert (await world.get("/status?id=unknown"))[0] == 404
    assert (await world.get(f"/status?id={answer['id']}&user=jana"))[0] == 404
    assert (await world.get("/status"))[0] == 400


async def test_the_ledger_knows_of_a_snapshot_and_of_a_cursor_without_any_ack(world: World) -> None:
    old = await world.dispatch()
    for number in range(50):
        await world.hub.log.append(_draft(number))
    snapshot, heard = await world.client(device="desk")
    newest = heard[-2]
    held = {"epoch": world.hub.log.epoch, "seq": newest["seq"]}

    async def stage(notification_id: str) -> tuple[bool, bool]:
        _, told = await world.get(f"/status?id={notification_id}")
        (device,) = told["users"]["petr"]["devices"]
        return device["sent"], device["acknowledged"]

    assert await stage(newest["id"]) == (True, False)
    assert await stage(old["id"]) == (False, False)  # the snapshot has the latest 50
    await snapshot.close()
    await world.client(device="desk", since=held)
    assert await stage(newest["id"]) == (True, True)


async def test_a_log_that_cannot_be_read_sends_the_client_away_for_a_while(tmp_path: Path) -> None:
    class Broken(MemoryInbox):
        async def snapshot(self, user: User, *, limit: int = 50) -> Any:
            raise StoreUnavailable("the disk is gone")

    async with gateway_world(tmp_path, log=Broken()) as world:
        client = await world.open()
        await client.say({"type": "auth", "token": world.token(), "protocol": 2, "device": "d"})
        code, reason = await client.end()
        assert code == 4503
        assert "retry_s=10" in reason
        await until(lambda: not world.hub.users())


async def test_retention_that_overtakes_a_replay_ends_it_instead_of_leaving_a_gap(tmp_path: Path) -> None:
    class Overtaken(MemoryInbox):
        async def read(self, user: User, *, after: Seq, limit: int) -> Any:
            page: list[Event] = list(await super().read(user, after=after, limit=limit))
            if after:
                await self.retain(Retention(max_notifications=10))
            return page

    log = Overtaken()
    async with gateway_world(tmp_path, log=log) as world:
        stored = [(await log.append(_draft(n))).seq for n in range(1_000)]
        client = await world.open()
        auth = {"type": "auth", "token": world.token(), "protocol": 2, "device": "d"}
        await client.say(auth | {"since": {"epoch": log.epoch, "seq": stored[0]}})
        assert (await client.end())[0] == 1001
        _, heard = await world.client(since={"epoch": log.epoch, "seq": stored[299]})
        assert heard[0]["reason"] == "expired"


def _draft(n: int) -> NotificationDraft:
    body = b'{"id":"n%d","title":"t","message":"m","timestamp":"2026-01-30T10:00:00Z"}' % n
    return NotificationDraft(User("petr"), f"n{n}", body)
