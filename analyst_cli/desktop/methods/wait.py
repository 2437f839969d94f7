"""desktop.waitUntil: look, sleep until something changes or the poll time is over, look again (§3.11). It holds no lane while it sleeps."""

import asyncio
from typing import Any

from msgspec import UNSET

from analyst_cli.desktop.backends.base import TreeRequest
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Cut, Modal
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.params import Condition, ModalCondition, WaitUntilParams
from analyst_cli.desktop.selector import Selector, detail_for, fingerprint, resolve
from analyst_cli.desktop.targets import limits_of, modal_problem

__all__ = ["wait_until"]

BREATH_S = 0.01  # between two looks, so that an application that never stops changing does not keep the host busy
SETTLING_S = (0.05, 0.2, 0.5)
"""Looks after an event, when no other follows: programs tell of a change before it can be read (GTK fills its cache when idle)."""


async def wait_until(call: Call[WaitUntilParams]) -> dict[str, Any]:
    """Wait until the condition holds; at least one look is always taken (R-WU-2)."""
    params = call.params
    loop = asyncio.get_running_loop()
    started = loop.time()
    give_up = started + min(params.timeout_ms / 1000, call.reins.remaining_s())
    iterations = 0
    settling: tuple[float, ...] = ()
    async with call.backend.watch(None) as watch:
        while True:
            iterations += 1
            met, matched = await _evaluate(call)
            elapsed_ms = round((loop.time() - started) * 1000)
            if met:
                break
            if loop.time() >= give_up:
                words = f"the condition did not hold within {params.timeout_ms} ms"
                raise DesktopProblem(
                    Code.TIMEOUT, words, timeoutMs=params.timeout_ms, elapsedMs=elapsed_ms, iterations=iterations
                )
            await asyncio.sleep(BREATH_S)
            pause_s, *later = (*settling, params.poll_ms / 1000)
            woken = await watch.changed(min(pause_s, max(0.0, give_up - loop.time())))
            settling = SETTLING_S if woken else tuple(later[:-1])
    call.facts["iterations"] = iterations
    return {
        "executionId": call.execution_id,
        "ok": True,
        "conditionMet": True,
        "matched": matched,
        "elapsedMs": elapsed_ms,
        "iterations": iterations,
        "evidence": call.evidence(),
    }


async def _evaluate(call: Call[WaitUntilParams]) -> tuple[bool, Any]:
    """Look once; return whether the condition holds and what held it. Raises MODAL_BLOCKING (R-WU-4)."""
    condition = call.params.condition
    selector = _selector_of(condition)
    request = TreeRequest(
        tree=selector is not None,
        limits=limits_of(call),
        modals=True,
        detail=detail_for(selector) if selector is not None else None,
    )
    snapshot = await call.look(request)
    modals = (*call.host.injected_modals(call.peer), *snapshot.modals)
    if condition.modal_present is not UNSET:
        fitting = [modal for modal in modals if _modal_fits(condition.modal_present, modal)]
        return bool(fitting), len(fitting)
    if call.params.on_modal == "fail" and (blocking := next((modal for modal in modals if modal.blocking), None)):
        raise modal_problem(blocking)
    assert selector is not None  # noqa: S101 - every other condition has one
    matches = _matches(snapshot.root, selector)
    if condition.selector_gone is not UNSET:
        # A tree that is not complete, or not to be looked into, cannot prove that something is gone.
        hidden = snapshot.root is not None and snapshot.root.cut is Cut.HIDDEN
        complete = not hidden and (snapshot.traversal is None or not snapshot.traversal.truncated)
        return not matches and complete, 0
    if condition.value_contains is not UNSET:
        wanted = condition.value_contains.value
        matches = [match for match in matches if not match.node.secure and wanted in (match.node.value or "")]
    if matches:
        call.facts["matched"] = fingerprint(matches[0].node)
    return bool(matches), len(matches)


def _selector_of(condition: Condition) -> Selector | None:
    if condition.value_contains is not UNSET:
        return condition.value_contains.selector
    for selector in (condition.selector_exists, condition.selector_gone):
        if isinstance(selector, Selector):
            return selector
    return None


def _matches(root: Any, selector: Selector) -> list[Any]:
    if root is None:
        return []
    try:
        return list(resolve(root, selector).matches)
    except DesktopProblem as exc:
        if exc.code in {Code.ANCHOR_NOT_FOUND, Code.PATH_NOT_FOUND, Code.PATH_VERIFICATION_FAILED}:
            return []  # not there yet, or not there any more
        raise


def _modal_fits(wanted: Any, modal: Modal) -> bool:
    if isinstance(wanted, ModalCondition) and wanted.title_contains is not UNSET:
        return wanted.title_contains in (modal.element.title or "")
    return True
