"""What all one-shot commands of the desktop bridge share: their options, the call, the reply, the exit code.

Exit 0, 2 (an error of the host), 10 (no host), 64 (usage), 124 (no reply in time) or 130 (interrupted; the request is stopped first), R-CLI-1.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer

from analyst_cli import output
from analyst_cli.commands.option_groups import Group
from analyst_cli.errors import LocalProblem
from analyst_server.wire.inert import inert_text

__all__ = [
    "APP",
    "BY_PATH",
    "BY_ROLE",
    "PICK",
    "PRETTY",
    "QUIET",
    "TIMEOUT",
    "TITLE",
    "VALUE",
    "WORKSPACE",
    "BadUse",
    "Manner",
    "Params",
    "call",
    "confirmed",
    "decided",
    "folder_of",
    "meta_for",
    "needed",
    "once",
    "params_of",
    "route_of",
    "run",
    "selector_of",
    "show_reply",
    "shown",
    "target_of",
    "text_of",
]


class BadUse(LocalProblem):
    """An argument that cannot be meant; found here, before the host is asked."""

    exit_code = 64


WORKSPACE = typer.Argument(..., metavar="WS", help="The workspace: a folder at or below a workspace root.")
PRETTY = typer.Option(False, "--pretty", help="Indent the JSON.")
QUIET = typer.Option(False, "--quiet", "-q", help="Print nothing; the exit code tells.")
BY_ROLE = typer.Option(None, "--by-role", help="Role of the element, such as AXButton.", metavar="ROLE")
TITLE = typer.Option(None, "--title-contains", help="Part of the element's title.", metavar="TEXT")
VALUE = typer.Option(None, "--value-contains", help="Part of the element's value.", metavar="TEXT")
BY_PATH = typer.Option(None, "--by-path", help="Child indices from the root, such as 0,2,1.", metavar="INDICES")
TOKEN = typer.Option("", "--confirm-token", help="A token of desktop.confirm.issue.", metavar="TOKEN")
PHRASE = typer.Option(
    "", "--confirm", help="A confirmation phrase, where the operator allows phrases.", metavar="PHRASE"
)
ASK = typer.Option(False, "--ask", help="Ask the operator, wait for the decision, then act.")
APP = typer.Option(None, "--app", help="The application that must be frontmost.", metavar="ID")
PICK = typer.Option(False, "--pick-best", help="Take the best of several matches instead of refusing.")
TIMEOUT = typer.Option(10_000, "--timeout-ms", min=1, max=600_000, help="Deadline of the request.")


class Manner(Group):
    """How an action is confirmed, how long it may take, and how its reply is shown: the options of every command that acts."""

    app: str | None = APP
    confirm_token: str = TOKEN
    confirm: str = PHRASE
    ask: bool = ASK
    timeout_ms: int = TIMEOUT
    pretty: bool = PRETTY
    quiet: bool = QUIET


class Params(Group):
    """The params of a request that the person writes."""

    params_json: str = typer.Option("", "--params-json", help="Its params, as JSON.", metavar="JSON")
    params_file: str = typer.Option(
        "", "--params-file", help="Read the params from a file, or from - (standard input).", metavar="FILE"
    )


def show_reply(reply: dict[str, Any], *, pretty: bool, quiet: bool) -> int:
    """Print a reply and return its exit code: 0, or 2 for an error."""
    if not quiet:
        layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
        output.raw(_harmless(json.dumps(reply, ensure_ascii=not output.speaks_unicode(), **layout)) + "\n")
    return 2 if "error" in reply else 0


def confirmed(
    method: str,
    params: dict[str, Any],
    workspace: str,
    manner: Manner,
) -> int:
    """Let an action be confirmed as the person says, do it, and show the reply."""
    token, phrase = manner.confirm_token, manner.confirm
    if not (token or phrase or manner.ask):
        raise BadUse(
            f"{method} needs --confirm-token, --confirm or --ask", "analyst desktop issue-confirm gives tokens"
        )

    workspace, params = folder_of(workspace), {**params, **route_of(manner.app)}

    async def act(client: Any) -> dict[str, Any]:
        confirm = {"token": token} if token else {"phrase": phrase}
        if not (token or phrase):
            asked = await call(
                client, "desktop.confirm.issue", {"intent": {"method": method, "params": params}}, workspace, 10_000
            )
            if asked.get("result", {}).get("pending"):
                output.note(
                    f"waiting for approval {asked['result']['approvalId']} (analyst desktop host, or analyst desktop approvals)"
                )
            answer = await decided(client, asked, workspace)
            if "error" in answer:
                return answer
            confirm = {"token": answer["result"]["token"]}
        return await call(client, method, {**params, "confirm": confirm}, workspace, manner.timeout_ms)

    return shown(act, pretty=manner.pretty, quiet=manner.quiet)


async def decided(client: Any, asked: dict[str, Any], workspace: str) -> dict[str, Any]:
    result = asked.get("result", {})
    if not result.get("pending"):
        return asked
    return await call(client, "desktop.confirm.await", {"approvalId": result["approvalId"]}, workspace, 600_000)


def once(method: str, params: dict[str, Any], *, workspace: str, timeout_ms: int, pretty: bool, quiet: bool) -> int:
    folder = folder_of(workspace) if workspace else ""
    return shown(lambda client: call(client, method, params, folder, timeout_ms), pretty=pretty, quiet=quiet)


async def call(client: Any, method: str, params: dict[str, Any], workspace: str, timeout_ms: int) -> dict[str, Any]:
    """Call with our meta. Interrupted, it stops the request on the host before it goes (R-CLI-1)."""
    meta = meta_for(workspace, timeout_ms)
    try:
        reply: dict[str, Any] = await client.call(
            method, {**params, "meta": meta}, request_id=meta["requestId"], wait_s=timeout_ms / 1000 + 2
        )
    except asyncio.CancelledError:
        abort_it = client.call("desktop.abort", {"targetRequestId": meta["requestId"]}, wait_s=1.0)
        await asyncio.gather(abort_it, return_exceptions=True)
        raise
    return reply


def shown(ask: Callable[[Any], Awaitable[dict[str, Any]]], *, pretty: bool, quiet: bool) -> int:
    return show_reply(run(ask), pretty=pretty, quiet=quiet)


def run(ask: Callable[[Any], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    from analyst_cli.desktop.client import HostClient  # noqa: PLC0415 - loads what --help need not

    async def connected() -> dict[str, Any]:
        async with await HostClient.connect() as client:
            return await ask(client)

    return asyncio.run(connected())


def meta_for(workspace: str, timeout_ms: int) -> dict[str, Any]:
    meta = {"schemaVersion": 1, "requestId": str(uuid.uuid4()), "timeoutMs": timeout_ms}
    return {**meta, "workspacePath": folder_of(workspace)} if workspace else meta


def folder_of(workspace: str) -> str:
    path = Path(workspace).expanduser().absolute()
    if not path.is_dir():
        raise BadUse(f"the workspace {workspace} is no folder", "create it at or below a workspace root")
    return str(path)


def params_of(given: Params) -> dict[str, Any]:
    """Return the params that are written. Raises BadUse for those that are none."""
    text, file = given.params_json, given.params_file
    if bool(text) == bool(file):
        raise BadUse("give the params with either --params-json or --params-file")
    if file:
        text = text_of(None if file == "-" else Path(file))
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadUse(f"the params are not JSON (position {getattr(exc, 'pos', 0)})") from exc
    if not isinstance(params, dict):
        raise BadUse("the params must be a JSON object")
    return params


def text_of(file: Path | None) -> str:
    """Return the text of a file, or of standard input (None)."""
    try:
        return (sys.stdin.buffer.read() if file is None else file.read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadUse(f"{file or 'standard input'} cannot be read as UTF-8 text") from exc


def selector_of(
    by_role: str | None, title_contains: str | None, value_contains: str | None, by_path: str | None
) -> dict[str, Any]:
    """Return the members that were given. Raises BadUse for an empty one, an unset variable mostly: without it more would match."""
    given = {
        "byRole": _given("--by-role", by_role),
        "titleContains": _given("--title-contains", title_contains),
        "valueContains": _given("--value-contains", value_contains),
        "byPath": None if by_path is None else _path(_given("--by-path", by_path) or ""),
    }
    return {name: value for name, value in given.items() if value is not None}


def needed(selector: dict[str, Any]) -> dict[str, Any]:
    if not selector:
        raise BadUse("name the element: --by-role, --title-contains, --value-contains or --by-path")
    return selector


def target_of(selector: dict[str, Any], *, pick_best: bool) -> dict[str, Any]:
    return {"selector": selector, **({"pick": "best"} if pick_best else {})}


def route_of(app: str | None) -> dict[str, Any]:
    return {} if app is None else {"route": {"app": {"bundleId": _given("--app", app)}}}


def _given(option: str, value: str | None) -> str | None:
    if value == "":
        raise BadUse(f"{option} is empty", "leave it out if it does not matter")
    return value


def _path(indices: str) -> list[int]:
    try:
        return [int(part) for part in indices.split(",")]
    except ValueError as exc:
        raise BadUse(f"--by-path {indices} is no list of numbers such as 0,2,1") from exc


def _harmless(text: str) -> str:
    """Write characters that could steer the terminal as JSON escapes: the value stays what it was."""
    if inert_text(text) == text:
        return text
    return "".join(char if char == "\n" or inert_text(char) == char else json.dumps(char)[1:-1] for char in text)
