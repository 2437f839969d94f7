"""The whole bridge on a real desktop: a host process, its socket, its evidence, and a program that tells what happened to it."""

import asyncio
import io
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desktop_host import Served, start_host
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, soon, start_gtk3, windowed
from desktop_x import covered, held_keys, keyboard_table
from PIL import Image

from analyst_cli.desktop.backends.base import Backend
from analyst_cli.desktop.backends.linux import open_backend
from analyst_cli.desktop.elements import Rect

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]

SECRET = "Zitronenfalter-你好-😀-7731"
ENDLESS = "".join(chr(0x4E00 + 31 * index % 20_000) for index in range(1_500))  # more than a minute to type blind


def button(title: str) -> dict[str, object]:
    """Mean a button."""
    return {"selector": {"byRole": "AXButton", "titleContains": title}}


def field(title: str) -> dict[str, object]:
    """Mean an element by its title."""
    return {"selector": {"titleContains": title}}


@pytest.fixture
async def host(stack: DesktopStack, program: Program, tmp_path: Path) -> AsyncIterator[Served]:
    """A host beside the program."""
    served = await start_host(stack, tmp_path / "ws")
    yield served
    await served.close()


async def test_observe_leaves_a_picture_that_decodes_and_a_tree_with_the_widgets(
    host: Served, program: Program
) -> None:
    result = await host.result("desktop.observe")
    folder = Path(result["evidence"]["dir"])
    assert folder.parent.parent == host.workspace / "artifacts" / "desktop"
    assert result["routeResolved"] == {"frontmostBundleId": "bridge-test", "windowTitle": "Bridge Test"}
    image = Image.open(io.BytesIO((folder / result["evidence"]["screenshotPath"]).read_bytes()))
    image.load()
    assert image.size == (1280, 800)
    tree = host.evidence(result, "ax.json")
    assert "Increment" in json.dumps(tree["tree"])
    assert tree["traversal"]["truncated"] is False
    assert host.evidence(result, "env.json")["backend"] == "linux"
    assert host.evidence(result, "result.json")["ok"] is True
    bounded = await host.result("desktop.observe", options={"axMaxNodes": 5, "includeScreenshot": False})
    assert host.evidence(bounded, "ax.json")["traversal"]["stopReason"] == "max_nodes"
    assert "screenshotPath" not in bounded["evidence"]


async def test_a_click_is_found_approved_done_and_judged(host: Served, program: Program) -> None:
    found = await host.result("desktop.find", selector=button("Increment")["selector"])
    [reference] = found["elementRefs"]
    reply = await host.done("desktop.click", target={"elementRef": {"elementId": reference["elementId"]}})
    assert reply["clicked"] is True
    assert reply["effect"] == "confirmed"
    assert [event["count"] for event in program.events("click")] == [1]


async def test_what_cannot_be_meant_or_pressed_is_refused_and_nothing_happens(
    host: Served, program: Program, stack: DesktopStack
) -> None:
    error = await host.error("desktop.click", target=button("Twin"))
    assert (error["code"], len(error["details"]["candidates"])) == ("DESKTOP_AMBIGUOUS_MATCH", 2)
    error = await host.error("desktop.click", target=button("Disabled"))
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_ELEMENT_NOT_FOUND", "disabled")
    found = await host.result("desktop.find", selector=button("Doomed")["selector"])
    await host.done("desktop.click", target=button("Remove"))
    reference = {"elementRef": {"elementId": found["elementRefs"][0]["elementId"]}}
    assert (await host.error("desktop.click", target=reference))["code"] == "DESKTOP_STALE_ELEMENT"
    with covered(
        stack, Rect(0, 0, 4_000, 4_000)
    ):  # the whole screen: what was removed may still let the others move up
        error = await host.error(
            "desktop.click", target={"selector": {"byRole": "AXGroup", "titleContains": "pad"}, "pick": "best"}
        )
    assert error["code"] == "DESKTOP_ELEMENT_NOT_FOUND"
    assert error["details"]["reason"] in {"occluded", "no_press_action"}
    assert {event["event"] for event in program.events()} == {"ready", "removed"}


async def test_typed_text_arrives_and_is_found_nowhere_else(
    host: Served, program: Program, stack: DesktopStack
) -> None:
    reply = await host.done("desktop.typeText", text=SECRET, target=field("name entry"))
    assert (reply["typed"], reply["textLength"], reply["effect"]) == (
        True,
        len(SECRET),
        "confirmed",
    )
    assert program.last("entry")["text"] == SECRET
    reply = await host.done(
        "desktop.typeText", text=SECRET, target=field("password entry"), options={"allowSecure": True}
    )
    assert program.last("secret")["text"] == SECRET
    assert reply["effect"] == "confirmed"
    error = await host.error("desktop.typeText", text=SECRET, target=field("password entry"))
    assert (error["code"], error["details"]["reason"]) == ("DESKTOP_INVALID_REQUEST", "secure_field")
    await host.result("desktop.observe", options={"includeScreenshot": False})
    await host.result("desktop.find", selector=field("entry")["selector"])
    needles = [SECRET.encode(form) for form in ("utf-8", "utf-16-le")] + [json.dumps(SECRET).encode()]
    folders = (host.workspace, host.workspace.parent / "host", stack.folder)
    places = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {"index.ndjson", "audit.ndjson", "log"} <= {path.name for path in places}
    written = {str(path): path.read_bytes() for path in places}
    written["replies"] = json.dumps(host.replies, ensure_ascii=False).encode()
    assert [place for place, content in written.items() if any(needle in content for needle in needles)] == []


async def test_a_chord_needs_its_own_confirmation_and_arrives(host: Served, program: Program) -> None:
    await host.done("desktop.typeText", text="x", target=field("name entry"))
    refused = await host.call("desktop.hotkey", keys=["control", "a"])
    assert refused["error"]["code"] in {"DESKTOP_INVALID_REQUEST", "DESKTOP_CONFIRM_REQUIRED"}
    reply = await host.done("desktop.hotkey", keys=["control", "a"])
    assert reply["keys"] == ["control", "a"]
    await soon(lambda: ("press", "a") in program.key_events())


async def test_a_dialog_blocks_is_listed_and_dismissed(host: Served, program: Program) -> None:
    await host.done("desktop.click", target=button("Ask"))
    [modal] = (await host.result("desktop.listModals"))["modals"]
    assert (modal["role"], modal["blocking"], modal["appBundleId"]) == ("AXAlert", True, "bridge-test")
    assert [each["title"] for each in modal["buttons"]] == ["No", "Yes"]
    assert (await host.error("desktop.click", target=button("Increment")))["code"] == "DESKTOP_MODAL_BLOCKING"
    waited = await host.call(
        "desktop.waitUntil", condition={"selectorExists": {"titleContains": "Nowhere"}}, timeoutMs=2_000
    )
    assert waited["error"]["code"] == "DESKTOP_MODAL_BLOCKING"
    dismissed = await host.done("desktop.dismissModal", strategy={"type": "byTitle", "titleContains": "No"})
    assert dismissed["dismissed"] is True
    assert [event["response"] for event in program.events("answer")] == [-9]
    await host.done("desktop.click", target=button("Ask"))
    dismissed = await host.done("desktop.dismissModal", strategy={"type": "esc"})
    assert dismissed["dismissed"] is True
    assert len(program.events("answer")) == 2
    assert not program.events("click")


async def test_a_dialog_whose_program_falls_silent_is_not_called_dismissed(host: Served, program: Program) -> None:
    await host.done("desktop.click", target=button("Ask"))
    pressed = await host.done("desktop.dismissModal", strategy={"type": "byTitle", "titleContains": "Yes"})
    assert [event["response"] for event in program.events("answer")] == [-8]
    again = await host.done("desktop.dismissModal", strategy={"type": "esc"})
    for dismissed in (pressed, again):
        assert (dismissed["dismissed"], dismissed["reason"][:28]) == (False, "the program does not answer,")


async def test_a_wait_wakes_on_an_event_long_before_its_poll(host: Served, program: Program) -> None:
    condition = {"selectorExists": {"byRole": "AXButton", "titleContains": "Late"}}
    waiting = asyncio.create_task(host.call("desktop.waitUntil", condition=condition, timeoutMs=20_000, pollMs=5_000))
    await host.done("desktop.click", target=button("Add later"))
    await program.logged("added")
    reply = await waiting
    assert reply["result"]["conditionMet"] is True
    assert reply["result"]["elapsedMs"] < 5_000  # before the first poll, so it was the event


@pytest.mark.parametrize("stopped_by", ["abort", "panic", "disconnect"])
async def test_typing_can_be_stopped_and_leaves_the_keyboard_as_it_was(
    host: Served, program: Program, stack: DesktopStack, stopped_by: str
) -> None:
    before = keyboard_table(stack)
    typing = asyncio.create_task(host.act("desktop.typeText", request_id="long", text=ENDLESS, target=field("key pad")))
    await soon(lambda: len(program.typed()) > 20)
    if stopped_by == "abort":
        aborted = await host.result("desktop.abort", targetRequestId="long")
        assert aborted["aborted"] is True
    elif stopped_by == "panic":
        host.launched.signal(signal.SIGUSR1)
    else:
        typing.cancel()
        await host.client.close()
    if stopped_by == "abort":
        assert (await typing)["error"]["code"] == "DESKTOP_ABORTED"
    else:
        await asyncio.wait([typing], timeout=5)
    await soon(lambda: keyboard_table(stack) == before and held_keys(stack) == [])
    typed = program.typed()
    assert 0 < len(typed) < len(ENDLESS)
    assert ENDLESS.startswith(typed)


async def test_a_killed_host_leaves_readable_evidence_and_the_next_one_repairs_the_keyboard(
    own_stack: DesktopStack, tmp_path: Path
) -> None:
    async with open_backend(own_stack.environ) as backend:
        program = await windowed(backend, start_gtk3(own_stack, tmp_path))
    before = keyboard_table(own_stack)
    host = await start_host(own_stack, tmp_path / "ws")
    typing = asyncio.create_task(host.act("desktop.typeText", text=ENDLESS, target=field("key pad")))
    await soon(lambda: len(program.typed()) > 20)
    host.launched.signal(signal.SIGKILL)
    host.launched.process.wait()
    await asyncio.wait([typing], timeout=5)
    typing.exception()
    await host.close()
    lines = [line for path in (tmp_path / "ws").rglob("*.ndjson") for line in path.read_text().splitlines()]
    assert "desktop.start" in {json.loads(line).get("type") for line in lines}
    assert all(json.loads(path.read_bytes()) for path in (tmp_path / "ws").rglob("*.json"))
    assert keyboard_table(own_stack) != before
    again = await start_host(own_stack, tmp_path / "ws")
    try:
        reply = await again.done("desktop.typeText", text="gut", target=field("name entry"))
        assert reply["effect"] == "confirmed"
        assert keyboard_table(own_stack) == before
        assert held_keys(own_stack) == []
    finally:
        await again.close()


async def test_a_bus_that_dies_is_told_and_found_again_by_the_same_host(
    own_stack: DesktopStack, tmp_path: Path
) -> None:
    host = await start_host(own_stack, tmp_path / "ws")
    try:
        async with open_backend(own_stack.environ) as backend:
            await windowed(backend, start_gtk3(own_stack, tmp_path))
            own_stack.parts["a11y"].stop()
            await _until_lost(host)
            assert "desktop.click" not in (await host.result("desktop.health"))["capabilities"]
            doctor = await host.result("desktop.doctor")
            assert doctor["healthy"] is False
            assert "at-spi" in json.dumps(doctor["checks"])
            observed = await host.result("desktop.observe")
            assert observed["permissionsMissing"] == ["accessibility"]
            await asyncio.to_thread(own_stack.start_accessibility_bus)
            second = await windowed(backend, start_gtk3(own_stack, tmp_path, app_id="second"))
        await host.done("desktop.click", target=button("Increment"))
        assert second.events("click")
    finally:
        await host.close()


async def test_without_a_display_every_method_says_what_to_do(stack: DesktopStack, tmp_path: Path) -> None:
    bare = DesktopStack()
    bare.folder = Path(tempfile.mkdtemp(prefix="analyst-bare-"))  # short: a socket's path has 107 bytes at most
    (bare.folder / "run").mkdir(mode=0o700)
    bare.environ = {
        key: value for key, value in stack.environ.items() if key not in {"DISPLAY", "DBUS_SESSION_BUS_ADDRESS"}
    }
    bare.environ["XDG_RUNTIME_DIR"] = str(bare.folder / "run")
    bare.environ["HOME"] = str(bare.folder)
    host = await start_host(bare, tmp_path / "ws")
    try:
        health = await host.result("desktop.health")
        assert health["permissions"] == {"accessibility": "denied", "screenRecording": "denied"}
        assert health["session"] == "none"
        for method, params in (
            ("desktop.find", {"selector": {"byRole": "AXButton"}}),
            ("desktop.listModals", {}),
            ("desktop.waitUntil", {"condition": {"selectorExists": {"byRole": "AXButton"}}, "timeoutMs": 1_000}),
        ):
            error = (await host.call(method, **params))["error"]
            assert error["code"] == "DESKTOP_PERMISSION_MISSING"
        assert (await host.error("desktop.hotkey", keys=["control", "a"]))["code"] == "DESKTOP_PERMISSION_MISSING"
        assert (await host.error("desktop.click", target=button("Increment")))["code"] == "DESKTOP_PERMISSION_MISSING"
        observed = await host.result("desktop.observe")
        assert sorted(observed["permissionsMissing"]) == ["accessibility", "screenRecording"]
    finally:
        await host.close()
        bare.stop()


async def _until_lost(host: Served) -> None:
    """The host asks its backend once a second at most."""

    async def is_lost() -> bool:
        health = await host.result("desktop.health")
        return bool(health["permissions"] == {"accessibility": "denied", "screenRecording": "granted"})

    found = await host.call("desktop.find", selector={"byRole": "AXButton"})
    assert found["error"]["code"] == "DESKTOP_PERMISSION_MISSING"
    await soon(is_lost)
    found = await host.call("desktop.find", selector={"byRole": "AXButton"})
    assert found["error"]["code"] == "DESKTOP_PERMISSION_MISSING"


async def test_a_backend_and_a_host_may_look_at_the_same_desktop(
    host: Served, backend: Backend, program: Program
) -> None:
    found = await host.result("desktop.find", selector=button("Increment")["selector"])
    assert found["matched"] == 1
    assert (await backend.probe()).session == "x11"
