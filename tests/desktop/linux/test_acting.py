"""Presses, focus, chords, dialogs and highlights on a real desktop. The program's own log says what really happened."""

import asyncio
import io
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Halted, Program, Reins, find, look, modal, nodes, soon, start_gtk3, windowed
from desktop_x import covered, held_keys, screen_of
from PIL import Image

from analyst_cli.desktop.backends.base import (
    Activate,
    Backend,
    CaptureRequest,
    Chord,
    Effect,
    Focus,
    Highlight,
    Press,
    Refusal,
    Refused,
)
from analyst_cli.desktop.backends.linux.windows import ask_to_activate
from analyst_cli.desktop.elements import AppIdentity, Handle

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]


async def test_a_press_that_shows_is_confirmed(backend: Backend, program: Program) -> None:
    reins = Reins()
    outcome = await backend.perform(Press(target=await find(backend, "Increment")), reins)
    assert program.last("click")["count"] == 1
    assert (outcome.effect, outcome.method) == (Effect.CONFIRMED, "action")
    assert (reins.committed, reins.sealed) == (True, True)


async def test_a_press_that_shows_nothing_is_unverified(backend: Backend, program: Program) -> None:
    outcome = await backend.perform(Press(target=await find(backend, "Silent")), Reins())
    assert program.events("silent")
    assert outcome.effect is Effect.UNVERIFIED


async def test_a_window_that_comes_to_the_front_proves_nothing(
    backend: Backend, program: Program, stack: DesktopStack, tmp_path: Path
) -> None:
    silent = await find(backend, "Silent")
    [window] = [each for each in (await look(backend, windows=True)).windows if each.pid == program.pid]
    other = await windowed(backend, start_gtk3(stack, tmp_path, app_id="other-test"))
    try:
        pressing = asyncio.create_task(backend.perform(Press(target=silent), Reins()))
        await program.logged("silent")
        with screen_of(stack) as screen:
            ask_to_activate(screen, int(window.window_id, 16))
        assert (await pressing).effect is Effect.UNVERIFIED
    finally:
        other.launched.stop()


async def test_a_toggled_box_is_confirmed_by_its_own_state(backend: Backend, program: Program) -> None:
    outcome = await backend.perform(Press(target=await find(backend, "Check me")), Reins())
    assert program.last("check")["on"] is True
    assert outcome.effect is Effect.CONFIRMED
    assert (await find(backend, "Check me")).checked is True


async def test_each_of_two_twins_is_pressed_by_its_own_handle(backend: Backend, program: Program) -> None:
    await backend.perform(Press(target=await find(backend, "Twin", 1)), Reins(deadline_s=0.05))
    assert [event["number"] for event in await program.logged("twin")] == [2]


async def test_an_element_without_an_action_is_clicked_where_it_is(backend: Backend, program: Program) -> None:
    outcome = await backend.perform(Press(target=await find(backend, "pad")), Reins(deadline_s=0.3))
    assert [event["button"] for event in await program.logged("pad")] == [1]
    assert outcome.method == "pointer"


async def test_a_covered_element_is_not_clicked(backend: Backend, program: Program, stack: DesktopStack) -> None:
    pad = await find(backend, "pad")
    assert pad.frame is not None
    reins = Reins()
    with covered(stack, pad.frame), pytest.raises(Refused) as refused:
        await backend.perform(Press(target=pad), reins)
    assert refused.value.reason is Refusal.OCCLUDED
    assert not reins.committed
    assert not program.events("pad")


async def test_a_disabled_element_is_refused_before_anything_is_spent(backend: Backend, program: Program) -> None:
    reins = Reins()
    with pytest.raises(Refused) as refused:
        await backend.perform(Press(target=await find(backend, "Disabled")), reins)
    assert refused.value.reason is Refusal.DISABLED
    assert not reins.committed
    assert not program.events("disabled-clicked")


async def test_an_element_that_went_away_is_stale(backend: Backend, program: Program) -> None:
    doomed = await find(backend, "Doomed")
    await backend.perform(Press(target=await find(backend, "Remove")), Reins())
    assert program.events("removed")
    reins = Reins()
    with pytest.raises(Refused) as refused:
        await backend.perform(Press(target=doomed), reins)
    assert refused.value.reason is Refusal.STALE
    assert not reins.committed


async def test_a_handle_that_is_not_of_this_desktop_is_stale(backend: Backend, program: Program) -> None:
    node = await find(backend, "Increment")
    for handle in ("", "desktop", "1:1.0", "9:1.0/org/a11y/atspi/accessible/1", "1:1.0/nowhere"):
        foreign = type(node)(handle=Handle(handle), role=node.role, title=node.title)
        with pytest.raises(Refused) as refused:
            await backend.perform(Press(target=foreign), Reins())
        assert refused.value.reason is Refusal.STALE, handle
    assert not program.events("click")


async def test_an_element_whose_title_changed_is_stale(backend: Backend, program: Program) -> None:
    node = await find(backend, "Increment")
    renamed = type(node)(handle=node.handle, role=node.role, title="Delete account")
    with pytest.raises(Refused) as refused:
        await backend.perform(Press(target=renamed), Reins())
    assert refused.value.reason is Refusal.STALE


async def test_a_halt_before_the_press_leaves_it_undone(backend: Backend, program: Program) -> None:
    reins = Reins()
    reins.halted = True
    with pytest.raises(Halted):
        await backend.perform(Press(target=await find(backend, "Increment")), reins)
    assert not program.events("click")


async def test_focus_is_given_and_verified(backend: Backend, program: Program) -> None:
    outcome = await backend.perform(Focus(target=await find(backend, "notes")), Reins())
    assert outcome.effect is Effect.CONFIRMED
    assert (await find(backend, "notes")).focused


async def test_an_element_that_takes_no_keyboard_is_refused(backend: Backend, program: Program) -> None:
    with pytest.raises(Refused) as refused:
        await backend.perform(Focus(target=await find(backend, "count: 0")), Reins())
    assert refused.value.reason is Refusal.FOCUS_FAILED


CHORDS = [
    (("control",), "s", ["Control_L", "s"]),
    (("control", "shift"), "z", ["Control_L", "Shift_L", "Z"]),
    (("cmd",), "l", ["Super_L", "l"]),
    (("option",), "f5", ["Alt_L", "F5"]),
    ((), "forwarddelete", ["Delete"]),
    ((), "pagedown", ["Page_Down"]),
    ((), "leftbracket", ["bracketleft"]),
    (("control",), "plus", ["Control_L", "Shift_L", "plus"]),
]


async def test_a_chord_goes_down_in_order_and_up_in_the_opposite_one(
    backend: Backend, program: Program, stack: DesktopStack
) -> None:
    await backend.perform(Focus(target=await find(backend, "key pad")), Reins())
    expected = 0
    for modifiers, key, seen in CHORDS:
        before = expected
        expected += 2 * len(seen)
        await backend.perform(Chord(modifiers=modifiers, key=key), Reins(deadline_s=0.02))
        await soon(lambda expected=expected: len(program.key_events()) == expected)
        events = program.key_events()[before:]
        assert [name for kind, name in events if kind == "press"] == seen
        ups = [name.lower() for kind, name in events if kind == "release"]
        assert ups == [name.lower() for name in reversed(seen)]
        assert held_keys(stack) == []


async def test_a_chord_with_a_visible_effect_is_confirmed(backend: Backend, program: Program) -> None:
    await backend.perform(Focus(target=await find(backend, "name entry")), Reins())
    outcome = await backend.perform(Chord(modifiers=(), key="a"), Reins())
    assert [event["text"] for event in await program.logged("entry")] == ["a"]
    assert outcome.effect is Effect.CONFIRMED


async def test_a_key_that_the_layout_lacks_is_refused(backend: Backend, program: Program) -> None:
    with pytest.raises(Refused) as refused:
        await backend.perform(Chord(modifiers=(), key="f20"), Reins())
    assert refused.value.reason is Refusal.KEY_UNAVAILABLE


async def test_a_dialog_is_listed_with_its_text_and_buttons_and_dismissed(backend: Backend, program: Program) -> None:
    assert (await look(backend, modals=True)).modals == ()
    await backend.perform(Press(target=await find(backend, "Ask")), Reins())
    dialog = await modal(backend)
    assert (dialog.element.role, dialog.blocking, dialog.app_id) == ("AXAlert", True, "bridge-test")
    assert dialog.text == ("Delete everything?", "This cannot be undone.")
    assert [(button.title, button.default) for button in dialog.buttons] == [("No", True), ("Yes", False)]
    outcome = await backend.perform(Press(target=dialog.buttons[0]), Reins())
    assert outcome.effect is Effect.CONFIRMED
    assert [event["response"] for event in await program.logged("answer")] == [-9]  # GTK_RESPONSE_NO
    assert (await look(backend, modals=True)).modals == ()


async def test_a_dialog_is_seen_while_the_window_manager_passes_the_keyboard_on(
    backend: Backend, program: Program, stack: DesktopStack
) -> None:
    ask = await find(backend, "Ask")
    await backend.perform(Press(target=ask), Reins())
    dialog = await modal(backend)

    async def is_in_front() -> bool:
        return (await look(backend)).window_title == "Confirm delete"

    await soon(is_in_front)
    with stack.parts["openbox"].paused():  # the active window is one that is gone
        await backend.perform(Press(target=dialog.buttons[0]), Reins(deadline_s=0.1))
        await program.logged("answer")
        await backend.perform(Press(target=ask), Reins(deadline_s=0.1))
        await program.logged("asked", 2)
        looking = asyncio.create_task(look(backend, modals=True))
        await asyncio.wait([looking], timeout=0.2)
    snapshot = await looking
    assert snapshot.app is not None
    assert [each.app_id for each in snapshot.modals] == [snapshot.app.app_id] == ["bridge-test"]


async def test_escape_dismisses_a_file_chooser(backend: Backend, program: Program) -> None:
    await backend.perform(Press(target=await find(backend, "Pick file")), Reins())
    dialog = await modal(backend)
    assert (dialog.element.native_role, dialog.element.title) == ("file chooser", "Pick a file")
    assert "AXCancelButton" in {button.subrole for button in dialog.buttons}
    await backend.perform(Chord(modifiers=(), key="escape", target=dialog.element), Reins())
    await program.logged("picked")
    assert (await look(backend, modals=True)).modals == ()


async def test_a_chord_for_a_window_that_does_not_get_the_keyboard_is_not_sent(
    backend: Backend, program: Program, stack: DesktopStack
) -> None:
    ask = await find(backend, "Ask")
    with stack.parts["openbox"].paused():  # the dialog stays without a window
        await backend.perform(Press(target=ask), Reins(deadline_s=0.1))
        dialog = await modal(backend)
        reins = Reins(deadline_s=0.5)
        with pytest.raises(Refused) as refused:
            await backend.perform(Chord(modifiers=(), key="escape", target=dialog.element), reins)
    assert refused.value.reason is Refusal.FOCUS_FAILED
    assert (reins.committed, reins.sealed) == (True, False)
    assert not program.events("answer")
    assert (await look(backend, modals=True)).modals


async def test_a_highlight_is_seen_lets_clicks_through_and_goes_away(backend: Backend, program: Program) -> None:
    pad = await find(backend, "pad")
    area = pad.frame
    assert area is not None

    async def red_share() -> float:
        [frame] = await backend.capture(CaptureRequest(region=area))
        image = Image.open(io.BytesIO(frame.png))
        pixels = [
            image.getpixel((x, y)) == (255, 0, 0) for x in range(4, area.width - 4) for y in range(4, area.height - 4)
        ]
        border = image.getpixel((0, 0)) == image.getpixel((area.width - 1, area.height - 1)) == (255, 0, 0)
        return sum(pixels) / len(pixels) if border else 0.0

    reins = Reins()
    await backend.perform(Highlight(area=area, duration_ms=1_000), reins)
    assert not reins.committed
    assert 0.15 < await red_share() < 0.25
    await backend.perform(Press(target=pad), Reins(deadline_s=0.1))
    await program.logged("pad")

    async def is_gone() -> bool:
        return await red_share() == 0.0

    await soon(is_gone)


async def test_a_window_behind_is_brought_to_the_front(
    backend: Backend, program: Program, stack: DesktopStack, tmp_path: Path
) -> None:
    other = await windowed(backend, start_gtk3(stack, tmp_path, "--title", "Other", app_id="other-test"))
    try:
        first, second = AppIdentity(app_id="bridge-test"), AppIdentity(app_id="other-test", pid=other.pid)
        for app, title in ((first, "Bridge Test"), (second, "Other"), (first, "Bridge Test")):
            outcome = await backend.perform(Activate(app=app, window_title=title), Reins())
            snapshot = await look(backend)
            assert (outcome.effect, snapshot.window_title) == (Effect.CONFIRMED, title)
            assert snapshot.app is not None
            assert snapshot.app.app_id == app.app_id
        with pytest.raises(Refused) as refused:
            await backend.perform(Activate(app=AppIdentity(app_id="nobody")), Reins())
        assert refused.value.reason is Refusal.NOT_FOUND
    finally:
        other.launched.stop()


async def test_pressing_in_a_hung_program_is_refused_in_time(backend: Backend, program: Program) -> None:
    increment, hang = await find(backend, "Increment"), await find(backend, "Hang")
    await backend.perform(Press(target=hang), Reins(deadline_s=0.05))
    await program.logged("hang-start")
    with pytest.raises(Refused) as refused:
        async with asyncio.timeout(3):
            await backend.perform(Press(target=increment), Reins())
    assert refused.value.reason is Refusal.FAILED
    await program.logged("hang-end")
    assert not program.events("click")


async def test_the_tree_follows_what_a_press_changed(backend: Backend, program: Program) -> None:
    await backend.perform(Press(target=await find(backend, "Increment")), Reins())
    titles = {node.title for node in nodes((await look(backend)).root)}
    assert "count: 1" in titles
