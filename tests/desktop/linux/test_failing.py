"""A desktop with parts missing, or dying while in use: a clear error with what to do, no crash, and recovery without a restart."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from desktop_liar import liar
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Reins, find, look, nodes, soon, start_gtk3, windowed
from desktop_x import own_window, screen_of
from Xlib import X, Xatom

from analyst_cli.desktop.backends.base import (
    Activate,
    Backend,
    BackendError,
    BackendLost,
    Capability,
    CaptureRequest,
    Chord,
    Effect,
    Focus,
    Highlight,
    PermissionMissing,
    Press,
    Refused,
    TreeRequest,
    TypeText,
)
from analyst_cli.desktop.backends.linux import open_backend
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus
from analyst_cli.desktop.elements import AppIdentity, Handle, Node, Permission, Rect, TreeLimits

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]

SOMETHING = Node(handle=Handle("1:1.0/org/a11y/atspi/accessible/1"), role="AXButton", title="OK")


async def every_call(backend: Backend) -> dict[str, BackendError]:
    """Try everything; give what each call raised."""
    calls = {
        "look": lambda: backend.look(TreeRequest(windows=True), Reins()),
        "capture": lambda: backend.capture(CaptureRequest()),
        "press": lambda: backend.perform(Press(target=SOMETHING), Reins()),
        "type": lambda: backend.perform(TypeText(text="x"), Reins()),
        "chord": lambda: backend.perform(Chord(modifiers=(), key="a"), Reins()),
        "highlight": lambda: backend.perform(Highlight(area=Rect(0, 0, 10, 10), duration_ms=100), Reins()),
    }
    raised = {}
    for name, call in calls.items():
        with pytest.raises(BackendError) as error:
            await call()
        raised[name] = error.value
    return raised


@pytest.mark.parametrize(
    ("environ", "session", "words"),
    [
        ({}, "none", "DISPLAY"),
        ({"DISPLAY": ":987"}, "none", ":987"),
        ({"DISPLAY": "rubbish"}, "none", "rubbish"),
        ({"DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}, "wayland-unsupported", "Wayland"),
        (
            {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus", "WAYLAND_DISPLAY": "w"},
            "wayland-unsupported",
            "Xorg",
        ),
        ({"DBUS_SESSION_BUS_ADDRESS": "not an address"}, "none", "DISPLAY"),
    ],
)
async def test_without_a_desktop_the_backend_opens_and_says_what_to_do(
    environ: dict[str, str], session: str, words: str
) -> None:
    async with open_backend(environ) as backend:
        started = time.monotonic()
        situation = await backend.probe()
        assert time.monotonic() - started < 0.6
        assert situation.session == session
        assert situation.permissions == dict.fromkeys(Permission, False)
        assert situation.capabilities == frozenset()
        assert words in situation.remedies[Permission.SCREEN_RECORDING]
        assert "session" in situation.remedies[Permission.ACCESSIBILITY]
        raised = await every_call(backend)
        assert {name: type(error) for name, error in raised.items()} == dict.fromkeys(raised, PermissionMissing)
        backend.release_keys()
        async with backend.watch(None) as watch:
            assert not await watch.changed(0.01)


@pytest.fixture
def deaf_stack() -> Iterator[DesktopStack]:
    """A desktop without an accessibility bus."""
    with DesktopStack(accessibility=False) as running:
        yield running


async def test_without_an_accessibility_bus_pictures_work_and_it_may_come_up_later(
    deaf_stack: DesktopStack, tmp_path: Path
) -> None:
    async with open_backend(deaf_stack.environ) as backend:
        situation = await backend.probe()
        assert situation.permissions == {Permission.ACCESSIBILITY: False, Permission.SCREEN_RECORDING: True}
        assert "at-spi" in situation.remedies[Permission.ACCESSIBILITY]
        assert Capability.TREE not in situation.capabilities
        assert Capability.SCREENSHOT in situation.capabilities
        assert await backend.capture(CaptureRequest())
        assert (await look(backend, tree=False, windows=True)).root is None
        with pytest.raises(PermissionMissing) as missing:
            await look(backend)
        assert missing.value.permission is Permission.ACCESSIBILITY
        await asyncio.to_thread(deaf_stack.start_accessibility_bus)
        await windowed(backend, start_gtk3(deaf_stack, tmp_path))
        assert (await backend.probe()).permissions[Permission.ACCESSIBILITY]


async def test_a_bus_that_dies_is_said_and_another_one_is_found(own_stack: DesktopStack, tmp_path: Path) -> None:
    async with open_backend(own_stack.environ) as backend:
        program = await windowed(backend, start_gtk3(own_stack, tmp_path))
        before = await find(backend, "Increment")
        async with backend.watch(program.pid) as watch:
            own_stack.parts["a11y"].signal(signal.SIGKILL)
            own_stack.parts["a11y"].stop()
            with pytest.raises(PermissionMissing):
                await _looks_until_it_fails(backend)
            assert not (await backend.probe()).permissions[Permission.ACCESSIBILITY]
            assert isinstance(await watch.changed(0.01), bool)
        assert await backend.capture(CaptureRequest())
        program.launched.stop()
        await asyncio.to_thread(own_stack.start_accessibility_bus)
        again = await windowed(backend, start_gtk3(own_stack, tmp_path, app_id="second"))
        with pytest.raises(Refused):
            await backend.perform(Press(target=before), Reins())
        assert not again.events("click")
        await backend.perform(Press(target=await find(backend, "Increment")), Reins())
        assert again.events("click")


async def test_an_x_server_that_dies_is_said(own_stack: DesktopStack, tmp_path: Path) -> None:
    async with open_backend(own_stack.environ) as backend:
        await windowed(backend, start_gtk3(own_stack, tmp_path))
        await backend.capture(CaptureRequest())
        own_stack.parts["xvfb"].signal(signal.SIGKILL)
        own_stack.parts["xvfb"].stop()
        raised = await every_call(backend)
        assert {type(error) for name, error in raised.items() if name != "press"} <= {BackendLost, PermissionMissing}
        situation = await backend.probe()
        assert situation.permissions[Permission.ACCESSIBILITY]
        assert not situation.permissions[Permission.SCREEN_RECORDING]
        assert own_stack.environ["DISPLAY"] in situation.remedies[Permission.SCREEN_RECORDING]
        backend.release_keys()


async def test_a_server_that_is_busy_while_the_backend_connects_is_not_called_missing(own_stack: DesktopStack) -> None:
    async with open_backend(own_stack.environ) as backend:
        with own_stack.parts["xvfb"].paused():
            probing = asyncio.create_task(backend.probe())
            await asyncio.wait([probing], timeout=0.5)
        situation = await probing
    assert situation.session == "x11"
    assert all(situation.permissions.values())


async def test_an_x_server_that_falls_silent_does_not_hang_the_host(own_stack: DesktopStack) -> None:
    async with open_backend(own_stack.environ) as backend:
        assert (await backend.probe()).permissions[Permission.SCREEN_RECORDING]
        own_stack.parts["xvfb"].signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(BackendLost):
            await look(backend, tree=False, windows=True)
        assert time.monotonic() - started < 4
        situation = await backend.probe()
        assert not situation.permissions[Permission.SCREEN_RECORDING]
        assert "does not answer" in situation.remedies[Permission.SCREEN_RECORDING]
        own_stack.parts["xvfb"].signal(signal.SIGCONT)
        assert (await look(backend, tree=False, windows=True)).windows == ()
        assert await backend.capture(CaptureRequest())
        own_stack.parts["xvfb"].signal(signal.SIGSTOP)
        started = time.monotonic()
    assert time.monotonic() - started < 4  # closing does not wait for it either
    own_stack.parts["xvfb"].signal(signal.SIGCONT)


async def test_a_program_that_dies_under_a_press_is_no_crash(own_stack: DesktopStack, tmp_path: Path) -> None:
    async with open_backend(own_stack.environ) as backend:
        program = await windowed(backend, start_gtk3(own_stack, tmp_path))
        node = await find(backend, "Increment")
        program.launched.signal(signal.SIGKILL)
        program.launched.stop()
        with pytest.raises(Refused):
            await backend.perform(Press(target=node), Reins())

        async def is_system_wide() -> bool:
            root = (await look(backend)).root
            return root is not None and root.role == "AXSystemWide"

        await soon(is_system_wide)


async def test_a_desktop_with_windows_of_which_none_is_active_is_read(own_stack: DesktopStack, tmp_path: Path) -> None:
    async with open_backend(own_stack.environ) as backend:
        await windowed(backend, start_gtk3(own_stack, tmp_path))
        with own_stack.parts["openbox"].paused(), screen_of(own_stack) as screen:
            root = screen.screen().root
            root.change_property(screen.intern_atom("_NET_ACTIVE_WINDOW"), Xatom.WINDOW, 32, [X.NONE])
            screen.set_input_focus(X.NONE, X.RevertToNone, X.CurrentTime)
            screen.sync()
            snapshot = await look(backend)
        assert snapshot.app is None
        assert snapshot.root is not None
        assert snapshot.root.role == "AXSystemWide"
        assert "Increment" in {node.title for node in nodes(snapshot.root)}


async def test_without_a_window_manager_windows_are_found_and_focused(tmp_path: Path, bare_stack: DesktopStack) -> None:
    async with open_backend(bare_stack.environ) as backend:
        situation = await backend.probe()
        assert any("window manager" in warning for warning in situation.warnings)
        program = start_gtk3(bare_stack, tmp_path)
        await program.logged("ready")

        async def has_window() -> bool:
            return [window.pid for window in (await look(backend, tree=False, windows=True)).windows] == [program.pid]

        await soon(has_window)
        await backend.perform(Activate(app=AppIdentity(app_id="bridge-test")), Reins())
        assert (await look(backend)).window_title == "Bridge Test"
        outcome = await backend.perform(TypeText(text="né", target=await find(backend, "password entry")), Reins())
        assert (program.last("secret")["text"], outcome.effect) == ("né", Effect.CONFIRMED)


@pytest.fixture
def bare_stack() -> Iterator[DesktopStack]:
    """A desktop without a window manager."""
    with DesktopStack(window_manager=False) as running:
        yield running


async def _looks_until_it_fails(backend: Backend) -> None:
    """Look again and again: the end of the bus is noticed by the first or the second look."""
    for _ in range(100):
        with contextlib.suppress(BackendLost):
            await look(backend)


async def test_a_program_that_lies_about_everything_is_no_crash(stack: DesktopStack, backend: Backend) -> None:
    bus = AccessibilityBus(stack.environ)
    address = await bus._find_address()
    with own_window(stack):
        for seed in range(30):
            async with liar(address, seed, cache=seed % 2 == 0) as bus_name:
                limits = TreeLimits(max_nodes=200, max_children=20, max_depth=12, timeout_s=2.0)
                async with asyncio.timeout(10):
                    snapshot = await look(backend, limits=limits, modals=True, windows=True, hidden=seed % 3 == 0)
                found = list(nodes(snapshot.root))
                assert 1 <= len(found) <= 200
                assert all(node.value is None for node in found if node.secure)
                assert all(len(node.title or "") <= 4_096 for node in found)
                for node in found[:12]:
                    for action in (Press(target=node), TypeText(text="x", target=node), Focus(target=node)):
                        with contextlib.suppress(Refused):
                            await backend.perform(action, Reins(deadline_s=0.05))
                assert {bus_name in node.handle for node in found} == {True}
