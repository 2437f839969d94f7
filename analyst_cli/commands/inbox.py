"""`analyst inbox`: open the live inbox; without a terminal, print the list."""

import os
import sys
from typing import TYPE_CHECKING

import typer

from analyst_cli import output

if TYPE_CHECKING:
    from analyst_cli.client.target import Target
    from analyst_cli.tui.charts.detect import Abilities
    from analyst_cli.tui.desk import Desk

__all__ = ["inbox"]

_PRINTED = 50


def inbox(
    server: str | None = typer.Option(None, "--server", help="Address of the server, if it is not the chosen one."),
    ws_url: str | None = typer.Option(None, "--ws-url", help="Address of a gateway without a portal."),
    offline: bool = typer.Option(False, "--offline", help="Show what is here and connect to nothing."),
    theme: str | None = typer.Option(None, "--theme", help="auto, dark, light, contrast or ansi."),
) -> None:
    """Open the live inbox: read, search, snooze and archive alerts, look at charts, run scripts, investigate.

    Example: analyst inbox

    Example: analyst inbox --offline --theme light

    Keys are shown at the bottom, ? tells all of them. Without a terminal the newest notifications are printed instead.
    """
    from analyst_cli.client.target import target_of  # noqa: PLC0415

    target = target_of(server, ws_url)
    if not (sys.stdin.isatty() and sys.stderr.isatty() and sys.stdout.isatty()):
        _print_list(server)
        return
    import gc  # noqa: PLC0415

    gc.disable()  # nothing of what starting makes is ever garbage; the program switches it on again after its first picture
    _prepare_environment()
    from analyst_cli import config  # noqa: PLC0415

    flags = (
        {} if theme is None else {"inbox.theme": config.parsed(config.setting_named("inbox.theme"), theme, "--theme")}
    )
    _run(_desk(target), target, offline=offline, settings=config.load(flags))


def _print_list(server: str | None) -> None:
    from datetime import datetime  # noqa: PLC0415

    from analyst_cli.client.target import local_inbox  # noqa: PLC0415

    with local_inbox(server) as inbox_:
        rows = inbox_.view().rows(0, _PRINTED)
    output.table(
        ["ID", "WHEN", "", "PRIORITY", "SCRIPT", "TITLE"],
        [
            (
                row.id,
                f"{datetime.fromtimestamp(row.at).astimezone():%Y-%m-%d %H:%M}",
                "" if row.is_read else "unread",
                row.priority,
                row.script,
                row.title,
            )
            for row in rows
        ],
    )


def _prepare_environment() -> None:
    if os.environ.get("NO_COLOR") == "" or os.environ.get("ANALYST_COLOR") == "always":
        os.environ.pop(
            "NO_COLOR", None
        )  # https://no-color.org: only when it is not empty; Textual looks whether it is set
    elif os.environ.get("ANALYST_COLOR") == "never":
        os.environ["NO_COLOR"] = "1"


def _desk(target: "Target") -> "Desk":
    from analyst_cli.client.accounts import Account, inbox_path, last_account  # noqa: PLC0415
    from analyst_cli.tui.desk import Desk  # noqa: PLC0415

    account = last_account(target.server)
    if account is None:
        from analyst_cli.client.credentials import claims_of, find_token  # noqa: PLC0415 - a keyring takes its time

        account = Account(target.server, claims_of(find_token(target.server).value).username)
    return Desk(inbox_path(account), account)


def _run(desk: "Desk", target: "Target", *, offline: bool, preferences: "Preferences") -> None:
    from asyncio import Event  # noqa: PLC0415
    from collections.abc import AsyncIterator  # noqa: PLC0415

    from analyst_cli.client.events import ClientEvent  # noqa: PLC0415
    from analyst_cli.tui.app import InboxApp  # noqa: PLC0415

    def connection(nudge: Event) -> AsyncIterator[ClientEvent]:
        from analyst_cli.client.connection import follow  # noqa: PLC0415 - 80 ms after the first row, not before

        return follow(target, nudge=nudge)

    try:
        app = InboxApp(
            desk,
            follow=None if offline else connection,
            preferences=preferences,
            abilities=_abilities(preferences.images),
        )
        app.run()
    finally:
        desk.close()


def _abilities(images: str) -> "Abilities | None":
    from analyst_cli.tui.charts.detect import Abilities, detect  # noqa: PLC0415

    match images:
        case "off":
            return None
        case "auto":
            return detect()
        case "kitty" | "sixel":
            return Abilities(images)
        case _:
            return Abilities()
