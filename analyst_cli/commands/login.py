"""`analyst login`, `logout`, `whoami`: how a person and a machine come together."""

import asyncio
import os
import platform
import sys
import time
from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.client import credentials, servers
from analyst_cli.errors import AnalystError, ServerRefused, ServerUnreachable, SignInNeeded, UsageProblem

__all__ = ["login", "logout", "whoami"]

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", help="Address of the portal; else ANALYST_SERVER, else the server used last.", metavar="URL"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def login(
    *,
    server: ServerOption = None,
    custom_url: Annotated[
        bool, typer.Option("--custom-url", help="Come back through a keboola-analyst:// link.")
    ] = False,
    loopback: Annotated[bool, typer.Option("--loopback", help="Come back through a page on 127.0.0.1.")] = False,
    device: Annotated[bool, typer.Option("--device", help="Type a code into a browser anywhere.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read a token from standard input.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Print where to sign in as JSON and exit; finish with --complete.")
    ] = False,
    complete: Annotated[bool, typer.Option("--complete", help="Wait for the sign-in that --no-input began.")] = False,
    insecure_storage: Annotated[
        bool, typer.Option("--insecure-storage", help="Keep the token in a 0600 file instead of the keyring.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--device-name", help="What this machine is called on the dashboard.")
    ] = None,
    install_handler: Annotated[
        bool, typer.Option("--install-handler", help="Only register keboola-analyst:// links with this system.")
    ] = False,
    uninstall_handler: Annotated[
        bool, typer.Option("--uninstall-handler", help="Only remove that registration.")
    ] = False,
) -> None:
    """Sign in to a server and keep its token in the keyring.

    Without a flag: through the browser on a desktop, with a code to type over SSH or where no browser is.

    \b
    Examples:
      analyst login --server https://analyst.example.com
      analyst login --device
      analyst token issue petr | analyst login --token-stdin
      analyst login --install-handler
    """
    from analyst_cli.client import login_flow, url_handler  # noqa: PLC0415
    from analyst_cli.client.login_flow import Way  # noqa: PLC0415

    if install_handler or uninstall_handler:
        _change_handler(install=install_handler)
        return
    chosen = [
        way for way, wanted in ((Way.CUSTOM_URL, custom_url), (Way.LOOPBACK, loopback), (Way.DEVICE, device)) if wanted
    ]
    if len(chosen) + token_stdin + no_input + complete > 1:
        raise UsageProblem(
            "only one way to sign in can be used at a time",
            "give one of --custom-url, --loopback, --device, --token-stdin, --no-input",
        )
    address = servers.current_server(server)
    device_name = name or platform.node() or "terminal"
    if token_stdin:
        token = sys.stdin.readline().strip()
        _read(token)
        if problem := asyncio.run(_tried(address, token)):
            output.note(f"Note: the token could not be tried: {problem}.")
        _keep(address, token, insecure=insecure_storage)
        return
    way = (
        chosen[0]
        if chosen
        else login_flow.choose_way(
            os.environ, handler_installed=url_handler.is_installed(), has_desktop=login_flow.has_desktop()
        )
    )
    if not chosen and way is Way.LOOPBACK and not (no_input or complete) and output.is_terminal(sys.stderr):
        output.note(
            "Tip: analyst login --install-handler lets the browser's button come back without a local web page."
        )
    token = asyncio.run(_token(address, way, device_name, begin_only=no_input, complete=complete))
    if token is not None:
        _keep(address, token, insecure=insecure_storage)


def logout(server: ServerOption = None) -> None:
    """Forget the token of a server on this machine.

    The token itself stays valid until it expires; to end it everywhere, use "Sign out everywhere" on the dashboard.

    \b
    Example:
      analyst logout --server https://analyst.example.com
    """
    address = servers.current_server(server)
    had_one = credentials.forget_token(address)
    servers.forget(address)
    output.note(
        f"Signed out of {address} on this machine." if had_one else f"There was no token for {address} on this machine."
    )
    _tell_what_wins()


def whoami(server: ServerOption = None, as_json: JsonOption = False) -> None:
    """Tell who is signed in, where the token lies, how long it is valid, and which devices are linked.

    \b
    Examples:
      analyst whoami
      analyst whoami --json | jq -r .username
    """
    address = servers.current_server(server)
    token = credentials.find_token(address)
    try:
        claims = credentials.claims_of(token.value)
    except ValueError as exc:
        raise SignInNeeded(
            f"the token from {token.origin} cannot be read ({exc})", credentials.way_in(address)
        ) from exc
    devices, problem, refused = asyncio.run(_devices(address, token.value))
    now = time.time()
    if as_json:
        output.json_line(
            {
                "username": claims.username,
                "server": address,
                "token_origin": token.origin,
                "expires_at": _rfc3339(claims.expires_at),
                "is_expired": claims.expires_at is not None and claims.expires_at <= now,
                "device": claims.device,
                "devices": devices,
                "problem": problem or None,
            }
        )
        if refused:
            raise refused
        return
    output.line(f"{claims.username} at {address}")
    output.line(f"token: {_lies_in(token.origin)}, {_validity(claims.expires_at, now)}")
    if refused:
        raise refused
    if problem:
        output.note(f"devices are not known now: {problem}")
    elif devices is not None:
        output.line(
            "devices: "
            + (
                ", ".join(_described(entry, is_this=entry["device"] == claims.device) for entry in devices)
                or "none linked"
            )
        )


def _change_handler(*, install: bool) -> None:
    from analyst_cli.client import url_handler  # noqa: PLC0415

    if install:
        where = url_handler.install()
        output.note(f"Links that begin with keboola-analyst:// now come to this program ({where}).")
    else:
        output.note(
            "The registration is removed." if url_handler.uninstall() else "There was no registration of this program."
        )


async def _token(address: str, way: object, device: str, *, begin_only: bool, complete: bool) -> str | None:
    from analyst_cli.client import login_flow, pending_sign_in  # noqa: PLC0415
    from analyst_cli.client.login_flow import Talk, Way  # noqa: PLC0415
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415

    async with open_portal(address) as portal:
        if complete:
            try:
                issued = await login_flow.await_device_code(portal, pending_sign_in.begun(address))
            except (SignInNeeded, ServerRefused):
                pending_sign_in.forget()
                raise
            pending_sign_in.forget()  # not where a person has ended the waiting: it can be taken up again
            return issued.token
        facts = await portal.facts()
        if facts is None and way is not Way.CUSTOM_URL and not begin_only:
            output.note(
                f"{address} speaks the old protocol: its page comes back through a keboola-analyst:// link only, which you can also paste."
            )
            way = Way.CUSTOM_URL
        if begin_only:
            code = await portal.device_code(device)
            pending_sign_in.keep(address, code)
            output.json_line(
                {
                    "verification_uri": code.verification_uri,
                    "user_code": code.user_code,
                    "next_step": _complete_command(address),
                }
            )
            return None
        talk = Talk(output.note, _confirmed)
        if way is Way.DEVICE:
            return (await login_flow.through_device_code(portal, device, talk)).token
        assert isinstance(way, Way)  # noqa: S101 - narrowed for the type checker
        issued = await login_flow.through_browser(
            portal,
            address,
            way=way,
            device=device,
            scheme=facts.scheme if facts else "keboola-analyst",
            talk=talk,
            is_old_server=facts is None,
        )
        return issued.token


def _complete_command(address: str) -> str:
    return f"analyst login --complete --server {address}"


def _read(token: str) -> credentials.TokenClaims:
    try:
        return credentials.claims_of(token)
    except ValueError as exc:
        raise UsageProblem(
            f"what was given is no token ({exc})", "ask your administrator for one: analyst token issue NAME"
        ) from exc


async def _tried(address: str, token: str) -> str:
    """Show a token to its server; return why that was not possible, or an empty string. Raises `SignInNeeded` for one that is refused."""
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415

    try:
        async with open_portal(address, token) as portal:
            await portal.devices()
    except ServerUnreachable as exc:
        return exc.problem
    except SignInNeeded as exc:
        raise SignInNeeded(exc.problem, "it was not kept; ask the administrator of that server for another") from exc
    except ServerRefused:  # one of protocol 1 has no such call
        return ""
    return ""


def _keep(address: str, token: str, *, insecure: bool) -> None:
    from analyst_cli.client.background import start_again  # noqa: PLC0415 - `whoami` needs none of it

    claims = _read(token)
    if claims.expires_at is not None and claims.expires_at <= time.time():
        raise SignInNeeded(
            f"the token of {claims.username!r} has expired", f"sign in: analyst login --server {address}"
        )
    stored = credentials.store_token(address, token, insecure=insecure)
    servers.remember(servers.KnownServer(url=address, username=claims.username, kept_in=stored.origin))
    output.note(f"Signed in to {address} as {claims.username}; the token is kept in {_lies_in(stored.origin)}.")
    if stored.warning:
        output.note(f"Note: {stored.warning}.")
    _tell_what_wins()
    start_again()


def _tell_what_wins() -> None:
    if os.environ.get("ANALYST_TOKEN"):
        output.note("ANALYST_TOKEN is still set in this shell and wins over stored tokens: unset ANALYST_TOKEN")


async def _devices(address: str, token: str) -> tuple[list[dict[str, str | None]] | None, str, SignInNeeded | None]:
    """Return the account's devices, or why they are not known, and the refusal if it is one of the token."""
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415

    try:
        async with open_portal(address, token) as portal:
            found = await portal.devices()
    except SignInNeeded as exc:
        return None, str(exc), exc
    except ServerUnreachable as exc:
        return None, str(exc), None
    except AnalystError as exc:  # a server of protocol 1 has no such call
        return None, f"the server does not tell ({exc})", None
    return (
        [
            {"device": entry.device, "name": entry.name, "linked_at": entry.linked_at, "last_seen": entry.last_seen}
            for entry in found
        ],
        "",
        None,
    )


def _described(entry: dict[str, str | None], *, is_this: bool) -> str:
    return f"{entry['name'] or entry['device']}{' (this one)' if is_this else ''}"


def _lies_in(origin: str) -> str:
    match origin:
        case "keyring":
            return "the system's keyring"
        case "file":
            return str(credentials.token_file())
        case _:
            return "the environment variable ANALYST_TOKEN"


def _validity(expires_at: float | None, now: float) -> str:
    if expires_at is None:
        return "without an end"
    days = (expires_at - now) / 86_400
    if days < 0:
        return f"expired on {_rfc3339(expires_at)}"
    return f"valid until {_rfc3339(expires_at)} ({f'{days:.0f} days' if days >= 2 else f'{days * 24:.0f} h'})"


def _rfc3339(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _confirmed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question, default=False, err=True)
