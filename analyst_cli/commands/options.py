"""Options and arguments that several reading and acting commands share, and what they mean."""

from datetime import datetime
from typing import Annotated

import typer

from analyst_cli.client import moments
from analyst_cli.client.rows import PRIORITIES, Filter
from analyst_cli.client.when import NotATime, parse_when
from analyst_cli.errors import UsageProblem

__all__ = [
    "AsJson", "Id", "Ids", "Limit", "Plain", "Priority", "Script", "Server", "Since", "Tag", "Unread", "WsUrl",
    "local_now", "narrowed", "until_of",
]  # fmt: skip

Id = Annotated[
    str, typer.Argument(metavar="ID", help="An id or its beginning, a number from `analyst list`, or `last`.")
]
Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids or their beginnings, numbers from `analyst list`, or `last`.")
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Whose inbox; else ANALYST_SERVER, else the server used last."),
]
WsUrl = Annotated[
    str | None, typer.Option("--ws-url", metavar="URL", help="A gateway without a portal; else ANALYST_WS_URL.")
]
Unread = Annotated[bool, typer.Option("--unread", "-u", help="Only unread ones.")]
Script = Annotated[str | None, typer.Option("--script", "-s", metavar="NAME", help="Only of this script.")]
Priority = Annotated[
    str | None,
    typer.Option(
        "--priority", "-p", metavar="LEVEL", help="Only of this priority or above: low, normal, high, critical."
    ),
]
Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only with this tag.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help=f"Only since then: {moments.EARLIER_EXAMPLES}.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many lines; default: list.limit.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Plain = Annotated[bool, typer.Option("--plain", help="Print sentences without columns or signs, for screen readers.")]


def local_now() -> datetime:
    """Return the time in this machine's zone, or in `TZ`."""
    return datetime.now().astimezone()


def narrowed(
    *,
    unread: bool = False,
    script: str | None = None,
    priority: str | None = None,
    tag: str | None = None,
    since: str | None = None,
    archived: bool | None = False,
    snoozed: bool | None = False,
    search: str = "",
    collapsed: bool = True,
) -> Filter:
    """Return the filter that options mean. Raises `UsageProblem`."""
    if priority is not None and priority not in PRIORITIES:
        raise UsageProblem(f"{priority!r} is no priority", f"give one of {', '.join(PRIORITIES)}")
    since_s = None
    if since is not None:
        try:
            since_s = moments.earlier(since, local_now()).timestamp()
        except (ValueError, OverflowError) as exc:
            raise UsageProblem(
                f"--since {since!r} is no time I know", f"give one like {moments.EARLIER_EXAMPLES}"
            ) from exc
    return Filter(
        unread=unread, script=script, min_level=0 if priority is None else PRIORITIES.index(priority), tag=tag, since=since_s,
        archived=archived, snoozed=snoozed, search=search, collapsed=collapsed,
    )  # fmt: skip


def until_of(typed: str) -> float:
    """Return the coming moment that is meant, in Unix seconds. Raises `UsageProblem`."""
    try:
        return parse_when(typed, local_now().replace(tzinfo=None)).astimezone().timestamp()
    except NotATime as exc:
        raise UsageProblem(str(exc)) from exc
