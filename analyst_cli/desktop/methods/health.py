"""desktop.health and desktop.doctor: what the host is, what it may do, and what is wrong. No evidence, never behind other work."""

import os
import platform
import stat
from pathlib import Path
from typing import Any

from analyst_cli import __version__
from analyst_cli.desktop.allowlist import UI_METHODS, is_wildcard
from analyst_cli.desktop.backends.base import Capability, Situation
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Permission
from analyst_cli.desktop.params import EmptyParams

__all__ = ["doctor", "doctor_result", "health", "os_version"]

_NEEDS = {
    "desktop.observe": (Capability.TREE, Capability.SCREENSHOT),  # one of them is enough
    "desktop.find": (Capability.TREE,),
    "desktop.waitUntil": (Capability.TREE,),
    "desktop.listModals": (Capability.TREE,),
    "desktop.highlight": (Capability.OVERLAY,),
    "desktop.click": (Capability.PRESS,),
    "desktop.typeText": (Capability.TYPE,),
    "desktop.hotkey": (Capability.KEYS,),
    "desktop.dismissModal": (Capability.TREE,),
}


def os_version() -> str:
    """Return the system's name and version as people write it."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.system()} {platform.release()}"
    return f"{release.get('PRETTY_NAME', platform.system())} (Linux {platform.release()})"


async def health(call: Call[EmptyParams]) -> dict[str, Any]:
    """Answer with the fields of the source document first, ours after them."""
    situation = await call.host.situation()
    return {
        "hostVersion": __version__,
        "macos": os_version(),
        "permissions": {p.value: "granted" if situation.permissions.get(p) else "denied" for p in Permission},
        "bridge": {"schemaVersion": 1},
        "peer": call.peer.json(),
        "platform": platform.system().lower(),
        "os": os_version(),
        "backend": call.backend.name,
        "session": situation.session,
        "state": call.host.state.value,
        "capabilities": _usable(situation),
    }


async def doctor(call: Call[EmptyParams]) -> dict[str, Any]:
    """Answer with what is granted, and every check."""
    return {**await doctor_result(call), "peer": call.peer.json()}


async def doctor_result(call: Call[Any]) -> dict[str, Any]:
    """Return doctor's findings; `issues` are the failed checks of severity error."""
    situation = await call.host.situation(max_age_s=0)
    granted = {p: bool(situation.permissions.get(p)) for p in Permission}
    checks = [*_permission_checks(situation, granted), *_host_checks(call)]
    issues = [check["message"] for check in checks if check["severity"] == "error" and not check["ok"]]
    return {
        "permissions": {
            "accessibility": {
                "granted": granted[Permission.ACCESSIBILITY],
                "required": True,
                "purpose": "AX observe/find/action",
            },
            "screenRecording": {
                "granted": granted[Permission.SCREEN_RECORDING],
                "required": True,
                "purpose": "Screenshot capture",
            },
        },
        "issues": issues,
        "healthy": not issues,
        "checks": checks,
    }


def _usable(situation: Situation) -> list[str]:
    names = [name for name, needs in _NEEDS.items() if any(need in situation.capabilities for need in needs)]
    return [
        "desktop.health",
        "desktop.doctor",
        *names,
        "desktop.abort",
        "desktop.confirm.issue",
        "desktop.confirm.await",
    ]


def _check(
    check_id: str, message: str, *, ok: bool, severity: str = "error", remedy: str | None = None
) -> dict[str, Any]:
    return {
        "id": check_id,
        "severity": severity,
        "ok": ok,
        "message": message,
        **({"remedy": remedy} if remedy and not ok else {}),
    }


def _permission_checks(situation: Situation, granted: dict[Permission, bool]) -> list[dict[str, Any]]:
    words = {
        Permission.ACCESSIBILITY: "Accessibility permission",
        Permission.SCREEN_RECORDING: "Screen Recording permission",
    }
    checks = [
        _check(
            f"permission.{permission.value}",
            f"{words[permission]} {'granted' if granted[permission] else 'denied'}",
            ok=granted[permission],
            remedy=situation.remedies.get(permission),
        )
        for permission in Permission
    ]
    checks += [_check("backend.warning", warning, ok=False, severity="warning") for warning in situation.warnings]
    return checks


def _host_checks(call: Call[Any]) -> list[dict[str, Any]]:
    host, settings = call.host, call.settings
    roots = [root.real for root in host.roots]
    broken = host.policy_problem
    checks = [
        _check(
            "workspace.root",
            f"workspace roots: {', '.join(roots) or 'none'}",
            ok=bool(roots),
            remedy="set WORKSPACE_ROOT or workspace.roots",
        ),
        _check(
            "evidence.writable",
            "evidence can be written"
            if all(os.access(root, os.W_OK) for root in roots)
            else "a workspace root cannot be written to",
            ok=all(os.access(root, os.W_OK) for root in roots),
        ),
        _check("allowlist.parses", broken or "the operator's allowlist can be used", ok=broken is None),
        _check(
            "allowlist.wildcard",
            "no rule of the operator's allowlist lets everybody in",
            ok=not is_wildcard(host.rules),
            severity="warning",
        ),
        _check(
            "settings.parses", host.settings_problem or "the settings can be used", ok=host.settings_problem is None
        ),
        *(_check("settings.unknown", warning, ok=False, severity="warning") for warning in host.settings_warnings),
        _check("hooks.off", _on_off("test hooks", on=host.hooks_on), ok=not host.hooks_on, severity="warning"),
        _check(
            "confirm.phrase",
            _on_off("confirmation by phrase", on=settings.confirm.allow_phrase),
            ok=not settings.confirm.allow_phrase,
            severity="warning",
        ),
        _confirm_mode(call),
        _check(
            "audit.complete",
            f"{host.audit.lost} lines of the audit log could not be written",
            ok=not host.audit.lost,
            severity="warning",
        ),
        _check("backend", f"backend {call.backend.name} is open", ok=True, severity="info"),
        _check("host.single", "this is the only serving process", ok=True, severity="info"),
    ]
    if host.backend.name == "linux" and settings.panic.hotkey:
        problem, key = host.panic_key_problem, settings.panic.hotkey
        words = f"{key} does not stop the host: {problem}" if problem else f"{key} is panic, anywhere on the desktop"
        checks.append(_check("panic.key", words, ok=problem is None, severity="warning", remedy="set panic.hotkey"))
    if host.socket_path is not None:
        checks.append(_socket_check(host.socket_path))
    return checks


def _confirm_mode(call: Call[Any]) -> dict[str, Any]:
    if call.settings.confirm.mode == "operator":
        return _check("confirm.mode", f"a person approves {', '.join(sorted(UI_METHODS))}", ok=True, severity="warning")
    words = "CONFIRM MODE IS SELF: callers approve their own actions; for tests and demos only"
    return _check("confirm.mode", words, ok=False, severity="warning", remedy='set confirm.mode to "operator"')


def _socket_check(path: Path) -> dict[str, Any]:
    try:
        socket_mode, folder_mode = stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)
    except OSError:
        return _check("socket.modes", "the socket is gone; start the host again", ok=False)
    ok = socket_mode == 0o600 and folder_mode & 0o077 == 0
    return _check("socket.modes", f"socket {socket_mode:04o} in a folder {folder_mode:04o}", ok=ok)


def _on_off(what: str, *, on: bool) -> str:
    return f"{what} {'ON' if on else 'off'}"
