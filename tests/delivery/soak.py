"""Run every scenario with its full numbers, again and again with new seeds, until the time is over. Ends with 1 at the first failure.

Usage: python -m tests.delivery.soak [--minutes 10] [--seed 1] [--only R5] [--small]
"""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.delivery.harness import Gateway, Scale, World
from tests.delivery.readers import assert_nothing_left, warmed_up
from tests.delivery.scenarios import SCENARIOS


async def soak(*, minutes: float, seed: int, only: str, scale: Scale) -> bool:
    """Return whether everything held."""
    ends_at = time.monotonic() + minutes * 60
    names = [name for name in SCENARIOS if name.startswith(only)]
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        gateway = Gateway(Path(folder))
        gateway.start()
        baseline = await warmed_up(gateway, World(Path(folder), gateway, seed=seed, scale=scale))
        done = 0
        while not done or time.monotonic() < ends_at:
            for name in names:
                began = time.monotonic()
                with tempfile.TemporaryDirectory(prefix="analyst-") as own:
                    try:
                        await SCENARIOS[name](World(Path(own), gateway, seed=seed + done, scale=scale))
                    except Exception:  # noqa: BLE001 - the root of a scenario: whatever it is, the seed is to be told
                        traceback.print_exc()
                        print(f"{name} failed; again with: --only '{name}' --seed {seed + done}", flush=True)
                        print(gateway.log_text()[-3000:])
                        await asyncio.to_thread(gateway.stop)
                        return False
                print(f"{name:16} seed {seed + done}  {time.monotonic() - began:6.1f} s", flush=True)
            done += 1
        await assert_nothing_left(gateway, *baseline)
        await asyncio.to_thread(gateway.stop)
        gateway.assert_no_traceback()
    print(f"{done} rounds of {len(names)} scenarios held; nothing was left behind")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--only", default="", metavar="R5", help="scenarios whose id begins so")
    parser.add_argument("--small", action="store_true", help="the numbers of make test")
    asked = parser.parse_args()
    held = asyncio.run(soak(minutes=asked.minutes, seed=asked.seed, only=asked.only, scale=Scale(full=not asked.small)))
    sys.exit(not held)


if __name__ == "__main__":
    main()
