"""desktop.abort, desktop.confirm.issue, desktop.confirm.await: they steer other requests and never wait behind them (R-TR-3)."""

import asyncio
import secrets
from typing import Any

from msgspec import UNSET

from analyst_cli.desktop.allowlist import UI_METHODS
from analyst_cli.desktop.backends.base import BackendError, TreeRequest
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.chords import denied_chord, normalized_chord
from analyst_cli.desktop.confirm import Approval, ApprovalState, Scope, digest_of, token_id
from analyst_cli.desktop.elements import Snapshot, TreeLimits
from analyst_cli.desktop.errors import DesktopProblem, invalid
from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.fields import Target
from analyst_cli.desktop.params import (
    AbortParams,
    AwaitParams,
    HotkeyParams,
    Intent,
    IssueParams,
    Params,
    TypeTextParams,
    normalized,
    params_of,
)
from analyst_cli.desktop.redaction import redacted_params
from analyst_cli.desktop.reins import StopCause
from analyst_cli.desktop.selector import detail_for, fingerprint, resolve

__all__ = ["abort", "confirm_await", "confirm_issue"]

PREVIEW_S = 1.0  # how long the desktop is looked at to show a person what an action would hit


async def abort(call: Call[AbortParams]) -> dict[str, Any]:
    """Stop another request of the same peer (R-AB)."""
    params = call.params
    target_id = None if params.target_request_id is UNSET else params.target_request_id
    execution_id = None if params.execution_id is UNSET else params.execution_id
    others = [
        other
        for other in call.host.active_calls()
        if other is not call
        and (call.peer.internal or other.peer.principal.same_as(call.peer.principal))
        and (
            other.execution_id == execution_id
            if target_id is None
            else target_id in {other.rpc_id, other.meta.request_id}
        )
    ]
    same_connection = [other for other in others if other.peer.connection_id == call.peer.connection_id]
    chosen = same_connection or others
    if not chosen:
        raise invalid("no such request is active", reason="not_active")
    if len(chosen) > 1:
        raise invalid(f"{len(chosen)} active requests have this id; name one by executionId", reason="ambiguous")
    target = chosen[0]
    will_stop = target.reins.stop(StopCause.ABORT)
    call.host.audit.write("abort", peer=call.peer.identity_digest, target=target.execution_id, aborted=will_stop)
    reply = {
        "aborted": will_stop,
        "targetRequestId": target.request_id,
        "executionId": target.execution_id,
        "wasActive": True,
    }
    return reply if will_stop else {**reply, "reason": "completing"}


async def confirm_issue(call: Call[IssueParams]) -> dict[str, Any]:
    """Issue a token, or ask the operator for it (R-CF-9)."""
    params = call.params
    intents = (
        list(params.intents) if params.intents is not UNSET else [params.intent] if params.intent is not UNSET else []
    )
    records = [_record(call, intent) for intent in intents]
    assert call.workspace is not None  # noqa: S101 - the method needs one
    scopes = [
        Scope(i.method, digest_of(normalized(i.method, r), call.workspace.real))
        for i, r in zip(intents, records, strict=True)
    ]
    shown_scopes = [{"method": scope.method, "paramsDigest": scope.digest[:16]} for scope in scopes]
    peer = {"auditTokenDigest": call.peer.identity_digest, "pid": call.peer.pid}
    now, ttl_s, bound = call.host.monotonic(), params.ttl_ms / 1000, params.bind == "connection"
    single = params.intents is UNSET
    if call.settings.confirm.mode == "self":
        issued = [
            (s, call.host.book.issue(call.peer.principal, s, ttl_s=ttl_s, now=now, connection_bound=bound))
            for s in scopes
        ]
        call.host.audit.write("confirm.issued", peer=call.peer.identity_digest, scopes=shown_scopes, by="self")
        return {**_tokens(issued, single=single), "expiresAt": _in(call, ttl_s), "peer": peer}
    ask_s = call.settings.confirm.ask_ttl_ms / 1000
    approval = Approval(
        id=f"a-{secrets.token_hex(4)}",
        scopes=scopes,
        principal=call.peer.principal,
        asked_at=now,
        expires_at=now + ask_s,
        ttl_s=ttl_s,
        connection_bound=bound,
        shown=await _shown(call, intents, records),
    )
    call.host.book.propose(approval)
    call.host.note_approval(approval, call.peer)
    call.host.audit.write("confirm.asked", peer=call.peer.identity_digest, approvalId=approval.id, scopes=shown_scopes)
    scope = {"scope": shown_scopes[0]} if single else {"scopes": shown_scopes}
    return {"pending": True, "approvalId": approval.id, "expiresAt": _in(call, ask_s), **scope, "peer": peer}


async def confirm_await(call: Call[AwaitParams]) -> dict[str, Any]:
    """Wait until the operator has decided, and hand the tokens to the one who asked."""
    while True:
        call.reins.check()
        now = call.host.monotonic()
        approval = call.host.book.approval(call.params.approval_id, call.peer.principal, now)
        if approval is None:
            raise invalid("there is no such approval", reason="unknown_approval")
        if approval.state is not ApprovalState.PENDING:
            break
        changed = call.host.approvals_changed
        try:
            await asyncio.wait_for(changed.wait(), approval.expires_at - now + 0.01)
        except TimeoutError:
            continue  # it has expired meanwhile
    single = len(approval.scopes) == 1
    ttl_s = approval.expires_at - now
    issued = call.host.book.collect(approval, now)
    call.host.audit.write("confirm.issued", peer=call.peer.identity_digest, approvalId=approval.id, by="operator")
    return {"approvalId": approval.id, **_tokens(issued, single=single), "expiresAt": _in(call, ttl_s)}


def _record(call: Call[IssueParams], intent: Intent) -> Params:
    if intent.method not in UI_METHODS:
        raise invalid(
            f"{intent.method[:60]} needs no confirmation; confirmations exist for {', '.join(sorted(UI_METHODS))}"
        )
    members = {name: value for name, value in intent.params.items() if name not in {"confirm", "meta"}}
    record = params_of(intent.method, members)
    if isinstance(record, HotkeyParams) and (
        problem := denied_chord(normalized_chord(record.keys), call.settings.denied_chords)
    ):
        raise problem  # nobody is asked about what would be refused all the same
    return record


def _tokens(issued: list[tuple[Scope, str]], *, single: bool) -> dict[str, Any]:
    listed = [
        {"token": t, "tokenId": token_id(t), "scope": {"method": s.method, "paramsDigest": s.digest[:16]}}
        for s, t in issued
    ]
    return listed[0] if single else {"tokens": listed}


def _in(call: Call[Any], seconds: float) -> str:
    return iso_time(call.host.wall() + seconds)


async def _shown(call: Call[IssueParams], intents: list[Intent], records: list[Params]) -> list[dict[str, Any]]:
    """Collect what a person needs to decide: what is frontmost now, and what each action would hit."""
    snapshot = await _preview(call, records)
    app, title = (snapshot.app, snapshot.window_title) if snapshot else (None, None)
    shown = []
    for intent, record in zip(intents, records, strict=True):
        text = record.text if isinstance(record, TypeTextParams) else None
        element, matches = _hit(call, record, snapshot)
        shown.append(
            {
                "method": intent.method,
                "params": redacted_params(record, call.host.salt_of("approval"), include_text=True),
                "app": app.app_id if app else None,
                "windowTitle": title,
                "element": element,
                "matches": matches,
                "textLength": len(text) if text is not None else None,
                "text": text,  # stays in the host's memory; shown to the operator on request
            }
        )
    return shown


async def _preview(call: Call[Any], records: list[Params]) -> Snapshot | None:
    targets = [target for record in records if isinstance(target := getattr(record, "target", UNSET), Target)]
    needed = [detail_for(target.selector) for target in targets if target.selector is not UNSET]
    limits = TreeLimits(timeout_s=PREVIEW_S)
    request = TreeRequest(tree=bool(needed), limits=limits, detail=lambda node: any(each(node) for each in needed))
    try:
        async with asyncio.timeout(PREVIEW_S * 2):
            return await call.look(request)
    except (BackendError, TimeoutError):
        return None  # a person may still decide by what was asked


def _hit(call: Call[Any], record: Params, snapshot: Snapshot | None) -> tuple[str | None, int | None]:
    """Name the element that an action would hit now, and how many it could be; why, for none; (None, None) for actions without one."""
    target = getattr(record, "target", UNSET)
    if not isinstance(target, Target):
        return None, None
    try:
        if target.reference is not None:
            known = call.host.elements_of(call.peer).recall(target.reference.element_id, call.host.monotonic())
            return fingerprint(known.node), 1
        if snapshot is None or snapshot.root is None or target.selector is UNSET:
            return None, None
        matches = resolve(snapshot.root, target.selector).matches
    except DesktopProblem as exc:
        return exc.message, 0
    return (fingerprint(matches[0].node) if matches else "nothing matches now"), len(matches)
