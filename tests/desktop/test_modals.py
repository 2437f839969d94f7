"""K14: which windows are modal, and that a dismissed modal is gone."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_desktop_world import World, button, desktop_of, desktop_world


def dialog(role: str = "AXDialog", *, element_id: str = "d", title: str = "Sure?", **members: Any) -> dict[str, Any]:
    buttons = [
        button(f"{element_id}-no", "Cancel", subrole="AXCancelButton", press=[{"remove": element_id}]),
        button(f"{element_id}-yes", "Delete all", default=True, press=[{"remove": element_id}]),
        button(f"{element_id}-stuck", "Help", effect="none"),
    ]
    return {"id": element_id, "role": role, "title": title, "frame": [50, 50, 300, 200], "children": buttons, **members}


def with_dialog(*dialogs: dict[str, Any]) -> dict[str, Any]:
    script = desktop_of(button("go", "Go"))
    script["apps"][0]["windows"] += [*dialogs]
    return script


@pytest.mark.parametrize(
    ("window", "listed"),
    [
        (dialog("AXSheet"), True),
        (dialog("AXDialog"), True),
        (dialog("AXAlert"), True),
        (dialog("AXSystemDialog"), True),
        (dialog("AXWindow", subrole="AXDialog"), True),
        (dialog("AXWindow", modal=True), True),
        (dialog("AXWindow"), False),
        (dialog("AXWindow", focused=True), False),
        (dialog("AXDialog", visible=False), False),
    ],
)
async def test_which_windows_are_modal(tmp_path: Path, window: dict[str, Any], listed: bool) -> None:
    async with desktop_world(tmp_path, with_dialog(window)) as world:
        found = await world.result("listModals")
        assert len(found["modals"]) == int(listed)
        assert (Path(found["evidence"]["dir"]) / "modals.json").exists()
        if listed:
            [modal] = found["modals"]
            assert [each["title"] for each in modal["buttons"]] == ["Cancel", "Delete all", "Help"]
            assert (modal["blocking"], modal["appBundleId"]) == (True, "org.example.App")


async def test_a_dialog_of_the_window_in_which_a_person_approves_is_left_alone(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog())) as world, world.operator() as operator:
        await operator.call("operator.status", {})
        for app in world.desktop.script.apps:
            app.pid = next(iter(world.host.protected_pids()))
        error = (await world.act("dismissModal", strategy={"type": "cancelButton"}))["error"]
        assert (error["code"], error["details"]["reason"]) == ("DESKTOP_CALLER_NOT_ALLOWED", "approval_surface")
        assert world.done == []


async def test_a_sheet_inside_a_window_is_found_and_another_application_has_none(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, desktop_of(dialog("AXSheet"))) as world:
        assert len((await world.result("listModals"))["modals"]) == 1
        for route in ({"appBundleId": "org.other"}, {"app": {"bundleId": "org.other"}}):
            assert (await world.result("listModals", route=route))["modals"] == []


@pytest.mark.parametrize(
    ("strategy", "pressed"),
    [
        ({"type": "cancelButton"}, "d-no"),
        ({"type": "defaultButton"}, "d-yes"),
        ({"type": "byTitle", "titleContains": "Cancel"}, "d-no"),
    ],
)
async def test_a_button_dismisses_and_the_modal_is_gone(tmp_path: Path, strategy: dict[str, Any], pressed: str) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog())) as world:
        done = (await world.act("dismissModal", strategy=strategy))["result"]
        assert done["dismissed"] is True
        assert world.done == [{"press": pressed}]
        assert (await world.result("listModals"))["modals"] == []


async def test_escape_dismisses_and_says_when_it_did_not(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog())) as world:
        assert (await world.act("dismissModal", strategy={"type": "esc"}))["result"]["dismissed"] is True
    stubborn = dialog()
    del stubborn["children"][0]["subrole"]
    async with desktop_world(tmp_path, with_dialog(stubborn)) as world:
        done = (await world.act("dismissModal", strategy={"type": "esc"}))["result"]
        assert (done["dismissed"], done["reason"], done["tokenConsumed"]) == (False, "the modal is still there", True)


@pytest.mark.parametrize(
    ("strategy", "code"),
    [
        ({"type": "byTitle", "titleContains": "Nothing"}, "DESKTOP_ELEMENT_NOT_FOUND"),
        ({"type": "byTitle", "titleContains": "e"}, "DESKTOP_AMBIGUOUS_MATCH"),
    ],
)
async def test_a_button_that_is_not_one_is_not_pressed(tmp_path: Path, strategy: dict[str, Any], code: str) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog())) as world:
        assert (await world.act("dismissModal", strategy=strategy))["error"]["code"] == code
        assert world.done == []


async def test_without_a_modal_nothing_is_done_and_the_token_is_kept(world: World) -> None:
    done = (await world.act("dismissModal", strategy={"type": "esc"}))["result"]
    assert (done["dismissed"], done["reason"], done["tokenConsumed"]) == (False, "No modals found", False)
    assert "evidence" in done
    assert world.done == []


async def test_dismissing_needs_a_confirmation(world: World) -> None:
    assert await world.code("dismissModal", strategy={"type": "esc"}) == "DESKTOP_CONFIRM_REQUIRED"


async def test_a_modal_can_be_named(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog(), dialog(element_id="e", title="Other?"))) as world:
        modals = (await world.result("listModals"))["modals"]
        other = next(modal["modalId"] for modal in modals if modal["title"] == "Sure?")
        await world.act("dismissModal", strategy={"type": "cancelButton"}, modalId=other)
        assert world.done == [{"press": "d-no"}]
        error = (await world.act("dismissModal", strategy={"type": "cancelButton"}, modalId=other))["error"]
        assert error["code"] == "DESKTOP_STALE_ELEMENT"


async def test_escape_goes_to_the_modal_that_is_named(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog(), dialog(element_id="e", title="Other?"))) as world:
        modals = (await world.result("listModals"))["modals"]
        lower = next(modal["modalId"] for modal in modals if modal["title"] == "Sure?")
        done = (await world.act("dismissModal", strategy={"type": "esc"}, modalId=lower))["result"]
        assert done["dismissed"] is True
        assert [modal["title"] for modal in (await world.result("listModals"))["modals"]] == ["Other?"]


async def test_a_modal_that_does_not_block_keeps_nobody_from_anything(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog(blocking=False))) as world:
        assert [modal["blocking"] for modal in (await world.result("listModals"))["modals"]] == [False]
        never = {"selectorExists": {"titleContains": "never there"}}
        assert await world.code("waitUntil", condition=never, timeoutMs=50) == "DESKTOP_TIMEOUT"
        assert "result" in await world.act("click", target={"selector": {"titleContains": "Go"}})
        assert "result" in await world.act("hotkey", keys="cmd+s")


async def test_a_modal_blocks_what_is_outside_of_it(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, with_dialog(dialog())) as world:
        blocked = [
            await world.act("click", target={"selector": {"titleContains": "Go"}}),
            await world.act("hotkey", keys="cmd+s"),
            await world.act("typeText", text="x", route={"app": {"bundleId": "org.example.App"}}),
        ]
        assert {reply["error"]["code"] for reply in blocked} == {"DESKTOP_MODAL_BLOCKING"}
        assert blocked[0]["error"]["message"] == "Modal blocking: role=AXDialog, title=Sure?"
        assert world.done == []
        assert "result" in await world.act("hotkey", keys="tab", route={"window": {"titlePattern": r"Sure\?"}})
        assert "result" in await world.act("click", target={"selector": {"titleContains": "Delete all"}})
