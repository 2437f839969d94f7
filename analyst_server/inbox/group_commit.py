"""Group commit: whatever waits is committed together, and answered after the commit.

A producer that waits alone pays one flush; sixty-four that wait together share it. What gathers until a turn of the event loop brings nothing more
is one commit: on the loop itself while the disk flushes within a millisecond, which is quicker than waking a thread and being woken by it; else in
the writer's thread, so that a slow disk makes wait only who waits for it. Meanwhile the next commit gathers.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.log import Event, MarkDraft, NotificationDraft, Seq, User
from analyst_server.inbox.recent import RecentEvents
from analyst_server.inbox.sqlite_file import sqlite_errors
from analyst_server.inbox.sqlite_write import Outcome, Transaction, Work
from analyst_server.inbox.sqlite_writer import LogWriter, WriterSettings

__all__ = ["CommitObserver", "GroupCommitter"]

_MAX_WORKS = 1_000  # of one commit: about 20 ms of work on a slow machine, so nobody waits longer for the others
_MAX_WAITING = 20_000  # pieces of work; more than that is not a burst but a store that does not keep up
_MAX_WAITING_BYTES = 64 * 1024 * 1024
# What the event loop does itself: about a millisecond, which nobody notices.
_SHORT_FLUSH_S = 0.001
_MAX_WORKS_HERE = 100
_MAX_BODY_HERE = 16 * 1024
_MAX_IDS_HERE = 20
_FLUSHES_IN_MEAN = 8

# Told the pieces of work in a commit and its duration in seconds, on the event loop.
CommitObserver = Callable[[int, float], None]


class _Waiting(msgspec.Struct, frozen=True):
    work: Work
    size: int  # bytes
    is_small: bool
    answer: asyncio.Future[Outcome]


class GroupCommitter:
    """Who waits for a commit, the writer's thread, and its way back to the event loop on which it was started."""

    def __init__(
        self,
        path: Path,
        *,
        settings: WriterSettings,
        clock: Callable[[], float],
        on_events: Callable[[Sequence[Event]], None],
    ) -> None:
        self.on_commit: CommitObserver | None = None
        self._poll_s = settings.poll_s
        self._on_events = on_events
        self._loop = asyncio.get_running_loop()
        self._gathering: list[_Waiting] = []  # for the next commit, in order
        self._seen = 0  # how many had gathered a turn of the loop ago
        self._waiting = self._waiting_bytes = 0
        self._mean_flush_s = 0.0
        self._handed_over = False  # whether the thread has a commit to do whose outcome has not come back
        self._queue: queue.SimpleQueue[Sequence[_Waiting] | None] = queue.SimpleQueue()  # at most one, and the end
        self._closed = False
        with sqlite_errors(f"the store {path}"):
            self._writer = LogWriter(path, settings=settings, clock=clock)
        self._writing = threading.Lock()  # held by whoever uses the writer
        self._untold = False  # under the lock: whether events that the thread has heard are on their way to the loop
        self._was_used = False  # under the lock: whether the loop has committed since the thread last looked
        self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> str:
        """The log's random id."""
        return self._writer.epoch

    @property
    def recent(self) -> RecentEvents:
        """The newest events by user; take it before you begin to read."""
        return self._writer.recent

    def newest_of(self, user: User) -> Seq | None:
        """Return the newest event of a user, for whom somebody listens; None: not known here."""
        return self._writer.newest_of(user)

    def listen(self, *, wanted: bool) -> None:
        """Tell whether anybody on this loop wants to hear what other processes commit."""
        self._writer.listening = wanted

    def submit(self, work: Work) -> asyncio.Future[Outcome]:
        """Have work committed; its outcome comes after the commit. Raises `StoreUnavailable`."""
        size = len(work.body) if isinstance(work, NotificationDraft) else 0
        if self._closed:
            raise StoreUnavailable("the store is closed", "send it again after the restart")
        if self._waiting >= _MAX_WAITING or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            raise StoreUnavailable("the store does not keep up", "send it again later")
        return self._gather(work, size)

    async def close(self) -> None:
        """Commit what waits, and end the thread."""
        if not self._closed:
            self._closed = True
            if self._waiting:
                with contextlib.suppress(StoreUnavailable):
                    await self._gather(_change_nothing, 0)  # after everything that waits
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    # On the event loop

    def _gather(self, work: Work, size: int) -> asyncio.Future[Outcome]:
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting += 1
        self._waiting_bytes += size
        if not self._gathering and not self._handed_over:
            self._loop.call_soon(self._commit_gathered)
        self._gathering.append(_Waiting(work, size, _is_small(work), answer))
        return answer

    def _commit_gathered(self) -> None:
        """Commit what has gathered, here or in the thread, as soon as a turn of the loop has brought nothing more."""
        if self._handed_over or not self._gathering:
            return
        if self._seen < len(self._gathering) < _MAX_WORKS_HERE:
            self._seen = len(self._gathering)
            self._loop.call_soon(self._commit_gathered)
            return
        self._seen = 0
        batch, self._gathering = self._gathering[:_MAX_WORKS], self._gathering[_MAX_WORKS:]
        if not self._committed_here(batch):
            self._handed_over = True
            self._queue.put(batch)
        elif self._gathering:
            self._loop.call_soon(self._commit_gathered)

    def _committed_here(self, batch: Sequence[_Waiting]) -> bool:
        """Commit on the loop; False: it cannot be done at once, and the thread is to do it."""
        is_quick = self._mean_flush_s < _SHORT_FLUSH_S and len(batch) <= _MAX_WORKS_HERE
        if not is_quick or not all(waiting.is_small for waiting in batch):
            return False
        if not self._writing.acquire(blocking=False):
            return False
        try:
            if self._untold:  # they are older, and have to be told first
                return False
            began = time.perf_counter()
            try:
                committed = self._writer.commit([waiting.work for waiting in batch], patient=False)
            except Exception:  # noqa: BLE001 - the thread tries again, and says what is wrong
                self._writer.close()
                return False
            self._was_used = True
        finally:
            self._writing.release()
        if committed is None:
            return False
        self._note_flush(committed.flush_s)
        self._settle(batch, committed.outcomes, committed.events, time.perf_counter() - began)
        return True

    def _come_back(
        self,
        batch: Sequence[_Waiting],
        outcomes: Sequence[Outcome],
        events: Sequence[Event],
        took_s: float,
        flush_s: float,
    ) -> None:
        """Take what the thread has committed, and go on with what has gathered meanwhile."""
        self._handed_over = False
        self._note_flush(flush_s)
        self._settle(batch, outcomes, events, took_s)
        self._commit_gathered()

    def _pass_on(self, events: Sequence[Event]) -> None:
        """Take what the thread has heard."""
        self._untold = False  # only the loop asks
        self._on_events(events)

    def _settle(
        self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome], events: Sequence[Event], took_s: float
    ) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            self._waiting -= 1
            self._waiting_bytes -= waiting.size
            if waiting.answer.done():  # whoever waited has given up
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        self._on_events(events)
        if self.on_commit is not None:
            self.on_commit(len(batch), took_s)

    def _note_flush(self, flush_s: float) -> None:
        self._mean_flush_s += (flush_s - self._mean_flush_s) / _FLUSHES_IN_MEAN

    # In the thread

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=self._poll_s)
            except queue.Empty:
                self._listen()
                continue
            if batch is None:
                break
            self._commit(batch)
        self._writer.close()

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        began, flush_s = time.perf_counter(), 0.0
        outcomes: Sequence[Outcome]
        events: Sequence[Event]
        with self._writing:
            try:
                with sqlite_errors():
                    committed = self._writer.commit([waiting.work for waiting in batch])
                assert committed is not None  # noqa: S101 - it was patient
                outcomes, events, flush_s = committed
            except Exception as exc:  # noqa: BLE001 - the root of the thread: if it ended, every later dispatch would wait for ever
                problem = self._writer.recovered_from(exc)
                outcomes, events = [problem] * len(batch), ()
        took_s = time.perf_counter() - began
        self._on_loop(self._come_back, batch, outcomes, events, took_s, flush_s)

    def _listen(self) -> None:
        with self._writing:
            was_used, self._was_used = self._was_used, False
            try:
                with sqlite_errors():
                    events = self._writer.heard(idle=not was_used)
            except Exception as exc:  # noqa: BLE001 - as above
                self._writer.recovered_from(exc)
                return
            self._untold = self._untold or bool(events)
        if events:
            self._on_loop(self._pass_on, events)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)


def _is_small(work: Work) -> bool:
    match work:
        case NotificationDraft(body=body):
            return len(body) <= _MAX_BODY_HERE
        case MarkDraft(ids=ids):
            return len(ids) <= _MAX_IDS_HERE
        case _:
            return False


def _change_nothing(transaction: Transaction) -> None:
    """Be the last to be committed."""
