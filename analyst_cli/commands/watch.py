"""`analyst watch`: stay connected, and print a line for each notification."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from analyst_cli import output
from analyst_cli.client import moments
from analyst_cli.client.rows import PRIORITIES, Filter, Row
from analyst_cli.commands import options
from analyst_cli.errors import ServerRefused, SignInNeeded

if TYPE_CHECKING:
    from analyst_cli.client.accounts import Account
    from analyst_cli.client.announcing import Announcer
    from analyst_cli.client.events import CaughtUp, ClientEvent
    from analyst_cli.client.inbox import Inbox
    from analyst_cli.client.target import Target

__all__ = ["watch"]


def watch(
    *,
    as_json: options.AsJson = False,
    plain: options.Plain = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing: only keep the local inbox and the badge current.")
    ] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Announce outside of the terminal, too.")] = False,
    script: options.Script = None,
    priority: options.Priority = None,
    tag: options.Tag = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help=f"Print what came since then, too: {moments.EARLIER_EXAMPLES}."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="End after so many.")] = None,
    server: options.Server = None,
    ws_url: options.WsUrl = None,
) -> None:
    """Print notifications as they arrive; what came while you were away is one summary. Ctrl-C ends it.

    Data goes to standard output, talk about the connection to standard error.

    \b
    Examples:
      analyst watch
      analyst watch --json | jq -r 'select(.priority == "critical") | .title'
      analyst watch --notify --priority high
      analyst watch --script revenue_check.py --limit 1 && echo "it has come"
    """
    from analyst_cli.client.target import target_of  # noqa: PLC0415

    wanted = options.narrowed(
        script=script, priority=priority, tag=tag, since=since, archived=None, snoozed=None, collapsed=False
    )
    form = "quiet" if quiet else "json" if as_json else "plain" if plain else "line"
    asyncio.run(_watch(target_of(server, ws_url), form, wanted, limit, notify=notify))


async def _watch(target: "Target", form: str, wanted: Filter, limit: int | None, *, notify: bool) -> None:
    from analyst_cli.client.connection import follow  # noqa: PLC0415 - asyncio and websockets cost 80 ms

    inboxes = _Inboxes()
    watcher = _Watcher(inboxes, form, wanted, limit)
    announcer = _announcer(inboxes) if notify else None
    with _ended_by_closed_pipe():
        try:
            async with aclosing(follow(target, open_inbox=inboxes.open)) as events:
                async for event in events:
                    watcher.take(event)
                    if announcer is not None:
                        announcer.take(event)
                    if watcher.has_printed_all:
                        break
        finally:
            if announcer is not None:
                await announcer.close()
            inboxes.close()


@contextmanager
def _ended_by_closed_pipe() -> Iterator[None]:
    """End at once when the reader of our output ends (`watch | head -1`), rather than at the next notification, which may be hours away."""
    output_fd = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(output_fd).st_mode):
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    is_closed = False

    def reader_is_gone() -> None:
        nonlocal is_closed
        is_closed = True
        loop.remove_reader(output_fd)
        if task is not None:
            task.cancel()

    # nothing can be read there: the loop only wakes for the error that a closed pipe is
    loop.add_reader(output_fd, reader_is_gone)
    try:
        yield
    except asyncio.CancelledError:
        if not is_closed:
            raise
        raise BrokenPipeError from None
    finally:
        loop.remove_reader(output_fd)


class _Inboxes:
    """The inbox of the connection's thread, and one for this thread."""

    def __init__(self) -> None:
        self._inbox: Inbox | None = None

    def open(self, account: "Account") -> "Inbox":
        """Open the inbox for the connection, and the one for this thread."""
        from analyst_cli.client.target import inbox_for  # noqa: PLC0415

        self.close()
        self._inbox = inbox_for(account)
        return inbox_for(account)

    @property
    def inbox(self) -> "Inbox":
        """The inbox to read from here; nothing can have arrived before it is open."""
        if self._inbox is None:
            raise RuntimeError("nothing has arrived yet")
        return self._inbox

    def row(self, id_: str) -> Row | None:
        """Return a row as it is now."""
        return self.inbox.row(id_)

    def close(self) -> None:
        """Close this thread's inbox; the connection closes its own."""
        if self._inbox is not None:
            self._inbox.close()


class _Watcher:
    """Says what happens: notifications on stdout, the rest on stderr, each change of the connection once."""

    def __init__(self, inboxes: "_Inboxes", form: str, wanted: Filter, limit: int | None) -> None:
        self._inboxes = inboxes
        self._form = form
        self._wanted = wanted
        self._left = limit  # None: it goes on for good
        self._is_since_due = wanted.since is not None
        self._is_lost = False

    @property
    def has_printed_all(self) -> bool:
        """Whether as many came as were asked for."""
        return self._left == 0

    def take(self, event: "ClientEvent") -> None:
        """Print what an event means. Raises what ends the command."""
        from analyst_cli.client import events as told  # noqa: PLC0415 - loaded by now

        match event:
            case told.NotificationArrived(row=row):
                self._print(row)
            case told.CaughtUp():
                self._caught_up(event)
            case told.Connected(server=server, username=username, protocol=protocol) if not self._is_lost:
                kept = "" if protocol >= 2 else "; this gateway keeps nothing, so what comes while you are away is lost"
                self._say(f"Connected to {server} as {username}{kept}.")
            case told.Connected():
                self._is_lost = False
                self._say("Connected again.")
            case told.ConnectionLost(problem=problem, retry_in_s=retry_in_s) if not self._is_lost:
                self._is_lost = True
                self._say(
                    f"Not connected: {problem}. Trying again in {max(1, round(retry_in_s))} s, then until it works."
                )
            case told.MarkFailed(problem=problem):
                self._say(f"The server did not take a mark: {problem}.")
            case told.SignInExpired(problem=problem, way_out=way_out):
                raise SignInNeeded(problem, way_out)
            case told.Stopped(problem=problem, way_out=way_out):
                raise ServerRefused(problem, way_out)
            case _:
                pass

    def _caught_up(self, event: "CaughtUp") -> None:
        if event.gap:
            self._say(f"Not everything can be shown: {event.gap}.")
        if self._is_since_due:
            self._is_since_due = False
            for row in reversed(list(self._inboxes.inbox.view(self._wanted))):
                self._print(row)
            return
        if self._form == "json":  # a program must get each one, whenever it came
            for row in event.rows:
                self._print(row)
        if event.count:
            newest = f", the newest: {event.rows[-1].title}" if event.rows else ""
            self._say(f"{event.count} new while you were away{newest}. See them with: analyst list --unread")

    def _print(self, row: Row) -> None:
        wanted = self._wanted
        is_wanted = row.level >= wanted.min_level and wanted.script in {None, row.script}
        if self.has_printed_all or not is_wanted or not (wanted.tag is None or wanted.tag in row.tags):
            return
        if self._left is not None:
            self._left -= 1
        if self._form == "quiet":
            return
        from analyst_cli.commands import lines  # noqa: PLC0415 - a quiet watch needs none of it

        if self._form == "json":
            output.json_line(lines.as_object(row, self._inboxes.inbox.message_of(row.id)))
        elif self._form == "plain":
            output.line(lines.sentence(row, options.local_now()))
        else:
            styles = ("bold", "red") if row.level == PRIORITIES.index("critical") else ()
            output.line(lines.watch_line(row, options.local_now()), *styles)
        sys.stdout.flush()

    def _say(self, words: str) -> None:
        if self._form != "quiet":
            output.note(words)


def _announcer(inboxes: "_Inboxes") -> "Announcer":
    from analyst_cli.client.announcing import Announcer  # noqa: PLC0415
    from analyst_cli.client.native import Notifier  # noqa: PLC0415
    from analyst_cli.client.preferences import load_preferences  # noqa: PLC0415

    preferences = load_preferences()
    write = _write_to_terminal if sys.stderr.isatty() else None
    notifier = Notifier(via=preferences.via, ring=preferences.bell, write=write)
    return Announcer(notifier, preferences, row_now=inboxes.row)


def _write_to_terminal(sequence: str) -> None:
    sys.stderr.write(sequence)
    sys.stderr.flush()
