"""Reading the SQLite log beside its writer: a few connections in threads of their own, which neither wait for the writer nor make it wait.

What one turn of the event loop asks is answered by one trip to a thread: a thousand devices that come back at once ask a thousand short
questions, and waking a thread costs more than answering one.
"""

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.sqlite_file import FileIdentity, identity_of, open_file, sqlite_errors

__all__ = ["GroupReaders"]

_T = TypeVar("_T")

_READERS = 2  # more would only wait for each other: Python runs one at a time between the disk's answers
_MAX_QUESTIONS = 16  # of one trip: a page of a replay takes half a millisecond, and whoever asks with it waits for it


class _Asked(NamedTuple):
    question: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]


class GroupReaders:
    """The readers of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="inbox-reader")
        self._idle: queue.SimpleQueue[tuple[FileIdentity | None, sqlite3.Connection]] = queue.SimpleQueue()
        self._asked: list[_Asked] = []  # in this turn of the loop

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return or raise what the question does, asked in a thread. Raises `StoreUnavailable`."""
        if not self._asked:
            self._loop.call_soon(self._hand_over)
        asked = _Asked(question, self._loop.create_future())
        self._asked.append(asked)
        found: _T = await asked.answer
        return found

    async def close(self) -> None:
        """Answer what was asked, and close the connections."""
        self._hand_over()
        await self._loop.run_in_executor(None, self._threads.shutdown)
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()

    def _hand_over(self) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), _MAX_QUESTIONS):
            part = asked[start : start + _MAX_QUESTIONS]
            try:
                self._threads.submit(self._answer, part)
            except RuntimeError:  # they were shut down
                closed = StoreUnavailable("the store is closed", "try again after the restart")
                _settle([(each.answer, closed) for each in part])

    def _answer(self, part: Sequence[_Asked]) -> None:
        outcomes = [(each.answer, self._outcome(each.question)) for each in part]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_settle, outcomes)

    def _outcome(self, question: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return the answer, or the error as a value."""
        try:
            with sqlite_errors():
                identity, connection = self._reader()
                try:
                    return question(connection)
                except sqlite3.Error:
                    identity = None  # the next question finds a new one
                    raise
                finally:
                    if identity is None:
                        connection.close()
                    else:
                        self._idle.put((identity, connection))
        except Exception as exc:  # noqa: BLE001 - raised where it was asked
            return exc

    def _reader(self) -> tuple[FileIdentity | None, sqlite3.Connection]:
        """Return a connection to the file that has the name now; it may have been put back from a backup."""
        now = identity_of(self._path)
        with contextlib.suppress(queue.Empty):
            while True:
                identity, connection = self._idle.get_nowait()
                if identity == now:
                    return identity, connection
                connection.close()
        return now, open_file(self._path, create=False)


def _settle(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for answer, outcome in outcomes:
        if answer.done():  # whoever asked has given up
            continue
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
