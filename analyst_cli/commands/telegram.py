"""`analyst telegram`: serve the bot in a process of its own, and look at what it has delivered."""

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyst_cli import output, paths
from analyst_cli.commands.gateway_options import CONFIG, DATA, gateway_data_dir, gateway_settings, settings_and_folder
from analyst_cli.commands.runner_options import server_errors
from analyst_cli.errors import NotFound

if TYPE_CHECKING:
    from analyst_server.channels.telegram_links import TelegramLinks

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Bring alerts to Telegram, and their buttons back.\n\nExample: TELEGRAM_BOT_TOKEN=... analyst telegram serve",
)


@app.command()
def serve(
    *,
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    socket: Path | None = typer.Option(None, "--socket", metavar="PATH", help="Dispatch socket of the gateway."),
    bot_socket: Path | None = typer.Option(
        None, "--bot-socket", metavar="PATH", help="Also serve the bot socket here, as /run/notify-bot/bot.sock."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more."),
) -> None:
    """Serve the bot until SIGTERM or Ctrl-C. `analyst gateway serve --telegram` does it in the gateway's process instead.

    The token of the bot comes from TELEGRAM_BOT_TOKEN or the settings file, never from a flag: flags show in `ps`.

    Example:
      TELEGRAM_BOT_TOKEN=123:abc analyst telegram serve --data /var/lib/analyst
    """
    from analyst_server.telegram_process import serve_telegram  # noqa: PLC0415

    chosen, _ = gateway_settings(config, {"store.data_dir": data, "telegram.socket": bot_socket})
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    where = socket or chosen.gateway.socket or paths.dispatch_socket()
    with server_errors():
        asyncio.run(serve_telegram(chosen, data_dir=gateway_data_dir(chosen), socket=where, on_ready=_announce))


@app.command()
def status(
    *,
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    limit: int = typer.Option(10, "--limit", "-n", min=0, max=1000, help="How many of the latest deliveries to list."),
    json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
) -> None:
    """Tell who has linked a chat, how many deliveries are in which state, and what became of the latest.

    Examples:
      analyst telegram status
      analyst telegram status --limit 100 --json
    """
    from analyst_server.channels.outbox import Outbox  # noqa: PLC0415
    from analyst_server.channels.running import OUTBOX_FILE  # noqa: PLC0415
    from analyst_server.channels.telegram_channel import NAME  # noqa: PLC0415
    from analyst_server.channels.telegram_links import TelegramLinks  # noqa: PLC0415

    _, folder = settings_and_folder(config, data)
    if not (folder / OUTBOX_FILE).exists():
        raise NotFound(
            f"there is no outbox in {folder}", "no channel has run yet, or name the gateway's folder with --data"
        )
    with server_errors():
        outbox = Outbox(folder / OUTBOX_FILE)
        try:
            links, counts, latest = (
                TelegramLinks(folder, outbox).all(),
                outbox.counts(NAME),
                outbox.latest(NAME, limit=limit),
            )
        finally:
            outbox.close()
    if json:
        for delivery in latest:
            output.json_line(delivery)
        return
    output.line(f"linked: {', '.join(sorted(links)) or 'nobody'}")
    output.line("deliveries: " + (", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"))
    rows = [
        (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each["queued_at"])),
            each["user"],
            each["state"],
            each["notification_id"],
            each["note"],
        )
        for each in latest
    ]
    output.table(("QUEUED", "USER", "STATE", "NOTIFICATION", "NOTE"), rows)


def _announce(links: "TelegramLinks") -> None:
    output.line(f"telegram   {len(links.all())} linked chats")
    output.line("ready")
