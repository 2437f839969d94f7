"""Commands of the desktop bridge that change nothing."""

import typer

from analyst_cli.commands.desktop_calls import (
    APP,
    BY_PATH,
    BY_ROLE,
    PRETTY,
    QUIET,
    TIMEOUT,
    TITLE,
    VALUE,
    WORKSPACE,
    needed,
    once,
    route_of,
    selector_of,
)

__all__ = ["doctor", "find", "highlight", "list_modals", "observe", "ping", "wait_until"]


def ping(
    *,
    workspace: str = typer.Option("", "--workspace", help="Also check this workspace's allowlist.", metavar="DIR"),
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Tell whether the host runs, and what it may do.

    Example: analyst desktop ping --pretty
    """
    return once("desktop.health", {}, workspace=workspace, timeout_ms=5_000, pretty=pretty, quiet=quiet)


def doctor(
    *,
    workspace: str = typer.Option("", "--workspace", help="Also check this workspace's allowlist.", metavar="DIR"),
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Check permissions and settings of the host.

    Example: analyst desktop doctor --pretty
    """
    return once("desktop.doctor", {}, workspace=workspace, timeout_ms=5_000, pretty=pretty, quiet=quiet)


def observe(
    workspace: str = WORKSPACE,
    *,
    timeout_ms: int = typer.Option(60_000, "--timeout-ms", min=1, max=600_000, help="Deadline of the request."),
    no_screenshot: bool = typer.Option(False, "--no-screenshot", help="Take no picture."),
    no_tree: bool = typer.Option(False, "--no-tree", help="Read no tree."),
    max_depth: int = typer.Option(8, "--max-depth", help="How deep the tree is read."),
    max_nodes: int = typer.Option(2_000, "--max-nodes", help="How many elements are read."),
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Write a picture and the tree of the desktop to the workspace.

    Example: analyst desktop observe ~/analyst-workspaces/demo
    """
    options = {
        "includeScreenshot": not no_screenshot,
        "includeAxTree": not no_tree,
        "axMaxDepth": max_depth,
        "axMaxNodes": max_nodes,
    }
    params = {"options": options, "route": {"app": {"bundleId": ""}, "focusPolicy": "focusIfNeeded"}}
    return once("desktop.observe", params, workspace=workspace, timeout_ms=timeout_ms, pretty=pretty, quiet=quiet)


def find(
    workspace: str = WORKSPACE,
    *,
    by_role: str | None = BY_ROLE,
    title_contains: str | None = TITLE,
    value_contains: str | None = VALUE,
    by_path: str | None = BY_PATH,
    limit: int = typer.Option(10, "--limit", min=1, max=200, help="How many elements are listed."),
    timeout_ms: int = TIMEOUT,
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Find elements of the frontmost application.

    Example: analyst desktop find WS --by-role AXButton --title-contains Send
    """
    selector = {**selector_of(by_role, title_contains, value_contains, by_path), "limit": limit}
    return once(
        "desktop.find", {"selector": selector}, workspace=workspace, timeout_ms=timeout_ms, pretty=pretty, quiet=quiet
    )


def highlight(
    workspace: str = WORKSPACE,
    *,
    by_role: str | None = BY_ROLE,
    title_contains: str | None = TITLE,
    value_contains: str | None = VALUE,
    by_path: str | None = BY_PATH,
    duration_ms: int = typer.Option(1_200, "--duration-ms", help="How long the border is shown."),
    timeout_ms: int = TIMEOUT,
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Draw a border around the element that a click would press.

    Example: analyst desktop highlight WS --title-contains Send
    """
    target = {"selector": needed(selector_of(by_role, title_contains, value_contains, by_path))}
    params = {"target": target, "durationMs": duration_ms}
    return once("desktop.highlight", params, workspace=workspace, timeout_ms=timeout_ms, pretty=pretty, quiet=quiet)


def wait_until(
    workspace: str = WORKSPACE,
    *,
    by_role: str | None = BY_ROLE,
    title_contains: str | None = TITLE,
    value_contains: str | None = VALUE,
    by_path: str | None = BY_PATH,
    gone: bool = typer.Option(False, "--gone", help="Wait until it is gone instead of there."),
    timeout_ms: int = typer.Option(15_000, "--timeout-ms", min=1, max=600_000, help="How long to wait."),
    poll_ms: int = typer.Option(
        500, "--poll-ms", min=50, max=5_000, help="How often to look when nothing wakes the host."
    ),
    ignore_modals: bool = typer.Option(False, "--ignore-modals", help="Go on when a modal appears."),
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """Wait until an element is there.

    Example: analyst desktop wait-until WS --title-contains Sent --timeout-ms 5000
    """
    selector = needed(selector_of(by_role, title_contains, value_contains, by_path))
    params = {
        "condition": {"selectorGone" if gone else "selectorExists": selector},
        "timeoutMs": timeout_ms,
        "pollMs": poll_ms,
        "onModal": "ignore" if ignore_modals else "fail",
    }
    return once(
        "desktop.waitUntil",
        params,
        workspace=workspace,
        timeout_ms=min(600_000, timeout_ms + 1_000),
        pretty=pretty,
        quiet=quiet,
    )


def list_modals(
    workspace: str = WORKSPACE,
    *,
    app: str | None = APP,
    timeout_ms: int = TIMEOUT,
    pretty: bool = PRETTY,
    quiet: bool = QUIET,
) -> int:
    """List the dialogs of the frontmost application.

    Example: analyst desktop list-modals WS --pretty
    """
    return once(
        "desktop.listModals", route_of(app), workspace=workspace, timeout_ms=timeout_ms, pretty=pretty, quiet=quiet
    )
