"""K24: the acceptance tests of the original (§9), translated, with the resolutions of §0.3 applied."""

import asyncio
import json
from pathlib import Path

import pytest

from analyst_cli.desktop.serve import HOOKS_VARIABLE
from tests.support.fake_desktop_world import World, button, desktop_of, desktop_world

ROUTE = {"app": {"bundleId": "org.example.App"}}


@pytest.fixture
async def area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv(HOOKS_VARIABLE, "1")
    text = {
        "id": "t",
        "role": "AXTextArea",
        "title": "Notes",
        "value": "",
        "editable": True,
        "focused": True,
        "frame": [100, 100, 400, 200],
    }
    buttons = [button(f"b{n}", f"Button {n}", at=(100, 320 + 60 * n)) for n in range(4)]
    async with desktop_world(tmp_path, desktop_of(text, *buttons)) as world:
        yield world


async def test_client_script_health_doctor_observe(area: World) -> None:
    for method in ("health", "doctor", "observe"):
        assert "result" in await area.call(method)
    assert (area.executions()[0] / "env.json").exists()


async def test_smoke_desktop_toolbus(area: World) -> None:
    evidence = (await area.result("observe"))["evidence"]
    folder = Path(evidence["dir"])
    for member in ("envPath", "screenshotPath", "axPath", "eventsPath"):
        assert (folder / evidence[member]).stat().st_size > 0
    assert evidence["screenshotPath"] == "observe.png"
    assert "traversal" in json.loads((folder / "ax.json").read_text())
    env = json.loads((folder / "env.json").read_text())
    assert env["workspacePath"] == str(area.workspace)
    assert env["peer"]["pid"] > 0
    assert env["host"]["bundleId"]


async def test_smoke_desktop_events(area: World) -> None:
    folder = (await area.result("observe"))["evidence"]["dir"]
    assert [event["type"] for event in area.events(folder)] == ["desktop.start", "desktop.observe", "desktop.stop"]


async def test_t8_6_tokens(area: World) -> None:
    issued = await area.result(
        "confirm.issue", intent={"method": "desktop.typeText", "params": {"text": "x", "route": ROUTE}}, ttlMs=10_000
    )
    assert {"token", "expiresAt", "scope", "peer"} <= set(issued)
    assert (await area.result("typeText", text="x", route=ROUTE, confirm={"token": issued["token"]}))["typed"] is True
    assert (
        await area.code("typeText", text="x", route=ROUTE, confirm={"token": issued["token"]})
        == "DESKTOP_CONFIRM_REQUIRED"
    )
    short = await area.token("typeText", ttl_ms=1_000, text="x", route=ROUTE)
    later = area.host.monotonic() + 2
    area.host.monotonic = lambda: later
    assert await area.code("typeText", text="x", route=ROUTE, confirm={"token": short}) == "DESKTOP_CONFIRM_REQUIRED"


async def test_t8_6_4_one_peer_for_one_connection(area: World) -> None:
    pids = {(await area.result("health"))["peer"]["pid"] for _ in range(3)}
    assert len(pids) == 1


async def test_token_reuse_with_a_failed_lookup_keeps_the_token(area: World) -> None:
    target = {"selector": {"titleContains": "no such button"}}
    token = await area.token("click", target=target)
    for _ in range(2):
        assert await area.code("click", target=target, confirm={"token": token}) == "DESKTOP_ELEMENT_NOT_FOUND"


async def test_v1_0_1_the_string_form_and_the_array_form_are_one(area: World) -> None:
    token = await area.token("hotkey", keys="cmd+k")
    assert "result" in await area.call("hotkey", keys=["cmd", "k"], confirm={"token": token})


async def test_t16_selectors(area: World) -> None:
    every = await area.result("find", selector={"byRole": "AXButton"})
    boxed = await area.result(
        "find", selector={"byRole": "AXButton", "byRect": {"x": 0, "y": 0, "width": 300, "height": 400}}
    )
    assert 1 <= boxed["matched"] <= every["matched"]
    scores = [ref["score"] for ref in every["elementRefs"]]
    assert scores == sorted(scores, reverse=True)
    firsts = {
        (await area.result("find", selector={"byRole": "AXButton"}))["elementRefs"][0]["fingerprint"] for _ in range(5)
    }
    assert len(firsts) == 1
    near = {"byRole": "AXButton", "near": {"anchor": {"byRole": "AXTextArea"}, "maxDistance": 500}}
    assert (await area.result("find", selector=near))["matched"] >= 1
    bogus = {**near, "near": {"anchor": {"titleContains": "bogus"}}}
    assert await area.code("find", selector=bogus) == "DESKTOP_ANCHOR_NOT_FOUND"
    counts = [
        (await area.result("find", selector={**near, "near": {**near["near"], "maxDistance": distance}}))["matched"]
        for distance in (500, 250, 200, 1)
    ]
    assert counts == sorted(counts, reverse=True)
    assert (await area.result("find", selector={"byPath": [], "byRole": "AXApplication"}))["matched"] == 1
    assert await area.code("find", selector={"byPath": [999, 999, 999]}) == "DESKTOP_PATH_NOT_FOUND"
    assert await area.code("find", selector={"byPath": [0], "byRole": "Bogus"}) == "DESKTOP_PATH_VERIFICATION_FAILED"


async def test_t16_highlight(area: World) -> None:
    target = {"selector": {"byRole": "AXButton", "titleContains": "Button 0"}}
    for duration in (500, 1_200, 2_000):
        done = await area.result("highlight", target=target, durationMs=duration)
        assert done["highlighted"] is True
        assert Path(done["evidence"]["dir"], "events.ndjson").exists()


async def test_t16_modal_blocking(area: World) -> None:
    wait = {"condition": {"selectorExists": {"titleContains": "never"}}, "timeoutMs": 100}
    assert await area.code("waitUntil", **wait) == "DESKTOP_TIMEOUT"
    meta = {"_testMode": True}
    await area.client.call(
        "desktop._test.injectModalDetector", {"meta": meta, "mockModals": [{"role": "AXDialog", "pid": 1}]}
    )
    assert await area.code("waitUntil", **wait) == "DESKTOP_MODAL_BLOCKING"
    await area.client.call("desktop._test.clearModalDetector", {"meta": meta})
    assert await area.code("waitUntil", **wait) == "DESKTOP_TIMEOUT"


async def test_abort_demo(area: World) -> None:
    params = {
        "meta": area.meta(requestId="demo"),
        "condition": {"selectorExists": {"titleContains": "NeverExistsXYZ123"}},
        "timeoutMs": 60_000,
    }
    waiting = asyncio.create_task(area.client.call("desktop.waitUntil", params, request_id="demo"))
    await area.until(lambda: area.host._active)
    await area.result("abort", targetRequestId="demo")
    assert (await waiting)["error"]["code"] == "DESKTOP_ABORTED"
