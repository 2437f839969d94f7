"""K10 to K14: what is previewed is what is pressed, twins and stale targets are refused, text and keys arrive or nothing is sent."""

import random
from pathlib import Path
from typing import Any

import pytest

from analyst_cli.desktop.backends.fake.script import Change
from analyst_cli.desktop.chords import KEYS, normalized_chord
from analyst_cli.desktop.errors import DesktopProblem
from tests.support.fake_desktop_world import REPORT, World, button, desktop_of, desktop_world

GO = {"selector": {"byRole": "AXButton", "titleContains": "Go"}}
NAME = {"selector": {"byRole": "AXTextField", "titleContains": "Name"}}
SECRET_TEXT = "xyzzy-4711-plugh"


def titled(title: str, **members: Any) -> dict[str, Any]:
    return {"selector": {"titleContains": title}, **members}


async def test_a_click_presses_the_element_and_says_what_it_was(world: World) -> None:
    done = (await world.act("click", target=GO))["result"]
    assert done["clicked"] is True
    assert (done["effect"], done["tokenConsumed"]) == ("confirmed", True)
    assert world.done == [{"press": "go"}]
    stop = world.events(done["evidence"]["dir"])[-1]
    assert stop["target"]["fingerprint"] == "AXButton|Go|x=10,y=10,w=80,h=24"
    assert (stop["target"]["appId"], stop["target"]["windowTitle"]) == ("org.example.App", "Main")


@pytest.mark.parametrize(
    ("target", "code", "reason"),
    [
        (titled("Twin"), "DESKTOP_AMBIGUOUS_MATCH", None),
        (titled("Nothing"), "DESKTOP_ELEMENT_NOT_FOUND", None),
        (titled("Off"), "DESKTOP_ELEMENT_NOT_FOUND", "disabled"),
        (titled("Under"), "DESKTOP_ELEMENT_NOT_FOUND", "occluded"),
        (titled("Ready"), "DESKTOP_ELEMENT_NOT_FOUND", "no_press_action"),
        ({"elementRef": "e:unknown:1"}, "DESKTOP_STALE_ELEMENT", "unknown_reference"),
    ],
)
async def test_what_cannot_be_clicked_is_refused_and_nothing_is_done(
    world: World, target: Any, code: str, reason: str | None
) -> None:
    error = (await world.act("click", target=target))["error"]
    assert (error["code"], error["details"].get("reason")) == (code, reason)
    assert error["details"]["tokenConsumed"] is False
    assert world.done == []


async def test_twins_are_shown_and_the_best_may_be_picked(world: World) -> None:
    error = (await world.act("click", target=titled("Twin")))["error"]
    assert error["details"]["matched"] == 2
    assert len(error["details"]["candidates"]) == 2
    assert "result" in await world.act("click", target=titled("Twin", pick="best"))
    assert world.done == [{"press": "twin-1"}]


async def test_at_most_five_candidates_are_named(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, desktop_of(*(button(f"b{n}", "Twin") for n in range(7)))) as world:
        details = (await world.act("click", target=titled("Twin")))["error"]["details"]
        assert (details["matched"], len(details["candidates"])) == (7, 5)


async def test_what_has_no_place_on_the_screen_is_not_highlighted(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, desktop_of({"id": "g", "role": "AXGroup", "title": "Ghost"})) as world:
        error = await world.error("highlight", target=titled("Ghost"))
        assert (error["code"], error["details"]["reason"]) == ("DESKTOP_ELEMENT_NOT_FOUND", "no_frame")


async def test_a_press_without_effect_says_so(world: World) -> None:
    assert (await world.act("click", target=titled("Dead")))["result"]["effect"] == "no_effect"


async def test_a_reference_acts_on_the_element_that_was_found(world: World) -> None:
    [ref] = (await world.result("find", selector=GO["selector"]))["elementRefs"]
    assert "result" in await world.act("click", target={"elementRef": ref})
    assert "result" in await world.act("click", target={"elementRef": ref["elementId"]})
    other = {**ref, "fingerprint": "AXButton|Delete everything"}
    error = (await world.act("click", target={"elementRef": other}))["error"]
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_STALE_ELEMENT", "other_fingerprint")
    async with world.another_client() as client:
        error = (
            await world.call("click", client=client, target={"elementRef": ref["elementId"]}, confirm={"token": "x"})
        )["error"]
        assert error["code"] == "DESKTOP_CONFIRM_REQUIRED"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Change(set="go", title="Stop"), "changed"),
        (Change(set="go", frame=[19, 10, 80, 24]), "moved"),
        (Change(remove="go"), "gone"),
    ],
)
async def test_a_reference_to_what_has_changed_is_stale(world: World, change: Change, reason: str) -> None:
    [ref] = (await world.result("find", selector=GO["selector"]))["elementRefs"]
    world.desktop.apply([Change(set="go", frame=[18, 10, 80, 24])])  # 8 px are tolerated
    assert "result" in await world.act("click", target={"elementRef": ref})
    world.desktop.record.clear()
    world.desktop.apply([Change(set="go", frame=[10, 10, 80, 24]), change])
    error = (await world.act("click", target={"elementRef": ref}))["error"]
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_STALE_ELEMENT", reason)
    assert world.done == []


async def test_a_reference_is_forgotten_after_thirty_seconds(world: World) -> None:
    [ref] = (await world.result("find", selector=GO["selector"]))["elementRefs"]
    later = world.host.monotonic() + 31
    world.host.monotonic = lambda: later
    token = await world.token("click", target={"elementRef": ref})
    error = await world.error("click", target={"elementRef": ref}, confirm={"token": token})
    assert error["details"]["reason"] == "unknown_reference"


async def test_find_click_highlight_and_wait_mean_the_same_element(tmp_path: Path) -> None:
    chance = random.Random(11)
    elements = [
        button(f"b{n}", chance.choice(["Send", "Save", "Open"]), at=(chance.randrange(600), chance.randrange(500)))
        for n in range(60)
    ]
    async with desktop_world(tmp_path, desktop_of(*elements)) as world:
        for _ in range(200):
            moved = chance.choice(elements)["id"]
            world.desktop.apply([Change(set=moved, frame=[chance.randrange(600), chance.randrange(500), 80, 24])])
            selector: dict[str, Any] = {
                "byRole": "AXButton",
                "titleContains": chance.choice(["Send", "Save", "S", "Open"]),
            }
            if chance.random() < 0.6:
                selector["near"] = {
                    "anchor": {"titleContains": chance.choice(["Open", "Send"])},
                    "maxDistance": chance.randrange(50, 400),
                }
            if chance.random() < 0.3:
                selector["byRect"] = {
                    "x": chance.randrange(400),
                    "y": chance.randrange(300),
                    "width": 300,
                    "height": 300,
                }
            world.desktop.record.clear()
            found = await world.result("find", selector=selector)
            target = {"selector": selector, "pick": "best"}
            clicked, shown = await world.act("click", target=target), await world.call("highlight", target=target)
            waited = await world.call("waitUntil", condition={"selectorExists": selector}, timeoutMs=1)
            if not found["elementRefs"]:
                assert {reply["error"]["code"] for reply in (clicked, shown)} == {"DESKTOP_ELEMENT_NOT_FOUND"}
                assert waited["error"]["code"] == "DESKTOP_TIMEOUT"
                continue
            best = found["elementRefs"][0]
            pressed = next(entry["press"] for entry in world.done if "press" in entry)
            assert best["fingerprint"].endswith(_place(world, pressed))
            assert next(entry["highlight"] for entry in world.done if "highlight" in entry)[:2] == [
                best["frame"]["x"],
                best["frame"]["y"],
            ]
            assert waited["result"]["matched"] == found["matched"]


def _place(world: World, element_id: str) -> str:
    element = world.desktop.scene.element(element_id)  # type: ignore[arg-type]
    assert element is not None
    assert element.frame is not None
    x, y, w, h = element.frame
    return f"x={x},y={y},w={w},h={h}"


async def test_text_arrives_and_is_found_in_no_file_log_or_reply(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replies = [await world.act("typeText", target=NAME, text=SECRET_TEXT)]
    assert replies[0]["result"]["textLength"] == len(SECRET_TEXT)
    element = world.desktop.scene.element("name")  # type: ignore[arg-type]
    assert element is not None
    assert element.value == "old" + SECRET_TEXT
    replies += [await world.act("typeText", target=titled("Stiff"), text=SECRET_TEXT)]
    replies += [await world.act("typeText", target=titled("Nothing"), text=SECRET_TEXT)]
    replies += [await world.call("typeText", target=NAME, text=SECRET_TEXT, confirm={"token": "bad"})]
    replies += [await world.call("typeText", target=7, text=SECRET_TEXT)]
    replies += [await world.call("find", selector={"valueContains": SECRET_TEXT}), await world.call("observe")]
    replies += [
        await world.call("waitUntil", condition={"valueContains": {"selector": NAME["selector"], "value": SECRET_TEXT}})
    ]
    assert replies[-1]["result"]["conditionMet"] is True
    assert SECRET_TEXT not in repr(replies)
    assert SECRET_TEXT not in caplog.text
    searched = [path for path in [*tmp_path.rglob("*"), *world.host.state_folder.rglob("*")] if path.is_file()]
    assert len(searched) > 20
    assert not [path for path in searched if SECRET_TEXT.encode() in path.read_bytes()]


async def test_text_is_written_down_as_its_length_and_a_keyed_hash(world: World) -> None:
    done = (await world.act("typeText", target=NAME, text="one"))["result"]
    shown = world.events(done["evidence"]["dir"])[0]["params"]["text"]
    again = (await world.act("typeText", target=NAME, text="one"))["result"]
    assert (shown["redacted"], shown["length"]) == (True, 3)
    assert shown["sha256Salted"] != world.events(again["evidence"]["dir"])[0]["params"]["text"]["sha256Salted"]


@pytest.mark.parametrize("text", ["Grüße", "日本語", "a👩🏽‍💻b", "tab\there"])
async def test_every_script_arrives(world: World, text: str) -> None:
    done = (await world.act("typeText", target=NAME, text=text, options={"clearBefore": True}))["result"]
    assert done["textLength"] == len(text)
    assert world.done[-1] == {"type": "name", "text": text}


async def test_a_field_that_does_not_take_the_focus_gets_nothing(world: World) -> None:
    error = (await world.act("typeText", target=titled("Stiff"), text="x"))["error"]
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_ELEMENT_NOT_FOUND", "focus_failed")
    assert world.done == []


async def test_a_password_field_needs_to_be_meant_and_is_never_read(world: World, tmp_path: Path) -> None:
    secret = titled("Password")
    error = (await world.act("typeText", target=secret, text="pw"))["error"]
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_INVALID_REQUEST", "secure_field")
    assert "result" in await world.act("typeText", target=secret, text="pw", options={"allowSecure": True})
    assert (await world.result("find", selector={"valueContains": "hunter"}))["matched"] == 0
    await world.result("observe")
    assert not [path for path in world.workspace.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


async def test_without_a_target_the_named_application_must_be_frontmost(world: World) -> None:
    wrong = {"app": {"bundleId": "org.example.Other"}}
    error = (await world.act("typeText", text="x", route=wrong))["error"]
    assert error["details"]["reason"] == "route_mismatch"
    world.desktop.scene.focus(world.desktop.scene.element("name"))  # type: ignore[arg-type]
    assert "result" in await world.act("typeText", text="x", route={"app": {"bundleId": "org.example.App"}})
    world.desktop.scene.focus(world.desktop.scene.element("secret"))  # type: ignore[arg-type]
    error = (await world.act("typeText", text="x", route={"app": {"bundleId": "org.example.App"}}))["error"]
    assert error["details"]["reason"] == "secure_field"


@pytest.mark.parametrize(
    ("pattern", "holds"), [("Main", True), ("Mai", False), ("M.*", True), ("(a|aa)*b", False), ("ain", False)]
)
async def test_a_route_asserts_the_whole_window_title(world: World, pattern: str, holds: bool) -> None:
    reply = await world.act("click", target=GO, route={"window": {"titlePattern": pattern}})
    assert ("result" in reply) is holds


async def test_a_broken_pattern_is_no_crash(world: World) -> None:
    assert (await world.act("click", target=GO, route={"window": {"titlePattern": "("}}))["error"][
        "code"
    ] == "DESKTOP_INVALID_REQUEST"


async def test_focus_if_needed_brings_the_application_to_the_front(tmp_path: Path) -> None:
    script = desktop_of(button("go", "Go"))
    script["apps"].append(
        {"appId": "org.example.Other", "name": "Other", "pid": 5, "windows": [button("other", "Other")]}
    )
    async with desktop_world(tmp_path, script) as world:
        route = {"app": {"bundleId": "org.example.Other"}, "focusPolicy": "focusIfNeeded"}
        done = (await world.act("click", target={"selector": {"byRole": "AXButton"}}, route=route))["result"]
        assert done["tokenConsumed"] is True
        assert world.done == [{"activate": "org.example.Other"}, {"press": "other"}]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_has_a_name(key: str) -> None:
    assert normalized_chord(["shift", "cmd", key]) == ("cmd", "shift", key)


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "+",
        "cmd+",
        "cmd++",
        "cmd+shift",
        "a+b",
        "cmd+foo",
        ["cmd+v"],
        ["a", "cmd"],
        ["shift", "shift", "a"],
        ["alt", "option", "a"],
    ],
)
def test_what_is_no_chord_is_refused(keys: Any) -> None:
    with pytest.raises(DesktopProblem):
        normalized_chord(keys)


async def test_a_chord_is_sent_in_order_and_everything_is_released(world: World) -> None:
    done = (await world.act("hotkey", keys=["SHIFT", "Command", "S"]))["result"]
    assert (done["sent"], done["keys"]) == (True, ["cmd", "shift", "s"])
    assert [next(iter(entry.items())) for entry in world.done] == [
        ("down", "cmd"), ("down", "shift"), ("down", "s"), ("up", "cmd"), ("up", "s"), ("up", "shift"), ("chord", "cmd+shift+s"),
    ]  # fmt: skip
    assert world.desktop.down == set()


async def test_denied_chords_are_not_sent_and_nobody_is_asked_about_them(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, settings={"confirm.allowPhrase": True}) as world:
        for keys in ("cmd+l", "ctrl+alt+f1", "control+option+backspace"):
            asked = await world.error("confirm.issue", intent={"method": "desktop.hotkey", "params": {"keys": keys}})
            sent = await world.error("hotkey", keys=keys, confirm={"phrase": "CONFIRM:r"}, meta={"requestId": "r"})
            assert [asked["details"]["reason"], sent["details"]["reason"]] == ["denied_chord", "denied_chord"]
        assert world.done == []


@pytest.mark.parametrize("method", ["click", "typeText", "hotkey", "find", "waitUntil", "listModals", "highlight"])
async def test_a_missing_permission_is_told_with_the_way_out(tmp_path: Path, method: str) -> None:
    script = {**REPORT, "permissions": {"accessibility": False}, "remedies": {"accessibility": "start the bus"}}
    async with desktop_world(tmp_path, script) as world:
        params: dict[str, Any] = {
            "click": {"target": GO, "confirm": {}},
            "typeText": {"target": NAME, "text": "x", "confirm": {}},
            "hotkey": {"keys": "a", "confirm": {}},
            "waitUntil": {"condition": {"selectorExists": GO["selector"]}},
            "highlight": {"target": GO},
        }.get(method, {})
        error = await world.error(method, **params)
        assert error["code"] == "DESKTOP_PERMISSION_MISSING"
        assert "start the bus" in error["message"]
        assert world.done == []


async def test_a_permission_that_comes_back_is_noticed_without_a_restart(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, {**REPORT, "permissions": {"accessibility": False}}) as world:
        assert await world.code("find") == "DESKTOP_PERMISSION_MISSING"
        world.desktop.apply([Change(grant="accessibility")])
        assert "result" in await world.call("find")


async def test_a_lost_desktop_is_told_and_used_again(world: World) -> None:
    world.desktop.apply([Change(lose=True)])
    error = await world.error("find")
    assert (error["code"], error["details"]["reason"], error["retryable"]) == (
        "DESKTOP_HOST_NOT_READY",
        "backend_lost",
        True,
    )
    assert "result" in await world.call("find")


async def test_no_overlay_is_an_invalid_request(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, {**REPORT, "capabilities": ["tree", "press"]}) as world:
        assert await world.code("highlight", target=GO) == "DESKTOP_INVALID_REQUEST"
        assert await world.code("hotkey", keys="a", confirm={}) == "DESKTOP_PERMISSION_MISSING"
        assert "desktop.hotkey" not in (await world.result("health"))["capabilities"]
