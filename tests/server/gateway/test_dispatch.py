"""The dispatch socket: answers, idempotency, refusals, images, status and metrics."""

import asyncio
import http.client
import json
import socket as sockets
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from analyst_server.errors import ImageRefused, StoreUnavailable
from analyst_server.gateway import allowances, publishing
from analyst_server.gateway.allowances import UserAllowances, UserLimits
from analyst_server.inbox.log import Appended, NotificationDraft, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from tests.support.gateway_world import World, gateway_world


async def test_the_answer_says_where_the_notification_is(world: World) -> None:
    await world.old_client()
    status, answer = await world.post({"user": "petr", "notification": {"title": "t"}})
    assert status == 200
    newest = (await world.hub.log.snapshot(User("petr"))).seq
    assert answer == {"sent": 1, "id": answer["id"], "seq": newest, "duplicate": False}


async def test_the_same_id_and_body_again_stores_nothing_and_another_body_is_a_conflict(world: World) -> None:
    client = await world.old_client()
    body = {"user": "petr", "notification": {"id": "a", "title": "t"}}  # no timestamp: a retry is still the same
    _, first = await world.post(body)
    status, again = await world.post(body)
    assert (status, again) == (200, first | {"duplicate": True})
    status, refused = await world.post({"user": "petr", "notification": {"id": "a", "title": "other"}})
    assert status == 409
    assert "the id a is taken by another notification of petr" in refused["error"]
    assert (await world.post({"user": "jana", "notification": {"id": "a", "title": "other"}}))[
        0
    ] == 200  # ids are a user's
    last = await world.dispatch(id="b")
    assert [(await client.hear())["id"], (await client.hear())["id"]] == ["a", last["id"]]


async def test_fifty_dispatches_of_one_id_at_once_store_one(world: World) -> None:
    body = {"user": "petr", "notification": {"id": "a", "title": "t"}}
    answers = await asyncio.gather(*(world.post(body) for _ in range(50)))
    assert {answer["seq"] for _, answer in answers} == {answers[0][1]["seq"]}
    assert sorted(answer["duplicate"] for _, answer in answers) == [False] + [True] * 49


async def test_many_users_get_a_line_each(world: World) -> None:
    await world.old_client("jana")
    status, answer = await world.post({"users": ["petr", "jana"], "notification": {"title": "t", "id": "x"}})
    assert status == 200
    assert answer["sent"] == 1
    assert {name: line["duplicate"] for name, line in answer["users"].items()} == {"petr": False, "jana": False}
    status, answer = await world.post({"users": ["petr", "ivan"], "notification": {"title": "t", "id": "x"}})
    assert {name: line["duplicate"] for name, line in answer["users"].items()} == {"petr": True, "ivan": False}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"x", 400, "Invalid JSON"),
        (b"{}", 400, "Missing 'user' or 'notification'"),
        (b'{"user":"a b","notification":{"title":"t"}}', 400, "the user name 'a b' is not"),
        (
            b'{"user":"a","notification":{"title":"' + b"x" * 251 + b'"}}',
            413,
            "title has 251 characters, more than 250",
        ),
        (
            b'{"user":"a","notification":{"title":"' + b"x" * 262_144 + b'"}}',
            413,
            "the body has more than 262144 bytes",
        ),
    ],
)
async def test_what_is_refused_names_value_and_rule_and_stores_nothing(
    world: World, body: bytes, status: int, words: str
) -> None:
    control = await world.old_client("jana")
    got, answer = await world.post(body)
    assert got == status
    assert words in answer["error"]
    assert world.hub.metrics.events_stored == 0
    await world.dispatch("jana")
    assert (await control.hear())["type"] == "notification"


class Failing(MemoryInbox):
    """A log that fails on demand."""

    problem: Exception | None = None

    async def append(self, draft: NotificationDraft) -> Appended:
        if self.problem is not None:
            raise self.problem
        return await super().append(draft)


async def test_a_store_that_cannot_take_it_is_503_with_the_reason_and_never_200(tmp_path: Path) -> None:
    log = Failing()
    async with gateway_world(tmp_path, log=log) as world:
        log.problem = StoreUnavailable("the disk is full", "free some space")
        status, answer = await world.post({"user": "petr", "notification": {"title": "t"}})
        assert (status, answer) == (503, {"error": "the disk is full; free some space"})
        assert (await world.post({"users": ["a", "b"], "notification": {"title": "t"}}))[0] == 503
        assert world.publisher.waiting == 0
        log.problem = None
        await world.dispatch()


async def test_a_fault_of_ours_is_500_and_tells_nothing_internal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = Failing()
    log.problem = ZeroDivisionError("secret detail")
    async with gateway_world(tmp_path, log=log) as world:
        status, answer = await world.post({"user": "petr", "notification": {"title": "t"}})
        assert status == 500
        assert "secret" not in answer["error"]
        assert "secret detail" in caplog.text
        log.problem = None
        await world.dispatch()


async def test_a_picture_is_stored_first_and_a_broken_one_stores_no_notification(tmp_path: Path) -> None:
    async def add(path: str) -> str:
        if "broken" in path:
            raise ImageRefused("the image is neither PNG nor JPEG", "save the chart as PNG")
        return "ab12.png"

    async with gateway_world(tmp_path, add_image=add) as world:
        client = await world.old_client()
        await world.dispatch(image_path="/tmp/chart.png", id="a")
        heard = await client.hear()
        assert heard["image_url"] == "/api/notifications/images/ab12.png"
        assert "image_path" not in heard
        status, answer = await world.post({"user": "petr", "notification": {"title": "t", "image_path": "/broken.png"}})
        assert (status, answer) == (
            400,
            {"error": "the image is neither PNG nor JPEG ('/broken.png'); save the chart as PNG"},
        )
        remote = await world.publisher.publish(
            b'{"user":"petr","notification":{"title":"t","image_path":"/etc/passwd"}}', local=False
        )
        assert remote.status == 400
        assert b"remote publishers send the chart's numbers" in remote.body
        assert world.hub.metrics.events_stored == 1


async def _stored(path: str) -> str:
    return f"{Path(path).stem}.png"


@pytest.mark.parametrize(
    ("limits", "notification", "words", "back_after_s"),
    [
        (
            UserLimits(user_rate=5),
            {},
            "more than 5 notifications in 10 s for petr; send less, or raise gateway.user_rate",
            2,
        ),
        (
            UserLimits(user_day_bytes=12_000),
            {"message": "m" * 2_000},
            "more than 12000 bytes in a day for petr",
            14_400,
        ),
        (UserLimits(user_day_images=5), {"image_path": "/c.png"}, "more than 5 pictures in a day for petr", 20_000),
    ],
)
async def test_a_flood_to_one_user_is_refused_while_others_are_served(
    tmp_path: Path, limits: UserLimits, notification: dict[str, Any], words: str, back_after_s: float
) -> None:
    flood = {"user": "petr", "notification": {"title": "t"} | notification}
    async with gateway_world(tmp_path, limits_of_users=limits, add_image=_stored) as world:
        petr, jana = await world.old_client(), await world.old_client("jana")
        answers = await asyncio.gather(*(world.post(flood) for _ in range(40)))
        assert sorted(status for status, _ in answers) == [200] * 5 + [503] * 35
        assert all(words in answer["error"] for status, answer in answers if status == 503)
        remote = await world.publisher.publish(json.dumps(flood).encode(), local="image_path" in notification)
        assert remote.status == 503  # one count for the socket and for remote publishers
        assert (await world.post(flood | {"user": "jana"}))[0] == 200
        assert (await world.post({**flood, "user": None, "users": ["petr", "jana"]}))[0] == 503
        assert [(await petr.hear())["title"] for _ in range(5)] == ["t"] * 5
        assert (await jana.hear())["title"] == "t"
        world.clocks.skipped += back_after_s  # what was refused did not count
        assert [(await world.post(flood))[0] for _ in range(2)] == [200, 503]


def test_what_is_counted_of_users_has_a_bound_and_forgets_the_longest_untouched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowances, "MAX_TRACKED_USERS", 2)
    counted = UserAllowances(UserLimits(user_rate=1))
    for user in ("petr", "jana", "ivan", "petr"):  # ivan pushed petr out
        counted.take([user], body_bytes=1, images=0, now=0.0)
    with pytest.raises(StoreUnavailable, match="for ivan"):
        counted.take(["ivan"], body_bytes=1, images=0, now=0.0)


async def test_what_could_not_be_stored_does_not_count(tmp_path: Path) -> None:
    class Full(MemoryInbox):
        full = True

        async def append(self, draft: NotificationDraft) -> Appended:
            if self.full:
                raise StoreUnavailable("the disk is full")
            return await super().append(draft)

    log = Full()
    async with gateway_world(tmp_path, log=log, limits_of_users=UserLimits(user_rate=2)) as world:
        body = {"user": "petr", "notification": {"title": "t"}}
        refused = [await world.post(body) for _ in range(4)]
        assert refused == [(503, {"error": "the disk is full"})] * 4
        log.full = False
        assert [(await world.post(body))[0] for _ in range(3)] == [200, 200, 503]


async def test_a_store_that_hangs_fills_up_to_a_bound_and_then_refuses_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    class Hanging(MemoryInbox):
        async def append(self, draft: NotificationDraft) -> Appended:
            await release.wait()
            return Appended(Seq(1), duplicate=False)

    monkeypatch.setattr(publishing, "MAX_WAITING", 3)
    async with gateway_world(tmp_path, log=Hanging()) as world:
        body = {"user": "petr", "notification": {"title": "t"}}
        waiting = [asyncio.ensure_future(world.post(body)) for _ in range(3)]
        while world.publisher.waiting < 3:
            await asyncio.sleep(0)
        status, answer = await world.post(body)
        assert status == 503
        assert "3 dispatches wait" in answer["error"]
        release.set()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 3


async def test_other_paths_and_methods_say_what_there_is(world: World) -> None:
    status, answer = await world.get("/elsewhere")
    assert status == 404
    assert "/dispatch" in answer["error"]
    for request, allowed in ((b"GET /dispatch", b"POST"), (b"DELETE /health", b"GET, HEAD")):
        answer = await world.http_bytes(request + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: " + allowed + b"\r\n" in answer
    head = await world.http_bytes(b"HEAD /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")


async def test_metrics_are_in_the_words_of_prometheus(world: World) -> None:
    client, _ = await world.client()
    await world.dispatch()
    await client.hear()
    await world.post(b"x")
    status, text = await world.get("/metrics")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["analyst_connections"] == values["analyst_users"] == "1.0"
    assert values["analyst_dispatches_accepted_total"] == values["analyst_events_sent_total"] == "1.0"
    assert values['analyst_dispatches_refused_total{status="400"}'] == "1.0"
    assert values["analyst_commit_seconds_count"] == values['analyst_commit_seconds_bucket{le="+Inf"}'] == "1.0"
    assert values["analyst_snapshots_total"] == "1.0"


async def test_httpx_style_chunked_bodies_aiohttp_and_the_standard_library_are_understood(world: World) -> None:
    body = json.dumps({"user": "petr", "notification": {"title": "ř" * 200}}).encode()

    async def chunks() -> Any:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(world.socket))) as session:
        for data in (body, chunks()):
            async with session.post("http://localhost/dispatch", data=data, expect100=data is body) as answer:
                assert answer.status == 200
                assert (await answer.json())["duplicate"] is False

    def standard_library() -> int:
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = sockets.socket(sockets.AF_UNIX)
        connection.sock.connect(str(world.socket))
        try:
            for _ in range(2):  # over one connection that is kept
                connection.request("POST", "/dispatch", body)
                response = connection.getresponse()
                response.read()
            return response.status
        finally:
            connection.close()

    assert await asyncio.to_thread(standard_library) == 200
