"""K2: every method with each field missing, ill-typed or unknown is refused before anything happens."""

from typing import Any

import pytest

from analyst_cli.desktop.errors import DesktopProblem
from analyst_cli.desktop.params import meta_of, normalized, params_of
from tests.support.fake_desktop_world import World

SELECTOR = {"byRole": "AXButton"}
TARGET = {"selector": SELECTOR}

BAD: list[tuple[str, dict[str, Any]]] = [
    ("observe", {"options": {"includeScreenshot": 1}}),
    ("observe", {"options": {"unknown": True}}),
    ("observe", {"options": {"axMaxDepth": 2.0}}),
    ("find", {"selector": {"byRole": 7}}),
    ("find", {"selector": {"byRole": ""}}),
    ("find", {"selector": {"byLabel": {"contains": "x"}}}),
    ("find", {"selector": {"limit": 0}}),
    ("find", {"selector": {"limit": 201}}),
    ("find", {"selector": {"limit": True}}),
    ("find", {"selector": {"byRect": {"x": 1, "y": 1, "width": 5}}}),
    ("find", {"selector": {"byRect": {"x": 1.0, "y": 1, "width": 5, "height": 5}}}),
    ("find", {"selector": {"byRect": {"x": 1, "y": 1, "width": 0, "height": 5}}}),
    ("find", {"selector": {"byPath": [-1]}}),
    ("find", {"selector": {"byPath": [0.0]}}),
    ("find", {"selector": {"near": {"anchor": {}}}}),
    ("find", {"selector": {"near": {"anchor": SELECTOR, "direction": "up"}}}),
    ("find", {"selector": {"near": {"anchor": SELECTOR, "maxDistance": -1}}}),
    ("find", {"selector": {"near": {"anchor": SELECTOR, "maxDistance": "9"}}}),
    ("find", {"limit": 5}),
    ("find", {"selector": None}),
    ("click", {}),
    ("click", {"target": {}}),
    ("click", {"target": {"selector": {}}}),
    ("click", {"target": {"selector": {"limit": 1}}}),
    ("click", {"target": {"selector": SELECTOR, "elementRef": "e:1:1"}}),
    ("click", {"target": {"selector": SELECTOR, "pick": "first"}}),
    ("click", {"target": TARGET, "selector": SELECTOR}),
    ("typeText", {"target": TARGET}),
    ("typeText", {"target": TARGET, "text": 5}),
    ("typeText", {"target": TARGET, "text": "x" * 10_001}),
    ("typeText", {"target": TARGET, "text": "a\x1bb"}),
    ("typeText", {"target": TARGET, "text": "a\nb"}),
    ("typeText", {"target": TARGET, "text": ""}),
    ("typeText", {"text": "x"}),
    ("typeText", {"text": "x", "route": {"app": {"bundleId": ""}}}),
    ("hotkey", {}),
    ("hotkey", {"keys": []}),
    ("hotkey", {"keys": ["cmd"]}),
    ("hotkey", {"keys": ["cmd", "v", "enter"]}),
    ("hotkey", {"keys": "cmd+"}),
    ("hotkey", {"keys": ["v", "cmd"]}),
    ("hotkey", {"keys": ["cmd", "command", "v"]}),
    ("hotkey", {"keys": ["ä"]}),
    ("highlight", {}),
    ("highlight", {"target": {}}),
    ("highlight", {"target": TARGET, "durationMs": 99}),
    ("highlight", {"target": TARGET, "durationMs": 10_001}),
    ("dismissModal", {}),
    ("dismissModal", {"strategy": {"type": "ok"}}),
    ("dismissModal", {"strategy": {"type": "byTitle"}}),
    ("dismissModal", {"strategy": {"type": "esc", "titleContains": "x"}}),
    ("waitUntil", {}),
    ("waitUntil", {"condition": {}}),
    ("waitUntil", {"condition": {"selectorExists": SELECTOR, "selectorGone": SELECTOR}}),
    ("waitUntil", {"condition": {"selectorExists": {}}}),
    ("waitUntil", {"condition": {"modalPresent": False}}),
    ("waitUntil", {"condition": {"selectorExists": SELECTOR}, "timeoutMs": 0}),
    ("waitUntil", {"condition": {"selectorExists": SELECTOR}, "pollMs": 10}),
    ("waitUntil", {"condition": {"selectorExists": SELECTOR}, "onModal": "wait"}),
    ("abort", {}),
    ("abort", {"targetRequestId": "x", "executionId": "y"}),
    ("confirm.issue", {}),
    ("confirm.issue", {"intent": {"method": "desktop.click"}}),
    ("confirm.issue", {"intent": {"method": "desktop.observe", "params": {}}}),
    ("confirm.issue", {"intent": {"method": "desktop.hotkey", "params": {"keys": ["nope"]}}}),
    ("confirm.issue", {"intent": {"method": "desktop.hotkey", "params": {"keys": ["a"]}}, "ttlMs": 999}),
    ("confirm.issue", {"intents": []}),
    ("confirm.await", {}),
    ("confirm.await", {"approvalId": "a-unknown"}),
]


@pytest.mark.parametrize(("method", "params"), BAD, ids=[f"{m}-{n}" for n, (m, _) in enumerate(BAD)])
async def test_bad_params_are_refused_and_leave_nothing(world: World, method: str, params: dict[str, Any]) -> None:
    confirm = {"confirm": {"token": "x"}} if method in {"click", "typeText", "hotkey", "dismissModal"} else {}
    error = await world.error(method, **params, **confirm)
    assert error["code"] == "DESKTOP_INVALID_REQUEST"
    assert world.executions() == []
    assert world.done == []


@pytest.mark.parametrize(
    "meta",
    [
        {"schemaVersion": 2},
        {"schemaVersion": "1"},
        {"requestId": ""},
        {"requestId": "x" * 129},
        {"requestId": "a\nb"},
        {"requestId": 7},
        {"timeoutMs": 0},
        {"timeoutMs": 600_001},
        {"timeoutMs": 1.0},
        {"timeoutMs": True},
        {"workspacePath": 5},
    ],
)
async def test_bad_meta_is_refused(world: World, meta: dict[str, Any]) -> None:
    assert await world.code("find", meta=meta) == "DESKTOP_INVALID_REQUEST"


async def test_another_schema_version_is_told_which_one_is_spoken(world: World) -> None:
    assert (await world.error("health", meta={"schemaVersion": 3}))["details"]["supported"] == [1]


async def test_every_method_but_three_needs_a_workspace(world: World) -> None:
    for method, params in {"find": {}, "observe": {}, "listModals": {}}.items():
        reply = await world.client.call(f"desktop.{method}", params)
        assert "workspacePath" in reply["error"]["message"]
    for method in ("health", "doctor"):
        assert "result" in await world.client.call(f"desktop.{method}", {})


def test_unknown_members_of_meta_are_ignored() -> None:
    assert meta_of({"meta": {"tracing": 1}}).timeout_ms == 60_000


def test_two_ways_to_ask_the_same_are_the_same() -> None:
    def digest(**params: Any) -> dict[str, Any]:
        return normalized("desktop.hotkey", params_of("desktop.hotkey", params))

    assert digest(keys="cmd+v") == digest(keys=["Command", "V"]) == digest(keys=["cmd", "v"], options={"delayMs": 0})
    assert digest(keys="cmd+v") != digest(keys="cmd+c")


def test_a_route_has_one_form_for_both_spellings() -> None:
    def route(value: dict[str, Any]) -> Any:
        return normalized("desktop.hotkey", params_of("desktop.hotkey", {"keys": "a", "route": value}))

    assert route({"appBundleId": "org.x"}) == route({"app": {"bundleId": "org.x"}})


def test_the_place_of_a_fault_is_named() -> None:
    with pytest.raises(DesktopProblem, match=r"params\.selector\.byRect\.x: expected"):
        params_of("desktop.find", {"selector": {"byRect": {"x": "1", "y": 1, "width": 1, "height": 1}}})
