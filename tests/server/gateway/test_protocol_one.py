"""The fixed part of the protocol (1.1, 1.2), as deployed clients and scripts speak it."""

import asyncio
import json
from pathlib import Path

import aiohttp
import jwt
import pytest

from analyst_server.gateway.hub import Limits
from tests.support.gateway_world import World, gateway_world, until


async def test_a_deployed_client_gets_exactly_the_members_of_section_1_1(world: World) -> None:
    client = await world.old_client()
    sent = {"id": "test-1", "title": "Test Alert", "message": "This is a test.", "timestamp": "2026-01-30T12:00:00Z"}
    status, answer = await world.post({"user": "petr", "notification": sent | {"priority": "normal"}})
    assert (status, answer["sent"]) == (200, 1)
    assert await client.hear() == {"type": "notification"} | sent


async def test_the_manual_test_of_the_source_system_works_as_typed(world: World) -> None:
    body = (
        b'{"user":"USERNAME","notification":{"id":"test-1","title":"Test Alert",'
        b'"message":"This is a test notification.","timestamp":"2026-01-30T12:00:00Z"}}'
    )
    status, answer = await world.post(body)
    assert status == 200
    assert answer["sent"] == 0
    assert await world.get("/health") == (200, {"status": "ok", "connections": 0, "users": {}})


async def test_health_counts_signed_in_connections_by_user(world: World) -> None:
    await world.old_client("petr")
    await world.old_client("petr")
    await world.old_client("jana")
    await world.open()  # not signed in: nobody yet
    health = (200, {"status": "ok", "connections": 3, "users": {"petr": 2, "jana": 1}})
    assert await world.get("/health") == health


async def test_both_paths_lead_to_the_gateway_and_no_other_does(world: World) -> None:
    for path in ("/", "/ws/notifications", "/ws/notifications?from=proxy"):
        client = await world.open(path)
        await client.say({"type": "auth", "token": world.token()})
        assert (await client.hear())["type"] == "auth_ok"
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{world.port}/elsewhere") as answer:
        assert answer.status == 404
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{world.port}/") as answer:
        assert answer.status == 426


@pytest.mark.parametrize(
    ("first", "message", "code"),
    [
        ("not json", "Invalid JSON", 4400),
        ('{"type":"auth"', "Invalid JSON", 4400),
        ("[]", "Expected auth message with token", 4400),
        ('{"type":"pong"}', "Expected auth message with token", 4400),
        ('{"type":"auth"}', "Expected auth message with token", 4400),
        ('{"type":"auth","token":""}', "Expected auth message with token", 4400),
        ('{"type":"auth","token":7}', "Expected auth message with token", 4400),
        ('{"type":"auth","token":"wrong"}', "Invalid token", 4401),
    ],
)
async def test_a_bad_first_message_is_answered_with_the_old_words_and_its_close_code(
    world: World, first: str, message: str, code: int
) -> None:
    control = await world.old_client("jana")
    client = await world.open()
    await client.say(first)
    assert await client.hear() == {"type": "auth_error", "message": message}
    assert (await client.end())[0] == code
    await world.dispatch("jana")
    assert (await control.hear())["type"] == "notification"


async def test_a_sixth_connection_of_a_user_is_too_many(world: World) -> None:
    clients = [await world.old_client() for _ in range(5)]
    sixth = await world.open()
    await sixth.say({"type": "auth", "token": world.token()})
    assert await sixth.hear() == {"type": "auth_error", "message": "Too many connections"}
    assert (await sixth.end())[0] == 4429
    await clients[0].close()
    await until(lambda: world.hub.connections_of("petr") == 4)
    await world.old_client()


async def test_who_says_nothing_is_sent_away_in_time(tmp_path: Path) -> None:
    async with gateway_world(tmp_path, limits=Limits(auth_timeout_s=0.2)) as world:
        client = await world.open()
        assert await client.hear() == {"type": "auth_error", "message": "Auth timeout"}
        assert (await client.end())[0] == 4408
        await until(lambda: world.hub.open_connections == 0)


async def test_pings_come_and_three_unanswered_ones_end_the_connection(tmp_path: Path) -> None:
    async with gateway_world(tmp_path, limits=Limits(heartbeat_s=0.1)) as world:
        silent, lively = await world.old_client(), await world.old_client("jana")

        async def answer_six() -> None:
            for _ in range(6):
                assert await lively.hear() == {"type": "ping"}
                await lively.say({"type": "pong"})

        answering = asyncio.create_task(answer_six())
        assert [await silent.hear() for _ in range(3)] == [{"type": "ping"}] * 3
        assert (await silent.end())[0] == 4408
        await answering
        assert world.hub.connections_of("jana") == 1


async def test_a_token_without_issuer_is_taken_as_the_old_gateway_did(world: World) -> None:
    now = int(world.clocks.wall_now())
    token = jwt.encode({"sub": "petr", "iat": now, "exp": now + 60}, "7" * 64, algorithm="HS256")
    client = await world.open()
    await client.say(json.dumps({"type": "auth", "token": token}))
    assert await client.hear() == {"type": "auth_ok", "username": "petr"}


async def test_an_old_client_hears_nothing_of_marks(world: World) -> None:
    old = await world.old_client()
    new, _ = await world.client()
    answer = await world.dispatch()
    assert (await old.hear())["id"] == answer["id"]
    await new.hear()
    await new.say({"type": "mark", "ref": "1", "ids": [answer["id"]], "state": "read"})
    assert {(await new.hear())["type"], (await new.hear())["type"]} == {"state", "mark_ok"}
    later = await world.dispatch(title="later")
    assert (await old.hear())["id"] == later["id"]
