"""What the program may do outside of itself: read and change the local inbox. Screens get it; widgets do not.

Reading takes microseconds and happens where it is needed. Changing may wait for another process (up to 3 s), so it happens in one thread, in order.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from analyst_cli.client.accounts import Account, inbox_path
from analyst_cli.client.chart_cache import cached_chart, fetched_chart
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.inbox_view import InboxView
from analyst_cli.client.rows import Filter, Row
from analyst_cli.errors import LocalProblem
from analyst_cli.tui.widgets.detail import Shown

__all__ = ["Desk", "Listing"]

T = TypeVar("T")


class Listing:
    """Rows of a filter for the list; what cannot be read (a locked or broken store) is remembered in `problem` instead of raised."""

    def __init__(self, view: InboxView) -> None:
        self._view = view
        self.problem = ""

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._view.count

    @property
    def capped(self) -> bool:
        """Whether a search has matched more than are shown."""
        return self._view.capped

    def row(self, index: int) -> Row | None:
        """Return a row, or None."""
        try:
            return self._view.row(index)
        except LocalProblem as error:
            self.problem = str(error)
            return None

    def index_of(self, pos: int) -> int:
        """Return where a notification stands."""
        try:
            return self._view.index_of(pos)
        except LocalProblem as error:
            self.problem = str(error)
            return 0


class Desk:
    """The local inbox of one account."""

    def __init__(self, path: Path, account: Account, *, clock: Callable[[], float] = time.time) -> None:
        self.account = account
        self._clock = clock
        self._path = path
        self._inbox = Inbox(path, clock=clock)
        self._writing_inbox: Inbox | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox-changes")

    def close(self) -> None:
        """Finish the changes that have begun, and close the files."""
        self._thread.submit(self._forget_writing_inbox)
        self._thread.shutdown()
        self._inbox.close()

    def move_to(self, account: Account) -> None:
        """Go on with the inbox of another account: another one has signed in meanwhile. Raises `LocalProblem`."""
        path = inbox_path(account)
        inbox = Inbox(path, clock=self._clock)
        self._thread.submit(self._forget_writing_inbox).result()
        self._inbox.close()
        self.account, self._path, self._inbox = account, path, inbox

    @property
    def account_words(self) -> str:
        """Whose inbox it is, where."""
        return f"{self.account.user} at {self.account.server.partition('://')[2] or self.account.server}"

    def now(self) -> datetime:
        """Return the time in the person's zone."""
        return datetime.fromtimestamp(self._clock()).astimezone()

    # Reading

    def reading(self) -> AbstractContextManager[None]:
        """Let all that is read within be of one moment: what arrives meanwhile is seen the next time. Raises `LocalProblem`."""
        return self._inbox.reading()

    def listing(self, wanted: Filter) -> Listing:
        """Return the rows of a filter as of now. Raises `LocalProblem`."""
        return Listing(self._inbox.view(wanted))

    def shown(self, row: Row) -> Shown:
        """Return all that the detail shows of a row. Raises `LocalProblem`, `NotFound`."""
        fresh = self._inbox.row(row.id) or row
        earlier = tuple(self._inbox.repeats_of(row.id, limit=20)[1:]) if row.repeats > 1 else ()
        return Shown(fresh, self._inbox.get(row.id), earlier)

    def rows(self, ids: Sequence[str]) -> list[Row]:
        """Return the rows of these ids, as far as they are here."""
        return [row for id_ in ids if (row := self._inbox.row(id_)) is not None]

    def picture(self, image_url: str) -> Path | None:
        """Return the file of a chart that is here already."""
        return cached_chart(self.account.server, image_url)

    async def fetch_picture(self, image_url: str) -> Path:
        """Return the file of a chart, fetched from the server. Raises `AnalystError`."""
        from analyst_cli.client.tokens import TokenSource  # noqa: PLC0415 - not needed for the first row

        token = await TokenSource(self.account.server).token()
        return await fetched_chart(self.account.server, token, image_url)

    def revision(self) -> tuple[int, int]:
        """Return a value that changes with the inbox."""
        return self._inbox.revision()

    def unread_count(self) -> int:
        """Count what is unread."""
        return self._inbox.unread_count()

    def next_snooze_end(self) -> datetime | None:
        """Return when the next snoozed one comes back; None when nothing is snoozed."""
        end = self._inbox.next_snooze_end()
        return None if end is None else datetime.fromtimestamp(end).astimezone()

    def last_received(self) -> datetime | None:
        """Return when the newest notification was, as its sender says."""
        newest = self._inbox.newest(unread=False)
        return datetime.fromtimestamp(newest.at).astimezone() if newest else None

    def newest_unread_title(self) -> str:
        """Return the title of the newest unread one, as its sender wrote it; empty when all is read."""
        newest = self._inbox.newest()
        return newest.title if newest else ""

    def known_scripts(self) -> list[str]:
        """Return the scripts that have ever sent something."""
        return self._inbox.scripts()

    def known_tags(self) -> list[str]:
        """Return the tags that were ever used."""
        return self._inbox.tags()

    # Changing

    async def change(self, change: Callable[[Inbox], T]) -> T:
        """Run a change of the inbox after those asked for before. Raises `LocalProblem` when the store stays locked."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._changed, change)

    def _changed(self, change: Callable[[Inbox], T]) -> T:
        if self._writing_inbox is None:
            self._writing_inbox = Inbox(self._path, clock=self._clock)
        return change(self._writing_inbox)

    def _forget_writing_inbox(self) -> None:
        if self._writing_inbox is not None:
            self._writing_inbox.close()
            self._writing_inbox = None
