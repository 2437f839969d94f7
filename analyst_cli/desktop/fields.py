"""Members that several methods share: `meta`, `route`, `target`. Pure records; `params.py` puts them together."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from analyst_cli.desktop.errors import DesktopProblem, invalid
from analyst_cli.desktop.selector import Selector, selector_problem

__all__ = ["ElementRefParam", "MetaParams", "Route", "RouteApp", "RouteWindow", "Strict", "Target"]

_PRINTABLE_ID = r"^[ -~\u00a0-\U0010ffff]+$"


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class MetaParams(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`params.meta`; members nobody knows are ignored here, and only here (R-ME-1)."""

    schema_version: int = 1
    request_id: Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE_ID)] | UnsetType = UNSET
    workspace_path: str | UnsetType = UNSET
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 60_000


class RouteApp(Strict, frozen=True, kw_only=True):
    """Which application must be frontmost; an empty id asserts nothing."""

    bundle_id: Annotated[str, Meta(max_length=256)] = ""


class RouteWindow(Strict, frozen=True, kw_only=True):
    """Which window title must be frontmost: a regular expression over the whole title, matched in linear time."""

    title_pattern: Annotated[str, Meta(min_length=1, max_length=256)]


class Route(Strict, frozen=True, kw_only=True):
    """An assertion about what is frontmost (§3.15)."""

    app: RouteApp | UnsetType = UNSET
    app_bundle_id: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET
    window: RouteWindow | UnsetType = UNSET
    focus_policy: Literal["requireFocused", "focusIfNeeded", "failIfNotFocused"] = "requireFocused"

    @property
    def app_id(self) -> str:
        """The wanted application, or an empty string."""
        if self.app_bundle_id is not UNSET and self.app_bundle_id:
            return self.app_bundle_id
        return self.app.bundle_id if self.app is not UNSET else ""

    @property
    def title_pattern(self) -> str | None:
        """The wanted title, or None."""
        return self.window.title_pattern if self.window is not UNSET else None


class ElementRefParam(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An element that `find` named; the whole object from its answer may be sent back."""

    element_id: Annotated[str, Meta(min_length=1, max_length=64)]
    fingerprint: Annotated[str, Meta(max_length=4_000)] | UnsetType = UNSET


class Target(Strict, frozen=True, kw_only=True):
    """What an action acts on: a selector or a reference, exactly one of them."""

    selector: Selector | UnsetType = UNSET
    element_ref: str | ElementRefParam | UnsetType = UNSET
    pick: Literal["best"] | UnsetType = UNSET

    @property
    def reference(self) -> ElementRefParam | None:
        """The reference in its long form, or None."""
        if isinstance(self.element_ref, str):
            return ElementRefParam(element_id=self.element_ref)
        return None if self.element_ref is UNSET else self.element_ref

    def problem(self) -> DesktopProblem | None:
        """Return what the types alone cannot say."""
        if (self.selector is UNSET) == (self.element_ref is UNSET):
            return invalid("params.target needs exactly one of selector and elementRef")
        return selector_problem(self.selector, for_action=True) if self.selector is not UNSET else None
