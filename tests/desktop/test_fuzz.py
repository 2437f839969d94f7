"""K23: no params crash the host, none but a confirmed action reaches the desktop. `FUZZ_REQUESTS=100000` asks for more."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from analyst_cli.desktop.confirm import digest_of
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.params import PARAMS, meta_of, normalized, params_of
from analyst_cli.desktop.redaction import redacted_params
from tests.support.fake_desktop_world import World, desktop_world

SEED = 20_261_121
KEYS = [
    "meta",
    "selector",
    "target",
    "confirm",
    "text",
    "keys",
    "route",
    "options",
    "condition",
    "strategy",
    "intent",
    "intents",
    "byRole",
    "titleContains",
    "valueContains",
    "byRect",
    "near",
    "byPath",
    "limit",
    "anchor",
    "maxDistance",
    "direction",
    "x",
    "y",
    "width",
    "height",
    "token",
    "phrase",
    "elementRef",
    "elementId",
    "pick",
    "app",
    "bundleId",
    "window",
    "titlePattern",
    "focusPolicy",
    "type",
    "timeoutMs",
    "pollMs",
    "durationMs",
    "requestId",
    "workspacePath",
    "schemaVersion",
    "selectorExists",
    "selectorGone",
    "modalPresent",
    "value",
    "method",
    "params",
    "ttlMs",
    "approvalId",
    "executionId",
    "targetRequestId",
    "modalId",
    "onModal",
    "includeScreenshot",
    "axMaxDepth",
    "axMaxNodes",
    "clearBefore",
    "allowNewlines",
    "bind",
    "_testMode",
]
WORDS = [
    "",
    "AXButton",
    "Go",
    "cmd+v",
    "a",
    "\x00",
    "\u202e",
    "(",
    "(a*)*b",
    "x" * 300,
    "$lastToken",
    "/etc",
    "..",
    "desktop.click",
    "esc",
    "e:1:1",
    "best",
    "below",
    "💥",
]
NUMBERS: list[Any] = [0, 1, -1, 2, 10, 500, 10_001, 2**31, 2**63, -(2**70), 0.5, 1.0, 1e300, -0.0]


def anything(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth < 4 and kind < 0.35:
        return {chance.choice(KEYS): anything(chance, depth + 1) for _ in range(chance.randrange(5))}
    if depth < 4 and kind < 0.45:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 0.7:
        return chance.choice(WORDS)
    return chance.choice([True, False, None]) if kind > 0.93 else chance.choice(NUMBERS)


SOUND: dict[str, dict[str, Any]] = {
    "desktop.find": {
        "selector": {"byRole": "AXButton", "near": {"anchor": {"titleContains": "Go"}, "maxDistance": 50}}
    },
    "desktop.click": {"target": {"selector": {"titleContains": "Go"}}, "confirm": {"token": "x"}},
    "desktop.typeText": {"target": {"selector": {"titleContains": "Name"}}, "text": "t", "confirm": {"token": "x"}},
    "desktop.hotkey": {"keys": ["cmd", "s"], "confirm": {"token": "x"}},
    "desktop.waitUntil": {"condition": {"selectorExists": {"titleContains": "Go"}}, "timeoutMs": 1},
    "desktop.dismissModal": {"strategy": {"type": "esc"}, "confirm": {"token": "x"}},
    "desktop.confirm.issue": {"intent": {"method": "desktop.hotkey", "params": {"keys": "a"}}},
    "desktop.observe": {"options": {"includeScreenshot": False}},
}


def mutated(chance: random.Random, value: Any) -> Any:
    """Return sound params with something wrong somewhere, or by chance nothing."""
    if chance.random() < 0.12:
        return anything(chance, 2)
    if isinstance(value, dict):
        changed = {key: mutated(chance, item) for key, item in value.items() if chance.random() > 0.05}
        if chance.random() < 0.1:
            changed[chance.choice(KEYS)] = anything(chance, 2)
        return changed
    return [mutated(chance, item) for item in value] if isinstance(value, list) else value


async def test_random_params_never_crash_the_host(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED)
    methods = [name for name in PARAMS if name != "desktop.confirm.await"]
    count = int(os.environ.get("FUZZ_REQUESTS", "5000"))
    codes: set[str] = set()
    async with desktop_world(tmp_path, settings={"limits.queue": 1_000, "evidence.screenshots": "off"}) as world:
        for start in range(0, count, 100):
            batch = [_request(world, chance, methods) for _ in range(min(100, count - start))]
            replies = await asyncio.gather(*(world.client.call(method, params, wait_s=50) for method, params in batch))
            codes |= {reply["error"]["code"] if "error" in reply else "ok" for reply in replies}
        assert world.done == [entry for entry in world.done if "highlight" in entry]
        assert "result" in await world.call("health")
        await world.until(lambda: not world.host._active)
    assert "DESKTOP_INTERNAL_ERROR" not in codes
    assert "unexpected" not in caplog.text
    assert {"ok", "DESKTOP_INVALID_REQUEST", "DESKTOP_CONFIRM_REQUIRED"} <= codes <= {"ok", *Code}


def _request(world: World, chance: random.Random, methods: list[str]) -> tuple[str, dict[str, Any]]:
    method = chance.choice(methods)
    params = mutated(chance, SOUND[method]) if method in SOUND and chance.random() < 0.7 else anything(chance)
    if not isinstance(params, dict):
        params = {"selector": params}
    if chance.random() < 0.9:
        meta = params.get("meta")
        params["meta"] = {
            **(meta if isinstance(meta, dict) and chance.random() < 0.2 else {}),
            "workspacePath": str(world.workspace),
        }
        params["meta"].setdefault("timeoutMs", 2_000)
    params.pop("pollMs", None)
    return method, params


def test_a_hundred_thousand_random_objects_are_understood_or_refused() -> None:
    """The same objects through everything that judges params before a desktop is asked, without a socket in between."""
    chance = random.Random(SEED + 1)
    understood = sum(_understood(chance) for _ in range(100_000))
    assert understood > 1_000


def _understood(chance: random.Random) -> bool:
    method = chance.choice([*SOUND, *PARAMS])
    value = mutated(chance, SOUND[method]) if method in SOUND else anything(chance)
    params = value if isinstance(value, dict) else {"selector": value}
    try:
        meta_of(params)
        record = params_of(method, params)
    except DesktopProblem as problem:
        refused = problem
    else:
        assert digest_of(normalized(method, record), "/ws")
        assert redacted_params(record, b"salt", include_text=False) is not None
        return True
    assert refused.code is Code.INVALID_REQUEST
    return False
