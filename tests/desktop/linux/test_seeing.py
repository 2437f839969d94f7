"""Trees, windows and pictures of a real desktop."""

import asyncio
import io
import time
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, Reins, find, look, nodes, soon, start_gtk3, windowed
from PIL import Image

from analyst_cli.desktop.backends.base import Backend, Capability, CaptureRequest, Press, TreeRequest
from analyst_cli.desktop.elements import Cut, Permission, Rect, StopReason, TreeLimits

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]


async def test_a_working_desktop_has_every_permission_and_capability(backend: Backend, stack: DesktopStack) -> None:
    situation = await backend.probe()
    assert situation.permissions == dict.fromkeys(Permission, True)
    assert situation.capabilities == frozenset(Capability)
    assert (situation.session, situation.warnings, situation.remedies) == ("x11", (), {})
    assert [display.frame for display in situation.displays] == [Rect(0, 0, 1280, 800)]


async def test_the_tree_of_the_frontmost_program_has_its_widgets_in_document_order(
    backend: Backend, program: Program
) -> None:
    snapshot = await look(backend, windows=True)
    assert snapshot.app is not None
    assert (snapshot.app.app_id, snapshot.app.pid, snapshot.window_title) == ("bridge-test", program.pid, "Bridge Test")
    found = list(nodes(snapshot.root))
    buttons = [node.title for node in found if node.role == "AXButton"]
    assert buttons[:4] == ["Increment", "Silent", "Doomed", "Remove"]
    assert buttons.count("Twin") == 2
    assert found[0].role == "AXApplication"
    assert found[1].role == "AXWindow"
    assert snapshot.traversal is not None
    assert not snapshot.traversal.truncated
    assert snapshot.traversal.nodes_visited == len(found)
    [window] = [window for window in snapshot.windows if window.pid == program.pid]
    assert (window.title, window.frontmost, window.visible) == ("Bridge Test", True, True)


async def test_details_tell_frame_state_value_and_placeholder(backend: Backend, program: Program) -> None:
    increment, disabled, entry = [await find(backend, title) for title in ("Increment", "Disabled", "name entry")]
    assert increment.pressable
    assert increment.frame is not None
    assert not increment.frame.empty
    assert (increment.enabled, disabled.enabled) == (True, False)
    assert (entry.role, entry.value, entry.placeholder, entry.editable) == ("AXTextField", "", "type here", True)
    assert entry.pressable is False
    check = await find(backend, "Check me")
    assert (check.role, check.checked) == ("AXCheckBox", False)


async def test_what_is_not_on_the_screen_is_left_out_unless_asked_for(backend: Backend, program: Program) -> None:
    shown = {node.title for node in nodes((await look(backend)).root)}
    everything = {node.title: node for node in nodes((await look(backend, hidden=True)).root)}
    assert "Save" not in shown
    assert not everything["Save"].visible
    assert everything["Save"].frame is None


async def test_details_are_read_only_of_those_for_which_they_are_wanted(backend: Backend, program: Program) -> None:
    everything = list(nodes((await look(backend)).root))
    chosen = list(nodes((await look(backend, detail=lambda node: node.title == "Increment")).root))
    assert [node.handle for node in everything] == [node.handle for node in chosen]
    assert {node.title for node in chosen if node.frame is not None} == {"Increment"}


async def test_a_tree_that_meets_a_limit_says_so(backend: Backend, program: Program) -> None:
    for limits, reason, cut in (
        (TreeLimits(max_nodes=10), StopReason.NODES, Cut.NODES),
        (TreeLimits(max_depth=2), StopReason.DEPTH, Cut.DEPTH),
        (TreeLimits(max_children=3), StopReason.CHILDREN, Cut.CHILDREN),
        (TreeLimits(timeout_s=0.0), StopReason.TIMEOUT, Cut.TIMEOUT),
    ):
        snapshot = await look(backend, limits=limits)
        assert snapshot.traversal is not None
        assert (snapshot.traversal.stop_reason, snapshot.traversal.truncated) == (reason, True)
        found = list(nodes(snapshot.root))
        assert cut in {node.cut for node in found}
        assert len(found) <= limits.max_nodes
        assert snapshot.traversal.depth <= limits.max_depth


async def test_rows_that_a_list_manages_itself_are_walked(
    backend: Backend, stack: DesktopStack, tmp_path: Path
) -> None:
    program = await windowed(backend, start_gtk3(stack, tmp_path, "--tree", "50"))
    try:
        titles = [node.title for node in nodes((await look(backend)).root)]
        assert "row 0" in titles
        assert "value 7" in titles
        bounded = await look(backend, limits=TreeLimits(max_children=20))
        [table] = [node for node in nodes(bounded.root) if node.native_role in {"table", "tree table"}]
        assert table.cut is Cut.CHILDREN
        assert table.children_omitted >= 130
        assert len(table.children) <= 20
    finally:
        program.launched.stop()


async def test_a_hung_program_costs_its_budget_and_no_more(backend: Backend, program: Program) -> None:
    await backend.perform(Press(target=await find(backend, "Hang")), Reins(deadline_s=0.1))
    await program.logged("hang-start")
    started = time.monotonic()
    snapshot = await look(backend)
    assert time.monotonic() - started < 1.8
    assert snapshot.traversal is not None
    assert snapshot.traversal.stop_reason is StopReason.NOT_RESPONDING
    assert snapshot.root is not None
    assert snapshot.root.cut is Cut.TIMEOUT
    assert (await backend.probe()).permissions[Permission.ACCESSIBILITY]
    await program.logged("hang-end")

    async def answers_again() -> bool:
        traversal = (await look(backend)).traversal
        return traversal is not None and not traversal.truncated

    await soon(answers_again)


async def test_the_picture_shows_the_display_and_decodes(backend: Backend, program: Program) -> None:
    increment = await find(backend, "Increment")
    [frame] = await backend.capture(CaptureRequest())
    image = Image.open(io.BytesIO(frame.png))
    image.load()
    assert image.size == (frame.width, frame.height) == (1280, 800)
    assert image.getpixel((1, 1)) == (0, 0, 0)  # the bare root window
    assert increment.frame is not None
    assert image.getpixel((int(increment.frame.center[0]), increment.frame.y + 4)) != (0, 0, 0)
    assert frame.area == Rect(0, 0, 1280, 800)


async def test_a_picture_can_be_a_region_smaller_and_partly_blackened(backend: Backend, program: Program) -> None:
    increment = await find(backend, "Increment")
    area = increment.frame
    assert area is not None
    [region] = await backend.capture(CaptureRequest(region=area))
    assert (region.area, region.width, region.height) == (area, area.width, area.height)
    [small] = await backend.capture(CaptureRequest(max_width=320))
    assert Image.open(io.BytesIO(small.png)).size == (320, 200)
    [blank] = await backend.capture(
        CaptureRequest(region=area, blank=(Rect(area.x - 50, area.y, 60, area.height + 50),))
    )
    image = Image.open(io.BytesIO(blank.png))
    assert {image.getpixel((x, y)) for x in range(10) for y in range(area.height)} == {(0, 0, 0)}
    assert image.getpixel((area.width // 2, 4)) != (0, 0, 0)


async def test_a_watch_wakes_when_the_program_changes_and_not_before(backend: Backend, program: Program) -> None:
    add_later = await find(backend, "Add later")
    async with backend.watch(program.pid) as watch:
        assert not await watch.changed(0.05)
        waiting = asyncio.create_task(watch.changed(5.0))
        await backend.perform(Press(target=add_later), Reins(deadline_s=0.01))
        assert await waiting
        [added] = await program.logged("added")
    assert added["event"] == "added"
    assert (await find(backend, "Late")).pressable


async def test_four_readers_at_once_see_the_same(backend: Backend, program: Program) -> None:
    snapshots = await asyncio.gather(*(backend.look(TreeRequest(), Reins()) for _ in range(4)))
    assert len({snapshot.root for snapshot in snapshots}) == 1
