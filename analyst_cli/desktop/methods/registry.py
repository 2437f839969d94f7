"""Every method by name, with what the host must know before it runs."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from analyst_cli.desktop.backends.base import Capability
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Permission
from analyst_cli.desktop.methods import act, control, health, hooks, look, modals, wait

__all__ = ["METHODS", "LaneName", "Method"]


class LaneName(StrEnum):
    """Where a method queues; NONE is never kept waiting (R-TR-3)."""

    NONE = "none"
    READS = "reads"
    UI = "ui"
    WAITS = "waits"


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A method's coroutine and its needs."""

    run: Callable[[Call[Any]], Awaitable[dict[str, Any]]]
    evidence: bool = True
    needs_workspace: bool = True
    lane: LaneName = LaneName.READS
    confirmed: bool = False
    permission: Permission | None = Permission.ACCESSIBILITY
    capability: Capability | None = None


METHODS: dict[str, Method] = {
    "desktop.health": Method(
        run=health.health, evidence=False, needs_workspace=False, lane=LaneName.NONE, permission=None
    ),
    "desktop.doctor": Method(
        run=health.doctor, evidence=False, needs_workspace=False, lane=LaneName.NONE, permission=None
    ),
    "desktop.observe": Method(run=look.observe, lane=LaneName.UI, permission=None),
    "desktop.find": Method(run=look.find),
    "desktop.highlight": Method(run=look.highlight, capability=Capability.OVERLAY),
    "desktop.listModals": Method(run=modals.list_modals),
    "desktop.waitUntil": Method(run=wait.wait_until, lane=LaneName.WAITS),
    "desktop.click": Method(run=act.click, lane=LaneName.UI, confirmed=True, capability=Capability.PRESS),
    "desktop.typeText": Method(run=act.type_text, lane=LaneName.UI, confirmed=True, capability=Capability.TYPE),
    "desktop.hotkey": Method(run=act.hotkey, lane=LaneName.UI, confirmed=True, capability=Capability.KEYS),
    "desktop.dismissModal": Method(run=modals.dismiss_modal, lane=LaneName.UI, confirmed=True),
    "desktop.abort": Method(
        run=control.abort, evidence=False, needs_workspace=False, lane=LaneName.NONE, permission=None
    ),
    "desktop.confirm.issue": Method(run=control.confirm_issue, evidence=False, lane=LaneName.NONE, permission=None),
    "desktop.confirm.await": Method(run=control.confirm_await, evidence=False, lane=LaneName.NONE, permission=None),
    "desktop._test.injectModalDetector": Method(
        run=hooks.inject, evidence=False, needs_workspace=False, lane=LaneName.NONE, permission=None
    ),
    "desktop._test.clearModalDetector": Method(
        run=hooks.clear, evidence=False, needs_workspace=False, lane=LaneName.NONE, permission=None
    ),
}
