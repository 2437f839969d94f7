"""Read what a program shows: the whole cache in one call first, then only the gaps, level by level, in bounded batches.

`read_structure` gives objects and their children in document order; `details.py` asks for frames and texts of those that matter.
Every bound that is met is recorded, so nobody takes a part for the whole. Facts about toolkits: docs/desktop/linux.md.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from analyst_cli.desktop.backends.linux.accessibility_bus import (
    CALL_TIMEOUT_S,
    AccessibilityBus,
    Call,
    CallFailed,
    CallTimedOut,
)
from analyst_cli.desktop.backends.linux.accessible import (
    ACCESSIBLE,
    NULL_PATH,
    ROOT_PATH,
    Accessible,
    ObjectPath,
    call_on,
    from_cache_item,
    number_of,
    on_screen,
    property_of,
    state_bits,
    text_of,
)
from analyst_cli.desktop.backends.linux.applications import Applications
from analyst_cli.desktop.backends.linux.roles import State
from analyst_cli.desktop.elements import Cut, StopReason, TreeLimits

__all__ = ["Structure", "read_structure"]

CACHE_PATH = "/org/a11y/atspi/cache"
CACHE = "org.a11y.atspi.Cache"
CACHE_TIMEOUT_S = 5.0
"""GetItems of a very large window: 40 ms per 1,000 objects, and GTK computes an index in time that grows with the siblings."""
CACHE_APPEARS_S = 0.01  # after the program was activated: 2 to 4 ms
GAP_BATCH = 500  # objects asked about at once between two looks at the clock


@dataclass
class Structure:
    """What was read of one program."""

    bus_name: str
    is_gtk4: bool = False
    objects: dict[ObjectPath, Accessible] = field(default_factory=dict)
    children: dict[ObjectPath, list[ObjectPath]] = field(default_factory=dict)
    cuts: dict[ObjectPath, tuple[Cut, int]] = field(default_factory=dict)  # why children are missing, and how many
    stop_reason: StopReason | None = None
    depth: int = 0

    def stop(self, reason: StopReason) -> None:
        """Record the first limit that was met."""
        self.stop_reason = self.stop_reason or reason


async def read_structure(
    bus: AccessibilityBus,
    applications: Applications,
    bus_name: str,
    limits: TreeLimits,
    *,
    hidden: bool,
    check: Callable[[], None],
    depth_of_root: int = 0,
) -> Structure:
    """Read a program's tree within the limits. Never raises for a program that hangs or dies: `stop_reason` says so."""
    walk = _Walk(bus, Structure(bus_name), limits, hidden=hidden, check=check, depth=depth_of_root)
    try:
        walk.structure.is_gtk4 = await applications.activate(bus_name)
        await walk.read_cache()
        await walk.run()
    except CallTimedOut:
        walk.structure.stop(StopReason.NOT_RESPONDING)
        walk.cut_rest(Cut.TIMEOUT)
    except CallFailed:
        walk.structure.stop(StopReason.NOT_RESPONDING)  # it left the bus while being read
    return walk.structure


class _Walk:
    """A breadth-first walk from the application object; `level` is what is still to be visited."""

    def __init__(
        self,
        bus: AccessibilityBus,
        structure: Structure,
        limits: TreeLimits,
        *,
        hidden: bool,
        check: Callable[[], None],
        depth: int,
    ) -> None:
        self.bus = bus
        self.structure = structure
        self.limits = limits
        self.hidden = hidden
        self.check = check
        self.depth = depth
        self.deadline = time.monotonic() + limits.timeout_s
        self.cached: dict[ObjectPath, Accessible] = {}
        self.cached_children: dict[ObjectPath, list[ObjectPath]] = {}
        self.level: list[tuple[ObjectPath, ObjectPath | None]] = [(ROOT_PATH, None)]

    async def read_cache(self) -> None:
        """Take the whole cache; a program without one (Qt answers with an empty list) is walked."""
        timeout_s = min(CACHE_TIMEOUT_S, max(CALL_TIMEOUT_S, self.limits.timeout_s))
        question = call_on(self.structure.bus_name, CACHE_PATH, CACHE, "GetItems")
        try:
            items = await self.bus.ask(question, timeout_s)
        except CallFailed:
            await asyncio.sleep(CACHE_APPEARS_S)
            try:
                items = await self.bus.ask(question, timeout_s)
            except CallFailed:
                return
        siblings: dict[ObjectPath, list[Accessible]] = {}
        for item in items:
            one = from_cache_item(item)
            if one.bus_name != self.structure.bus_name:
                continue
            self.cached[one.path] = one
            if one.parent is not None:
                siblings.setdefault(one.parent, []).append(one)
        for parent, ones in siblings.items():
            ones.sort(key=lambda one: one.position)
            self.cached_children[parent] = [one.path for one in ones]

    async def run(self) -> None:
        """Visit level after level until nothing is left or a limit is met."""
        while self.level:
            self.check()
            if time.monotonic() >= self.deadline:
                self.structure.stop(StopReason.TIMEOUT)
                self.cut_rest(Cut.TIMEOUT)
                return
            known = await self._describe([path for path, _ in self.level])
            visited: list[Accessible] = []
            for path, parent in self.level:
                one = known.get(path)
                if one is None or path in self.structure.objects or not self._wanted(one):
                    continue
                if len(self.structure.objects) >= self.limits.max_nodes:
                    self._cut(parent or path, Cut.NODES, StopReason.NODES)
                    continue
                self.structure.objects[path] = one
                if parent is not None:
                    self.structure.children.setdefault(parent, []).append(path)
                visited.append(one)
            if visited:
                self.structure.depth = self.depth
            self.level = await self._descend(visited)
            self.depth += 1

    async def _descend(self, visited: list[Accessible]) -> list[tuple[ObjectPath, ObjectPath | None]]:
        parents = [one for one in visited if one.child_count != 0 or one.path in self.cached_children]
        if self.depth >= self.limits.max_depth:
            for one in parents:
                self._cut(one.path, Cut.DEPTH, StopReason.DEPTH, max(one.child_count, 0))
            return []
        gaps = [one for one in parents if self._cache_is_short(one)]
        asked = dict(zip((one.path for one in gaps), await self._ask_children(gaps), strict=True))
        following: list[tuple[ObjectPath, ObjectPath | None]] = []
        for one in parents:
            if one.path in asked:
                paths, claimed = asked[one.path], max(one.child_count, len(asked[one.path]))
            else:  # what is not on the screen is left out before counting: the limit must not hide what can be seen
                paths = [path for path in self.cached_children[one.path] if self._wanted(self.cached[path])]
                claimed = len(paths)
            if claimed > self.limits.max_children:
                self._cut(one.path, Cut.CHILDREN, StopReason.CHILDREN, claimed - self.limits.max_children)
            following.extend((path, one.path) for path in paths[: self.limits.max_children])
        return following

    def _cache_is_short(self, one: Accessible) -> bool:
        found = len(self.cached_children.get(one.path, ()))
        if one.child_count < 0 or (one.path == ROOT_PATH and not found):
            return True
        return found < min(one.child_count, self.limits.max_children)

    async def _ask_children(self, gaps: list[Accessible]) -> list[list[ObjectPath]]:
        """Ask for children; never for all of an object that claims more than the limit (a spreadsheet claims 2**30)."""
        bus_name, most = self.structure.bus_name, self.limits.max_children
        small = [one for one in gaps if one.child_count <= most]
        answers = await self._ask_all(call_on(bus_name, one.path, ACCESSIBLE, "GetChildren") for one in small)
        by_path = {one.path: _own_paths(bus_name, answer) for one, answer in zip(small, answers, strict=True)}
        for one in gaps:
            if one.path not in by_path:
                singles = await self._ask_all(
                    call_on(bus_name, one.path, ACCESSIBLE, "GetChildAtIndex", "i", index) for index in range(most)
                )
                by_path[one.path] = _own_paths(bus_name, [ref for ref in singles if not isinstance(ref, CallFailed)])
        return [by_path[one.path] for one in gaps]

    async def _describe(self, paths: list[ObjectPath]) -> dict[ObjectPath, Accessible]:
        """Give what the cache knows, and ask for the rest: states first, since most of what is not cached is not on the screen either."""
        known = {path: self.cached[path] for path in paths if path in self.cached}
        missing = [path for path in dict.fromkeys(paths) if path not in known]
        wanted = sum(self._wanted(one) for one in known.values())
        bus_name = self.structure.bus_name
        for start in range(0, len(missing), GAP_BATCH):
            self.check()
            if time.monotonic() >= self.deadline or wanted > self.limits.max_nodes - len(self.structure.objects):
                break  # `run` notices either and says so
            batch = missing[start : start + GAP_BATCH]
            states = await self._ask_all(call_on(bus_name, path, ACCESSIBLE, "GetState") for path in batch)
            kept = [
                (path, state_bits(words))
                for path, words in zip(batch, states, strict=True)
                if not isinstance(words, CallFailed) and self._may_be_wanted(path, state_bits(words))
            ]
            questions = [question for path, _ in kept for question in _description_of(bus_name, path)]
            answers = iter(await self._ask_all(questions))
            for path, bits in kept:
                name, role, interfaces, count = next(answers), next(answers), next(answers), next(answers)
                if isinstance(role, CallFailed):
                    continue  # it went away in between
                wanted += 1
                known[path] = Accessible(
                    bus_name,
                    path,
                    None,
                    0,
                    number_of(count),
                    frozenset(() if isinstance(interfaces, CallFailed) else interfaces),
                    text_of(name),
                    role,
                    "",
                    bits,
                )
        return known

    def _may_be_wanted(self, path: ObjectPath, states: int) -> bool:
        if states & State.DEFUNCT:
            return False
        return self.hidden or path == ROOT_PATH or on_screen(states, 0, is_gtk4=self.structure.is_gtk4)

    def _wanted(self, one: Accessible) -> bool:
        if one.path == ROOT_PATH:
            return True
        return not one.states & State.DEFUNCT and (
            self.hidden or on_screen(one.states, one.role, is_gtk4=self.structure.is_gtk4)
        )

    def _cut(self, path: ObjectPath, cut: Cut, reason: StopReason, omitted: int = 0) -> None:
        self.structure.stop(reason)
        self.structure.cuts.setdefault(path, (cut, omitted))

    def cut_rest(self, cut: Cut) -> None:
        """Mark the parents of all that is left."""
        for path, parent in self.level:
            self.structure.cuts.setdefault(parent or path, (cut, 0))

    async def _ask_all(self, calls: Iterable[Call]) -> list[Any]:
        return await self.bus.ask_all(calls)


def _description_of(bus_name: str, path: ObjectPath) -> list[Call]:
    return [
        property_of(bus_name, path, ACCESSIBLE, "Name"),
        call_on(bus_name, path, ACCESSIBLE, "GetRole"),
        call_on(bus_name, path, ACCESSIBLE, "GetInterfaces"),
        property_of(bus_name, path, ACCESSIBLE, "ChildCount"),
    ]


def _own_paths(bus_name: str, answer: Any) -> list[ObjectPath]:
    """Keep the children that lie in the same program; sockets of embedded ones are left out."""
    if isinstance(answer, CallFailed) or not isinstance(answer, list):
        return []
    return [ObjectPath(path) for owner, path in answer if owner == bus_name and path != NULL_PATH]
