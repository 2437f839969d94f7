"""Run the work of one request so that it can be stopped: by abort, panic, disconnect, shutdown, or its deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from analyst_cli.desktop.reins import Reins, StopCause

__all__ = ["run_under"]

FINISH_S = 1.5  # what cannot be taken back may finish so long after the deadline; clients wait 2 s more (R-TO-2)
UNWIND_S = 2.0  # how long cancelled work may take to clean up before the reply goes out without it
PANIC_UNWIND_S = 0.05  # R-PA-1: everybody is answered within 100 ms


async def run_under(reins: Reins, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Return what the work returns. Raises what it raises, and the problem of the reins when they stop it."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    stopped = loop.create_task(reins.stopped.wait())
    overdue = loop.call_later(reins.remaining_s(), reins.stop, StopCause.DEADLINE)
    try:
        await asyncio.wait({task, stopped}, timeout=reins.remaining_s() + FINISH_S, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            # unless something else stopped it, it was sealed and did not end in time
            reins.stop(StopCause.DEADLINE, whatever=True)
            await _cut(task, reins)
            raise reins.problem()
        return task.result()
    except asyncio.CancelledError:
        if task.cancelled() and reins.cause is not None:
            raise reins.problem() from None
        task.cancel()
        raise
    finally:
        overdue.cancel()
        stopped.cancel()


async def _cut(task: "asyncio.Task[dict[str, Any]]", reins: Reins) -> None:
    task.cancel()
    patience = PANIC_UNWIND_S if reins.cause is StopCause.PANIC else UNWIND_S
    await asyncio.wait({task}, timeout=patience)
    if task.done() and not task.cancelled():
        task.exception()  # seen: the stop is what the reply tells
    else:
        task.add_done_callback(_seen)


def _seen(task: "asyncio.Task[dict[str, Any]]") -> None:
    if not task.cancelled():
        task.exception()
