"""GTK 4 differs: widgets are never SHOWING, places are the window's, passwords come in the clear, effects come late. The promises hold."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, Reins, find, look, modal, nodes, soon, start_gtk4, windowed

from analyst_cli.desktop.backends.base import Backend, Effect, Press, TypeText

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS, "gir:Gtk-4.0")]

MIXED = "Grüße 你好 😀 z"


@pytest.fixture
async def four(stack: DesktopStack, backend: Backend, tmp_path: Path) -> AsyncIterator[Program]:
    """Our GTK 4 program, in front."""
    started = start_gtk4(stack, tmp_path)
    try:
        yield await windowed(backend, started)
    finally:
        started.launched.stop()


async def test_a_gtk_4_program_is_seen_pressed_and_typed_into(backend: Backend, four: Program) -> None:
    snapshot = await look(backend)
    assert snapshot.app is not None
    assert (snapshot.app.app_id, snapshot.window_title) == ("org.analyst.Four", "Four")
    buttons = [node.title for node in nodes(snapshot.root) if node.role == "AXButton"]
    assert buttons[:2] == ["Increment", "Ask"]
    outcome = await backend.perform(Press(target=await find(backend, "Increment")), Reins())
    assert [event["count"] for event in await four.logged("click")] == [1]
    assert outcome.effect is Effect.CONFIRMED
    # by the pointer: the places are right
    outcome = await backend.perform(Press(target=await find(backend, "Check me")), Reins())
    assert [event["on"] for event in await four.logged("check")] == [True]
    for title, event in (("name entry", "entry"), ("notes", "notes"), ("password entry", "secret")):
        outcome = await backend.perform(TypeText(text=MIXED, target=await find(backend, title)), Reins())
        await soon(lambda event=event: bool(four.events(event)) and four.last(event)["text"] == MIXED)
        assert outcome.effect is Effect.CONFIRMED, title
    seen = await look(backend, hidden=True)
    [secret] = [node for node in nodes(seen.root) if node.secure]
    assert secret.value is None
    assert repr(seen).count(MIXED) == 2  # in the two fields that are no secret
    await backend.perform(Press(target=await find(backend, "Ask")), Reins())
    dialog = await modal(backend)
    assert (dialog.element.role, dialog.blocking, dialog.app_id) == ("AXDialog", True, "org.analyst.Four")
    no = next(
        button
        for button in dialog.buttons
        if button.title is not None and button.title.replace("_", "").startswith("No")
    )
    await backend.perform(Press(target=no), Reins())
    assert [event["response"] for event in await four.logged("answer")] == [-9]
