"""The checks that a request must pass before anything is written or done for it, in the order of R-ORD. They never wait.

Envelope and user are checked before (`server.py`); queue, evidence, permission and confirmation come after (`host.py`).
"""

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from analyst_cli.desktop.allowlist import TEST_METHODS, host_allows, workspace_allows
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid
from analyst_cli.desktop.fields import MetaParams
from analyst_cli.desktop.methods.registry import METHODS, Method
from analyst_cli.desktop.params import meta_of, params_of
from analyst_cli.desktop.peer import Peer
from analyst_cli.desktop.rpc import Request
from analyst_cli.desktop.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from analyst_cli.desktop.host import Host

__all__ = ["admitted"]


def admitted(host: "Host", request: Request, peer: Peer) -> tuple[Call[Any], Method]:
    """Return the call that a request becomes; whoever gets it closes its workspace. Raises DesktopProblem."""
    host.assert_accepting(peer)
    if reason := peer.reason_gone():
        raise DesktopProblem(
            Code.CALLER_NOT_ALLOWED, "the process that connected is no longer the one that asks", reason=reason
        )
    method = _known(host, request)
    if not peer.internal and not host_allows(host.rules, peer.caller, request.method):
        raise DesktopProblem(
            Code.CALLER_NOT_ALLOWED,
            f"the operator does not let this caller call {request.method}; a rule in the host's allowlist would",
            reason="host_allowlist",
        )
    meta = meta_of(request.params)
    params = params_of(request.method, request.params)
    _assert_unused_ids(host, request, meta, peer)
    workspace = _workspace(host, meta, method, peer)
    call = Call(host, peer, request_id=request.id, method=request.method, meta=meta, params=params, workspace=workspace)
    return call, method


def _known(host: "Host", request: Request) -> Method:
    """Return the method. A hook behind its closed gate is as unknown as a method that does not exist (§3.14)."""
    method = METHODS.get(request.method)
    meta = request.params.get("meta")
    asked = isinstance(meta, dict) and meta.get("_testMode") is True
    if method is None or (request.method in TEST_METHODS and not (host.hooks_on and asked)):
        raise invalid(f"Unknown method: {request.method[:100]}", rpc_code=-32601)
    return method


def _assert_unused_ids(host: "Host", request: Request, meta: MetaParams, peer: Peer) -> None:
    wanted = meta.request_id if meta.request_id is not UNSET else str(request.id)
    for other in host.active_calls():
        if other.peer.connection_id != peer.connection_id:
            continue
        if other.rpc_id == request.id and type(other.rpc_id) is type(request.id):
            raise invalid(
                "a request with this id is still in flight on this connection", rpc_code=-32600, reason="duplicate_id"
            )
        if other.request_id == wanted:
            raise invalid("a request with this meta.requestId is still active", rpc_code=-32600, reason="duplicate_id")


def _workspace(host: "Host", meta: MetaParams, method: Method, peer: Peer) -> Workspace | None:
    """Open the workspace and let its own list narrow who may use it (R-AL-2)."""
    if meta.workspace_path is UNSET:
        if method.needs_workspace:
            raise invalid("params.meta.workspacePath is missing")
        return None
    try:
        workspace = open_workspace(meta.workspace_path, host.roots, host.own_uid)
    except DesktopProblem:
        if method.needs_workspace:
            raise
        return None  # health, doctor and abort use no workspace; one that cannot be used narrows nothing
    allowed, why = (True, "") if peer.internal else workspace_allows(workspace.allowlist_text(), peer.caller)
    if not allowed:
        workspace.close()
        raise DesktopProblem(
            Code.CALLER_NOT_ALLOWED, f"the workspace does not let this caller in: {why}", reason="workspace_allowlist"
        )
    return workspace
