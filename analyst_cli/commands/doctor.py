"""`analyst doctor`: check everything, and tell the remedy of what is wrong."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyst_cli import output, paths
from analyst_cli.commands import options
from analyst_cli.errors import AnalystError
from analyst_cli.exit_codes import ExitCode
from analyst_server.wire.inert import inert_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from analyst_cli.client.checkup.finding import Finding

__all__ = ["doctor"]

_SIGNS = {
    "ok": ("✓ ok", "green"),
    "warning": ("! warning", "yellow"),
    "failed": ("✗ failed", "red"),
    "skipped": ("- skipped", "dim"),
}


def doctor(
    *,
    as_json: options.AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only what needs no network.")] = False,
    on_server: Annotated[
        bool | None,
        typer.Option(
            "--on-server/--not-on-server", help="Check the gateway's parts on this machine; default: if it is here."
        ),
    ] = None,
    socket: Annotated[
        Path | None, typer.Option("--socket", metavar="PATH", help="Dispatch socket of the gateway.")
    ] = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Also show a notification, to see whether it is seen.")
    ] = False,
    server: options.Server = None,
    ws_url: options.WsUrl = None,
) -> None:
    """Check settings, folders, local inbox, token, keyring, link handler, terminal, notifications, DNS, TLS, clock, server, WebSocket and replay.

    On the server's machine also the dispatch socket, its health, the secret in both .env files, nginx, systemd units and the disk.
    Ends with 1 when something has failed.

    \b
    Examples:
      analyst doctor
      sudo -u deploy analyst doctor --on-server
      analyst doctor --json | jq 'select(.status == "failed")'
    """
    raise typer.Exit(
        asyncio.run(
            _doctor(
                as_json=as_json,
                offline=offline,
                on_server=on_server,
                socket=socket,
                notify=notify,
                server=server,
                ws_url=ws_url,
            )
        )
    )


async def _doctor(
    *,
    as_json: bool,
    offline: bool,
    on_server: bool | None,
    socket: Path | None,
    notify: bool,
    server: str | None,
    ws_url: str | None,
) -> int:
    counted: Counter[str] = Counter()
    async for finding in _findings(offline=offline, on_server=on_server, socket=socket, server=server, ws_url=ws_url):
        counted[finding.status] += 1
        if as_json:
            output.json_line(finding._asdict())
        else:
            _print(finding)
    if notify:
        _show_notification()
    if not as_json:
        output.note(
            f"{counted['ok']} fine, {counted['warning']} to look at, {counted['failed']} failed, {counted['skipped']} not looked at."
        )
    return ExitCode.FAILED if counted["failed"] else ExitCode.OK


async def _findings(
    *, offline: bool, on_server: bool | None, socket: Path | None, server: str | None, ws_url: str | None
) -> "AsyncIterator[Finding]":
    from analyst_cli.client.checkup import machine, network, server_side  # noqa: PLC0415
    from analyst_cli.client.checkup.finding import skipped  # noqa: PLC0415
    from analyst_cli.client.target import target_of  # noqa: PLC0415

    target = target_of(server, ws_url)
    for finding in machine.machine_findings(target.server):
        yield finding
    if offline:
        yield skipped("network", "not asked for")
    else:
        async for finding in network.network_findings(target):
            yield finding
    places = server_side.Places(socket=socket or paths.dispatch_socket(), data=_gateway_folder())
    if on_server or (on_server is None and (socket is not None or server_side.is_server(places))):
        for finding in server_side.server_findings(places, health=_health(places.socket)):
            yield finding


def _gateway_folder() -> Path:
    """Return where this machine's gateway keeps its data, as its settings say; the source system's place when they cannot be read."""
    from analyst_cli.commands.gateway_options import settings_and_folder  # noqa: PLC0415

    with suppress(AnalystError):
        _, folder = settings_and_folder(None, None)
        if folder.exists():
            return folder
    return Path("/data/notifications")


def _health(socket: Path) -> dict[str, object] | str:
    from analyst_cli.commands.dispatch import ask_gateway  # noqa: PLC0415

    try:
        return ask_gateway("GET", "/health", socket=socket)
    except AnalystError as problem:
        return problem.problem


def _print(finding: "Finding") -> None:
    sign, color = _SIGNS[finding.status]
    begin = f"{sign:<9}  {finding.check:<16}  "
    lines = _wrapped(finding.detail, len(begin)) + _remedy(finding.remedy, len(begin))
    for number, line in enumerate(lines):
        margin = begin.replace(sign, output.styled(sign, color), 1) if number == 0 else " " * len(begin)
        output.raw(f"{margin}{line}\n")


def _remedy(words: str, margin: int) -> list[str]:
    return [f"{'  ' if number else '→ '}{line}" for number, line in enumerate(_wrapped(words, margin + 2))]


def _wrapped(words: str, margin: int) -> list[str]:
    """Break inert words to the width of a terminal, whole in a pipe; a path or an address is not broken."""
    import shutil  # noqa: PLC0415
    import textwrap  # noqa: PLC0415

    width = max(shutil.get_terminal_size().columns - margin, 30) if output.is_terminal() else 10_000
    return textwrap.wrap(inert_line(words), width, break_long_words=False, break_on_hyphens=False)


def _show_notification() -> None:
    import sys  # noqa: PLC0415

    from analyst_cli import config  # noqa: PLC0415
    from analyst_cli.client.native import Notifier  # noqa: PLC0415
    from analyst_cli.client.quiet import Announcement  # noqa: PLC0415

    write = sys.stderr.write if sys.stderr.isatty() else None
    way = Notifier(via=str(config.load()["notifications.via"]), write=write).show(
        Announcement("analyst", "This is how alerts look.")
    )
    output.note(f"A notification was sent ({way})." if way != "off" else "There is no way to notify here.")
