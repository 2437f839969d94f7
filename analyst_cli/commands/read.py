"""`analyst list`, `show`, `search`: read the local inbox, with or without a network."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from analyst_cli import config, output
from analyst_cli.client import moments
from analyst_cli.client.rows import Filter, titled
from analyst_cli.client.target import local_inbox
from analyst_cli.commands import lines, options
from analyst_cli.errors import UsageProblem

if TYPE_CHECKING:
    from analyst_cli.client.inbox import Inbox

__all__ = ["list_", "search", "show"]

Archived = Annotated[bool, typer.Option("--archived", help="The archived ones instead.")]
Snoozed = Annotated[bool, typer.Option("--snoozed", help="The snoozed ones instead.")]
All = Annotated[bool, typer.Option("--all", "-a", help="Archived and snoozed ones too.")]
Repeats = Annotated[
    bool, typer.Option("--repeats", help="Repeats of a key one by one, instead of one line with a counter.")
]


def list_(
    *,
    unread: options.Unread = False,
    script: options.Script = None,
    priority: options.Priority = None,
    tag: options.Tag = None,
    since: options.Since = None,
    archived: Archived = False,
    snoozed: Snoozed = False,
    everything: All = False,
    repeats: Repeats = False,
    limit: options.Limit = None,
    as_json: options.AsJson = False,
    plain: options.Plain = False,
    server: options.Server = None,
) -> None:
    """List notifications, newest first.

    On a terminal a table; in a pipe tab-separated columns: id, timestamp, read or unread, priority, script, repeats, title.

    \b
    Examples:
      analyst list --unread
      analyst list --priority high --since 2d
      analyst list --json | jq -r .title
    """
    wanted = options.narrowed(
        unread=unread, script=script, priority=priority, tag=tag, since=since,
        archived=None if everything else archived, snoozed=None if everything or archived else snoozed, collapsed=not repeats,
    )  # fmt: skip
    with local_inbox(server) as inbox:
        _print(inbox, wanted, limit, as_json=as_json, plain=plain)


def search(
    *,
    words: Annotated[
        list[str], typer.Argument(metavar="WORD...", help="Words that all occur; the last one may be a beginning.")
    ],
    unread: options.Unread = False,
    script: options.Script = None,
    priority: options.Priority = None,
    tag: options.Tag = None,
    since: options.Since = None,
    limit: options.Limit = None,
    as_json: options.AsJson = False,
    plain: options.Plain = False,
    server: options.Server = None,
) -> None:
    """Search titles, messages and script names, newest first; archived and snoozed ones too.

    \b
    Examples:
      analyst search revenue drop
      analyst search churn --since 1w --json
    """
    wanted = options.narrowed(
        unread=unread, script=script, priority=priority, tag=tag, since=since,
        archived=None, snoozed=None, search=" ".join(words), collapsed=False,
    )  # fmt: skip
    with local_inbox(server) as inbox:
        _print(inbox, wanted, limit, as_json=as_json, plain=plain)


def show(
    id_: options.Id,
    *,
    image: Annotated[bool, typer.Option("--image", "-i", help="Draw the chart in the terminal.")] = False,
    read: Annotated[bool, typer.Option("--read", "-r", help="Mark it read, too.")] = False,
    as_json: options.AsJson = False,
    plain: options.Plain = False,
    server: options.Server = None,
) -> None:
    """Show one notification whole.

    \b
    Examples:
      analyst show last
      analyst show 17 --image
      analyst show 0198c0de --json
    """
    if as_json and image:
        raise UsageProblem("--json and --image cannot both be meant", "give one of them")
    with local_inbox(server) as inbox:
        id_ = inbox.resolve(id_)
        if as_json:
            _print_object(inbox, id_)
        else:
            _print_whole(inbox, id_, plain=plain, is_drawn=image)
        if image:
            from analyst_cli.commands.picture import print_picture  # noqa: PLC0415 - Pillow, plotext and perhaps the network

            print_picture(inbox.get(id_), server)
    if read:
        from analyst_cli.commands.act import mark_and_send  # noqa: PLC0415

        mark_and_send([id_], "read", server=server, form="quiet")


def _why_nothing(inbox: "Inbox", wanted: Filter) -> str:
    if not inbox.view(Filter(archived=None, snoozed=None)).count:
        return "Nothing was received on this machine yet; receive it with: analyst inbox, or: analyst watch"
    return "Nothing here." if wanted == Filter() else "Nothing matches."


def _print(inbox: "Inbox", wanted: Filter, limit: int | None, *, as_json: bool, plain: bool) -> None:
    at_most = limit or int(config.load()["list.limit"])
    view = inbox.view(wanted)
    shown = islice(view, at_most)
    now = options.local_now()
    if as_json:
        for row in shown:
            output.json_line(lines.as_object(row, inbox.message_of(row.id)))
        return
    if plain:
        for row in shown:
            output.line(lines.sentence(row, now))
    elif view.count:
        lines.print_table(shown, now)
    if not view.count:
        output.note(_why_nothing(inbox, wanted))
    elif view.count > at_most and output.is_terminal():
        output.note(
            f"{at_most} of {view.count}{'+' if view.capped else ''} shown; see more with --limit {min(view.count, 1000)}."
        )


def _print_object(inbox: "Inbox", id_: str) -> None:
    import msgspec  # noqa: PLC0415

    notification = inbox.get(id_)
    row = inbox.row(id_)
    if row is None:
        raise AssertionError("resolve found it")
    whole = lines.as_object(row, notification.message)
    for name in ("url", "image_url", "image_alt", "chart", "run", "data"):
        whole[name] = msgspec.to_builtins(getattr(notification, name))
    output.json_line(whole)


def _print_whole(inbox: "Inbox", id_: str, *, plain: bool, is_drawn: bool) -> None:
    notification, row, now = inbox.get(id_), inbox.row(id_), options.local_now()
    if row is None:
        raise AssertionError("resolve found it")
    if plain:
        output.line(lines.sentence(row, now))
    else:
        output.line(titled(row.title), "bold")
        about = [
            f"{lines.exact(row.at)} ({moments.ago(row.at, now.timestamp())})",
            f"{row.priority} priority",
            *lines.state_words(row),
        ]
        output.line(" · ".join([*about, *([f"{row.repeats} times"] if row.repeats > 1 else [])]), "dim")
        output.line(f"id {row.id}", "dim")
    output.line()
    output.text(notification.message if notification.message.strip() else "(no message)")
    run = notification.run
    details = {
        "script": row.script,
        "tags": ", ".join(row.tags),
        "run": "" if run is None else _run_words(run.script, run.exit_code, run.duration_s),
        "url": notification.url or "",
        "chart": ""
        if is_drawn
        else _chart_words(notification.image_alt, has_chart=row.has_chart, has_image=row.has_image),
    }
    if any(details.values()):
        output.line()
        for name, words in details.items():
            if words:
                output.line(f"{name}: {words}")


def _run_words(script: str, exit_code: int | None, duration_s: float | None) -> str:
    words = [script] if script else []
    words += [f"exit code {exit_code}"] if exit_code is not None else []
    words += [f"{duration_s:.1f} s"] if duration_s is not None else []
    return ", ".join(words)


def _chart_words(alt: str | None, *, has_chart: bool, has_image: bool) -> str:
    if not (has_chart or has_image):
        return ""
    return alt or "there is one; draw it with --image"
