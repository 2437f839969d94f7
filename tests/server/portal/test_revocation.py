"""Revoking (S8): sockets close within a second, whoever did it, and the token is refused everywhere."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from analyst_server import app
from analyst_server.config import GatewaySettings, PortalSettings, Settings
from analyst_server.errors import TokenRefused
from analyst_server.identity.principal import Principal
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.audit import ADMINISTRATOR, audit_lines
from analyst_server.portal.database import open_database
from analyst_server.portal.revocation import Revocations
from analyst_server.wire.close_codes import CloseCode
from tests.support.eventually import within_a_second
from tests.support.portal_world import START, World

ANALYST = [sys.executable, "-m", "analyst_cli"]


async def analyst(*words: str) -> None:
    """Run an administrator's command in a process of its own."""
    process = await asyncio.create_subprocess_exec(*ANALYST, *words, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said


@pytest.mark.parametrize("by", ["device", "token", "user", "disable"])
async def test_an_administrator_in_another_process_closes_sockets_within_a_second(world: World, by: str) -> None:
    mine, other = await world.linked("petr", "laptop"), await world.linked("eva", "desk")
    known, spared = (world.tokens.verify(token, now=world.clock.now) for token in (mine, other))
    world.sockets.live = [known, spared]
    watching = asyncio.create_task(world.portal.watch())
    gone = world.sockets.closed
    flags = {
        "device": ["revoke", "--device", known.device],
        "token": ["revoke", "--token", known.token_id],
        "user": ["revoke", "--user", "petr"],
        "disable": ["users", "--disable", "petr"],
    }[by]
    try:
        await analyst("gateway", *flags, "--data", str(world.data_dir))
        assert await within_a_second(lambda: gone)
    finally:
        watching.cancel()
    assert gone == [(known, CloseCode.TOKEN_REFUSED)]
    assert world.sockets.live == [spared]
    with pytest.raises(TokenRefused):
        world.portal.parts.authentication.verify(mine)
    await world.notify("petr", "n1", image="abc.png")
    async with world.program(mine) as app:
        for method, path, status in (
            ("POST", "/api/desktop/refresh", 401),
            ("GET", "/api/notifications/images/abc.png", 404),
        ):
            async with app.request(method, path) as answer:
                assert answer.status == status


async def test_a_person_removes_one_device_and_the_other_goes_on(world: World) -> None:
    lost, kept = await world.linked("petr", "lost phone"), await world.linked("petr", "laptop")
    device = world.tokens.verify(lost, now=world.clock.now).device
    async with world.browser("petr") as browser, browser.post("/api/desktop/unlink", data={"device": device}) as page:
        assert "The device was removed" in await page.text()
        assert "lost phone" not in await page.text()
    for token, status in ((lost, 401), (kept, 200)):
        async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
            assert answer.status == status


async def test_unlinking_forgets_the_link_and_signing_out_everywhere_ends_all(world: World) -> None:
    token = await world.linked("petr")
    async with world.browser("petr") as browser, world.browser("petr") as elsewhere:
        async with browser.post("/api/desktop/unlink", json={}) as answer:
            assert (await answer.json())["ok"] is True
        async with browser.post("/api/desktop/unlink", json={}) as answer:
            assert answer.status == 400
            assert await answer.json() == {"error": "the desktop app is not linked"}
        assert audit_lines(world.portal.parts.database)[0].action == "desktop unlinked"
        async with world.program(token) as app, app.get("/api/desktop/devices") as answer:
            assert answer.status == 200, "as in the source system: unlinking alone does not end a token"
        async with browser.get("/") as page:
            assert "Linked on" in await page.text(), "1.4: a call of the app marks the person as linked again"
        async with browser.post("/api/desktop/unlink", json={"everywhere": True}) as answer:
            assert (await answer.json())["ok"] is True
        async with elsewhere.get("/api/telegram/status") as answer:
            assert answer.status == 401
    async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
        assert answer.status == 401
    new = await world.linked("petr")  # in the same second
    async with world.program(new) as app, app.get("/api/desktop/devices") as answer:
        assert answer.status == 200


def test_a_token_without_a_time_is_older_than_any_sign_out() -> None:
    revocations = Revocations(not_before={"petr": START})
    assert revocations.refusal(Principal("petr", "", "t", START + 60))
    assert not revocations.refusal(Principal("eva", "", "t", START + 60))
    assert not revocations.refusal(Principal("petr", "", "t", START + 60, START + 1))


async def test_a_database_that_another_process_closes_keeps_its_log(world: World) -> None:
    """Locks of this process must survive that it opened the file twice, or the other process deletes the log under it."""
    await world.linked("petr")
    await analyst("gateway", "users", "--data", str(world.data_dir))
    assert (world.data_dir / "accounts.db-wal").stat().st_size > 0


async def test_a_device_that_connects_to_the_gateway_is_seen(world: World) -> None:
    token = await world.linked("petr")
    world.clock.forward(3_600)
    authentication, accounts = world.portal.parts.authentication, world.portal.parts.accounts
    authentication.verify(token)  # as the gateway does for a WebSocket
    watching = asyncio.create_task(world.portal.watch())
    try:
        assert await within_a_second(lambda: accounts.devices("petr")[0].last_seen_at == world.clock.now)
    finally:
        watching.cancel()


async def test_a_live_websocket_of_a_revoked_device_closes_within_a_second_and_cannot_come_back(tmp_path: Path) -> None:
    settings = Settings(gateway=GatewaySettings(port=0), portal=PortalSettings(enabled=False))
    folder = tmp_path / "data"
    async with app.running(settings, data_dir=folder, socket=tmp_path / "ws.sock") as gateway:
        database = open_database(folder / "accounts.db")
        accounts = Accounts(database)
        accounts.ensure_user("petr", now=time.time(), by=ADMINISTRATOR)
        device = accounts.link_device("petr", "laptop", now=time.time(), by=ADMINISTRATOR)
        database.close()
        token = gateway.tokens.issue("petr", now=time.time(), device=device).token
        auth = json.dumps({"type": "auth", "token": token, "protocol": 2, "device": "laptop", "client": "test"})
        async with connect(gateway.ws_url) as live:
            await live.send(auth)
            assert json.loads(await live.recv())["type"] == "auth_ok"
            await analyst("gateway", "revoke", "--device", device, "--data", str(folder))
            assert await within_a_second(lambda: live.close_code)
            await live.wait_closed()
            assert live.close_code == CloseCode.TOKEN_REFUSED
        async with connect(gateway.ws_url) as again:
            await again.send(auth)
            assert json.loads(await again.recv()) == {"type": "auth_error", "message": "Invalid token"}
            await again.wait_closed()
            assert again.close_code == CloseCode.TOKEN_REFUSED
