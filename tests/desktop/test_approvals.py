"""A person decides: pending questions, approval, denial, expiry, and what the person is shown."""

import asyncio
import json
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from analyst_cli.desktop import server
from analyst_cli.desktop.endpoint import client_socket_path
from analyst_cli.desktop.peer import Peer, peer_of
from tests.support.fake_desktop_world import World, desktop_world

CLICK = {"target": {"selector": {"byRole": "AXButton", "titleContains": "Go"}}}
ANYONE = {"confirm.approver": "anyone"}


async def asked(world: World, method: str = "click", **params: Any) -> str:
    found = await world.result("confirm.issue", intent={"method": f"desktop.{method}", "params": params or CLICK})
    assert found["pending"] is True
    assert "token" not in found
    return str(found["approvalId"])


async def test_an_approved_action_is_done_once(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        approval_id = await asked(world)
        waiting = asyncio.create_task(world.result("confirm.await", approvalId=approval_id))
        status = (await operator.call("operator.status", {}))["result"]
        [approval] = status["approvals"]
        [action] = approval["actions"]
        assert action["app"] == "org.example.App"
        assert action["element"] == "AXButton|Go|x=10,y=10,w=80,h=24"
        assert (await operator.call("operator.approve", {"approvalId": approval_id}))["result"]["state"] == "approved"
        token = (await waiting)["token"]
        done = (await world.call("click", **CLICK, confirm={"token": token}))["result"]
        assert done["clicked"] is True
        assert world.events(world.executions()[-1])[-1]["confirmedBy"] == "operator"
        assert (await world.error("confirm.await", approvalId=approval_id))["details"]["reason"] == "used"
        assert [entry["type"] for entry in world.audit() if entry["type"].startswith("confirm.")] == [
            "confirm.asked",
            "confirm.approved",
            "confirm.issued",
        ]


async def test_a_reference_is_shown_as_the_element_it_means(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world:
        [ref] = (await world.result("find", selector=CLICK["target"]["selector"]))["elementRefs"]
        for target in ({"elementRef": ref["elementId"]}, {"elementRef": ref}):
            await asked(world, target=target)
        await asked(world, target={"elementRef": "e:gone:1"})
        shown = [approval.shown[0]["element"] for approval in world.host.book.pending(world.host.monotonic())]
        assert shown[:2] == ["AXButton|Go|x=10,y=10,w=80,h=24"] * 2
        assert "unknown" in shown[2]


async def test_a_denied_action_is_told(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        approval_id = await asked(world)
        await operator.call("operator.deny", {"approvalId": approval_id})
        assert (await world.error("confirm.await", approvalId=approval_id))["details"]["reason"] == "denied"
        again = await operator.call("operator.approve", {"approvalId": approval_id})
        assert again["error"]["details"]["reason"] == "denied"


async def test_nobody_decides_in_time(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world:
        approval_id = await asked(world)
        waiting = asyncio.create_task(world.error("confirm.await", approvalId=approval_id, meta={"timeoutMs": 200}))
        assert (await waiting)["code"] == "DESKTOP_TIMEOUT"
        for approval in world.host.book._approvals.values():
            approval.expires_at = world.host.monotonic() - 0.001
        assert (await world.error("confirm.await", approvalId=approval_id))["details"]["reason"] == "expired"


async def test_the_text_is_shown_only_on_request_and_that_is_written_down(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        target = {"selector": {"titleContains": "Name"}}
        approval_id = await asked(world, "typeText", text="plover-7731", target=target)
        status = await operator.call("operator.status", {})
        assert "plover-7731" not in json.dumps(status)
        assert status["result"]["approvals"][0]["actions"][0]["textLength"] == 11
        shown = (await operator.call("operator.reveal", {"approvalId": approval_id}))["result"]
        assert shown["texts"] == ["plover-7731"]
        assert world.audit()[-1]["type"] == "confirm.revealed"


async def test_one_approval_covers_the_steps_of_a_run(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        intents = [{"method": "desktop.hotkey", "params": {"keys": keys}} for keys in ("a", "b")]
        found = await world.result("confirm.issue", intents=intents)
        await operator.call("operator.approve", {"approvalId": found["approvalId"]})
        tokens = (await world.result("confirm.await", approvalId=found["approvalId"]))["tokens"]
        for keys, token in zip("ab", tokens, strict=True):
            assert "result" in await world.call("hotkey", keys=keys, confirm={"token": token["token"]})


async def test_the_terminal_that_asked_cannot_approve(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator") as world, world.operator() as operator:
        approval_id = await asked(world)
        refused = (await operator.call("operator.approve", {"approvalId": approval_id}))["error"]
        assert refused["code"] == "DESKTOP_CALLER_NOT_ALLOWED"
        assert refused["details"]["reason"] in {"same_channel", "no_terminal"}


async def test_only_a_terminal_lets_the_host_work_again_and_anybody_stops_it(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator") as world, world.operator() as operator:
        await operator.call("operator.status", {})
        [peer] = world.host.operator_peers.values()
        peer.terminal = 0
        assert (await operator.call("operator.stop", {}))["result"]["state"] == "stopped"
        assert (await operator.call("operator.panic", {}))["result"]["state"] == "panic"
        for method in ("operator.start", "operator.reset", "operator.reload"):
            assert (await operator.call(method, {}))["error"]["details"]["reason"] == "no_terminal", method
        assert world.host.state == "panic"
        peer.terminal = 34_816
        assert (await operator.call("operator.reset", {}))["result"]["state"] == "running"


async def test_a_client_that_does_not_wait_for_answers_is_told_and_the_next_connection_too(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        approval_id = await asked(world)
        waits = [asyncio.create_task(world.call("confirm.await", approvalId=approval_id)) for _ in range(256)]
        await world.until(lambda: len(list(world.host.active_calls())) == 256)
        assert (await world.error("health"))["details"]["reason"] == "in_flight"
        await operator.call("operator.deny", {"approvalId": approval_id})
        assert {(await each)["error"]["details"]["reason"] for each in waits} == {"denied"}
        async with AsyncExitStack() as stack:
            others = [await stack.enter_async_context(world.another_client()) for _ in range(63)]
            assert "result" in await world.call("health", client=others[-1])
            reader, writer = await asyncio.open_unix_connection(client_socket_path())
            assert json.loads(await reader.readline())["error"]["details"]["reason"] == "connections"
            writer.close()


async def test_whoever_comes_within_the_limit_keeps_its_place_however_late_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = threading.Event()

    def looked_at_late(*connection: Any) -> Peer:
        seen.wait(30)
        return peer_of(*connection)

    async with desktop_world(tmp_path) as world, AsyncExitStack() as stack:
        await world.result("health")
        monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
        monkeypatch.setattr(server, "peer_of", looked_at_late)
        within = await stack.enter_async_context(world.another_client())
        reader, writer = await asyncio.open_unix_connection(client_socket_path())
        await world.until(lambda: len(world.serving.clients._connections) == 3)
        seen.set()
        assert json.loads(await reader.readline())["error"]["details"]["reason"] == "connections"
        assert "result" in await world.call("health", client=within)
        writer.close()


async def test_who_asked_is_forgotten_with_the_question(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world:
        first = await asked(world)
        world.host.book._approvals.clear()  # as ten minutes later
        second = await asked(world)
        assert (first in world.host.requesters, second in world.host.requesters) == (False, True)


async def test_a_panic_ends_every_question(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world, world.operator() as operator:
        open_one, approved = await asked(world), await asked(world)
        await operator.call("operator.approve", {"approvalId": approved})
        world.host.panic()
        world.host.reset()
        await world.host.start()
        refused = (await operator.call("operator.approve", {"approvalId": open_one}))["error"]
        assert refused["details"]["reason"] == "expired"
        assert (await world.error("confirm.await", approvalId=approved))["details"]["reason"] == "expired"


@pytest.mark.parametrize("method", ["click", "typeText", "hotkey"])
async def test_the_window_of_the_approving_person_is_never_driven(tmp_path: Path, method: str) -> None:
    async with desktop_world(tmp_path) as world, world.operator() as operator:
        await operator.call("operator.status", {})
        ours = next(iter(world.host.protected_pids()))
        for app in world.desktop.script.apps:
            app.pid = ours
        params: dict[str, Any] = {
            "click": CLICK,
            "typeText": {"text": "x", "target": {"selector": {"titleContains": "Name"}}},
            "hotkey": {"keys": "enter"},
        }[method]
        error = (await world.act(method, **params))["error"]
        assert (error["code"], error["details"]["reason"]) == ("DESKTOP_CALLER_NOT_ALLOWED", "approval_surface")
        assert world.done == []


async def test_a_question_belongs_to_the_one_who_asked(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator", settings=ANYONE) as world:
        found = await world.result(
            "confirm.issue", intent={"method": "desktop.click", "params": CLICK}, bind="connection"
        )
        async with world.another_client() as client:
            error = (await world.call("confirm.await", client=client, approvalId=found["approvalId"]))["error"]
            assert error["details"]["reason"] == "unknown_approval"


async def test_a_watching_screen_is_woken_by_a_question(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator") as world, world.operator() as operator:
        revision = (await operator.call("operator.status", {}))["result"]["revision"]
        watching = asyncio.create_task(operator.call("operator.watch", {"revision": revision, "waitS": 20}))
        await asyncio.sleep(0)
        approval_id = await asked(world)
        async with asyncio.timeout(5):
            assert (await watching)["result"]["approvals"][0]["approvalId"] == approval_id
