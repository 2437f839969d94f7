"""`i`: look into a notification with a coding agent, and come back to the inbox as it was."""

import asyncio
from pathlib import Path

from textual.app import SuspendNotSupported

from analyst_cli.client.agent import command_line, place_for, start_elsewhere, start_here
from analyst_cli.client.preferences import load_preferences
from analyst_cli.client.workspace import Investigation, prepare
from analyst_cli.errors import AnalystError
from analyst_cli.tui.messages import Said
from analyst_cli.tui.screens.inbox_base import InboxBase
from analyst_cli.tui.widgets.detail import Shown

__all__ = ["investigate"]


async def investigate(screen: InboxBase, shown: Shown) -> None:
    """Prepare a folder in a thread, then start the agent where the person wants it."""
    app = screen.inbox_app
    screen.post_message(Said("preparing a folder for the agent …"))
    try:
        # As they are now: an agent is often named in another terminal, after `i` has asked for it.
        preferences = load_preferences()
        prepared = await asyncio.to_thread(prepare, shown.notification, picture=await _picture(screen, shown))
        command = command_line(preferences.agent, prepared)
        place = place_for(preferences.agent_place)
        if place == "here":
            with app.suspend():
                code = start_here(command, prepared)
            screen.post_message(Said(_ended(code, prepared)))
        else:
            await asyncio.to_thread(start_elsewhere, place, command, prepared)
            screen.post_message(Said(f"the agent looks into it in {prepared.folder}"))
    except SuspendNotSupported:
        screen.post_message(
            Said("this terminal cannot be handed over; set investigate.agent_place to tmux or window", is_problem=True)
        )
    except AnalystError as error:
        screen.post_message(Said(str(error), is_problem=True))


async def _picture(screen: InboxBase, shown: Shown) -> Path | None:
    url = shown.notification.image_url
    if shown.picture is not None or url is None:
        return shown.picture
    try:
        return await screen.inbox_app.desk.fetch_picture(url)
    except AnalystError:  # an investigation without the picture is better than none
        return None


def _ended(code: int, prepared: Investigation) -> str:
    findings = prepared.folder / "FINDINGS.md"
    where = f"its findings are in {findings}" if findings.exists() else f"its folder is {prepared.folder}"
    return f"the agent has ended{'' if code == 0 else f' with exit code {code}'}; {where}"
