"""`analyst gateway`: start the gateway and the portal, look at its health, list its settings."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from analyst_cli import output, paths
from analyst_cli.commands import gateway_admin
from analyst_cli.commands.dispatch import ask_gateway
from analyst_cli.commands.gateway_options import CONFIG, DATA, gateway_data_dir, gateway_errors, gateway_settings
from analyst_cli.errors import UsageProblem

if TYPE_CHECKING:
    from analyst_server.app import Running

__all__ = ["app"]

# \b keeps the lines of the list as they are (click's own mark)
_PRECEDENCE = """Settings come from, the later wins:

\b
  1. their defaults
  2. a TOML file: --config, $ANALYST_GATEWAY_CONFIG,
     ~/.config/analyst/gateway.toml, /etc/analyst/gateway.toml
  3. environment: the source system's names, or ANALYST_<PART>_<NAME>
  4. flags: the ones above, and --set PART.NAME=VALUE for all others

All of them, with their values now: analyst gateway settings"""

app = typer.Typer(
    help="Serve and administrate the gateway and the portal.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

gateway_admin.add_commands(app)

_socket_option = typer.Option(None, "--socket", metavar="PATH", help="Dispatch socket of the gateway.")
_set_option = typer.Option([], "--set", metavar="PART.NAME=VALUE", help="Any other setting; may be repeated.")


@app.command(epilog=_PRECEDENCE)
def serve(
    *,
    config: Path | None = CONFIG,
    host: str | None = typer.Option(None, help="Address of the WebSocket listener; 127.0.0.1 unless set."),
    port: int | None = typer.Option(None, help="Its port; 8765 unless set, 0 for any free one."),
    portal_host: str | None = typer.Option(None, help="Address of the portal; 127.0.0.1 unless set."),
    portal_port: int | None = typer.Option(None, help="Its port; 8766 unless set, 0 for any free one."),
    portal: bool | None = typer.Option(None, "--portal/--no-portal", help="Serve the portal, or not."),
    public_url: str | None = typer.Option(
        None, help="How browsers reach the portal, for instance https://alerts.example.com."
    ),
    dev_user: str | None = typer.Option(None, help="Let everybody on this machine in as this user; loopback only."),
    telegram: bool | None = typer.Option(None, "--telegram/--no-telegram", help="Run the Telegram bot, or not."),
    socket: Path | None = _socket_option,
    data: Path | None = DATA,
    settings: list[str] = _set_option,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more."),
) -> None:
    """Serve WebSocket clients, the dispatch socket and the portal, until SIGTERM or Ctrl-C.

    Example: analyst gateway serve --port 8765 --data /var/lib/analyst
    """
    from analyst_server import app as server  # noqa: PLC0415 - the server is loaded by this command alone

    flags = {
        "gateway.host": host,
        "gateway.port": port,
        "gateway.socket": socket,
        "portal.host": portal_host,
        "portal.port": portal_port,
        "portal.enabled": portal,
        "portal.public_url": public_url,
        "portal.dev_user": dev_user,
        "telegram.enabled": telegram,
        "store.data_dir": data,
    }
    chosen, _ = gateway_settings(config, flags | _pairs(settings))
    _start_logging(verbose=verbose)
    where = {"data_dir": gateway_data_dir(chosen), "socket": chosen.gateway.socket or paths.dispatch_socket_to_serve()}
    _run(lambda: server.serve(chosen, on_ready=_announce, **where))


@app.command()
def health(
    *,
    socket: Path | None = _socket_option,
    json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Ask the gateway of this machine how it is and who is connected.

    Example: analyst gateway health --socket /run/ws-gateway/ws.sock
    """
    answer = ask_gateway("GET", "/health", socket=socket)
    if json:
        output.json_line(answer)
        return
    users: dict[str, int] = answer["users"]
    connections, people = answer["connections"], len(users)
    words = f"{connections} connection{'s'[: connections != 1]} of {people} user{'s'[: people != 1]}"
    output.line(f"{answer['status']}: {words}")
    output.table(("USER", "CONNECTIONS"), [(name, str(count)) for name, count in sorted(users.items())])


@app.command(name="settings")
def show_settings(
    *,
    config: Path | None = CONFIG,
    settings: list[str] = _set_option,
    json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
) -> None:
    """List every setting: its value now, where that comes from, its environment variable, its meaning.

    Example: analyst gateway settings --config /etc/analyst/gateway.toml
    """
    from analyst_server.config import setting_rows  # noqa: PLC0415

    chosen, origins = gateway_settings(config, _pairs(settings))
    rows = []
    for row in setting_rows():
        part, _, name = row.key.partition(".")
        value = getattr(getattr(chosen, part), name)
        shown = ("(set)" if value else "") if row.secret else _shown(value)
        rows.append((row.key, shown, origins.get(row.key, "default"), row.env, row.words))
    header = ("SETTING", "VALUE", "FROM", "VARIABLE", "MEANING")
    if json:
        for row_cells in rows:
            output.json_line(dict(zip((cell.lower() for cell in header), row_cells, strict=True)))
    else:
        output.table(header, rows)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    for text in texts:
        if "=" not in text or "." not in text.partition("=")[0]:
            raise UsageProblem(f"--set {text} is not of the form PART.NAME=VALUE", "see: analyst gateway settings")
    return pairs


def _run(serve: Any) -> None:
    import asyncio  # noqa: PLC0415

    try:
        import uvloop  # noqa: PLC0415 - optional: a third less CPU for connections

        loop_factory = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    with gateway_errors(), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve())


def _start_logging(*, verbose: bool) -> None:
    import logging  # noqa: PLC0415

    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("asyncio", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _collect_seldom() -> None:
    """Look for garbage in cycles once in ten thousand objects: there is hardly any, and looking took 8 % of a busy gateway's time."""
    gc.collect()
    gc.freeze()  # what is there now stays
    gc.set_threshold(10_000)


def _announce(gateway: "Running") -> None:
    if gateway.secret.made_now:
        output.note(f"made a secret for tokens, kept in {gateway.secret.file} (only its owner reads it)")
    output.line(f"WebSocket  {gateway.ws_url}")
    output.line(f"dispatch   {gateway.socket}")
    if gateway.portal_url is not None:
        output.line(f"portal     {gateway.portal_url}")
    output.line(f"data       {gateway.data_dir}")
    _collect_seldom()
    output.line("ready")
    sys.stdout.flush()  # whoever waits for "ready" in a pipe must see it


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
