"""desktop.listModals and desktop.dismissModal."""

import asyncio
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from analyst_cli.desktop.backends.base import Action, Chord, Press, TreeRequest
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Modal, Node, Snapshot
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.fields import Route
from analyst_cli.desktop.params import DismissModalParams, ListModalsParams, Strategy
from analyst_cli.desktop.redaction import element_summary, rect_json
from analyst_cli.desktop.targets import assert_not_ours, bring_to_front, limits_of

__all__ = ["dismiss_modal", "list_modals", "modal_json"]

GONE_WITHIN_S = 1.0  # R-DM-3
CANCEL = "AXCancelButton"
SILENT = "the program does not answer, so nobody can tell which modals it has"


async def list_modals(call: Call[ListModalsParams]) -> dict[str, Any]:
    """List the modals of the frontmost application; none when the route names another one (§3.9)."""
    snapshot = await call.look(TreeRequest(tree=False, modals=True, limits=limits_of(call)))
    modals = _listed(call, snapshot, call.params.route)
    shown = [modal_json(modal, modal_id) for modal_id, modal in modals]
    call.keep(
        "modals.json", {"executionId": call.execution_id, "modals": shown, "detectedAt": iso_time(snapshot.captured_at)}
    )
    return {"executionId": call.execution_id, "modals": shown, "evidence": call.evidence(modalsPath="modals.json")}


async def dismiss_modal(call: Call[DismissModalParams]) -> dict[str, Any]:
    """Dismiss one modal, and say so only when it is gone (R-DM-3)."""
    strategy = call.params.strategy
    async with call.host.lanes.ui.turn():
        await bring_to_front(call, call.params.route)
        snapshot = await call.look(TreeRequest(tree=False, modals=True, limits=limits_of(call)))
        modals = _listed(call, snapshot, call.params.route)
        chosen = _chosen(call, modals)
        shown = [modal_json(modal, modal_id) for modal_id, modal in modals]
        if chosen is None:
            outcome: dict[str, Any] = {"dismissed": False, "reason": SILENT if snapshot.silent else "No modals found"}
        else:
            assert_not_ours(call, snapshot.app.pid if snapshot.app else None)
            call.facts["target"] = element_summary(chosen.element)
            button, action = _action(strategy, chosen)
            acted = await call.backend.perform(action, call.reins)
            call.facts["effect"] = acted.effect.value
            reason = await _why_not_gone(call, chosen)
            outcome = {"dismissed": reason is None, "matchedModal": {"strategy": strategy.type, **button}}
            if reason is not None:
                outcome["reason"] = reason
    record = {"executionId": call.execution_id, "modals": shown, **outcome}
    call.keep("modals.json", record)
    return {
        "executionId": call.execution_id,
        "strategy": strategy.type,
        **outcome,
        "tokenConsumed": call.facts.get("tokenConsumed", False),
        "evidence": call.evidence(modalsPath="modals.json"),
    }


def modal_json(modal: Modal, modal_id: str) -> dict[str, Any]:
    """Return a modal as replies show it."""
    element = modal.element
    return {
        "modalId": modal_id,
        "role": element.role,
        "subrole": element.subrole,
        "title": element.title,
        "frame": rect_json(element.frame),
        "blocking": modal.blocking,
        "appBundleId": modal.app_id,
        "text": list(modal.text),
        "buttons": [_button_json(button) for button in modal.buttons],
    }


def _button_json(button: Node) -> dict[str, Any]:
    subrole = "AXDefaultButton" if button.default else button.subrole
    return {
        "role": button.role,
        "title": button.title,
        **({"subrole": subrole} if subrole else {}),
        "enabled": button.enabled,
    }


def _listed(call: Call[Any], snapshot: Snapshot, route: Route | UnsetType) -> list[tuple[str, Modal]]:
    """Return the modals with the ids under which they can be named for the next 30 s."""
    if route is not UNSET and route.app_id and (snapshot.app is None or snapshot.app.app_id != route.app_id):
        return []
    listed = []
    table = call.host.elements_of(call.peer)
    for rank, modal in enumerate(snapshot.modals[:20], start=1):
        modal_id = f"m:{(call.execution_id or '')[:8]}:{rank}"
        table.remember(modal_id, modal.element, (), call.host.monotonic())
        listed.append((modal_id, modal))
    return listed


def _chosen(call: Call[DismissModalParams], modals: list[tuple[str, Modal]]) -> Modal | None:
    if call.params.modal_id is UNSET:
        return modals[0][1] if modals else None
    known = call.host.elements_of(call.peer).recall(call.params.modal_id, call.host.monotonic())
    for _, modal in modals:
        if modal.element.handle == known.node.handle:
            return modal
    raise DesktopProblem(Code.STALE_ELEMENT, "the modal is no longer there", reason="gone")


def _action(strategy: Strategy, modal: Modal) -> tuple[dict[str, Any], Action]:
    """Choose what is pressed (R-DM-2); exactly one button, or nothing."""
    if strategy.type == "esc":
        return {}, Chord((), "escape", msgspec.structs.replace(modal.element, children=()))
    if strategy.type == "defaultButton":
        fitting = [button for button in modal.buttons if button.default]
    elif strategy.type == "cancelButton":
        fitting = [button for button in modal.buttons if button.subrole == CANCEL]
    else:
        wanted = strategy.title_contains
        fitting = [button for button in modal.buttons if wanted is not UNSET and wanted in (button.title or "")]
    if not fitting:
        raise DesktopProblem(
            Code.ELEMENT_NOT_FOUND, f"the modal has no button for the strategy {strategy.type}", reason="no_such_button"
        )
    if len(fitting) > 1:
        titles = [button.title for button in fitting[:5]]
        raise DesktopProblem(
            Code.AMBIGUOUS_MATCH, f"{len(fitting)} buttons of the modal fit", matched=len(fitting), candidates=titles
        )
    return {"button": {"title": fitting[0].title}}, Press(msgspec.structs.replace(fitting[0], children=()))


async def _why_not_gone(call: Call[Any], modal: Modal) -> str | None:
    """Look until the modal is gone, a second at most; return why it is not known to be."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + min(GONE_WITHIN_S, call.reins.remaining_s())
    async with call.backend.watch(modal.element.pid) as watch:
        while True:
            snapshot = await call.look(TreeRequest(tree=False, modals=True, limits=limits_of(call)))
            shown = any(other.element.handle == modal.element.handle for other in snapshot.modals)
            if not shown and not snapshot.silent:
                return None
            if loop.time() >= give_up:
                return "the modal is still there" if shown else SILENT
            await watch.changed(0.05)
