"""What each method may be asked: strict records of `params`, and the normalised form that a confirmation binds to. Pure.

Wrong types are errors, never dropped: booleans are no integers, `1.0` is no integer, and a member nobody knows is refused everywhere but in `meta`
(R-ME). `normalized` has defaults filled in and aliases resolved, so that two ways to ask the same have one digest.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from analyst_cli.desktop.chords import normalized_chord
from analyst_cli.desktop.errors import DesktopProblem, invalid
from analyst_cli.desktop.fields import MetaParams, Route, Strict, Target
from analyst_cli.desktop.selector import Selector, Words, selector_problem

__all__ = [
    "PARAMS",
    "AbortParams",
    "AwaitParams",
    "ClickParams",
    "Condition",
    "DismissModalParams",
    "EmptyParams",
    "FindParams",
    "HighlightParams",
    "HotkeyParams",
    "InjectParams",
    "IssueParams",
    "ListModalsParams",
    "ObserveParams",
    "Params",
    "TypeTextParams",
    "WaitUntilParams",
    "meta_of",
    "normalized",
    "params_of",
]

_T = TypeVar("_T")
MAX_TEXT_CHARS = 10_000  # R-TY-4
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Params(Strict, frozen=True, kw_only=True):
    """What all methods take."""

    meta: dict[str, Any] = msgspec.field(default_factory=dict)

    def problem(self) -> DesktopProblem | None:
        """Return what the types alone cannot say."""
        return None


class _Confirmed(Params, frozen=True, kw_only=True):
    confirm: Any = UNSET  # judged by confirm.py, with its own code


class EmptyParams(Params, frozen=True, kw_only=True):
    """health, doctor."""


class ObserveOptions(Strict, frozen=True, kw_only=True):
    """Which artefacts are wanted and how large they may be."""

    include_screenshot: bool = True
    include_ax_tree: bool = True
    ax_max_depth: int = 8
    ax_max_nodes: int = 2_000
    displays: Literal["main", "all"] = "main"
    max_width: Annotated[int, Meta(ge=16, le=16_384)] | UnsetType = UNSET


class ObserveParams(Params, frozen=True, kw_only=True):
    """desktop.observe."""

    route: Route | UnsetType = UNSET
    options: ObserveOptions = ObserveOptions()


class FindParams(Params, frozen=True, kw_only=True):
    """desktop.find; without a selector every element is meant."""

    selector: Selector = Selector()
    route: Route | UnsetType = UNSET

    def problem(self) -> DesktopProblem | None:
        return selector_problem(self.selector, for_action=False)


class ClickOptions(Strict, frozen=True, kw_only=True):
    """Whether pictures are taken around the click (R-CL-5)."""

    screenshots: bool = False


class ClickParams(_Confirmed, frozen=True, kw_only=True):
    """desktop.click."""

    target: Target
    route: Route | UnsetType = UNSET
    options: ClickOptions = ClickOptions()

    def problem(self) -> DesktopProblem | None:
        return self.target.problem()


class TypeOptions(Strict, frozen=True, kw_only=True):
    """How text may be typed; all of it is part of the digest."""

    clear_before: bool = False
    allow_newlines: bool = False
    allow_secure: bool = False
    allow_clipboard: bool = False


class TypeTextParams(_Confirmed, frozen=True, kw_only=True):
    """desktop.typeText."""

    text: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
    target: Target | UnsetType = UNSET
    route: Route | UnsetType = UNSET
    options: TypeOptions = TypeOptions()

    def problem(self) -> DesktopProblem | None:
        if not self.text and not self.options.clear_before:
            return invalid("params.text is empty and options.clearBefore is not set")
        if _CONTROL.search(self.text):
            return invalid("params.text holds a control character; only newline and tab may be typed")
        if "\n" in self.text and not self.options.allow_newlines:
            return invalid(
                "params.text holds a newline, which submits forms and runs commands; set options.allowNewlines to allow it"
            )
        if self.target is not UNSET:
            return self.target.problem()
        if self.route is UNSET or not self.route.app_id:
            return invalid("without a target, params.route.app.bundleId must name the application that is frontmost")
        return None


class HotkeyOptions(Strict, frozen=True, kw_only=True):
    """`delay_ms` is waited before the chord is sent."""

    delay_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0


class HotkeyParams(_Confirmed, frozen=True, kw_only=True):
    """desktop.hotkey: one chord."""

    keys: (
        Annotated[str, Meta(max_length=100)]
        | Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(min_length=1, max_length=8)]
    )
    route: Route | UnsetType = UNSET
    options: HotkeyOptions = HotkeyOptions()

    def problem(self) -> DesktopProblem | None:
        try:
            normalized_chord(self.keys)
        except DesktopProblem as exc:
            return exc
        return None


class HighlightParams(Params, frozen=True, kw_only=True):
    """desktop.highlight."""

    target: Target
    duration_ms: Annotated[int, Meta(ge=100, le=10_000)] = 1_200

    def problem(self) -> DesktopProblem | None:
        return self.target.problem()


class ListModalsParams(Params, frozen=True, kw_only=True):
    """desktop.listModals."""

    route: Route | UnsetType = UNSET


class Strategy(Strict, frozen=True, kw_only=True):
    """How a modal is dismissed (R-DM-2)."""

    type: Literal["defaultButton", "cancelButton", "byTitle", "esc"]
    title_contains: Words | UnsetType = UNSET


class DismissModalParams(_Confirmed, frozen=True, kw_only=True):
    """desktop.dismissModal."""

    strategy: Strategy
    route: Route | UnsetType = UNSET
    modal_id: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET

    def problem(self) -> DesktopProblem | None:
        if (self.strategy.type == "byTitle") != (self.strategy.title_contains is not UNSET):
            return invalid("strategy.titleContains belongs to, and is needed by, the type byTitle")
        return None


class ValueCondition(Strict, frozen=True, kw_only=True):
    """An element whose value contains a text."""

    selector: Selector
    value: Words


class ModalCondition(Strict, frozen=True, kw_only=True):
    """A modal is there; with a title, where one is given."""

    title_contains: Words | UnsetType = UNSET


class Condition(Strict, frozen=True, kw_only=True):
    """What is waited for: exactly one member (R-WU-1)."""

    selector_exists: Selector | UnsetType = UNSET
    selector_gone: Selector | UnsetType = UNSET
    value_contains: ValueCondition | UnsetType = UNSET
    modal_present: Literal[True] | ModalCondition | UnsetType = UNSET


class WaitUntilParams(Params, frozen=True, kw_only=True):
    """desktop.waitUntil."""

    condition: Condition
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 15_000
    poll_ms: Annotated[int, Meta(ge=50, le=5_000)] = 500
    on_modal: Literal["fail", "ignore"] = "fail"

    def problem(self) -> DesktopProblem | None:
        wanted = self.condition
        given = [
            m
            for m in (wanted.selector_exists, wanted.selector_gone, wanted.value_contains, wanted.modal_present)
            if m is not UNSET
        ]
        if len(given) != 1:
            return invalid(
                "the condition needs exactly one of selectorExists, selectorGone, valueContains, modalPresent"
            )
        selector = given[0].selector if isinstance(given[0], ValueCondition) else given[0]
        return selector_problem(selector, for_action=True) if isinstance(selector, Selector) else None


class AbortParams(Params, frozen=True, kw_only=True):
    """desktop.abort: exactly one member."""

    target_request_id: str | int | UnsetType = UNSET
    execution_id: str | UnsetType = UNSET

    def problem(self) -> DesktopProblem | None:
        if (self.target_request_id is UNSET) == (self.execution_id is UNSET):
            return invalid("abort needs exactly one of targetRequestId and executionId")
        return None


class Intent(Strict, frozen=True, kw_only=True):
    """One action that a confirmation is asked for; its params are those of the method, without `confirm`."""

    method: str
    params: dict[str, Any]


class IssueParams(Params, frozen=True, kw_only=True):
    """desktop.confirm.issue: one intent, or the intents of a whole run that one person approves at once."""

    intent: Intent | UnsetType = UNSET
    intents: Annotated[list[Intent], Meta(min_length=1, max_length=32)] | UnsetType = UNSET
    ttl_ms: Annotated[int, Meta(ge=1_000, le=300_000)] = 60_000
    bind: Literal["principal", "connection"] = "principal"

    def problem(self) -> DesktopProblem | None:
        if (self.intent is UNSET) == (self.intents is UNSET):
            return invalid("confirm.issue needs exactly one of intent and intents")
        return None


class AwaitParams(Params, frozen=True, kw_only=True):
    """desktop.confirm.await."""

    approval_id: Annotated[str, Meta(min_length=1, max_length=64)]


class MockModal(Strict, frozen=True, kw_only=True):
    """A modal that a test invents."""

    role: Words
    pid: Annotated[int, Meta(ge=1, lt=2**31)]
    title: str | UnsetType = UNSET
    frame: dict[str, int] | UnsetType = UNSET
    buttons: list[dict[str, Any]] | UnsetType = UNSET


class InjectParams(Params, frozen=True, kw_only=True):
    """desktop._test.injectModalDetector."""

    mock_modals: Annotated[list[MockModal], Meta(max_length=20)]


PARAMS: dict[str, type[Params]] = {
    "desktop.health": EmptyParams,
    "desktop.doctor": EmptyParams,
    "desktop.observe": ObserveParams,
    "desktop.find": FindParams,
    "desktop.click": ClickParams,
    "desktop.typeText": TypeTextParams,
    "desktop.hotkey": HotkeyParams,
    "desktop.highlight": HighlightParams,
    "desktop.listModals": ListModalsParams,
    "desktop.dismissModal": DismissModalParams,
    "desktop.waitUntil": WaitUntilParams,
    "desktop.abort": AbortParams,
    "desktop.confirm.issue": IssueParams,
    "desktop.confirm.await": AwaitParams,
    "desktop._test.injectModalDetector": InjectParams,
    "desktop._test.clearModalDetector": EmptyParams,
}
"""The record of every method's params."""


def meta_of(params: dict[str, Any]) -> MetaParams:
    """Read `params.meta`. Raises DesktopProblem."""
    meta = _converted(params.get("meta", {}), MetaParams, "params.meta")
    if meta.schema_version != 1:
        raise invalid(f"meta.schemaVersion {meta.schema_version} is not supported", supported=[1])
    return meta


def params_of(method: str, params: dict[str, Any]) -> Params:
    """Read the params of a known method. Raises DesktopProblem with the place that is wrong."""
    record = _converted(params, PARAMS[method], "params")
    if problem := record.problem():
        raise problem
    return record


def normalized(method: str, record: Params) -> dict[str, Any]:
    """Return what a confirmation binds to: everything that changes the effect, defaults included (R-DG-2)."""
    members: dict[str, Any] = msgspec.to_builtins(record)
    members.pop("meta", None)
    members.pop("confirm", None)
    if isinstance(record, HotkeyParams):
        members["keys"] = list(normalized_chord(record.keys))
    target = getattr(record, "target", UNSET)
    if isinstance(target, Target) and (reference := target.reference):
        members["target"]["elementRef"] = msgspec.to_builtins(reference)
    route = getattr(record, "route", UNSET)
    if isinstance(route, Route):
        members["route"] = {
            "appId": route.app_id,
            "titlePattern": route.title_pattern,
            "focusPolicy": route.focus_policy,
        }
    return {"schemaVersion": 1, "method": method, "params": members}


def _converted(value: Any, record: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(value, record)
    except msgspec.ValidationError as exc:
        raise invalid(_said(str(exc), where)) from exc


def _said(words: str, where: str) -> str:
    """Turn msgspec's "... - at `$.selector.byRect`" into "params.selector.byRect: ..."."""
    problem, _, place = words.partition(" - at `$")
    return f"{where}{place.removesuffix('`')}: {problem[:1].lower()}{problem[1:]}"[:400]
