"""Evidence and recipes from the command line."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from analyst_cli import output
from analyst_cli.commands.desktop_calls import BadUse

__all__ = ["evidence", "recipe"]

evidence = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Look at what executions left behind."
)
recipe = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Run recipes: checked lists of calls."
)

WORKSPACE = typer.Argument(..., metavar="WS", help="The workspace.", file_okay=False)
AS_JSON = typer.Option(False, "--json", help="Print one JSON object a line.")


@evidence.command("list")
def evidence_list(
    workspace: Path = WORKSPACE,
    *,
    as_json: bool = AS_JSON,
    last: int = typer.Option(20, "--last", min=1, help="How many."),
) -> int:
    """List executions, newest first.

    Example: analyst desktop evidence list WS --last 5
    """
    from analyst_cli.desktop.review import index_entries  # noqa: PLC0415 - loads what --help need not

    entries = index_entries(workspace)[-last:][::-1]
    if as_json:
        for entry in entries:
            output.json_line(entry)
        return 0
    rows = [
        (
            str(e.get("ts")),
            str(e.get("executionId")),
            str(e.get("method")),
            str(e.get("errorCode") or "ok"),
            f"{e.get('durationMs')} ms",
        )
        for e in entries
    ]
    output.table(("TIME", "EXECUTION", "METHOD", "OUTCOME", "TOOK"), rows)
    return 0


@evidence.command("show")
def evidence_show(
    workspace: Path = WORKSPACE,
    execution_id: str = typer.Argument("", metavar="ID", help="Or its beginning; the latest unless given."),
) -> int:
    """Show one execution: its files, events and result.

    Example: analyst desktop evidence show WS 3f2a
    """
    from analyst_cli.desktop.review import execution_folder, latest_execution  # noqa: PLC0415 - loads what --help need not

    folder = execution_folder(workspace, execution_id) if execution_id else latest_execution(workspace)
    output.line(str(folder), "bold")
    for path in sorted(folder.iterdir()):
        output.line(f"  {path.name}  {path.stat().st_size} bytes")
    for name in ("events.ndjson", "result.json"):
        path = folder / name
        if path.exists():
            output.line(name, "bold")
            output.text(path.read_text(errors="replace"))
    return 0


@evidence.command("verify")
def evidence_verify(
    workspace: Path = WORKSPACE, execution_id: str = typer.Argument("", metavar="ID", help="All unless given.")
) -> int:
    """Check that no event or file was changed, removed or added; exit 1 when something does not hold.

    Example: analyst desktop evidence verify WS
    """
    from analyst_cli.desktop.review import verdicts  # noqa: PLC0415 - loads what --help need not

    faults = checked = 0
    for verdict in verdicts(workspace, execution_id or None):
        checked += 1
        if verdict.fault:
            faults += 1
            output.line(f"{verdict.execution_id}: {verdict.fault}")
    output.line(f"{checked} executions checked, {faults} with faults")
    return 1 if faults else 0


@evidence.command("open")
def evidence_open(
    workspace: Path = WORKSPACE,
    *,
    choose: bool = typer.Option(False, "--choose", help="Open the folder of all executions."),
) -> int:
    """Open the latest execution's folder in the file manager, and print its path.

    Example: analyst desktop evidence open WS
    """
    from analyst_cli.desktop.review import latest_execution  # noqa: PLC0415 - loads what --help need not

    folder = workspace / "artifacts" / "desktop" if choose else latest_execution(workspace)
    output.line(str(folder))
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.run(
            [opener, str(folder)], check=True, timeout=10, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        output.note(f"{opener} could not open it; the path is above")
    return 0


@recipe.command("list")
def recipe_list() -> int:
    """List the recipes that ship with the product.

    Example: analyst desktop recipe list
    """
    from analyst_cli.desktop.recipes import bundled_names, load_recipe  # noqa: PLC0415 - loads what --help need not

    output.table(("NAME", "WHAT IT DOES"), [(name, load_recipe(name)[0].description) for name in bundled_names()])
    return 0


@recipe.command("run")
def recipe_run(
    workspace: Path = WORKSPACE,
    name: str = typer.Argument(..., metavar="RECIPE", help="A file, or the name of a bundled recipe."),
    *,
    dry_run: bool = typer.Option(False, "--dry-run", help="Check it and print the plan, and send nothing."),
    approve: str = typer.Option(
        "", "--approve", help="run: one approval for all steps known before; step: one for each."
    ),
) -> int:
    """Run a recipe; exit 1 when a step does not go as written.

    Example: analyst desktop recipe run WS token_test_v0 --dry-run
    """
    import msgspec  # noqa: PLC0415 - 23 ms that --help need not pay

    from analyst_cli.desktop.recipes import load_recipe, plan  # noqa: PLC0415 - see above

    loaded, content = load_recipe(name)
    if approve not in {"", "run", "step"}:
        raise BadUse(f"--approve {approve} is neither run nor step")
    if approve:
        loaded = msgspec.structs.replace(loaded, approve=approve)
    if dry_run:
        for line in plan(loaded, str(workspace.expanduser())):
            output.json_line(line)
        return 0
    folder = workspace.expanduser().absolute()
    if not folder.is_dir():
        raise BadUse(f"the workspace {workspace} is no folder")
    return asyncio.run(_run(loaded, content, str(folder)))


async def _run(loaded: Any, content: bytes, workspace: str) -> int:
    from analyst_cli.desktop.client import HostClient  # noqa: PLC0415 - loads what --help need not
    from analyst_cli.desktop.recipe_run import RecipeRun, StepOutcome  # noqa: PLC0415 - see above

    def tell(outcome: StepOutcome) -> None:
        if outcome.step == 0:
            output.note(outcome.why)
        else:
            output.line(f"{'ok  ' if outcome.ok else 'FAIL'} {outcome.step}. {outcome.method}: {outcome.why}")

    async with await HostClient.connect() as client:
        return 0 if await RecipeRun(loaded, content, workspace, client, tell).run() else 1
