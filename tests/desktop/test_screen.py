"""The operator's screen against a real host: what it shows, and what its keys do."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, OptionList, Static

from analyst_cli.desktop.screen.app import HostLost, HostScreenApp, StatusArrived
from analyst_cli.desktop.screen.dialogs import WordsDialog
from analyst_cli.desktop.screen.lines import (
    action_words,
    approval_details,
    approval_row,
    check_lines,
    recent_row,
    state_words,
)
from analyst_cli.desktop.screen.panels import Approvals
from tests.support.fake_desktop_world import World, button, desktop_of, desktop_world

CLICK = {"target": {"selector": {"byRole": "AXButton", "titleContains": "Go"}}}
HOSTILE = "\x1b[31mred[/] \u202eevil [bold]x"


@asynccontextmanager
async def screen_on(tmp_path: Path, size: tuple[int, int] = (100, 30), script: Any = None, **options: Any) -> Any:
    settings = {"confirm.approver": "anyone", **options.pop("settings", {})}
    async with desktop_world(tmp_path, script, mode="operator", settings=settings, **options) as world:
        app = HostScreenApp()
        async with app.run_test(size=size) as pilot:
            await eventually(pilot, lambda: app._status is not None)
            yield world, app, pilot


async def eventually(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await pilot.pause(0.02)


def words(app: HostScreenApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).render())


def rows(app: HostScreenApp) -> list[list[Any]]:
    table = app.query_one(DataTable)
    return [table.get_row_at(number) for number in range(table.row_count)]


async def asked(world: World, method: str = "click", **params: Any) -> str:
    found = await world.result("confirm.issue", intent={"method": f"desktop.{method}", "params": params or CLICK})
    return str(found["approvalId"])


async def test_it_shows_state_permissions_and_recent_executions(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        assert "RUNNING" in words(app, "#state")
        assert "✓ Accessibility granted" in words(app, "#permissions")
        await world.result("find")
        await eventually(pilot, lambda: app.query_one(DataTable).row_count == 1)


async def test_what_runs_is_shown_while_it_runs(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        waiting = asyncio.create_task(
            world.call("waitUntil", condition={"selectorExists": {"titleContains": "Never"}}, meta={"requestId": "w"})
        )
        await eventually(pilot, lambda: rows(app))
        assert [str(cell) for cell in rows(app)[0][1:]] == ["waitUntil", "… running", ""]
        await world.result("abort", targetRequestId="w")
        assert "error" in await waiting
        await eventually(pilot, lambda: {"✗ aborted", "✓ ok"} == {str(row[2]) for row in rows(app)})


async def test_what_arrives_after_the_end_is_passed_over(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (_, app, _):
        status = app._status
    assert not app.screen_stack
    app.on_status_arrived(StatusArrived(status))
    app.on_host_lost(HostLost("gone"))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_everything_that_decides_is_on_the_screen_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    async with screen_on(tmp_path, size) as (world, app, pilot):
        await asked(world, "hotkey", keys="a")
        await eventually(pilot, lambda: "press a" in words(app, "#details"))
        target = {"selector": {"titleContains": "Name"}}
        second = await asked(world, "typeText", text="x", target=target, options={"clearBefore": True})
        await eventually(pilot, lambda: app.query_one(OptionList).option_count == 2)
        await pilot.press("down")
        await eventually(pilot, lambda: second in words(app, "#details"))
        details = app.query_one("#details-pane")
        of_this_machine = [
            line for line in words(app, "#details").splitlines() if "asked by" in line or "started by" in line
        ]
        wrapped = 2 * sum(
            len(line) > details.size.width - 2 for line in of_this_machine
        )  # long paths and names of programs
        assert details.max_scroll_y <= wrapped
        for part in ("application", "window", "now matches", "clearBefore", "text", "asked by"):
            assert part in words(app, "#details")


async def test_a_question_is_shown_with_all_that_decides_it_and_approved_with_one_key(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        approval_id = await asked(world)
        await eventually(pilot, lambda: "click button “Go”" in words(app, "#details"))
        own_name = Path("/proc/self/comm").read_text().strip()
        for part in ("org.example.App", "Main", "AXButton|Go|x=10,y=10,w=80,h=24", own_name, approval_id):
            assert part in words(app, "#details")
        await pilot.press("a")
        assert "token" in await world.result("confirm.await", approvalId=approval_id)


async def test_a_question_is_denied_with_one_key_and_its_text_shown_on_request(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        approval_id = await asked(world, "typeText", text="plover", target={"selector": {"titleContains": "Name"}})
        await eventually(pilot, lambda: "6 characters" in words(app, "#details"))
        assert "plover" not in words(app, "#details")
        await pilot.press("v")
        await eventually(pilot, lambda: isinstance(app.screen, WordsDialog))
        assert "plover" in words(app, "#words")
        await pilot.press("escape")
        await eventually(pilot, lambda: not isinstance(app.screen, WordsDialog))
        await pilot.press("x")
        assert (await world.error("confirm.await", approvalId=approval_id))["details"]["reason"] == "denied"


async def test_a_key_never_decides_about_a_question_that_was_not_looked_at(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        first = await asked(world)
        await eventually(pilot, lambda: app.query_one(Approvals).chosen_id == first)
        second = await asked(world, "hotkey", keys="a")
        await eventually(pilot, lambda: app.query_one(OptionList).option_count == 2)
        assert app.query_one(Approvals).chosen_id == first
        world.host.book.deny(first, world.host.monotonic())  # somebody else decides
        world.host.pulse()
        await eventually(pilot, lambda: app.query_one(OptionList).option_count == 1)
        await pilot.press("a")
        assert world.host.book.pending(world.host.monotonic())[0].id == second
        assert app.query_one(Approvals).chosen_id == second
        await pilot.press("a")
        await eventually(pilot, lambda: not world.host.book.pending(world.host.monotonic()))


async def test_stop_start_panic_and_reset(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (world, app, pilot):
        for key, state in (("t", "stopped"), ("s", "running"), ("p", "panic"), ("r", "running")):
            await pilot.press(key)
            await eventually(
                pilot, lambda state=state: world.host.state == state and state.upper() in words(app, "#state")
            )


async def test_doctor_and_observe_tell_what_they_found(tmp_path: Path) -> None:
    async with screen_on(tmp_path) as (_, app, pilot):
        await pilot.press("d")
        await eventually(pilot, lambda: isinstance(app.screen, WordsDialog))
        assert "healthy" in words(app, "#words")
        await pilot.press("escape")
        await eventually(pilot, lambda: not isinstance(app.screen, WordsDialog))
        await pilot.press("o")
        await eventually(pilot, lambda: isinstance(app.screen, WordsDialog))
        assert "artifacts/desktop" in words(app, "#words")
        assert "last event: desktop.stop at 2" in words(app, "#words")
        assert list(tmp_path.glob("artifacts/desktop/*/*/observe.png"))


async def test_preferences_rename_and_hide_the_three_keys(tmp_path: Path) -> None:
    async with screen_on(tmp_path, settings={"menubar.shortcuts.doctor": "f5"}) as (_, app, pilot):
        await pilot.press("f5")
        await eventually(pilot, lambda: isinstance(app.screen, WordsDialog))
    async with screen_on(tmp_path, settings={"menubar.enabled": False}) as (_, app, pilot):
        assert {"doctor", "observe"}.isdisjoint(
            binding.binding.action for binding in app.active_bindings.values() if binding.enabled
        )


async def test_a_host_that_goes_away_is_told_and_found_again(tmp_path: Path) -> None:
    app = HostScreenApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await eventually(pilot, lambda: "no host" in words(app, "#state"))
        await pilot.press("a", "p", "d", "v")
        async with desktop_world(tmp_path):
            await eventually(pilot, lambda: "RUNNING" in words(app, "#state"))
        await eventually(pilot, lambda: "no host" in words(app, "#state"))


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (40, 12)])
async def test_hostile_titles_are_inert_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    script = desktop_of(button("h", HOSTILE))
    script["apps"][0] |= {"appId": HOSTILE}
    script["apps"][0]["windows"][0]["title"] = HOSTILE
    async with screen_on(tmp_path, size, script) as (world, app, pilot):
        await asked(world, target={"selector": {"byRole": "AXButton"}})
        await eventually(pilot, lambda: "click" in words(app, "#details"))
        shown = words(app, "#details")
        assert "␛[31mred[/]" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_the_words_of_the_screen() -> None:
    status = {"state": "panic", "backend": "fake", "session": "x11", "confirmMode": "self", "hooks": True}
    for part in ("PANIC", "reset", "CONFIRM MODE IS SELF", "TEST HOOKS ON"):
        assert part in state_words(status, "")
    entry = {
        "ts": "2026-11-21T08:50:08.123Z",
        "method": "desktop.find",
        "ok": False,
        "errorCode": "DESKTOP_PATH_NOT_FOUND",
    }
    entry["durationMs"] = 7
    assert recent_row(entry) == (
        "08:50:08", "find", "✗ path not found", "7 ms",
    )  # fmt: skip
    doctor = {
        "healthy": False,
        "issues": ["x"],
        "checks": [
            {"ok": True, "severity": "error", "message": "fine"},
            {"ok": False, "severity": "error", "message": "bad", "remedy": "do"},
        ],
    }
    assert check_lines(doctor).splitlines() == ["✗ 1 issues", "", "✗ bad", "    do", "✓ fine"]
    action = {
        "method": "desktop.dismissModal",
        "params": {"strategy": {"type": "esc"}},
        "app": None,
        "windowTitle": None,
        "element": None,
        "matches": None,
        "textLength": None,
    }
    approval = {"approvalId": "a-1", "expiresInS": 9, "ttlS": 60, "peer": None, "actions": [action, action]}
    assert approval_row(approval) == "dismiss the dialog: esc and 1 more  (no application, 9 s)"
    assert "window       none" in approval_details(approval)
    click = {**action, "method": "desktop.click", "params": {}}
    field = "AXTextField|Name|x=1,y=2,w=3,h=4"
    assert action_words({**click, "element": field, "matches": 1}) == "click textfield “Name”"
    twins = {**click, "element": field, "matches": 2}
    assert action_words(twins) == "click one of 2 elements, such as textfield “Name”"
    assert f"2 elements, first {field}" in approval_details({**approval, "actions": [twins]})
    gone = {**click, "element": "nothing matches now", "matches": 0}
    assert action_words(gone) == "click an element (nothing matches now)"
    plain = {**action, "params": {"options": {"screenshots": False}}}
    assert "options" not in approval_details({**approval, "actions": [plain]})  # all of them are off
