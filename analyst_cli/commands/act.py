"""`analyst mark` and `analyst snooze`: change the state here at once, and on the server as soon as it can be reached."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from analyst_cli import output
from analyst_cli.client.target import local_inbox
from analyst_cli.commands import lines, options
from analyst_cli.errors import NotFound, UsageProblem

__all__ = ["mark", "mark_and_send", "snooze"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_STATES = ("read", "unread", "archived", "unarchived", "acknowledged")
_ALL_AT_ONCE = 100_000


def mark(
    *,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Ids or their beginnings, numbers from `analyst list`, or `last`."),
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="Read (also without any flag).")] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Unread again.")] = False,
    archived: Annotated[bool, typer.Option("--archived", "--archive", help="Out of the inbox.")] = False,
    unarchived: Annotated[bool, typer.Option("--unarchived", "--unarchive", help="Back into the inbox.")] = False,
    acknowledged: Annotated[bool, typer.Option("--acknowledged", "--ack", help="Somebody takes care of it.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything in the inbox, instead of ids.")] = False,
    as_json: AsJson = False,
    server: options.Server = None,
) -> None:
    """Mark notifications: read, unread, archived, unarchived or acknowledged, on all your devices.

    A line that stands for repeats is marked with all of them. Without a connection the marks are kept, and sent by the next one.

    \b
    Examples:
      analyst mark last
      analyst mark 17 18 19 --archived
      analyst mark --all --read
    """
    given = dict(zip(_STATES, (read, unread, archived, unarchived, acknowledged), strict=True))
    wanted = [state for state, is_given in given.items() if is_given]
    if len(wanted) > 1:
        raise UsageProblem(f"--{wanted[0]} and --{wanted[1]} cannot both be meant", "give one of them")
    if bool(ids) == everything:
        raise UsageProblem(
            "ids and --all cannot both be meant" if ids else "there is nothing to mark", "give ids, or --all"
        )
    mark_and_send(
        None if everything else ids, wanted[0] if wanted else "read", server=server, form="json" if as_json else "words"
    )


def snooze(
    *,
    ids: options.Ids,
    until: Annotated[
        str,
        typer.Option(
            "--until", "-t", metavar="WHEN", help="Until then: 2h, 18:00, tomorrow 9:00, monday, 2026-12-24 9:00."
        ),
    ] = "1h",
    as_json: AsJson = False,
    server: options.Server = None,
) -> None:
    """Put notifications aside until later; then they are in the inbox again, on all your devices.

    \b
    Examples:
      analyst snooze last
      analyst snooze 17 --until "tomorrow 9:00"
    """
    until_s = options.until_of(until)
    try:
        mark_and_send(ids, "snoozed", until=until_s, server=server, form="json" if as_json else "words")
    except NotFound as exc:
        raise NotFound(exc.problem, f"{exc.way_out}; a time is given with --until, as in: --until 2h") from exc


def mark_and_send(
    typed_ids: Sequence[str] | None,
    state: str,
    *,
    until: float | None = None,
    server: str | None = None,
    form: Literal["words", "json", "quiet"] = "words",
) -> None:
    """Mark here, send what is pending if the server answers soon, and say what came of it; None for ids: the whole inbox."""
    with local_inbox(server) as inbox:
        everything = [] if typed_ids is not None else [row.id for row in inbox.view().rows(0, _ALL_AT_ONCE)]
        ids = [inbox.resolve(typed) for typed in typed_ids or ()] or everything  # all resolved before any is marked
        marked = inbox.mark(ids, state, until=until)
        pending = len(inbox.pending())
    problem = ""
    if pending:
        from analyst_cli.client.sending import send_pending  # noqa: PLC0415 - only here the network is needed

        problem = send_pending(server)
    if form == "json":
        output.json_line({"ids": list(marked.ids), "state": state, "sent": not problem, "problem": problem or None})
    elif form == "words":
        what = f"{state} until {lines.exact(until)}" if until is not None else state
        _say(what, asked=len(ids), changed=len(marked.ids), problem=problem)


def _say(what: str, *, asked: int, changed: int, problem: str) -> None:
    if changed:
        where = "." if not problem else " on this machine."
        output.note(f"{changed} notification{'s' if changed != 1 else ''} marked {what}{where}")
    else:
        output.note(f"{'It was' if asked == 1 else 'All were'} {what} already." if asked else "The inbox is empty.")
    if problem:
        output.note(f"The server will be told by the next connection ({problem}).")
