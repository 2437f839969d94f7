"""Who may call what (Q8): the operator's list decides classes of methods, a workspace's list narrows it. Pure: texts and facts in, a decision out.

The operator's list lies outside every workspace. Without one, peers of the host's own user may read and ask for confirmations; they may act only
where a person approves each action. The workspace's `allowlist.json` keeps the rules of the source document: no file allows, an empty list
refuses all, a matching rule allows, anything else refuses.
"""

import json
from enum import StrEnum
from typing import Any

import msgspec

__all__ = [
    "CONTROL_METHODS",
    "METHOD_CLASSES",
    "TEST_METHODS",
    "UI_METHODS",
    "Caller",
    "HostRule",
    "MethodClass",
    "PolicyProblem",
    "class_of",
    "default_rules",
    "host_allows",
    "host_rules_of",
    "is_wildcard",
    "rule_of",
    "workspace_allows",
]


class MethodClass(StrEnum):
    """What a method can do."""

    READ = "read"
    UI = "ui"
    CONTROL = "control"


UI_METHODS = frozenset({"desktop.click", "desktop.typeText", "desktop.hotkey", "desktop.dismissModal"})
CONTROL_METHODS = frozenset({"desktop.abort", "desktop.confirm.issue", "desktop.confirm.await"})
TEST_METHODS = frozenset({"desktop._test.injectModalDetector", "desktop._test.clearModalDetector"})
METHOD_CLASSES = tuple(MethodClass)


class PolicyProblem(ValueError):
    """A list that cannot be used; the text names the entry."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a peer that rules look at; None: not known, and then no rule about it matches."""

    pid: int
    uid: int
    start_time: int | None = None
    exe_path: str | None = None
    exe_sha256: str | None = None
    signing_id: str | None = None
    team_id: str | None = None


class HostRule(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the operator's list."""

    rule: str
    classes: tuple[MethodClass, ...] = METHOD_CLASSES
    methods: tuple[str, ...] = ()  # empty: all of the classes


def class_of(method: str) -> MethodClass:
    """Return the class of a known method; test hooks control."""
    if method in UI_METHODS:
        return MethodClass.UI
    return MethodClass.CONTROL if method in CONTROL_METHODS or method in TEST_METHODS else MethodClass.READ


def default_rules(*, own_uid: int, person_approves: bool) -> tuple[HostRule, ...]:
    """Return the policy without a file: the host's own user reads and asks, and acts where a person approves every action."""
    classes = METHOD_CLASSES if person_approves else (MethodClass.READ, MethodClass.CONTROL)
    return (HostRule(rule=f"uid:{own_uid}", classes=classes),)


def host_rules_of(text: str) -> tuple[HostRule, ...]:
    """Read the operator's list; malformed entries are refused, not ignored (R-AL-7). Raises PolicyProblem."""
    callers = _callers(text)
    return tuple(_host_rule(entry, f"callers[{index}]") for index, entry in enumerate(callers))


def rule_of(text: str, where: str = "the rule") -> str:
    """Check one rule and return it: `*`, `uid:N`, `pid:N[@START]`, `exe:PATH[#sha256=HEX]`, `signingId:X`, `teamId:X`. Raises PolicyProblem."""
    if text == "*":
        return text
    kind, colon, wanted = text.partition(":")
    digits = wanted.replace("@", "", 1) if kind == "pid" else wanted
    well_formed = {
        "pid": digits.isascii() and digits.isdigit(),
        "uid": digits.isascii() and digits.isdigit(),
        "exe": wanted.startswith("/") and _sound_exe(wanted),
        "signingId": bool(wanted),
        "teamId": bool(wanted),
    }.get(kind, False)
    if not colon or not well_formed:
        raise PolicyProblem(
            f"{where}: {text[:60]!r} is no rule; rules are *, uid:N, pid:N, exe:/PATH, exe:/PATH#sha256=HEX, signingId:X, teamId:X"
        )
    return text


def host_allows(rules: tuple[HostRule, ...], caller: Caller, method: str) -> bool:
    """Tell whether the operator lets this caller call this method."""
    return any(
        class_of(method) in rule.classes
        and (not rule.methods or method in rule.methods)
        and _matches(rule.rule, caller, pinned=True)
        for rule in rules
    )


def workspace_allows(text: str | None, caller: Caller) -> tuple[bool, str]:
    """Decide by a workspace's `allowlist.json` (None: there is none); return the decision and why."""
    if text is None:
        return True, "no allowlist.json"
    try:
        callers = _callers(text)
        rules = [rule_of(_string(entry, index), f"callers[{index}]") for index, entry in enumerate(callers)]
    except PolicyProblem as exc:
        return False, f"allowlist.json cannot be used: {exc}"
    if any(_matches(rule, caller, pinned=False) for rule in rules):
        return True, "a rule of allowlist.json matches"
    return False, "no rule of allowlist.json matches" if rules else "allowlist.json allows nobody"


def is_wildcard(rules: tuple[HostRule, ...]) -> bool:
    """Tell whether everybody may act, which doctor warns about."""
    return any(rule.rule == "*" for rule in rules)


def _callers(text: str) -> list[Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise PolicyProblem("it is not JSON") from exc
    if not isinstance(content, dict) or not isinstance(content.get("callers"), list):
        raise PolicyProblem('it has no list "callers"')
    return list(content["callers"])


def _string(entry: Any, index: int) -> str:
    if not isinstance(entry, str):
        raise PolicyProblem(f"callers[{index}] is no string")
    return entry


def _host_rule(entry: Any, where: str) -> HostRule:
    if isinstance(entry, str):
        return HostRule(rule=_pinned(rule_of(entry, where), where))
    try:
        rule = msgspec.convert(entry, HostRule)
    except msgspec.ValidationError as exc:
        raise PolicyProblem(f"{where}: {exc}") from exc
    if unknown := set(entry) - {"rule", "classes", "methods"}:
        raise PolicyProblem(f"{where}: nobody knows the member {min(unknown)!r}")
    _pinned(rule_of(rule.rule, where), where)
    return rule


def _pinned(rule: str, where: str) -> str:
    if rule.startswith("pid:") and "@" not in rule:
        raise PolicyProblem(
            f"{where}: {rule!r} would also match a later process with this number; write pid:NUMBER@STARTTIME"
        )
    return rule


def _sound_exe(wanted: str) -> bool:
    _, mark, pin = wanted.partition("#")
    if not mark:
        return True
    digest = pin.removeprefix("sha256=")
    return pin.startswith("sha256=") and len(digest) == 64 and not set(digest) - set("0123456789abcdef")


def _matches(rule: str, caller: Caller, *, pinned: bool) -> bool:
    if rule == "*":
        return True
    kind, _, wanted = rule.partition(":")
    match kind:
        case "uid":
            return int(wanted) == caller.uid
        case "pid":
            number, at, start = wanted.partition("@")
            right_start = str(caller.start_time) == start if at else not pinned
            return int(number) == caller.pid and right_start
        case "exe":
            path, _, pin = wanted.partition("#")
            return caller.exe_path == path and (not pin or caller.exe_sha256 == pin.removeprefix("sha256="))
        case _:
            return wanted == (caller.signing_id if kind == "signingId" else caller.team_id)
