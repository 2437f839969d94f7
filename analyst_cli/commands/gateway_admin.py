"""`analyst gateway invite|users|devices|revoke|audit|rotate-secret`: who may use this gateway. Mounted by `gateway.py`.

These commands write the data folder's `accounts.db`; a running gateway notices within a second and closes the sockets of whoever was shut out.
"""

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analyst_cli import output
from analyst_cli.commands.finite import finite
from analyst_cli.commands.gateway_options import CONFIG, DATA, gateway_errors, settings_and_folder
from analyst_cli.errors import LocalProblem, NotFound, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyst_server.config import Settings
    from analyst_server.portal.accounts import DeviceRecord, UserRecord
    from analyst_server.portal.database import Database

__all__ = ["DAY_S", "accounts_of", "add_commands", "open_accounts_file", "refuse_shut_out", "rfc3339"]

DAY_S = 86_400.0

_json_option = typer.Option(False, "--json", help="Print one JSON object a line.")


def add_commands(app: typer.Typer) -> None:
    """Put these commands into the group `analyst gateway`."""
    for command in (invite, users, devices, revoke, audit):
        app.command()(command)
    app.command("rotate-secret")(rotate_secret)


def invite(
    user: str = typer.Argument(help="Name of the person: a-z, 0-9, dot, dash, underscore."),
    *,
    days: float = typer.Option(7.0, min=0.01, max=90.0, callback=finite, help="How long the link can be used."),
    url: str = typer.Option("", "--url", metavar="URL", help="Address of the portal, if it is not the configured one."),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = _json_option,
) -> None:
    """Make a one-time link with which a person signs in to the portal.

    Example: analyst gateway invite petr
    """
    from urllib.parse import quote  # noqa: PLC0415

    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415
    from analyst_server.portal.audit import ADMINISTRATOR  # noqa: PLC0415

    with accounts_of(config, data) as (database, settings):
        now = time.time()
        refuse_shut_out(database, user)
        secret = Accounts(database).invite(user, now=now, by=ADMINISTRATOR, lifetime_s=days * DAY_S)
    link = f"{url.rstrip('/') or _portal_url(settings, database.path.parent)}/signin/invite?code={quote(secret)}"
    if json:
        output.json_line({"user": user, "url": link, "expires_at": rfc3339(now + days * DAY_S)})
        return
    output.line(link)
    output.note(f"Give it to {user} alone: it signs in as {user}, once, until {rfc3339(now + days * DAY_S)}.")


def users(
    *,
    disable: str = typer.Option("", metavar="USER", help="Shut a person out: devices, tokens and sessions end."),
    enable: str = typer.Option("", metavar="USER", help="Let a person in again."),
    connect: tuple[str, str] = typer.Option(
        ("", ""), metavar="USER EMAIL", help="Let the next sign-in with this verified address become this person."
    ),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = _json_option,
) -> None:
    """List the people who may use this gateway; shut out, let in, or connect one with a sign-in provider.

    Example: analyst gateway users --disable petr
    """
    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415
    from analyst_server.portal.audit import ADMINISTRATOR  # noqa: PLC0415

    with accounts_of(config, data) as (database, _):
        accounts, now = Accounts(database), time.time()
        for name, shut_out in ((disable, True), (enable, False)):
            if name:
                accounts.set_disabled(name, disabled=shut_out, now=now, by=ADMINISTRATOR)
                output.note(f"{name} is {'shut out' if shut_out else 'welcome again'}.")
        if connect[0]:
            accounts.expect_identity(connect[0], connect[1], now=now, by=ADMINISTRATOR)
            output.note(f"The next sign-in with {connect[1]} becomes {connect[0]}.")
        if disable or enable or connect[0]:
            return
        found = accounts.users()
    _print_users(found, as_json=json)


def devices(
    user: str = typer.Argument("", help="Only this person's."),
    *,
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = _json_option,
) -> None:
    """List the devices that receive notifications, and those that were revoked.

    Example: analyst gateway devices petr
    """
    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415

    with accounts_of(config, data) as (database, _):
        found = Accounts(database).devices(user or None, with_revoked=True)
    _print_devices(found, as_json=json)


def revoke(
    *,
    user: str = typer.Option("", help="Everything of this person: all devices, tokens and sessions."),
    device: str = typer.Option("", metavar="ID", help="One device (see: analyst gateway devices)."),
    token: str = typer.Option("", metavar="ID", help="One token, by its `jti` (see: analyst token inspect)."),
    publisher: str = typer.Option("", metavar="ID", help="One remote publisher's token."),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
) -> None:
    """End access at once: live sockets close within a second, replay, refresh and images are refused.

    Example: analyst gateway revoke --device d-3f9a02b71c55
    """
    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415
    from analyst_server.portal.audit import ADMINISTRATOR  # noqa: PLC0415
    from analyst_server.portal.publishers import Publishers  # noqa: PLC0415

    if not (user or device or token or publisher):
        raise UsageProblem("nothing was named", "name one of --user, --device, --token, --publisher")
    with accounts_of(config, data) as (database, _):
        accounts, now = Accounts(database), time.time()
        if device:
            if not accounts.revoke_device(user or None, device, now=now, by=ADMINISTRATOR):
                raise NotFound(f"there is no device {device!r} to revoke", "see: analyst gateway devices")
        elif user:
            accounts.sign_out_everywhere(user, now=now, by=ADMINISTRATOR)
        if token:
            accounts.revoke_token(user, token, now=now, by=ADMINISTRATOR)
        if publisher and not Publishers(database).revoke(publisher, now=now, by=ADMINISTRATOR):
            raise NotFound(f"there is no publisher {publisher!r} to revoke", "see: analyst token publishers")
    output.note("Revoked. A running gateway closes its sockets within a second.")


def audit(
    *,
    user: str = typer.Option("", help="Only what is about this person."),
    limit: int = typer.Option(50, min=1, max=100_000, help="How many lines, newest first."),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = _json_option,
) -> None:
    """Tell who signed in, linked, revoked and dispatched from afar, and from where.

    Example: analyst gateway audit --user petr --limit 20
    """
    from analyst_server.portal.audit import audit_lines  # noqa: PLC0415

    with accounts_of(config, data) as (database, _):
        found = audit_lines(database, user=user or None, limit=limit)
    if json:
        for each in found:
            output.json_line(
                {
                    "at": rfc3339(each.at),
                    "action": each.action,
                    "user": each.user,
                    "by": each.actor,
                    "address": each.address,
                    "detail": each.detail,
                }
            )
        return
    rows = [(rfc3339(each.at) or "", each.action, each.user, each.actor, each.address, each.detail) for each in found]
    output.table(("AT", "ACTION", "USER", "BY", "ADDRESS", "DETAIL"), rows)


def rotate_secret(
    *,
    drop_old: bool = typer.Option(False, "--drop-old", help="The old one has leaked: everybody has to sign in again."),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
) -> None:
    """Change the secret that signs tokens; those that are out stay valid while they are renewed (37 days), unless --drop-old.

    Where the secret is in the data folder, this command changes it there; where DESKTOP_JWT_SECRET sets it, it prints what to set.

    Example: analyst gateway rotate-secret
    """
    from analyst_server.identity.secret import rotated_secret  # noqa: PLC0415
    from analyst_server.portal.audit import ADMINISTRATOR, record  # noqa: PLC0415

    now = time.time()
    with gateway_errors():
        settings, folder = settings_and_folder(config, data)
        rotation = rotated_secret(settings.identity.secret, folder=folder, now=now, drop_old=drop_old)
    if rotation.file is not None:
        detail = (
            "the old one is refused"
            if drop_old
            else f"the old one is accepted until {rfc3339(rotation.previous_until)}"
        )
        with open_accounts_file(folder) as database:
            record(database, "secret changed", "", now=now, by=ADMINISTRATOR, detail=detail)
        output.line(f"The new secret is in {rotation.file}.")
    else:
        output.line("Set these for the gateway, and for everything that makes or checks its tokens:")
        for name, value in rotation.environment.items():
            output.line(f"{name}={value}")
    until = (
        ""
        if rotation.previous_until is None
        else f" Tokens of the old one are accepted until {rfc3339(rotation.previous_until)}."
    )
    output.note(f"Restart the gateway to use it; clients come back by themselves.{until}")


def refuse_shut_out(database: "Database", user: str) -> None:
    """Raise `UsageProblem` for somebody who is shut out: what they were given would not work."""
    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415

    if any(each.name == user and each.disabled_at is not None for each in Accounts(database).users()):
        raise UsageProblem(f"{user} is shut out", f"let them in first: analyst gateway users --enable {user}")


@contextmanager
def accounts_of(config: Path | None, data: Path | None) -> "Iterator[tuple[Database, Settings]]":
    """Open the accounts of the gateway that these options name. Raises `LocalProblem`, `SettingsProblem`, `UsageProblem`."""
    settings, folder = settings_and_folder(config, data)
    with open_accounts_file(folder) as database:
        yield database, settings


@contextmanager
def open_accounts_file(folder: Path) -> "Iterator[Database]":
    """Open the accounts of a data folder. Raises `LocalProblem`, `UsageProblem`."""
    from analyst_server.portal.application import ACCOUNTS_FILE  # noqa: PLC0415
    from analyst_server.portal.database import open_database  # noqa: PLC0415

    with gateway_errors():
        if not folder.is_dir():
            raise LocalProblem(
                f"there is no data folder {folder}", "start the gateway once, or name its folder: --data"
            )
        database = open_database(folder / ACCOUNTS_FILE)
        try:
            yield database
        finally:
            database.close()


def rfc3339(moment: float | None) -> str | None:
    """Return a Unix time in seconds as RFC 3339; None for None."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_users(users: "Sequence[UserRecord]", *, as_json: bool) -> None:
    rows = []
    for each in users:
        since, shut_out = rfc3339(each.created_at), rfc3339(each.disabled_at)
        if as_json:
            facts = {"user": each.name, "email": each.email, "devices": each.devices}
            output.json_line({**facts, "created_at": since, "disabled_at": shut_out})
        rows.append((each.name, each.email, str(each.devices), since or "", "shut out" if shut_out else ""))
    if not as_json:
        output.table(("USER", "EMAIL", "DEVICES", "SINCE", "STATE"), rows)


def _print_devices(devices: "Sequence[DeviceRecord]", *, as_json: bool) -> None:
    rows = []
    for each in devices:
        linked, seen, revoked = (rfc3339(moment) for moment in (each.linked_at, each.last_seen_at, each.revoked_at))
        if as_json:
            facts = {"device": each.id, "user": each.user, "name": each.name}
            output.json_line({**facts, "linked_at": linked, "last_seen": seen, "revoked_at": revoked})
        rows.append((each.id, each.user, each.name, linked or "", seen or "", "revoked" if revoked else ""))
    if not as_json:
        output.table(("DEVICE", "USER", "NAME", "LINKED", "LAST SEEN", "STATE"), rows)


def _portal_url(settings: "Settings", folder: Path) -> str:
    from analyst_server.portal.application import URL_FILE  # noqa: PLC0415

    told = folder / URL_FILE
    if told.is_file():  # a gateway runs, and knows better than the settings of this command
        return told.read_text(encoding="utf-8").strip()
    host = settings.portal.host
    shown = f"[{host}]" if ":" in host else host
    return settings.portal.public_url or f"http://{shown}:{settings.portal.port}"
