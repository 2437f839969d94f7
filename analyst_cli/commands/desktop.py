"""The guarded desktop bridge: the serving process, the operator's screen, and the group of all its commands."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from analyst_cli import output
from analyst_cli.commands import desktop_act, desktop_evidence, desktop_look, desktop_operator, desktop_service
from analyst_cli.commands.desktop_calls import BadUse
from analyst_cli.commands.finite import finite

__all__ = ["app"]

USAGE_EXIT_CODE = 64  # R-CLI-1: 2 is taken by errors of the host, as in the source document


class _Group(TyperGroup):
    """Give usage errors the exit code of this group's contract."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._with_code(super().make_context, *args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        return self._with_code(super().invoke, ctx)

    def _with_code(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return step(*args, **kwargs)
        except typer._click.exceptions.UsageError as error:  # noqa: SLF001 - typer vendors click without a public name for it
            error.exit_code = USAGE_EXIT_CODE
            raise


app = typer.Typer(
    name="desktop",
    cls=_Group,
    help="Guarded desktop bridge for coding agents: look, find, act with approval, leave evidence.\n\nExample: analyst desktop serve",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def serve(
    *,
    backend: str = typer.Option("linux" if sys.platform == "linux" else "fake", "--backend", help="linux or fake."),
    script: Path | None = typer.Option(
        None, "--script", help="What the fake desktop looks like; a demonstration unless given."
    ),
    workspace_root: list[Path] = typer.Option(
        [], "--workspace-root", help="Where evidence may be written; may be repeated.", file_okay=False
    ),
    confirm: str = typer.Option(
        "", "--confirm", help="operator: a person approves; self: callers approve themselves (tests and demos only)."
    ),
    allow: list[str] = typer.Option(
        [], "--allow", help="A rule for callers, instead of the operator's allowlist; may be repeated.", metavar="RULE"
    ),
    hooks_with_real_backend: bool = typer.Option(False, "--test-hooks-with-real-backend", hidden=True),
    stopped: bool = typer.Option(False, "--stopped", help="Take no requests until the operator says start."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Tell on stderr what the host does."),
) -> int:
    """Serve the desktop bridge in the foreground; Ctrl-C ends it.

    Example:
      analyst desktop serve --backend fake --workspace-root ~/analyst-workspaces
    """
    from analyst_cli.desktop.allowlist import HostRule, PolicyProblem, rule_of  # noqa: PLC0415 - loads what --help need not
    from analyst_cli.desktop.backends.fake.script import ScriptProblem  # noqa: PLC0415 - see above
    from analyst_cli.desktop.serve import ServeOptions  # noqa: PLC0415 - see above

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    if backend not in {"linux", "fake"}:
        raise BadUse(f"there is no backend {backend!r}", "backends are linux and fake")
    if confirm not in {"", "operator", "self"}:
        raise BadUse(f"--confirm {confirm} is neither operator nor self")
    for root in workspace_root:
        if not root.is_dir():
            raise BadUse(f"the workspace root {root} is no folder", "create it first")
    try:
        rules = tuple(HostRule(rule=rule_of(text, "--allow")) for text in allow)
    except PolicyProblem as exc:
        raise BadUse(str(exc)) from exc
    options = ServeOptions(
        backend=backend,
        script=script,
        roots=tuple(workspace_root),
        flags={"confirm": {"mode": confirm}} if confirm else {},
        allowed=rules,
        hooks_with_real_backend=hooks_with_real_backend,
        wait_for_start=stopped,
    )
    try:
        asyncio.run(_serve(options))
    except ScriptProblem as exc:
        raise BadUse(str(exc)) from exc
    return 0


async def _serve(options: Any) -> None:
    from analyst_cli.desktop.serve import serve as serving_context  # noqa: PLC0415 - loads what --help need not

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with serving_context(options) as serving:
        host = serving.host
        output.note(f"desktop host {host.state.value}: backend {host.backend.name}, socket {host.socket_path}")
        output.note(f"workspace roots: {', '.join(root.real for root in host.roots) or 'none'}")
        if host.settings.confirm.mode == "self":
            output.note("CONFIRM MODE IS SELF: callers approve their own actions; for tests and demos only")
        if host.hooks_on:
            output.note("TEST HOOKS ARE ON")
        if host.state.value == "panic":
            output.note("a panic is in force since before this start; analyst desktop reset ends it")
        for warning in host.settings_warnings:
            output.note(f"warning: {warning}")
        await ended.wait()


@app.command()
def host() -> int:
    """Open the operator's screen: permissions, approvals, recent executions, Start, Stop, Panic Stop.

    Example: analyst desktop host
    """
    import os  # noqa: PLC0415 - only for the terminal's wishes

    from analyst_cli.client.preferences import load_preferences  # noqa: PLC0415 - loads what --help need not
    from analyst_cli.desktop.screen.app import HostScreenApp  # noqa: PLC0415 - loads textual
    from analyst_cli.tui.themes import THEMES, theme_for  # noqa: PLC0415 - see above

    no_color = bool(os.environ.get("NO_COLOR"))
    theme = theme_for(load_preferences().theme, no_color=no_color, colorfgbg=os.environ.get("COLORFGBG", ""))
    HostScreenApp(themes=THEMES, theme=theme).run()
    return 0


@app.command()
def mcp(
    workspace: Path = typer.Argument(
        ..., metavar="WS", help="The workspace for evidence.", file_okay=False, exists=True
    ),
    *,
    approval_s: float = typer.Option(
        120.0,
        "--approval-timeout",
        min=1,
        max=600,
        callback=finite,
        help="How long a person may take to decide, in seconds.",
    ),
) -> int:
    """Offer the desktop to a coding agent, as tools of the Model Context Protocol over standard input and output.

    Example: analyst desktop mcp ~/analyst-workspaces/demo
    """
    try:
        from analyst_cli.desktop.agent_tools import Desk, agent_server  # noqa: PLC0415 - loads pydantic
    except ModuleNotFoundError as exc:
        raise BadUse("the extra mcp is not installed", "pip install 'analyst-inbox[mcp]'") from exc
    agent_server(Desk(str(workspace.absolute()), approval_s)).run()
    return 0


_COMMANDS: dict[str, Callable[..., int]] = {
    "ping": desktop_look.ping,
    "doctor": desktop_look.doctor,
    "observe": desktop_look.observe,
    "find": desktop_look.find,
    "highlight": desktop_look.highlight,
    "click": desktop_act.click,
    "type-text": desktop_act.type_text,
    "hotkey": desktop_act.hotkey,
    "wait-until": desktop_look.wait_until,
    "list-modals": desktop_look.list_modals,
    "dismiss-modal": desktop_act.dismiss_modal,
    "abort": desktop_act.abort,
    "issue-confirm": desktop_act.issue_confirm,
    "rpc": desktop_act.rpc,
    "session": desktop_act.session,
    "abort-demo": desktop_act.abort_demo,
    "status": desktop_operator.status,
    "start": desktop_operator.start,
    "stop": desktop_operator.stop,
    "panic": desktop_operator.panic,
    "reset": desktop_operator.reset,
    "reload": desktop_operator.reload,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)

app.add_typer(desktop_operator.approvals, name="approvals")
app.add_typer(desktop_evidence.evidence, name="evidence")
app.add_typer(desktop_evidence.recipe, name="recipe")
app.add_typer(desktop_service.service, name="service")
