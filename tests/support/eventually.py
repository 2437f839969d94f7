"""Wait for something that another thread or process does, under a deadline."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["eventually", "is_gone", "within_a_second"]


def eventually(condition: Callable[[], object], *, within_s: float = 30.0) -> bool:
    """Return True as soon as the condition holds, False when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def within_a_second(condition: Callable[[], object]) -> bool:
    """Look a hundred times, 10 ms apart, for what is promised within a second; a time in which this process stands still counts as one look."""
    for _ in range(100):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return bool(condition())


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
