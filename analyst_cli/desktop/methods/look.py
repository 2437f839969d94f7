"""desktop.observe, desktop.find, desktop.highlight: they look, and change nothing."""

from typing import Any

import msgspec
from msgspec import UNSET

from analyst_cli.desktop.backends.base import CaptureRequest, Frame, Highlight, PermissionMissing, TreeRequest
from analyst_cli.desktop.call import Call, problem_of
from analyst_cli.desktop.elements import Permission, Snapshot, Traversal, TreeLimits
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.params import FindParams, HighlightParams, ObserveParams
from analyst_cli.desktop.redaction import element_summary, node_tree, rect_json, selector_json
from analyst_cli.desktop.selector import SCORING_RULES, Match, Resolution, detail_for, fingerprint, resolve
from analyst_cli.desktop.targets import assert_route, find_target, limits_of

__all__ = ["find", "highlight", "observe", "screenshots_of", "traversal_json"]


async def observe(call: Call[ObserveParams]) -> dict[str, Any]:
    """Write the tree and the picture of the desktop, taken back to back while nobody acts (R-OB-3)."""
    options = call.params.options
    limits = TreeLimits(
        max_depth=min(50, max(1, options.ax_max_depth)),
        max_nodes=min(5_000, max(1, options.ax_max_nodes)),
        timeout_s=min(10.0, max(0.05, call.reins.remaining_s())),
    )
    allowed = call.settings.evidence.screenshots
    wants_picture = allowed == "always" or (allowed == "on-request" and options.include_screenshot)
    missing: list[str] = []
    frames: tuple[Frame, ...] = ()
    snapshot: Snapshot | None = None
    async with call.host.lanes.ui.turn():
        try:
            request = TreeRequest(tree=options.include_ax_tree, limits=limits, windows=True)
            snapshot = call.veiled(await call.backend.look(request, call.reins))
            assert_route(call.params.route, snapshot)
        except PermissionMissing:
            missing.append(Permission.ACCESSIBILITY.value)
            _unroutable(call)
        if wants_picture:
            try:
                frames = await screenshots_of(
                    call, snapshot, options.displays, options.max_width if options.max_width is not UNSET else None
                )
            except PermissionMissing:
                missing.append(Permission.SCREEN_RECORDING.value)
    call.reins.check()
    written = _keep_observed(call, snapshot if options.include_ax_tree else None, frames)
    extra = {"permissionsMissing": missing} if missing else {}
    call.event("desktop.observe", envPath="env.json", **written, **extra)
    app, title = (snapshot.app, snapshot.window_title) if snapshot else (None, None)
    return {
        "executionId": call.execution_id,
        "routeResolved": {"frontmostBundleId": app.app_id if app else None, "windowTitle": title},
        "evidence": call.evidence(**written, **extra),
        **extra,
    }


async def find(call: Call[FindParams]) -> dict[str, Any]:
    """Resolve a selector, name the elements for later, and write how it went."""
    selector = call.params.selector
    snapshot = await call.look(TreeRequest(limits=limits_of(call), detail=detail_for(selector)))
    assert_route(call.params.route, snapshot)
    nothing = Resolution(matches=(), nodes_visited=0, facts={})
    resolution = nothing if snapshot.root is None else resolve(snapshot.root, selector)
    listed = resolution.matches[: selector.limit]
    refs = [_reference(call, match, rank) for rank, match in enumerate(listed, start=1)]
    truncated = snapshot.traversal is not None and snapshot.traversal.truncated
    counts = {"matched": len(resolution.matches), "returned": len(refs), "truncated": truncated}
    evidence = {
        "executionId": call.execution_id,
        "capturedAt": iso_time(snapshot.captured_at),
        "elementRefs": refs,
        **counts,
        "nodesVisited": resolution.nodes_visited,
        "selector": selector_json(selector, include_text=call.settings.evidence.include_text),
        "afterScoreCount": len(resolution.matches),
        "scoring": {"enabled": True, "strategy": "hardMatchThenScore", "rules": SCORING_RULES},
        "traversal": traversal_json(snapshot.traversal),
        **resolution.facts,
    }
    call.keep("ax.json", evidence)
    return {
        "executionId": call.execution_id,
        "elementRefs": refs,
        **counts,
        "evidence": call.evidence(axPath="ax.json"),
    }


async def highlight(call: Call[HighlightParams]) -> dict[str, Any]:
    """Draw a border around the element that a click with this target would press."""
    found = await find_target(call, call.params.target, UNSET)
    if found.node.frame is None or found.node.frame.empty:
        raise DesktopProblem(Code.ELEMENT_NOT_FOUND, "the element has no place on the screen", reason="no_frame")
    outcome = await call.backend.perform(Highlight(found.node.frame, call.params.duration_ms), call.reins)
    call.facts |= {"target": element_summary(found.node), "effect": outcome.effect.value}
    return {
        "executionId": call.execution_id,
        "highlighted": True,
        "effect": outcome.effect.value,
        "evidence": call.evidence(),
    }


async def screenshots_of(
    call: Call[Any], snapshot: Snapshot | None, displays: Any, max_width: int | None
) -> tuple[Frame, ...]:
    """Take pictures with the windows of hidden applications blacked out (R-EV-8)."""
    hidden = set(call.settings.evidence.hidden_apps)
    if snapshot is None and hidden:
        try:
            snapshot = await call.backend.look(TreeRequest(tree=False, windows=True), call.reins)
        except PermissionMissing:
            snapshot = None  # nobody can tell which windows there are
    windows = snapshot.windows if snapshot else ()
    blank = tuple(window.frame for window in windows if window.app_id in hidden and window.visible and window.frame)
    return await call.backend.capture(CaptureRequest(displays=displays, max_width=max_width, blank=blank))


def traversal_json(traversal: Traversal | None) -> dict[str, Any] | None:
    """Return how a traversal went, with the member names of the original."""
    if traversal is None:
        return None
    limits = traversal.limits
    return {
        "nodesVisited": traversal.nodes_visited,
        "depth": traversal.depth,
        "elapsedMs": round(traversal.elapsed_ms, 1),
        "truncated": traversal.truncated,
        "stopReason": traversal.stop_reason,
        "limits": {
            "maxDepth": limits.max_depth,
            "maxNodes": limits.max_nodes,
            "childLimit": limits.max_children,
            "timeoutMs": round(limits.timeout_s * 1000),
        },
    }


def _unroutable(call: Call[ObserveParams]) -> None:
    route = call.params.route
    if route is not UNSET and (route.app_id or route.title_pattern):
        raise problem_of(
            PermissionMissing(
                Permission.ACCESSIBILITY, "nobody can tell what is frontmost, so the route cannot be asserted"
            )
        )


def _keep_observed(call: Call[ObserveParams], snapshot: Snapshot | None, frames: tuple[Frame, ...]) -> dict[str, Any]:
    """Leave what was taken for the evidence; a path is told only for a file that will be there (R-OB-2)."""
    written: dict[str, Any] = {}
    for number, frame in enumerate(frames, start=1):
        name = "observe.png" if number == 1 else f"observe-{number}.png"
        call.keep(name, frame.png)
        if number == 1:
            written["screenshotPath"] = name
    if len(frames) > 1:
        written["screenshots"] = ["observe.png", *(f"observe-{number}.png" for number in range(2, len(frames) + 1))]
    if snapshot is not None and snapshot.root is not None:
        tree = {
            "executionId": call.execution_id,
            "capturedAt": iso_time(snapshot.captured_at),
            "screenshotCapturedAt": iso_time(frames[0].captured_at) if frames else None,
            "frontmost": {"bundleId": snapshot.app.app_id, "pid": snapshot.app.pid} if snapshot.app else None,
            "windows": [
                {**msgspec.to_builtins(window), "frame": rect_json(window.frame)} for window in snapshot.windows
            ],
            "traversal": traversal_json(snapshot.traversal),
            "tree": node_tree(snapshot.root, include_text=call.settings.evidence.include_text),
        }
        call.keep("ax.json", msgspec.json.encode(tree))
        written["axPath"] = "ax.json"
    return written


def _reference(call: Call[FindParams], match: Match, rank: int) -> dict[str, Any]:
    """Return an ElementRef and remember it for 30 s."""
    node = match.node
    element_id = f"e:{(call.execution_id or '')[:8]}:{rank}"
    call.host.elements_of(call.peer).remember(element_id, node, match.path, call.host.monotonic())
    shown: dict[str, Any] = {"elementId": element_id, "fingerprint": fingerprint(node), "role": node.role}
    if node.title is not None:
        shown["title"] = node.title
    if node.value is not None and not node.secure:
        shown |= {"value": node.value} if call.settings.evidence.include_text else {"valueLength": len(node.value)}
    if node.frame is not None:
        shown["frame"] = rect_json(node.frame)
    return {**shown, "path": list(match.path), "score": round(match.score, 3), "reasons": list(match.reasons)}
