"""The words of the operator's screen, from what the host answers. Pure; everything a stranger wrote is made inert here."""

from typing import Any

from analyst_server.wire.inert import inert_line, inert_text

__all__ = [
    "action_words",
    "approval_details",
    "approval_row",
    "check_lines",
    "permission_words",
    "recent_row",
    "running_row",
    "state_words",
]

GLYPHS = {"running": "●", "stopped": "○", "starting": "◐", "stopping": "◑", "failed": "✗", "panic": "■"}
_NEAREST = 3  # of the programs that started the one that asks; `approvals list --json` has them all
"""One per state, so that colour is never the only sign."""


def state_words(status: dict[str, Any] | None, lost: str) -> str:
    """Say how the bridge is."""
    if status is None:
        return f"✗ no host: {inert_line(lost)}"
    words = [
        f"{GLYPHS.get(status['state'], '?')} {status['state'].upper()}",
        f"{status['backend']} backend, {status['session']} session",
    ]
    if status["state"] == "panic":
        words.append("everything is refused until you reset (r)")
    if status["state"] == "stopped":
        words.append("start with s")
    if status["confirmMode"] == "self":
        words.append("CONFIRM MODE IS SELF")
    if status["hooks"]:
        words.append("TEST HOOKS ON")
    return "  ".join(inert_line(word) for word in words)


def permission_words(status: dict[str, Any] | None) -> str:
    """Say what the platform grants, and for what it does not, what to do."""
    if status is None:
        return "start it with: analyst desktop serve"
    names = {"accessibility": "Accessibility", "screenRecording": "Screen recording"}
    found = []
    for name, granted in status["permissions"].items():
        remedy = status["remedies"].get(name, "")
        missing = f"✗ {names.get(name, name)}: {remedy or 'denied'}"
        found.append(f"✓ {names.get(name, name)} granted" if granted else missing)
    return "  ".join(inert_line(word) for word in found)


def action_words(action: dict[str, Any]) -> str:
    """Say in a few words what would be done."""
    params = action["params"]
    match action["method"]:
        case "desktop.typeText":
            words = f"type {action['textLength']} characters into {_element(action, 'the focus')}"
        case "desktop.hotkey":
            words = f"press {'+'.join(params.get('keys', []))}"
        case "desktop.click":
            words = f"click {_element(action, 'an element')}"
        case "desktop.dismissModal":
            strategy = params.get("strategy", {})
            words = f"dismiss the dialog: {strategy.get('type')} {strategy.get('titleContains', '')}".rstrip()
        case method:
            words = method
    return inert_line(words)


def approval_row(approval: dict[str, Any]) -> str:
    """Return the line of a question in the list."""
    actions = approval["actions"]
    more = f" and {len(actions) - 1} more" if len(actions) > 1 else ""
    return f"{action_words(actions[0])}{more}  ({inert_line(actions[0]['app'] or 'no application')}, {approval['expiresInS']} s)"


def approval_details(approval: dict[str, Any]) -> str:
    """Return everything that a person needs to decide about a question."""
    peer = approval["peer"] or {}
    own, *others = peer.get("names") or ["unknown"]
    lines = []
    for action in approval["actions"]:
        lines += [
            action_words(action),
            f"  application  {action['app'] or 'none'}",
            f"  window       {action['windowTitle'] or 'none'}",
        ]
        if action["element"]:
            first = f"{action['matches']} elements, first " if (action["matches"] or 0) > 1 else ""
            lines.append(f"  now matches  {first}{action['element']}")
        shown = {name: _short(value) for name, value in action["params"].items() if name not in {"text", "keys"}}
        lines += [f"  {name:<11}  {words}" for name, words in shown.items() if words]
        if action["textLength"] is not None:
            lines.append(f"  text         {action['textLength']} characters")
    lines.append(f"asked by       {own}, pid {peer.get('pid')}, {peer.get('exePath')}")
    if others:
        more = f" and {len(others) - _NEAREST} more" if len(others) > _NEAREST else ""
        lines.append(f"  started by   {', '.join(others[:_NEAREST])}{more}")
    lines.append(
        f"{approval['approvalId']}     expires in {approval['expiresInS']} s; once approved, good for {approval['ttlS']} s"
    )
    return inert_text("\n".join(lines))


def recent_row(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return time, method, outcome and duration of an execution."""
    outcome = (
        "✓ ok" if entry["ok"] else f"✗ {(entry['errorCode'] or '').removeprefix('DESKTOP_').lower().replace('_', ' ')}"
    )
    return entry["ts"][11:19], entry["method"].removeprefix("desktop."), outcome, f"{entry['durationMs']} ms"


def running_row(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return the same of one that has not ended."""
    return entry["ts"][11:19], entry["method"].removeprefix("desktop."), "… running", ""


def check_lines(doctor: dict[str, Any]) -> str:
    """Return doctor's findings, failed ones first."""
    checks = sorted(doctor["checks"], key=lambda check: (check["ok"], check["severity"] != "error"))
    lines = ["✓ healthy" if doctor["healthy"] else f"✗ {len(doctor['issues'])} issues", ""]
    for check in checks:
        sign = "✓" if check["ok"] else "✗" if check["severity"] == "error" else "!"
        lines.append(f"{sign} {check['message']}")
        if check.get("remedy"):
            lines.append(f"    {check['remedy']}")
    return inert_text("\n".join(lines))


def _element(action: dict[str, Any], otherwise: str) -> str:
    found, matches = action["element"], action["matches"]
    if not found:
        return otherwise
    if matches == 0:
        return f"{otherwise} ({found})"
    role, _, rest = str(found).partition("|")
    title = rest.partition("|")[0]
    named = f"{role.removeprefix('AX').lower()} “{title}”" if title and not title.startswith("x=") else str(found)
    return f"one of {matches} elements, such as {named}" if matches > 1 else named


def _short(value: Any) -> str:
    """Write params in a line, without what is off or only bounds a list."""
    if not isinstance(value, dict):
        return str(value)
    shown = {name: item for name, item in value.items() if item not in (False, None, 0, "") and name != "limit"}
    return ", ".join(name if item is True else f"{name}: {_short(item)}" for name, item in shown.items())
