"""What may be written down of a request and of an element. Pure. It lists what may be written; what is not listed is not (R-EV-5).

Typed text becomes its length and a keyed hash, confirmations become a token id, searched values become a length. Values of elements are left out
unless the operator's `evidence.includeText` says otherwise; those of password fields always are.
"""

import hashlib
import hmac
from typing import Any

import msgspec
from msgspec import UNSET

from analyst_cli.desktop import params as p
from analyst_cli.desktop.chords import normalized_chord
from analyst_cli.desktop.confirm import token_id
from analyst_cli.desktop.elements import Node, Rect
from analyst_cli.desktop.fields import Route, Target
from analyst_cli.desktop.selector import Selector, fingerprint

__all__ = ["element_summary", "node_tree", "rect_json", "redacted_params", "redacted_text", "selector_json"]


def redacted_text(text: str, salt: bytes) -> dict[str, Any]:
    """Stand for a text; the salt stays with the host, so the hash proves a guess only to the host's owner."""
    digest = hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()
    return {"redacted": True, "length": len(text), "sha256Salted": digest}


def redacted_params(record: p.Params, salt: bytes, *, include_text: bool) -> dict[str, Any]:
    """Return the params of a request as they may appear in events, results and the audit log."""
    shown: dict[str, Any] = {}
    for name in (
        "options",
        "strategy",
        "modal_id",
        "duration_ms",
        "timeout_ms",
        "poll_ms",
        "on_modal",
        "target_request_id",
        "execution_id",
    ):
        value = getattr(record, name, UNSET)
        if value is not UNSET:
            shown[_camel(name)] = msgspec.to_builtins(value)
    if isinstance(record, p.TypeTextParams):
        shown["text"] = redacted_text(record.text, salt)
    if isinstance(record, p.HotkeyParams):
        shown["keys"] = list(normalized_chord(record.keys))
    if isinstance(record, p.FindParams):
        shown["selector"] = selector_json(record.selector, include_text=include_text)
    if isinstance(record, p.WaitUntilParams):
        shown["condition"] = _condition(record.condition, include_text=include_text)
    target, route = getattr(record, "target", UNSET), getattr(record, "route", UNSET)
    if isinstance(target, Target):
        shown["target"] = _target(target, include_text=include_text)
    if isinstance(route, Route):
        shown["route"] = {"appId": route.app_id, "titlePattern": route.title_pattern, "focusPolicy": route.focus_policy}
    if (confirm := getattr(record, "confirm", UNSET)) is not UNSET:
        shown["confirm"] = _confirm(confirm)
    return shown


def selector_json(selector: Selector, *, include_text: bool) -> dict[str, Any]:
    """Return a selector with its searched values as lengths."""
    shown: dict[str, Any] = msgspec.to_builtins(selector)
    for members in (shown, shown.get("near", {}).get("anchor", {})):
        if "valueContains" in members and not include_text:
            members["valueContains"] = {"redacted": True, "length": len(members["valueContains"])}
    return shown


def node_tree(node: Node, *, include_text: bool) -> dict[str, Any]:
    """Return a tree for `ax.json`, with the member names of the original."""
    readable = include_text and not node.secure
    frame = node.frame
    optional = {
        "AXTitle": node.title,
        "AXSubrole": node.subrole,
        "AXDescription": node.description,
        "nativeRole": node.native_role,
        "AXValue": node.value if readable else None,
        "AXPlaceholderValue": node.placeholder if readable else None,
        "AXNumber": node.number,
        "valueLength": node.text_length,
        "frame": frame
        and {"position": {"x": frame.x, "y": frame.y}, "size": {"width": frame.width, "height": frame.height}},
        "enabled": None if node.enabled else False,
        "checked": node.checked,
        "error": node.cut,
        "truncatedChildren": node.cut and True,
        "truncatedChildrenCount": node.children_omitted or None,
        "children": [node_tree(child, include_text=include_text) for child in node.children] or None,
    }
    facts = {name: True for name in ("focused", "secure", "modal", "selected", "editable") if getattr(node, name)}
    return {"role": node.role, **{name: value for name, value in optional.items() if value is not None}, **facts}


def element_summary(node: Node) -> dict[str, Any]:
    """Name the element that an action was done to (R-CL-4)."""
    return {
        "fingerprint": fingerprint(node),
        "role": node.role,
        "title": node.title,
        "pid": node.pid,
        "secure": node.secure,
    }


def rect_json(rect: Rect | None) -> dict[str, int] | None:
    """Return a rectangle as plain members."""
    return None if rect is None else {"x": rect.x, "y": rect.y, "width": rect.width, "height": rect.height}


def _target(target: Target, *, include_text: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if target.selector is not UNSET:
        shown["selector"] = selector_json(target.selector, include_text=include_text)
    if target.reference is not None:
        shown["elementRef"] = target.reference.element_id
    if target.pick is not UNSET:
        shown["pick"] = target.pick
    return shown


def _condition(condition: p.Condition, *, include_text: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in ("selector_exists", "selector_gone"):
        if isinstance(selector := getattr(condition, name), Selector):
            shown[_camel(name)] = selector_json(selector, include_text=include_text)
    if condition.value_contains is not UNSET:
        wanted = condition.value_contains
        value = wanted.value if include_text else {"redacted": True, "length": len(wanted.value)}
        shown["valueContains"] = {"selector": selector_json(wanted.selector, include_text=include_text), "value": value}
    if condition.modal_present is not UNSET:
        shown["modalPresent"] = msgspec.to_builtins(condition.modal_present)
    return shown


def _confirm(confirm: Any) -> dict[str, Any]:
    if isinstance(confirm, dict) and isinstance(confirm.get("token"), str):
        return {"tokenId": token_id(confirm["token"])}
    return {"phrase": True} if isinstance(confirm, dict) and "phrase" in confirm else {"malformed": True}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
