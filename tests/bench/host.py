"""What the host itself costs, on the fake desktop, as ratios to a bare echo over a Unix socket in the same run; and how fast a panic is.

The fake desktop takes no time, so what is measured is framing, checks, confirmations and evidence on disk.

Run: make bench, or: python tests/bench/host.py
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from fake_desktop_world import REPORT, World, desktop_world  # noqa: E402

CALLS = 50 if "--quick" in sys.argv else 300
PANICS = 3 if "--quick" in sys.argv else 10
NAME = {"selector": {"byRole": "AXTextField", "titleContains": "Name"}}


async def timed(call: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """Return the milliseconds of each call."""
    await call()
    took = []
    for _ in range(count):
        started = time.perf_counter()
        await call()
        took.append((time.perf_counter() - started) * 1000)
    return took


async def echo_ms(folder: Path) -> list[float]:
    """Measure the floor: a line there and back."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    path = os.fspath(folder / "echo")
    server = await asyncio.start_unix_server(answer, path)
    reader, writer = await asyncio.open_unix_connection(path)

    async def there_and_back() -> None:
        writer.write(b'{"jsonrpc":"2.0"}\n')
        await reader.readline()

    took = await timed(there_and_back, CALLS)
    writer.close()
    server.close()
    return took


async def click(world: World) -> None:
    """Confirm and press, two requests."""
    await world.act("click", target={"selector": {"byRole": "AXButton", "titleContains": "Go"}})


async def panic_ms(root: Path) -> float:
    """Type slowly, panic in the middle, and return when the typing was answered."""
    async with desktop_world(root, {**REPORT, "delays": {"key": 0.02}}) as world:
        token = await world.token("typeText", target=NAME, text="x" * 500)
        typing = asyncio.create_task(world.call("typeText", target=NAME, text="x" * 500, confirm={"token": token}))
        await world.until(lambda: "a" in "".join(world.desktop.down) or "x" in world.desktop.down)
        started = time.perf_counter()
        world.host.panic()
        assert (await typing)["error"]["code"] == "DESKTOP_ABORTED"
        took = (time.perf_counter() - started) * 1000
        world.host.reset()
        return took


async def measure(root: Path) -> dict[str, list[float]]:
    """Measure everything in one run."""
    figures = {"echo": await echo_ms(root)}
    async with desktop_world(root) as world:
        figures["health"] = await timed(lambda: world.call("health"), CALLS)
        figures["find"] = await timed(lambda: world.call("find", selector={"byRole": "AXButton"}), CALLS)
        figures["click (issue + act)"] = await timed(lambda: click(world), CALLS // 4)
        figures["observe without picture"] = await timed(
            lambda: world.call("observe", options={"includeScreenshot": False}), CALLS
        )
    figures["panic in the middle of typing"] = [await panic_ms(root) for _ in range(PANICS)]
    return figures


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="bench"))
    os.environ |= {"HOME": str(home)}
    for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "WORKSPACE_ROOT"):
        os.environ.pop(name, None)
    (home / "root").mkdir()
    figures = asyncio.run(measure(home / "root"))
    floor = statistics.median(figures["echo"])
    print(f"{'':32}{'p50 ms':>9}{'p95 ms':>9}{'x echo':>9}")
    table = {}
    for name, took in figures.items():
        p50, p95 = statistics.median(took), sorted(took)[int(len(took) * 0.95)]
        table[name] = {"p50_ms": round(p50, 3), "p95_ms": round(p95, 3), "ratio_to_echo": round(p50 / floor, 1)}
        print(f"{name:32}{p50:9.2f}{p95:9.2f}{p50 / floor:9.1f}")
    print(json.dumps(table))


if __name__ == "__main__":
    main()
