"""The fake desktop itself: it plays a script, keeps a record of all input, and knows which keys are down."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from analyst_cli.desktop.backends.base import (
    Action,
    Activate,
    BackendLost,
    Capability,
    CaptureRequest,
    Chord,
    Control,
    Effect,
    Focus,
    Frame,
    Highlight,
    Outcome,
    PermissionMissing,
    Press,
    Refusal,
    Refused,
    Situation,
    TreeRequest,
    TypeText,
    Watch,
)
from analyst_cli.desktop.backends.fake.picture import draw
from analyst_cli.desktop.backends.fake.scene import Scene
from analyst_cli.desktop.backends.fake.script import Change, Element, Script, read_script
from analyst_cli.desktop.elements import Display, Node, Permission, Rect, Snapshot

__all__ = ["FakeBackend", "open_backend"]


@asynccontextmanager
async def open_backend(script: Path | dict[str, Any] | None = None) -> AsyncIterator["FakeBackend"]:
    """Play a script: a file, plain values, or the built-in demonstration. Raises ScriptProblem."""
    backend = FakeBackend(read_script(script))
    try:
        yield backend
    finally:
        backend.close()


class FakeBackend:
    """See the module. `record` is everything that was done, `down` the keys that are held right now."""

    name = "fake"

    def __init__(self, script: Script, wall: Callable[[], float] = time.time) -> None:
        self.script = script
        self.scene = Scene(script)
        self.clipboard = script.clipboard
        self.record: list[dict[str, Any]] = []
        self.down: set[str] = set()
        self.permissions = {p: script.permissions.get(p.value, True) for p in Permission}
        self.lost = False
        self._wall = wall
        self._record_file = Path(script.record) if script.record else None
        self._changed = asyncio.Event()
        self._timers = [
            asyncio.get_running_loop().call_later(m.after_ms / 1000, self.apply, m.do) for m in script.timeline
        ]

    async def probe(self) -> Situation:
        """Tell what the script allows."""
        self.lost = False
        wanted = self.script.capabilities
        return Situation(
            permissions=dict(self.permissions),
            remedies={Permission(name): words for name, words in self.script.remedies.items()},
            capabilities=frozenset(Capability) if wanted is None else frozenset(map(Capability, wanted)),
            displays=(Display(display_id="fake-0", frame=self._screen, main=True),),
            session="fake",
        )

    async def look(self, request: TreeRequest, control: Control) -> Snapshot:
        """Read the scene."""
        self._need(Permission.ACCESSIBILITY)
        if self.script.delays.look:
            await asyncio.sleep(self.script.delays.look)
        if hanging := self.scene.hang_s():
            await asyncio.sleep(min(hanging, request.limits.timeout_s))
        control.check()
        return self.scene.snapshot(request, self._wall(), hung=hanging > request.limits.timeout_s)

    async def capture(self, request: CaptureRequest) -> tuple[Frame, ...]:
        """Draw the frames of what is on the screen."""
        self._need(Permission.SCREEN_RECORDING)
        if self.script.delays.capture:
            await asyncio.sleep(self.script.delays.capture)
        size, png = await asyncio.to_thread(draw, self.scene.picture(), self._screen, request)
        area = request.region or self._screen
        return (
            Frame(display_id="fake-0", area=area, width=size[0], height=size[1], png=png, captured_at=self._wall()),
        )

    async def perform(self, action: Action, control: Control) -> Outcome:
        """Do it to the scene, and look what became of it."""
        self._need(Permission.ACCESSIBILITY)
        control.check()
        match action:
            case Press(target):
                return await self._press(target, control)
            case Focus(target):
                self._focus(self._element(target), control)
                return Outcome(effect=Effect.CONFIRMED, method="scripted", verification="focus read back")
            case TypeText():
                return await self._type(action, control)
            case Chord():
                return await self._chord(action, control)
            case Highlight(area, duration_ms):
                self._note(highlight=[area.x, area.y, area.width, area.height], durationMs=duration_ms)
                return Outcome(effect=Effect.CONFIRMED, method="overlay", verification="shown")
            case Activate(app):
                if not self.scene.has_app(app.app_id):
                    raise Refused(Refusal.NOT_FOUND, f"no application is called {app.app_id}")
                control.commit()
                self._note(activate=app.app_id)
                self.apply([Change(frontmost=app.app_id)])
                return Outcome(effect=Effect.CONFIRMED, method="scripted", verification="frontmost application")

    @asynccontextmanager
    async def watch(self, pid: int | None) -> AsyncIterator[Watch]:
        """Wake for every change of the scene, whoever's it is."""
        del pid
        yield _SceneWatch(self)

    def release_keys(self) -> None:
        """Let go of every key."""
        for key in sorted(self.down):
            self._note(up=key)
        self.down.clear()

    def close(self) -> None:
        """End the timeline."""
        for timer in self._timers:
            timer.cancel()
        self.release_keys()

    def apply(self, changes: list[Change]) -> None:
        """Let something happen on the desktop, as a test or the script wants it."""
        for change in changes:
            if permission := change.grant or change.deny:
                self.permissions[Permission(permission)] = change.grant is not None
            self.lost = self.lost or change.lose
            self.scene.apply(change)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def _screen(self) -> Rect:
        return Rect(0, 0, self.script.display.width, self.script.display.height)

    def _need(self, permission: Permission) -> None:
        if self.lost:
            self.lost = False
            raise BackendLost("the script says so")
        if not self.permissions[permission]:
            raise PermissionMissing(permission, self.script.remedies.get(permission.value, "the script denies it"))

    def _element(self, target: Node) -> Element:
        """Find the element again, and see that it is still the one that is meant."""
        element = self.scene.element(target.handle)
        if element is None or element.role != target.role or (element.title or None) != target.title:
            raise Refused(Refusal.STALE, "the element is gone or another one now")
        if not element.enabled:
            raise Refused(Refusal.DISABLED, "the element is disabled")
        if not element.visible:
            raise Refused(Refusal.NOT_VISIBLE, "the element cannot be seen")
        if element.occluded:
            raise Refused(Refusal.OCCLUDED, "another window covers the element")
        return element

    async def _press(self, target: Node, control: Control) -> Outcome:
        element = self._element(target)
        if not self.scene.pressable(element):
            raise Refused(Refusal.NO_PRESS_ACTION, "the element has no press action")
        before = self.scene.revision
        control.commit()
        control.seal()
        self._note(press=element.id)
        if self.script.delays.press:
            await asyncio.sleep(self.script.delays.press)
        if element.checked is not None:
            self.apply([Change(set=element.id, checked=not element.checked)])
        self.apply(element.press)
        if element.effect == "unverified":
            return Outcome(effect=Effect.UNVERIFIED, method="scripted")
        changed = self.scene.revision != before and element.effect != "none"
        return Outcome(
            effect=Effect.CONFIRMED if changed else Effect.NO_EFFECT,
            method="scripted",
            verification="the tree changed" if changed else "the tree did not change",
        )

    def _focus(self, element: Element, control: Control) -> None:
        if not element.focusable:
            raise Refused(Refusal.FOCUS_FAILED, "the element does not take the focus")
        control.commit()
        self.scene.focus(element)
        self._note(focus=element.id)

    async def _type(self, action: TypeText, control: Control) -> Outcome:
        if action.target is not None:
            element: Element | None = self._element(action.target)
            assert element is not None  # noqa: S101 - _element raises instead
            if not element.editable:
                raise Refused(Refusal.NOT_EDITABLE, "no text can be typed into the element")
            self._focus(element, control)
        else:
            element = self.scene.focused()
            control.commit()
        if element is not None and action.clear_before:
            element.value = ""
        try:
            for character in action.text:
                control.check()
                self.down.add(character)
                if element is not None and element.editable:
                    element.value = (element.value or "") + character
                if self.script.delays.key:
                    await asyncio.sleep(self.script.delays.key)
                self.down.discard(character)
        finally:
            self.release_keys()
        control.seal()
        self._note(type=element.id if element else None, text=action.text)
        if element is None or not element.editable:
            return Outcome(effect=Effect.UNVERIFIED, method="keys")
        self.apply(element.typed)
        self.scene.touch()
        return Outcome(
            effect=Effect.CONFIRMED,
            method="keys",
            verification="length read back" if element.secure else "value read back",
        )

    async def _chord(self, action: Chord, control: Control) -> Outcome:
        modifiers, key = action.modifiers, action.key
        target = None if action.target is None else self._element(action.target)
        name = "+".join((*modifiers, key))
        before = self.scene.revision
        control.commit()
        try:
            for held in (*modifiers, key):
                control.check()
                self.down.add(held)
                self._note(down=held)
                if self.script.delays.key:
                    await asyncio.sleep(self.script.delays.key)
            control.seal()
        finally:
            self.release_keys()
        self._note(chord=name)
        changes = self.script.chords.get(name, [])
        self.apply([*changes, *(self.scene.escape(target) if key == "escape" and not modifiers else [])])
        effect = Effect.CONFIRMED if self.scene.revision != before else Effect.UNVERIFIED
        return Outcome(
            effect=effect, method="keys", verification="the tree changed" if effect is Effect.CONFIRMED else None
        )

    def _note(self, **members: Any) -> None:
        self.record.append(members)
        if self._record_file is not None:
            with self._record_file.open("a") as file:
                file.write(json.dumps(members) + "\n")


class _SceneWatch:
    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend
        self._seen = backend.scene.revision

    async def changed(self, timeout_s: float) -> bool:
        """Wait for the next change."""
        if self._backend.scene.revision == self._seen and timeout_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._backend._changed.wait(), timeout_s)  # noqa: SLF001 - a part of the backend
        woken, self._seen = self._backend.scene.revision != self._seen, self._backend.scene.revision
        return woken
