"""What the operator can ask of the host, over a socket of its own: state, approvals, panic, and what the screen shows (R-SV-1, Q13).

Same envelope as for clients, methods `operator.*`. Deciding needs a channel that the requesting peer cannot drive (R-CF-9): a process with a
terminal,
in another terminal session than the one that asked, and not started by it. That stops an agent that runs commands; it does not stop a program that is
out to deceive its own user, see the threat model.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from analyst_cli import __version__
from analyst_cli.desktop import rpc
from analyst_cli.desktop.confirm import Approval
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid
from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from analyst_cli.desktop.serve import Serving

__all__ = ["Operator", "may_decide"]

MAX_WATCH_S = 30.0


class Operator:
    """Answer the operator's requests."""

    def __init__(self, serving: "Serving") -> None:
        self._serving = serving
        self._methods: dict[str, Callable[[dict[str, Any], Peer], Awaitable[dict[str, Any]]]] = {
            "operator.status": self._status,
            "operator.watch": self._watch,
            "operator.start": self._start,
            "operator.stop": self._stop,
            "operator.panic": self._panic,
            "operator.reset": self._reset,
            "operator.reload": self._reload,
            "operator.approve": self._approve,
            "operator.deny": self._deny,
            "operator.reveal": self._reveal,
            "operator.doctor": self._doctor,
            "operator.observe": self._observe,
            "operator.diagnostics": self._diagnostics,
        }

    async def answer(self, request: rpc.Request, peer: Peer) -> bytes:
        """Do what is asked and return the reply line."""
        method = self._methods.get(request.method)
        if method is None:
            return rpc.failure(request.id, invalid(f"Unknown method: {request.method[:100]}", rpc_code=-32601))
        try:
            return rpc.success(request.id, await method(request.params, peer))
        except DesktopProblem as problem:
            return rpc.failure(request.id, problem)

    @property
    def _host(self) -> Any:
        return self._serving.host

    async def _status(self, _: dict[str, Any], __: Peer) -> dict[str, Any]:
        host = self._host
        situation = await host.situation(max_age_s=4.0)
        now = host.monotonic()
        return {
            "revision": host.revision,
            "state": host.state.value,
            "failure": host.failure,
            "version": __version__,
            "backend": host.backend.name,
            "session": situation.session,
            "permissions": {permission.value: granted for permission, granted in situation.permissions.items()},
            "remedies": {permission.value: words for permission, words in situation.remedies.items()},
            "confirmMode": host.settings.confirm.mode,
            "hooks": host.hooks_on,
            "roots": [root.real for root in host.roots],
            "menubar": msgspec.to_builtins(self._serving.preferences),
            "tokens": host.book.live_count(now),
            "active": [
                {
                    "ts": iso_time(host.wall() - call.reins.elapsed_ms / 1000),
                    "executionId": call.execution_id,
                    "method": call.method,
                    "elapsedMs": call.reins.elapsed_ms,
                    "pid": call.peer.pid,
                }
                for call in host.active_calls()
            ],
            "approvals": [self._approval_json(approval, now) for approval in host.book.pending(now)],
            "recent": list(host.recent)[::-1],
        }

    async def _watch(self, params: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Answer with the status as soon as it differs from the revision that the caller knows, at the latest after `waitS`."""
        host = self._host
        known, wait_s = params.get("revision"), params.get("waitS", MAX_WATCH_S)
        if not isinstance(wait_s, int | float) or isinstance(wait_s, bool) or not 0 <= wait_s <= MAX_WATCH_S:
            raise invalid(f"params.waitS must be a number of seconds up to {MAX_WATCH_S:g}")
        if known == host.revision:
            with suppress(TimeoutError):  # nothing happened; permissions may have changed all the same
                await asyncio.wait_for(host.approvals_changed.wait(), wait_s)
        return await self._status(params, peer)

    async def _start(self, _: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self._assert_terminal(peer)
        await self._host.start()
        return {"state": self._host.state.value}

    async def _stop(self, _: dict[str, Any], __: Peer) -> dict[str, Any]:
        await self._host.stop()
        return {"state": self._host.state.value}

    async def _panic(self, _: dict[str, Any], __: Peer) -> dict[str, Any]:
        """Anybody of the same user may stop everything (R-PA-3)."""
        self._host.panic()
        settled = await self._serving.settle_panic()
        return {"state": self._host.state.value, "settled": settled}

    async def _reset(self, _: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self._assert_terminal(peer)
        self._host.reset()
        await self._host.start()
        return {"state": self._host.state.value}

    async def _reload(self, _: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self._assert_terminal(peer)
        return self._serving.reload()

    async def _approve(self, params: dict[str, Any], peer: Peer) -> dict[str, Any]:
        return self._decide(params, peer, approve=True)

    async def _deny(self, params: dict[str, Any], peer: Peer) -> dict[str, Any]:
        return self._decide(params, peer, approve=False)

    def _decide(self, params: dict[str, Any], peer: Peer, *, approve: bool) -> dict[str, Any]:
        host = self._host
        approval_id = _string(params, "approvalId")
        requester = host.requesters.get(approval_id)
        if approve and requester is not None and host.settings.confirm.approver == "other-terminal":
            self._assert_terminal(peer)
            if why_not := may_decide(requester, peer):
                raise DesktopProblem(Code.CALLER_NOT_ALLOWED, why_not, reason="same_channel")
        try:
            approval = (host.book.approve if approve else host.book.deny)(approval_id, host.monotonic())
        except KeyError as exc:
            raise invalid("there is no such approval", reason="unknown_approval") from exc
        except ValueError as exc:
            raise invalid(f"this approval is {exc}", reason=str(exc)) from exc
        host.audit.write(
            f"confirm.{approval.state.value}", approvalId=approval_id, operator=peer.identity_digest, pid=peer.pid
        )
        host.pulse()
        return {"approvalId": approval_id, "state": approval.state.value}

    async def _reveal(self, params: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Show the texts of an approval; that somebody looked is written down."""
        approval_id = _string(params, "approvalId")
        host = self._host
        approval = next((each for each in host.book.pending(host.monotonic()) if each.id == approval_id), None)
        if approval is None:
            raise invalid("there is no such approval", reason="unknown_approval")
        host.audit.write("confirm.revealed", approvalId=approval_id, operator=peer.identity_digest)
        return {"approvalId": approval_id, "texts": [action["text"] for action in approval.shown]}

    async def _doctor(self, _: dict[str, Any], __: Peer) -> dict[str, Any]:
        return await self._serving.ask_inside("desktop.doctor", {})

    async def _observe(self, params: dict[str, Any], _: Peer) -> dict[str, Any]:
        workspace = params.get("workspacePath") or self._serving.preferred_workspace()
        return await self._serving.ask_inside("desktop.observe", {"meta": {"workspacePath": workspace}})

    async def _diagnostics(self, _: dict[str, Any], __: Peer) -> dict[str, Any]:
        """Return what a bug report needs, and nothing from evidence (R-UI-1)."""
        doctor = await self._serving.ask_inside("desktop.doctor", {})
        return {"version": __version__, "doctor": doctor, "audit": self._host.audit.tail(50)}

    def _assert_terminal(self, peer: Peer) -> None:
        if self._host.settings.confirm.approver == "other-terminal" and not peer.internal and not peer.terminal:
            words = "this must be done from a terminal; use another one than the program that asks"
            raise DesktopProblem(Code.CALLER_NOT_ALLOWED, words, reason="no_terminal")

    def _approval_json(self, approval: Approval, now: float) -> dict[str, Any]:
        requester = self._host.requesters.get(approval.id)
        return {
            "approvalId": approval.id,
            "expiresInS": round(approval.expires_at - now),
            "ttlS": round(approval.ttl_s),
            "peer": {
                "pid": requester.pid,
                "exePath": requester.exe_path,
                "digest": requester.identity_digest,
                "names": [each.name for each in requester.lineage],
            }
            if requester
            else None,
            "actions": [{name: value for name, value in action.items() if name != "text"} for action in approval.shown],
        }


def may_decide(requester: Peer, decider: Peer) -> str | None:
    """Return why this process may not decide about that one's request; None when it may.

    Both chains of ancestors end at the first process. The decider is refused when the requester, or what started it inside its terminal session, is
    among
    the decider's ancestors, or when both are in the same terminal session.
    """
    if not requester.lineage or not decider.lineage:
        return None  # this system does not tell; the socket's folder is the only wall
    session = requester.lineage[0].session
    if decider.lineage[0].session == session:
        return "the terminal that asked cannot approve; approve in another one"
    inside = {(each.pid, each.start_time) for each in requester.lineage if each.session == session}
    if any((each.pid, each.start_time) in inside for each in decider.lineage):
        return "the program that asked, or what it started, cannot approve"
    return None


def _string(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"params.{name} must be a string")
    return value
