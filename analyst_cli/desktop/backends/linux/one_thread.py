"""A thread for calls that block, one after the other. It never keeps the process from ending, even while such a call hangs."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["OneThread"]

T = TypeVar("T")


class OneThread:
    """Starts with the first call. The standard library's pool would wait at the end of the process for a call that never returns."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` in the thread. A cancelled caller's work still ends, unless its turn has not come."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, work))
        return await asyncio.wrap_future(future)

    def stop(self) -> None:
        """End the thread after what it was given."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            future, work = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                answer = work()
            except BaseException as exc:  # noqa: BLE001 - it belongs to the caller, who gets it
                future.set_exception(exc)
            else:
                future.set_result(answer)
            del future, work, call  # nothing is kept while waiting
