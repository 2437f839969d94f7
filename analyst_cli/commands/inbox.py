"""`analyst inbox`: open the live inbox; without a terminal, print the list."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from analyst_cli import config
from analyst_cli.commands import options

if TYPE_CHECKING:
    from analyst_cli.client.preferences import Preferences
    from analyst_cli.client.target import Target
    from analyst_cli.tui.charts.detect import Abilities
    from analyst_cli.tui.desk import Desk

__all__ = ["inbox"]

Offline = Annotated[bool, typer.Option("--offline", help="Show what is here and connect to nothing.")]
Theme = Annotated[str | None, typer.Option("--theme", help="auto, dark, light, contrast or ansi.")]


def inbox(
    *,
    offline: Offline = False,
    theme: Theme = None,
    server: options.Server = None,
    ws_url: options.WsUrl = None,
) -> None:
    """Open the live inbox: read, search, snooze and archive alerts, look at charts, run scripts, investigate.

    The most important keys are shown at the bottom; ? tells all of them. Without a terminal the list is printed, as by `analyst list`.

    \b
    Examples:
      analyst inbox
      analyst inbox --offline --theme light
    """
    from analyst_cli.client.target import target_of  # noqa: PLC0415

    target = target_of(server, ws_url)
    if theme is not None:
        config.parsed(config.setting_named("inbox.theme"), theme, "--theme")
    is_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if not is_terminal or os.environ.get("TERM") == "dumb":
        from analyst_cli.commands.read import list_  # noqa: PLC0415

        if ws_url is not None:
            os.environ["ANALYST_WS_URL"] = ws_url  # `list` has no flag for it
        list_(server=server)
        return
    import gc  # noqa: PLC0415

    gc.disable()  # nothing of what starting makes is ever garbage; the program switches it on again after its first picture
    _decide_about_colour()
    preferences = _preferences(theme)
    _run(_desk(target), target, preferences, offline=offline)


def _decide_about_colour() -> None:
    """Textual looks whether `NO_COLOR` is set; it counts only when it is not empty (https://no-color.org), and `--color` wins."""
    match os.environ.get("ANALYST_COLOR"):
        case "always":
            os.environ.pop("NO_COLOR", None)
        case "never":
            os.environ["NO_COLOR"] = "1"
        case _ if os.environ.get("NO_COLOR") == "":
            del os.environ["NO_COLOR"]


def _preferences(theme: str | None) -> "Preferences":
    from dataclasses import replace  # noqa: PLC0415

    from analyst_cli.client.preferences import load_preferences  # noqa: PLC0415

    preferences = load_preferences()
    return preferences if theme is None else replace(preferences, theme=theme)


def _desk(target: "Target") -> "Desk":
    from analyst_cli.client.accounts import Account, inbox_path, last_account  # noqa: PLC0415
    from analyst_cli.tui.desk import Desk  # noqa: PLC0415

    account = last_account(target.server)
    if account is None:
        from analyst_cli.client.credentials import claims_of, find_token  # noqa: PLC0415 - a keyring takes its time

        account = Account(target.server, claims_of(find_token(target.server).value).username)
    return Desk(inbox_path(account), account)


def _run(desk: "Desk", target: "Target", preferences: "Preferences", *, offline: bool) -> None:
    from asyncio import Event  # noqa: PLC0415
    from collections.abc import AsyncIterator  # noqa: PLC0415

    from analyst_cli.client.events import ClientEvent  # noqa: PLC0415
    from analyst_cli.tui.app import InboxApp  # noqa: PLC0415
    from analyst_cli.tui.title import BRING_BACK, KEEP  # noqa: PLC0415

    def connection(nudge: Event) -> AsyncIterator[ClientEvent]:
        from analyst_cli.client.connection import follow  # noqa: PLC0415 - 80 ms after the first row, not before

        return follow(target, nudge=nudge)

    app = InboxApp(
        desk,
        follow=None if offline else connection,
        preferences=preferences,
        abilities=_abilities(preferences.images),
    )
    sys.stderr.write(KEEP)  # Textual draws on stderr too
    try:
        app.run()
    finally:
        sys.stderr.write(BRING_BACK)
        sys.stderr.flush()
        desk.close()
    if app.return_code:
        raise typer.Exit(app.return_code)


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
