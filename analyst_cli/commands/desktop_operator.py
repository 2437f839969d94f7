"""What the operator does from the command line: state, panic, approvals. All of it goes over the operator's socket."""

import asyncio
from typing import Any

import typer

from analyst_cli import output
from analyst_cli.commands.desktop_calls import PRETTY, show_reply
from analyst_cli.errors import LocalProblem

__all__ = ["approvals", "panic", "reload", "reset", "start", "status", "stop"]

approvals = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="List and decide what clients want to do."
)

AS_JSON = typer.Option(False, "--json", help="Print one JSON object.")


class Refused(LocalProblem):
    """The host did not do what the operator asked."""

    exit_code = 2


def status(*, as_json: bool = AS_JSON, pretty: bool = PRETTY) -> int:
    """Tell the state of the host, its permissions, and what waits for a decision.

    Example: analyst desktop status
    """
    reply = _ask("operator.status", {})
    if as_json or pretty:
        return show_reply(reply, pretty=pretty, quiet=False)
    found = _result(reply)
    output.line(
        f"{found['state']} (backend {found['backend']}, session {found['session']}, version {found['version']})"
    )
    for name, granted in found["permissions"].items():
        remedy = found["remedies"].get(name)
        output.line(f"{name}: {'granted' if granted else 'denied'}{f' ({remedy})' if remedy and not granted else ''}")
    if found["confirmMode"] == "self":
        output.line("CONFIRM MODE IS SELF: callers approve their own actions")
    if found["hooks"]:
        output.line("TEST HOOKS ARE ON")
    output.line(
        f"active: {len(found['active'])}, waiting for approval: {len(found['approvals'])}, live tokens: {found['tokens']}"
    )
    return 0


def start() -> int:
    """Let the host take requests, also after a stop.

    Example: analyst desktop start
    """
    return _state("operator.start")


def stop() -> int:
    """Let running requests end and take no more; the process stays.

    Example: analyst desktop stop
    """
    return _state("operator.stop")


def panic() -> int:
    """Stop everything at once. It stays stopped, also across restarts, until reset.

    Example: analyst desktop panic
    """
    return _state("operator.panic")


def reset() -> int:
    """End a panic and let the host take requests again.

    Example: analyst desktop reset
    """
    return _state("operator.reset")


def reload() -> int:
    """Read settings and allowlist again and tell what changed.

    Example: analyst desktop reload
    """
    found = _result(_ask("operator.reload", {}))
    output.line(
        f"changed: {', '.join(found['changed']) or 'no setting'}; policy {'changed' if found['policyChanged'] else 'unchanged'}"
    )
    if found["needsRestart"]:
        output.line(f"only a restart applies: {', '.join(found['needsRestart'])}")
    return 0


@approvals.command("list")
def approvals_list(
    *,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON array."),
    texts: bool = typer.Option(False, "--texts", help="Show what would be typed."),
) -> int:
    """List what clients want to do.

    Example: analyst desktop approvals list
    """
    from analyst_cli.desktop.screen.lines import approval_details  # noqa: PLC0415 - loads what --help need not

    found = _result(_ask("operator.status", {}))["approvals"]
    if as_json:
        output.json_line(found)
        return 0
    if not found:
        output.note("nobody asks for anything")
    for approval in found:
        output.text(approval_details(approval))
        if texts:
            shown = _result(_ask("operator.reveal", {"approvalId": approval["approvalId"]}))["texts"]
            for text in shown:
                if text is not None:
                    output.line(f"text: {text!r}")
        output.line("")
    return 0


@approvals.command("approve")
def approvals_approve(
    approval_id: str = typer.Argument(..., metavar="ID", help="An approval from `analyst desktop approvals list`."),
) -> int:
    """Let it be done, once.

    Example: analyst desktop approvals approve a-1c2d3e4f
    """
    output.line(_result(_ask("operator.approve", {"approvalId": approval_id}))["state"])
    return 0


@approvals.command("deny")
def approvals_deny(
    approval_id: str = typer.Argument(..., metavar="ID", help="An approval from `analyst desktop approvals list`."),
) -> int:
    """Refuse it.

    Example: analyst desktop approvals deny a-1c2d3e4f
    """
    output.line(_result(_ask("operator.deny", {"approvalId": approval_id}))["state"])
    return 0


def _state(method: str) -> int:
    output.line(_result(_ask(method, {}))["state"])
    return 0


def _ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
    from analyst_cli.desktop.client import HostClient  # noqa: PLC0415 - loads what --help need not
    from analyst_cli.desktop.endpoint import operator_socket_path  # noqa: PLC0415 - see above

    async def ask() -> dict[str, Any]:
        async with await HostClient.connect(operator_socket_path()) as client:
            return await client.call(method, params, wait_s=20.0)

    return asyncio.run(ask())


def _result(reply: dict[str, Any]) -> dict[str, Any]:
    if "error" in reply:
        raise Refused(reply["error"]["message"])
    result: dict[str, Any] = reply["result"]
    return result
