"""`analyst server`: the servers that this person signed in to."""

from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.client import servers
from analyst_cli.errors import NotFound

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="List and choose servers.")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False) -> None:
    """List the servers you signed in to, the current one first.

    \b
    Example:
      analyst server list
    """
    known = servers.known_servers()
    if as_json:
        for server in known:
            output.json_line(
                {
                    "url": server.url,
                    "username": server.username,
                    "kept_in": server.kept_in,
                    "is_current": server.is_current,
                }
            )
    elif known:
        output.table(
            ("", "SERVER", "USER", "TOKEN IN"),
            (("*" if server.is_current else "", server.url, server.username, server.kept_in) for server in known),
        )
    else:
        output.note("No server is known yet. Sign in to one: analyst login --server https://analyst.example.com")


@app.command("use")
def use(url: Annotated[str, typer.Argument(help="Address of a server from `analyst server list`.")]) -> None:
    """Choose the server that commands use without --server.

    \b
    Example:
      analyst server use https://analyst.example.com
    """
    address = servers.normalized(url)
    servers.choose(address)
    output.note(f"{address} is the current server now.")


@app.command("forget")
def forget(url: Annotated[str, typer.Argument(help="Address of a server from `analyst server list`.")]) -> None:
    """Forget a server and its token on this machine.

    \b
    Example:
      analyst server forget https://old.example.com
    """
    from analyst_cli.client import credentials  # noqa: PLC0415

    address = servers.normalized(url)
    is_known = any(server.url == address for server in servers.known_servers())
    if not credentials.forget_token(address) and not is_known:
        raise NotFound(f"nothing is known of {address}", "see the addresses with: analyst server list")
    servers.forget(address)
    output.note(f"{address} is forgotten.")
