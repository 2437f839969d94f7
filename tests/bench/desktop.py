"""Figures of the desktop bridge on a private X server, as ratios to baselines of the same run. Prints a table and a line of JSON.

What is measured: the full tree of a 2,000-node GTK program against a naive walk with one call at a time (and against python3-pyatspi where
it is installed); `observe` and `find` over the socket, with evidence on disk, against the cost of the raw picture plus one `GetItems`;
what an idle host costs.

Run: make bench, or: python tests/bench/desktop.py [--quick]
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from desktop_host import Served, start_host  # noqa: E402
from desktop_stack import SYSTEM_PYTHON, DesktopStack  # noqa: E402
from desktop_world import Reins, look, nodes, start_gtk3, windowed  # noqa: E402
from mss import MSS  # noqa: E402
from mss.tools import to_png  # noqa: E402

from analyst_cli.desktop.backends.base import TreeRequest  # noqa: E402
from analyst_cli.desktop.backends.linux import accessible as at  # noqa: E402
from analyst_cli.desktop.backends.linux import open_backend  # noqa: E402
from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus, CallFailed  # noqa: E402
from analyst_cli.desktop.elements import TreeLimits  # noqa: E402

QUICK = "--quick" in sys.argv
NODES = 500 if QUICK else 2_000
ROUNDS = 2 if QUICK else 3
CALLS = 15 if QUICK else 60
EVERYTHING = TreeRequest(hidden=True, limits=TreeLimits(max_children=10_000, max_depth=50))
PYATSPI = """
import sys, time, pyatspi
def walk(node):
    seen = 1
    facts = [node.name, node.getRole(), node.getState().getStates(), node.get_interfaces(), node.childCount]
    for query, read in (
        (node.queryComponent, lambda c: c.getExtents(0)),
        (node.queryAction, lambda a: [a.getName(i) for i in range(a.nActions)]),
        (node.queryText, lambda t: t.getText(0, t.characterCount)),
        (node.queryValue, lambda v: v.currentValue),
    ):
        try: facts.append(read(query()))
        except NotImplementedError: pass
    for child in node:
        if child is not None: seen += walk(child)
    return seen
desktop = pyatspi.Registry.getDesktop(0)
app = next(child for child in desktop if child is not None and child.get_process_id() == int(sys.argv[1]))
started = time.perf_counter(); count = walk(app); print(count, time.perf_counter() - started)
"""


async def timed(work: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Give the milliseconds of each repetition."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        took.append((time.perf_counter() - started) * 1000)
    return took


async def naive(bus: AccessibilityBus, bus_name: str) -> int:
    """Read everything of every object, one call at a time, as most programs do."""

    async def ask(*call: object) -> object:
        try:
            return await bus.ask(at.call_on(*call))  # type: ignore[arg-type]
        except CallFailed:
            return None

    async def get(path: str, interface: str, name: str) -> object:
        return await bus.ask(at.property_of(bus_name, path, interface, name))

    count, waiting, seen = 0, [str(at.ROOT_PATH)], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        count += 1
        await get(path, at.ACCESSIBLE, "Name")
        await ask(bus_name, path, at.ACCESSIBLE, "GetRole")
        await ask(bus_name, path, at.ACCESSIBLE, "GetState")
        interfaces = await ask(bus_name, path, at.ACCESSIBLE, "GetInterfaces")
        assert isinstance(interfaces, list)
        if at.COMPONENT in interfaces:
            await ask(bus_name, path, at.COMPONENT, "GetExtents", "u", 0)
        if at.ACTION in interfaces:
            await ask(bus_name, path, at.ACTION, "GetActions")
        if at.TEXT in interfaces:
            length = await get(path, at.TEXT, "CharacterCount")
            await ask(bus_name, path, at.TEXT, "GetText", "ii", 0, length.value)  # type: ignore[attr-defined]
        if at.VALUE in interfaces:
            await get(path, at.VALUE, "CurrentValue")
        children = await ask(bus_name, path, at.ACCESSIBLE, "GetChildren")
        assert isinstance(children, list)
        waiting.extend(child for owner, child in children if owner == bus_name and child != at.NULL_PATH)
    return count


def with_pyatspi(stack: DesktopStack, pid: int) -> float | None:
    """Read the same with python3-pyatspi; None where it is not installed."""
    ran = subprocess.run(
        [SYSTEM_PYTHON, "-c", PYATSPI, str(pid)], env=stack.environ, capture_output=True, text=True, check=False
    )
    return float(ran.stdout.split()[1]) * 1000 if ran.returncode == 0 else None


async def full_tree(stack: DesktopStack, folder: Path) -> dict[str, object]:
    """Compare the ways of reading a large tree, in turns."""
    async with open_backend(stack.environ) as backend:
        program = await windowed(backend, start_gtk3(stack, folder, "--grid", str(NODES), app_id="large"))
        bus = AccessibilityBus(stack.environ)
        await bus.connect()
        names = await bus.ask(at.call_on("org.a11y.atspi.Registry", at.ROOT_PATH, at.ACCESSIBLE, "GetChildren"))
        [bus_name] = [name for name, _ in names]
        ours, one_by_one, theirs, counts = [], [], [], set()
        for _ in range(ROUNDS):
            ours += await timed(lambda: backend.look(EVERYTHING, Reins()), 2)
            counts.add(len(list(nodes((await backend.look(EVERYTHING, Reins())).root))))
            one_by_one += await timed(lambda: naive(bus, bus_name), 1)
            if (reading := with_pyatspi(stack, program.pid)) is not None:
                theirs.append(reading)
        seen = await timed(lambda: look(backend), 5)
        await bus.close()
        program.launched.stop()
    best = min(ours)
    return {
        "nodes": max(counts),
        "ours_ms": round(best, 1),
        "naive_ms": round(min(one_by_one), 1),
        "naive_ratio": round(min(one_by_one) / best, 1),
        "pyatspi_ms": round(min(theirs), 1) if theirs else None,
        "pyatspi_ratio": round(min(theirs) / best, 1) if theirs else None,
        "on_screen_ms": round(min(seen), 1),
    }


def p50_p95(took: list[float]) -> tuple[float, float]:
    """Give the middle and the slow end."""
    ordered = sorted(took)
    return round(statistics.median(ordered), 2), round(ordered[int(0.95 * (len(ordered) - 1))], 2)


async def over_the_socket(stack: DesktopStack, folder: Path) -> dict[str, object]:
    """Compare whole requests with what nobody can avoid: the pixels of the screen and one call for the tree."""
    async with open_backend(stack.environ) as backend:
        program = await windowed(backend, start_gtk3(stack, folder))
    host = await start_host(stack, folder / "ws")
    bus = AccessibilityBus(stack.environ)
    await bus.connect()
    names = await bus.ask(at.call_on("org.a11y.atspi.Registry", at.ROOT_PATH, at.ACCESSIBLE, "GetChildren"))
    items = at.call_on(names[0][0], "/org/a11y/atspi/cache", "org.a11y.atspi.Cache", "GetItems")
    area = {"left": 0, "top": 0, "width": 1920, "height": 1080}
    took: dict[str, list[float]] = {"raw": [], "png": [], "observe": [], "find": []}
    with MSS(display=stack.environ["DISPLAY"]) as screen:

        async def raw() -> None:
            screen.grab(area)
            await bus.ask(items)

        async def png() -> None:
            shot = screen.grab(area)
            to_png(shot.rgb, shot.size, level=3)
            await bus.ask(items)

        async def observe() -> None:
            await host.result("desktop.observe")

        async def find() -> None:
            await host.result("desktop.find", selector={"byRole": "AXButton", "titleContains": "Increment"})

        for work in (raw, png, observe, find):
            await work()
        for _ in range(CALLS):  # in turns, so that a busy moment hits all of them
            for name, work in (("raw", raw), ("png", png), ("observe", observe), ("find", find)):
                took[name] += await timed(work, 1)
    idle = await idle_cost(host)
    await bus.close()
    await host.close()
    program.launched.stop()
    figures = {name: p50_p95(values) for name, values in took.items()}
    return {
        "floor_raw_ms": figures["raw"],
        "floor_with_png_ms": figures["png"],
        "observe_ms": figures["observe"],
        "observe_to_floor_with_png": round(figures["observe"][0] / figures["png"][0], 2),
        "find_ms": figures["find"],
        "find_to_floor_raw": round(figures["find"][0] / figures["raw"][0], 2),
        **idle,
    }


async def idle_cost(host: Served) -> dict[str, object]:
    """Count how often an idle host wakes, and how much memory it holds."""
    pid, seconds = host.launched.pid, 3.0
    await asyncio.sleep(0.5)  # the last request's evidence is on its way to the disk
    before = _switches(pid)
    await asyncio.sleep(seconds)
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {"idle_wakeups_per_s": round((_switches(pid) - before) / seconds, 2), "rss_mib": round(resident / 1024, 1)}


def _switches(pid: int) -> int:
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(
        int(line.split()[1]) for status in statuses for line in status.splitlines() if line.startswith("voluntary_ctxt")
    )


async def main() -> None:
    """Measure everything and print it."""
    with tempfile.TemporaryDirectory() as folder, DesktopStack(size="1920x1080x24") as stack:
        figures = {
            "full_tree": await full_tree(stack, Path(folder)),
            "requests": await over_the_socket(stack, Path(folder)),
        }
    for part, facts in figures.items():
        print(part)
        for name, value in facts.items():
            print(f"  {name:28} {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
