"""Commands of the desktop bridge that act, ask for confirmations, or steer other requests."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import typer

from analyst_cli import output
from analyst_cli.commands.desktop_calls import (
    BY_PATH,
    BY_ROLE,
    PICK,
    PRETTY,
    QUIET,
    TITLE,
    VALUE,
    WORKSPACE,
    BadUse,
    Manner,
    Params,
    call,
    confirmed,
    decided,
    folder_of,
    meta_for,
    needed,
    once,
    params_of,
    run,
    selector_of,
    shown,
    target_of,
    text_of,
)
from analyst_cli.commands.option_groups import with_groups

__all__ = ["abort", "abort_demo", "click", "dismiss_modal", "hotkey", "issue_confirm", "rpc", "session", "type_text"]


@with_groups
def click(
    workspace: str = WORKSPACE,
    *,
    by_role: str | None = BY_ROLE,
    title_contains: str | None = TITLE,
    value_contains: str | None = VALUE,
    by_path: str | None = BY_PATH,
    pick_best: bool = PICK,
    manner: Manner,
) -> int:
    """Press one element.

    Example:
      analyst desktop click WS --by-role AXButton --title-contains Send --ask
    """
    params: dict[str, Any] = {
        "target": target_of(needed(selector_of(by_role, title_contains, value_contains, by_path)), pick_best=pick_best)
    }
    return confirmed("desktop.click", params, workspace, manner)


@with_groups
def type_text(
    workspace: str = WORKSPACE,
    text: str = typer.Argument("", help="What to type; others can see it in the process list, so prefer --text-stdin."),
    *,
    text_stdin: bool = typer.Option(False, "--text-stdin", help="Read the text from standard input."),
    text_file: Path | None = typer.Option(None, "--text-file", help="Read the text from a file."),
    by_role: str | None = BY_ROLE,
    title_contains: str | None = TITLE,
    by_path: str | None = BY_PATH,
    pick_best: bool = PICK,
    clear_before: bool = typer.Option(False, "--clear-before", help="Empty the element first."),
    allow_newlines: bool = typer.Option(False, "--allow-newlines", help="Let newlines through; they submit forms."),
    allow_secure: bool = typer.Option(False, "--allow-secure", help="Let it go into a password field."),
    manner: Manner,
) -> int:
    """Type text into an element, or into the application named by --app.

    Example:
      echo -n hi | analyst desktop type-text WS --text-stdin --by-path 0,2 --ask
    """
    if text_stdin or text_file is not None:
        text = text_of(text_file)
    selector = selector_of(by_role, title_contains, None, by_path)
    options = {"clearBefore": clear_before, "allowNewlines": allow_newlines, "allowSecure": allow_secure}
    params: dict[str, Any] = {"text": text, "options": options}
    if selector:
        params["target"] = target_of(selector, pick_best=pick_best)
    elif not manner.app:
        raise BadUse(
            "typing needs an element (--by-role, --title-contains, --by-path) or the application that is frontmost (--app)"
        )
    return confirmed("desktop.typeText", params, workspace, manner)


@with_groups
def hotkey(
    workspace: str = WORKSPACE,
    keys: str = typer.Argument(..., help="One chord, such as cmd+shift+s."),
    *,
    manner: Manner,
) -> int:
    """Send one chord to the frontmost application.

    Example: analyst desktop hotkey WS cmd+s --ask
    """
    params = {"keys": [key.strip() for key in keys.split("+")]}
    return confirmed("desktop.hotkey", params, workspace, manner)


@with_groups
def dismiss_modal(
    workspace: str = WORKSPACE,
    *,
    strategy: str = typer.Option("esc", "--strategy", help="defaultButton, cancelButton, byTitle or esc."),
    title_contains: str | None = TITLE,
    manner: Manner,
) -> int:
    """Dismiss the frontmost dialog.

    Example: analyst desktop dismiss-modal WS --strategy cancelButton --ask
    """
    wanted = {"type": strategy, **({"titleContains": title_contains} if title_contains else {})}
    params = {"strategy": wanted}
    return confirmed("desktop.dismissModal", params, workspace, manner)


def abort(
    workspace: str = WORKSPACE,
    target_request_id: str = typer.Argument(..., metavar="TARGET_REQUEST_ID", help="The id of the request to stop."),
    *,
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Stop a request that is still active.

    Example: analyst desktop abort WS 4f1c2b3a
    """
    params = {"targetRequestId": target_request_id}
    return once("desktop.abort", params, workspace=workspace, timeout_ms=5_000, pretty=pretty, quiet=quiet)


@with_groups
def issue_confirm(
    workspace: str = WORKSPACE,
    *,
    method: str = typer.Option(..., "--method", help="The method to confirm, such as desktop.click."),
    params: Params,
    ttl_ms: int = typer.Option(60_000, "--ttl-ms", min=1_000, max=300_000, help="How long the token may be used."),
    wait: bool = typer.Option(False, "--wait", help="Wait for the operator's decision and print the token."),
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Ask for a confirmation token for one action, with the params of its call.

    Example:
      analyst desktop issue-confirm WS --method desktop.hotkey \\
          --params-json '{"keys":["escape"]}'
    """
    intent = {"method": method, "params": params_of(params)}
    workspace = folder_of(workspace)

    async def ask(client: Any) -> dict[str, Any]:
        asked = await call(client, "desktop.confirm.issue", {"intent": intent, "ttlMs": ttl_ms}, workspace, 10_000)
        return await decided(client, asked, workspace) if wait else asked

    return shown(ask, pretty=pretty, quiet=quiet)


@with_groups
def rpc(
    workspace: str = WORKSPACE,
    *,
    method: str = typer.Option(..., "--method", help="Any method of the host."),
    params: Params,
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Send a request as it is; only the workspace is put into its meta.

    Example:
      analyst desktop rpc WS --method desktop.find \\
          --params-json '{"selector":{"byRole":"AXButton"}}'
    """
    given = params_of(params)
    meta = given.get("meta", {"schemaVersion": 1, "requestId": str(uuid.uuid4()), "timeoutMs": 10_000})
    if not isinstance(meta, dict):
        raise BadUse("params.meta must be an object")
    request = {**given, "meta": {**meta, "workspacePath": folder_of(workspace)}}
    timeout_ms = meta.get("timeoutMs", 60_000)
    patience_ms = (
        timeout_ms if isinstance(timeout_ms, int) and not isinstance(timeout_ms, bool) and timeout_ms > 0 else 60_000
    )
    return shown(lambda client: client.call(method, request, wait_s=patience_ms / 1000 + 2), pretty=pretty, quiet=quiet)


def session(
    workspace: str = WORKSPACE,
    *,
    idle_ms: int = typer.Option(60_000, "--idle-ms", min=1, help="End after so long without input and work."),
    raw: bool = typer.Option(False, "--raw", help="Plain JSON-RPC lines, without the wrapper."),
    multi_workspace: bool = typer.Option(False, "--multi-workspace", help="Let lines name other workspaces."),
) -> int:
    """Answer requests from standard input, a JSON object a line, over one connection.

    Example:
      echo '{"id":"1","method":"desktop.health","params":{}}' |
          analyst desktop session WS
    """
    from analyst_cli.desktop.session import Session, run_session, stdin_lines  # noqa: PLC0415 - loads asyncio

    folder = folder_of(workspace)

    async def run() -> None:
        lines = await stdin_lines()
        await run_session(Session(folder, output.json_line, raw=raw, many_workspaces=multi_workspace), lines, idle_ms)

    asyncio.run(run())
    return 0


def abort_demo(workspace: str = WORKSPACE) -> int:
    """Check from end to end that a wait can be aborted; exit 1 when it cannot.

    Example: analyst desktop abort-demo WS
    """

    workspace = folder_of(workspace)

    async def demo(client: Any) -> dict[str, Any]:
        condition = {"selectorExists": {"byRole": "AXButton", "titleContains": "NeverExistsXYZ123"}}
        params = {"condition": condition, "timeoutMs": 60_000, "onModal": "ignore", "meta": meta_for(workspace, 60_000)}
        waiting = asyncio.create_task(client.call("desktop.waitUntil", params, request_id="abort-demo", wait_s=5.5))
        await asyncio.sleep(0.5)
        await client.call("desktop.abort", {"targetRequestId": "abort-demo"}, wait_s=5)
        reply: dict[str, Any] = await waiting
        return reply

    reply = run(demo)
    passed = isinstance(reply.get("error"), dict) and reply["error"].get("code") == "DESKTOP_ABORTED"
    output.line("PASS: the wait was aborted" if passed else f"FAIL: the wait answered {json.dumps(reply)[:300]}")
    return 0 if passed else 1
