"""What `analyst_cli/desktop/backends/base.py` promises, as tests that run over every backend.

A subclass gives the fixture `desktop`: an open backend with, in front, a program that has the buttons Increment, Twin, Twin and Disabled,
a label that Increment changes, a text field "name entry" and a password field "password entry".
"""

import asyncio
import io
import time

import msgspec
import pytest
from desktop_world import Halted, Reins, find, look
from desktop_world import nodes as walked
from PIL import Image

from analyst_cli.desktop.backends.base import (
    Activate,
    Backend,
    Capability,
    CaptureRequest,
    Chord,
    Effect,
    Focus,
    Highlight,
    Press,
    Refusal,
    Refused,
    TreeRequest,
    TypeText,
)
from analyst_cli.desktop.elements import AppIdentity, Handle, Node, Permission, Rect, StopReason, TreeLimits

__all__ = ["BackendContract"]


def nodes(root: Node | None) -> list[Node]:
    """Give an element and all below it, in document order."""
    assert root is not None
    return list(walked(root))


class BackendContract:
    """Promises of every backend."""

    async def test_it_tells_at_once_what_works(self, desktop: Backend) -> None:
        started = time.monotonic()
        situation = await desktop.probe()
        assert time.monotonic() - started < 2  # 0.3 s is the promise; a loaded machine gets some room
        assert situation.permissions == {Permission.ACCESSIBILITY: True, Permission.SCREEN_RECORDING: True}
        assert {Capability.TREE, Capability.PRESS, Capability.TYPE, Capability.KEYS} <= situation.capabilities
        assert sum(display.main for display in situation.displays) == 1

    async def test_two_looks_at_what_does_not_change_are_the_same(self, desktop: Backend) -> None:
        first, second = await look(desktop), await look(desktop)
        assert first.root == second.root
        assert first.app == second.app

    async def test_every_handle_is_there_once_and_roles_are_those_of_the_wire(self, desktop: Backend) -> None:
        found = nodes((await look(desktop)).root)
        handles = [node.handle for node in found]
        assert len(handles) == len(set(handles))
        assert all(node.role.startswith("AX") for node in found)
        assert found[0].role == "AXApplication"

    async def test_a_traversal_says_how_it_went(self, desktop: Backend) -> None:
        snapshot = await look(desktop)
        assert snapshot.traversal is not None
        assert snapshot.traversal.nodes_visited >= len(nodes(snapshot.root))
        assert not snapshot.traversal.truncated

    @pytest.mark.parametrize(
        ("limits", "stop"), [(TreeLimits(max_nodes=3), StopReason.NODES), (TreeLimits(max_depth=1), StopReason.DEPTH)]
    )
    async def test_limits_hold_and_are_told(self, desktop: Backend, limits: TreeLimits, stop: StopReason) -> None:
        snapshot = await desktop.look(TreeRequest(limits=limits), Reins())
        assert snapshot.traversal is not None
        assert snapshot.traversal.stop_reason is stop
        assert len(nodes(snapshot.root)) <= limits.max_nodes
        assert any(node.cut for node in nodes(snapshot.root))

    async def test_what_need_not_be_read_does_not_change_the_tree(self, desktop: Backend) -> None:
        wanted = TreeRequest(detail=lambda node: node.title == "Increment")
        bare = nodes((await desktop.look(wanted, Reins())).root)
        full = nodes((await look(desktop)).root)
        assert [(node.handle, node.role, node.title) for node in bare] == [
            (node.handle, node.role, node.title) for node in full
        ]
        assert next(node for node in bare if node.title == "Increment").frame is not None

    async def test_a_password_is_never_read(self, desktop: Backend) -> None:
        secret = await find(desktop, "password entry")
        await desktop.perform(TypeText("swordfish", secret), Reins())
        secret = await find(desktop, "password entry")
        assert (secret.secure, secret.value, secret.text_length) == (True, None, 9)
        assert "swordfish" not in repr(await look(desktop))

    async def test_a_press_is_confirmed_and_commits_once_before_it(self, desktop: Backend) -> None:
        reins = Reins()
        outcome = await desktop.perform(Press(await find(desktop, "Increment")), reins)
        assert outcome.effect is Effect.CONFIRMED
        assert (reins.committed, reins.sealed) == (True, True)

    @pytest.mark.parametrize("title", ["Disabled"])
    async def test_what_is_refused_does_not_commit(self, desktop: Backend, title: str) -> None:
        reins = Reins()
        with pytest.raises(Refused) as caught:
            await desktop.perform(Press(await find(desktop, title)), reins)
        assert caught.value.reason is Refusal.DISABLED
        assert not reins.committed

    async def test_another_title_or_an_unknown_handle_is_stale(self, desktop: Backend) -> None:
        target = await find(desktop, "Increment")
        for stale in (
            msgspec.structs.replace(target, title="Decrement"),
            msgspec.structs.replace(target, handle=Handle("nobody")),
        ):
            reins = Reins()
            with pytest.raises(Refused) as caught:
                await desktop.perform(Press(stale), reins)
            assert caught.value.reason is Refusal.STALE
            assert not reins.committed

    @pytest.mark.parametrize("text", ["plain", "Grüße façade", "你好 😀", ""])
    async def test_text_arrives_exactly(self, desktop: Backend, text: str) -> None:
        entry = await find(desktop, "name entry")
        outcome = await desktop.perform(TypeText(text, entry, clear_before=True), Reins())
        assert outcome.effect is Effect.CONFIRMED
        assert ((await find(desktop, "name entry")).value or "") == text
        assert text not in repr(outcome) or not text

    async def test_the_focus_moves_and_is_seen(self, desktop: Backend) -> None:
        await desktop.perform(Focus(await find(desktop, "name entry")), Reins())
        assert (await find(desktop, "name entry")).focused

    async def test_a_chord_reaches_the_focus(self, desktop: Backend) -> None:
        entry = await find(desktop, "name entry")
        await desktop.perform(TypeText("ab", entry, clear_before=True), Reins())
        await desktop.perform(Chord((), "escape"), Reins())
        outcome = await desktop.perform(Chord(("shift",), "f5"), Reins())
        assert outcome.effect in {Effect.CONFIRMED, Effect.UNVERIFIED, Effect.NO_EFFECT}

    async def test_an_abort_before_the_first_effect_does_nothing(self, desktop: Backend) -> None:
        reins = Reins()
        reins.halted = True
        with pytest.raises(Halted):
            await desktop.perform(Press(await find(desktop, "Increment")), reins)
        assert not reins.committed

    async def test_a_highlight_is_no_side_effect(self, desktop: Backend) -> None:
        reins = Reins()
        await desktop.perform(Highlight(Rect(10, 10, 50, 50), 100), reins)
        assert not reins.committed

    async def test_an_unknown_application_cannot_be_brought_to_the_front(self, desktop: Backend) -> None:
        with pytest.raises(Refused) as caught:
            await desktop.perform(Activate(AppIdentity(app_id="org.example.Nobody")), Reins())
        assert caught.value.reason is Refusal.NOT_FOUND

    async def test_a_picture_can_be_decoded_and_shows_nothing_of_what_is_hidden(self, desktop: Backend) -> None:
        [display] = [each for each in (await desktop.probe()).displays if each.main]
        [frame] = await desktop.capture(CaptureRequest(blank=(Rect(0, 0, 40, 40),)))
        picture = Image.open(io.BytesIO(frame.png)).convert("RGB")
        assert picture.size == (frame.width, frame.height) == (display.frame.width, display.frame.height)
        assert picture.getpixel((20, 20)) == (0, 0, 0)
        [small] = await desktop.capture(CaptureRequest(max_width=100))
        assert small.width <= 100

    async def test_a_change_wakes_a_watch_and_silence_does_not(self, desktop: Backend) -> None:
        target = await find(desktop, "Increment")
        async with desktop.watch(None) as watch:
            while await watch.changed(0.3):
                pass
            waiting = asyncio.create_task(watch.changed(10))
            await desktop.perform(Press(target), Reins())
            assert await asyncio.wait_for(waiting, 5) is True

    async def test_keys_can_be_released_at_any_time(self, desktop: Backend) -> None:
        desktop.release_keys()
        await asyncio.to_thread(desktop.release_keys)

    async def test_four_looks_at_once_are_four_looks(self, desktop: Backend) -> None:
        snapshots = await asyncio.gather(*(look(desktop) for _ in range(4)))
        assert all(snapshot.root is not None for snapshot in snapshots)
