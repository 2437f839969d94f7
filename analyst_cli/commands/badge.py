"""`analyst badge`: the unread count for a status bar."""

from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.client.badge import FORMATS, badge_text, read_badge
from analyst_cli.commands import options
from analyst_cli.errors import UsageProblem

__all__ = ["badge"]


def badge(
    *,
    form: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")
    ] = "plain",
    server: options.Server = None,
) -> None:
    """Print the unread count and the newest unread title, from this machine's inbox, in milliseconds.

    A running `analyst watch` or `analyst inbox` keeps it current; `analyst service install` keeps one running.

    \b
    Examples:
      analyst badge
      set -g status-right '#(analyst badge --format tmux)'   in ~/.tmux.conf
    """
    if form not in FORMATS:
        raise UsageProblem(f"{form!r} is no format", f"give one of {', '.join(FORMATS)}")
    output.raw(badge_text(read_badge(server), form) + "\n")
