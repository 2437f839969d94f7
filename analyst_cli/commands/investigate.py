"""`analyst investigate`: prepare a workspace for a notification and start the coding agent in it."""

from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.commands import options

__all__ = ["investigate"]

Agent = Annotated[
    str | None,
    typer.Option(
        "--agent", metavar="COMMAND", help="Another agent, with {prompt} and {folder}; default: investigate.agent."
    ),
]
Where = Annotated[
    str | None, typer.Option("--place", metavar="PLACE", help="here, tmux or window; default: investigate.agent_place.")
]
Prepare = Annotated[bool, typer.Option("--prepare", help="Only make the folder, and print where it is.")]


def investigate(
    *,
    id: options.Id,
    agent: Agent = None,
    place: Where = None,
    prepare_only: Prepare = False,
    server: options.Server = None,
) -> None:
    """Start a coding agent on a notification, in a folder with everything that is known of it.

    The folder holds the notification as Markdown and JSON, its chart, a prompt, and the script's source and latest runs where they are here.

    \b
    Examples:
      analyst investigate last
      analyst investigate 42 --agent 'codex {prompt}'
      cd "$(analyst investigate 42 --prepare)"
    """
    from analyst_cli import config  # noqa: PLC0415
    from analyst_cli.client import agent as agents  # noqa: PLC0415
    from analyst_cli.client.preferences import load_preferences  # noqa: PLC0415
    from analyst_cli.client.target import local_inbox  # noqa: PLC0415
    from analyst_cli.client.workspace import prepare  # noqa: PLC0415
    from analyst_cli.commands.picture import picture_file  # noqa: PLC0415

    preferences = load_preferences()
    if place is not None:
        config.parsed(config.setting_named("investigate.agent_place"), place, "--place")
    with local_inbox(server) as inbox:
        notification = inbox.get(inbox.resolve(id))
    picture = picture_file(notification.image_url, server, is_needed=True) if notification.image_url else None
    prepared = prepare(notification, picture=picture)
    if prepare_only:
        output.line(str(prepared.folder))
        return
    command = agents.command_line(agent or preferences.agent, prepared)
    where = agents.place_for(place or preferences.agent_place)
    output.note(f"Everything that is known is in {prepared.folder}")
    if where == "here":
        code = agents.start_here(command, prepared)
        output.note(
            f"The agent has ended{'' if code == 0 else f' with exit code {code}'}; its findings are in {prepared.folder}"
        )
        raise typer.Exit(code)
    agents.start_elsewhere(where, command, prepared)
