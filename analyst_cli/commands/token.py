"""`analyst token`: issue (administrator), inspect and refresh (anyone) tokens."""

import sys
import time
from pathlib import Path
from typing import Any

import typer

from analyst_cli import output
from analyst_cli.commands.finite import finite
from analyst_cli.commands.gateway_admin import DAY_S, accounts_of, open_accounts_file, refuse_shut_out, rfc3339
from analyst_cli.commands.gateway_options import CONFIG, DATA, gateway_errors, settings_and_folder
from analyst_cli.errors import SignInNeeded, UsageProblem

__all__ = ["app"]

app = typer.Typer(
    help="Issue, inspect and refresh tokens.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

_json_option = typer.Option(False, "--json", help="Print one JSON object.")
_server_option = typer.Option(
    None, "--server", metavar="URL", help="Address of the portal; else ANALYST_SERVER, else the server used last."
)
_stdin_option = typer.Option(False, "--stdin", help="Take the token from standard input, not the stored one.")


@app.command()
def issue(
    user: str = typer.Argument("", help="Whom the token is for."),
    *,
    publisher: str = typer.Option("", metavar="NAME", help="Issue a remote publisher's token under this name instead."),
    to: list[str] = typer.Option([], metavar="USER", help="With --publisher: whom it may reach; repeat it, or '*'."),
    device: str = typer.Option("", help="What the device is called on the dashboard."),
    days: float = typer.Option(30.0, min=0.001, max=3650.0, callback=finite, help="How long it is valid."),
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = _json_option,
) -> None:
    """Issue a token with the gateway's secret, or one for a program elsewhere that may dispatch (--publisher). Administrator only.

    \b
    Examples:
      analyst token issue petr | analyst login --token-stdin
      analyst token issue --publisher airflow --to petr --to eva
    """
    if bool(user) == bool(publisher):
        raise UsageProblem("name either a user or --publisher NAME", "analyst token issue petr")
    if publisher:
        _issue_publisher(publisher, to, days, config, data, as_json=json)
    else:
        _issue_user(user, device, days, config, data, as_json=json)


@app.command()
def publishers(
    *,
    config: Path | None = CONFIG,
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="Print one JSON object a line."),
) -> None:
    """List the tokens of remote publishers; the tokens themselves cannot be shown again.

    Example: analyst token publishers
    """
    from analyst_server.portal.publishers import Publishers  # noqa: PLC0415

    with accounts_of(config, data) as (database, _):
        found = Publishers(database).all()
    rows = []
    for each in found:
        facts: dict[str, Any] = {
            "id": each.id,
            "name": each.name,
            "users": list(each.users),
            "expires_at": rfc3339(each.expires_at),
            "last_used_at": rfc3339(each.last_used_at),
        }
        if json:
            output.json_line(facts)
        rows.append(
            (each.id, each.name, ", ".join(each.users), facts["expires_at"] or "", facts["last_used_at"] or "never")
        )
    if not json:
        output.table(("ID", "NAME", "MAY REACH", "EXPIRES", "LAST USED"), rows)


@app.command()
def inspect(*, server: str | None = _server_option, stdin: bool = _stdin_option, json: bool = _json_option) -> None:
    """Tell what a token says: whose, which device, until when. Without --stdin: ANALYST_TOKEN or the stored one.

    The signature is not checked: only the server can.

    Example: analyst token issue petr | analyst token inspect --stdin
    """
    import jwt  # noqa: PLC0415

    try:
        claims: dict[str, Any] = jwt.decode(_token(server, stdin=stdin), options={"verify_signature": False})
    except jwt.PyJWTError as exc:
        raise UsageProblem(f"this is no token ({exc})", "tokens look like eyJ….….…") from exc
    expires_at = claims.get("exp")
    is_expired = isinstance(expires_at, int | float) and expires_at <= time.time()
    if json:
        output.json_line({"claims": claims, "is_expired": is_expired})
        return
    for name, words in (("sub", "user"), ("device", "device"), ("jti", "id"), ("iss", "issuer")):
        output.line(f"{words:<8} {claims.get(name, '(not said)')}")
    for name, words in (("iat", "issued"), ("exp", "expires")):
        moment = claims.get(name)
        output.line(f"{words:<8} {rfc3339(moment) if isinstance(moment, int | float) else '(not said)'}")
    if is_expired:
        output.note("It has expired. Within 7 days: analyst token refresh; after that: analyst login")


@app.command()
def refresh(*, server: str | None = _server_option, stdin: bool = _stdin_option) -> None:
    """Exchange a token for a new one, also within 7 days after it expired. The stored one is replaced; with --stdin the new one is printed.

    Example: analyst token refresh --server https://alerts.example.com
    """
    import asyncio  # noqa: PLC0415

    from analyst_cli.client import credentials, servers  # noqa: PLC0415
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415

    address, token = servers.current_server(server), _token(server, stdin=stdin)

    async def renewed() -> str:
        async with open_portal(address, token) as portal:
            return (await portal.refresh()).token

    new = asyncio.run(renewed())
    if stdin:
        output.line(new)
        return
    if credentials.find_token(address).origin == "ANALYST_TOKEN":
        raise UsageProblem(
            "ANALYST_TOKEN cannot be replaced from here", "printenv ANALYST_TOKEN | analyst token refresh --stdin"
        )
    keeps_file = any(known.url == address and known.kept_in == "file" for known in servers.known_servers())
    stored = credentials.store_token(address, new, insecure=keeps_file)
    output.note(
        f"Refreshed; valid until {rfc3339(credentials.claims_of(new).expires_at)}, kept in the {stored.origin}."
    )


def _issue_user(user: str, device: str, days: float, config: Path | None, data: Path | None, *, as_json: bool) -> None:
    from analyst_server.identity.secret import signing_secret, token_keys  # noqa: PLC0415
    from analyst_server.identity.tokens import Tokens  # noqa: PLC0415
    from analyst_server.portal.accounts import Accounts  # noqa: PLC0415
    from analyst_server.portal.audit import ADMINISTRATOR  # noqa: PLC0415

    settings, folder = settings_and_folder(config, data)
    identity, now = settings.identity, time.time()
    with gateway_errors():
        secret = signing_secret(identity.secret, folder=folder, only_loopback=True)
        keys = token_keys(
            secret, previous=identity.previous_secret, previous_until=identity.previous_secret_until, folder=folder
        )
        with open_accounts_file(folder) as database:
            refuse_shut_out(database, user)
            accounts = Accounts(database)
            accounts.ensure_user(user, now=now, by=ADMINISTRATOR)
            device_id = accounts.link_device(user, device or "analyst token issue", now=now, by=ADMINISTRATOR)
    issued = Tokens(keys, issuer=identity.issuer).issue(user, now=now, device=device_id, lifetime_s=days * DAY_S)
    if as_json:
        expires_at = rfc3339(issued.principal.expires_at)
        output.json_line(
            {"token": issued.token, "expires_at": expires_at, "id": issued.principal.token_id, "device": device_id}
        )
    else:
        output.line(issued.token)


def _issue_publisher(
    name: str, to: list[str], days: float, config: Path | None, data: Path | None, *, as_json: bool
) -> None:
    from analyst_server.portal.audit import ADMINISTRATOR  # noqa: PLC0415
    from analyst_server.portal.publishers import Publishers  # noqa: PLC0415

    if not to:
        raise UsageProblem(
            f"nobody is named whom {name} may reach", "name each with --to USER, or everybody with --to '*'"
        )
    now = time.time()
    with accounts_of(config, data) as (database, _):
        publisher_id, token = Publishers(database).issue(name, to, now=now, by=ADMINISTRATOR, lifetime_s=days * DAY_S)
    if as_json:
        output.json_line({"token": token, "id": publisher_id, "users": to, "expires_at": rfc3339(now + days * DAY_S)})
        return
    output.line(token)
    output.note(
        f"This is {publisher_id}; it cannot be shown again. To end it: analyst gateway revoke --publisher {publisher_id}"
    )


def _token(server: str | None, *, stdin: bool) -> str:
    from analyst_cli.client import credentials, servers  # noqa: PLC0415

    if not stdin:
        return credentials.find_token(servers.current_server(server)).value
    token = sys.stdin.readline(65_536).strip()
    if not token:
        raise SignInNeeded("standard input holds no token", "pipe one in, or leave --stdin out for the stored one")
    return token
