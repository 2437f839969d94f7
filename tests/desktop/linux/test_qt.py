"""Qt 6 differs from GTK: no cache, no MODAL state, offsets in UTF-16 units, more actions than one. The same promises hold."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, Reins, find, look, modal, nodes, soon, start_qt, windowed

from analyst_cli.desktop.backends.base import Backend, Chord, Effect, Focus, Press, Refusal, Refused, TypeText

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS, "python:PySide6")]

MIXED = "Grüße 你好 😀 z"


@pytest.fixture
async def qt(stack: DesktopStack, backend: Backend, tmp_path: Path) -> AsyncIterator[Program]:
    """Our Qt program, in front."""
    started = start_qt(stack, tmp_path)
    try:
        yield await windowed(backend, started)
    finally:
        started.launched.stop()


async def test_the_tree_is_walked(backend: Backend, qt: Program) -> None:
    snapshot = await look(backend)
    assert snapshot.app is not None
    assert (snapshot.app.app_id, snapshot.window_title) == ("bridge-qt", "Qt Test")
    buttons = [node for node in nodes(snapshot.root) if node.role == "AXButton"]
    assert [button.title for button in buttons] == ["Increment", "Silent", "Ask", "Disabled"]
    assert [button.enabled for button in buttons] == [True, True, True, False]
    assert [button.pressable for button in buttons] == [True, True, True, False]
    assert all(button.frame is not None for button in buttons)
    assert snapshot.traversal is not None
    assert not snapshot.traversal.truncated


async def test_presses_are_done_and_judged(backend: Backend, qt: Program) -> None:
    outcome = await backend.perform(Press(target=await find(backend, "Increment")), Reins())
    assert [event["count"] for event in await qt.logged("click")] == [1]
    assert outcome.effect is Effect.CONFIRMED
    outcome = await backend.perform(Press(target=await find(backend, "Check me")), Reins())
    assert [event["on"] for event in await qt.logged("check")] == [True]
    assert outcome.effect is Effect.CONFIRMED
    with pytest.raises(Refused) as refused:
        await backend.perform(Press(target=await find(backend, "Disabled")), Reins())
    assert refused.value.reason is Refusal.DISABLED


async def test_text_arrives_exactly_in_every_field(backend: Backend, qt: Program) -> None:
    for title, event in (("name entry", "entry"), ("notes", "notes"), ("password entry", "secret")):
        outcome = await backend.perform(TypeText(text=MIXED, target=await find(backend, title)), Reins())
        await soon(lambda event=event: bool(qt.events(event)) and qt.last(event)["text"] == MIXED)
        assert outcome.effect is Effect.CONFIRMED, (title, outcome)
        outcome = await backend.perform(TypeText(text="+é", target=await find(backend, title)), Reins())
        await soon(lambda event=event: qt.last(event)["text"] == MIXED + "+é")
        assert outcome.effect is Effect.CONFIRMED, (title, outcome)


async def test_a_password_field_is_never_read(backend: Backend, qt: Program) -> None:
    await backend.perform(
        TypeText(text="Secret1!", target=await find(backend, "password entry"), clear_before=True), Reins()
    )
    assert qt.last("secret")["text"] == "Secret1!"
    field = await find(backend, "password entry")
    assert (field.secure, field.value) == (True, None)
    assert "Secret1!" not in repr(await look(backend, hidden=True))


async def test_a_field_gets_the_keyboard(backend: Backend, qt: Program) -> None:
    await backend.perform(Focus(target=await find(backend, "notes")), Reins())
    assert (await find(backend, "notes")).focused


async def test_escape_waits_for_the_keyboard_of_a_message_box(
    backend: Backend, qt: Program, stack: DesktopStack
) -> None:
    ask = await find(backend, "Ask")
    with stack.parts["openbox"].paused():  # the message box is in the tree, and its window not on the screen
        await backend.perform(Press(target=ask), Reins(deadline_s=0.1))
        dialog = await modal(backend)
        escape = Chord(modifiers=(), key="escape", target=dialog.element)
        escaping = asyncio.create_task(backend.perform(escape, Reins()))
        await asyncio.wait([escaping], timeout=0.2)
    await escaping
    assert [event["button"] for event in await qt.logged("answer")] == ["No"]


async def test_a_message_box_is_listed_and_dismissed(backend: Backend, qt: Program) -> None:
    await backend.perform(Press(target=await find(backend, "Ask")), Reins())
    dialog = await modal(backend)
    assert (dialog.element.role, dialog.blocking) == ("AXAlert", True)
    assert "Delete everything?" in dialog.text
    no = next(button for button in dialog.buttons if button.title is not None and button.title.replace("&", "") == "No")
    await backend.perform(Press(target=no), Reins())
    assert [event["button"] for event in await qt.logged("answer")] == ["No"]

    async def is_gone() -> bool:
        return not (await look(backend, modals=True)).modals

    await soon(is_gone)
