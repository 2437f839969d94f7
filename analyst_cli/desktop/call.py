"""One request on its way through the host, as the methods see it: its params, its reins, its evidence, and the desktop.

Methods decide what is looked at and done; `host.py` has admitted the request before, and writes the end of its evidence afterwards.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from analyst_cli.desktop.backends.base import (
    Backend,
    BackendError,
    BackendLost,
    PermissionMissing,
    Refusal,
    Refused,
    Situation,
    TreeRequest,
)
from analyst_cli.desktop.confirm import Proof, Scope, Token, digest_of, proof_of
from analyst_cli.desktop.elements import Cut, Permission, Snapshot
from analyst_cli.desktop.errors import Code, DesktopProblem, confirm_required, invalid
from analyst_cli.desktop.fields import MetaParams
from analyst_cli.desktop.params import Params, normalized
from analyst_cli.desktop.peer import Peer
from analyst_cli.desktop.reins import Reins
from analyst_cli.desktop.settings import Settings
from analyst_cli.desktop.workspace import Workspace

if TYPE_CHECKING:
    from analyst_cli.desktop.evidence import Execution
    from analyst_cli.desktop.host import Host

__all__ = ["Call", "problem_of"]

P = TypeVar("P", bound=Params)

_REFUSAL_CODES = {
    Refusal.STALE: Code.STALE_ELEMENT,
    Refusal.KEY_UNAVAILABLE: Code.INVALID_REQUEST,
    Refusal.TEXT_NOT_TYPABLE: Code.INVALID_REQUEST,
}


class Call(Generic[P]):
    """See the module. `facts` go into `result.json` and the terminal event beside the result."""

    def __init__(
        self,
        host: "Host",
        peer: Peer,
        *,
        request_id: str | int,
        method: str,
        meta: MetaParams,
        params: P,
        workspace: Workspace | None,
    ) -> None:
        self.host = host
        self.peer = peer
        self.rpc_id = request_id
        self.method = method
        self.meta = meta
        self.params = params
        self.workspace = workspace
        self.reins = Reins(meta.timeout_ms)
        self.execution_id: str | None = None
        self.execution: Execution | None = None
        self.facts: dict[str, Any] = {}
        self.files: list[tuple[str, Any]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.token: Token | None = None

    @property
    def request_id(self) -> str:
        """`meta.requestId`, or the JSON-RPC id as text."""
        return self.meta.request_id if isinstance(self.meta.request_id, str) else str(self.rpc_id)

    @property
    def backend(self) -> Backend:
        """The desktop."""
        return self.host.backend

    @property
    def settings(self) -> Settings:
        """The host's settings at the moment."""
        return self.host.settings

    async def look(self, request: TreeRequest) -> Snapshot:
        """Read the desktop in the lane of reads."""
        async with self.host.lanes.reads.turn():
            return self.veiled(await self.backend.look(request, self.reins))

    def veiled(self, snapshot: Snapshot) -> Snapshot:
        """Leave out what is inside the applications that nobody may look into (password managers): elements, and titles of windows."""
        hidden = self.settings.evidence.hidden_apps
        windows = tuple(
            msgspec.structs.replace(each, title=None) if each.app_id in hidden else each for each in snapshot.windows
        )
        if snapshot.app is None or snapshot.app.app_id not in hidden:
            return msgspec.structs.replace(snapshot, windows=windows)
        root = snapshot.root and msgspec.structs.replace(snapshot.root, children=(), cut=Cut.HIDDEN)
        return msgspec.structs.replace(snapshot, windows=windows, root=root, window_title=None, modals=())

    async def permitted(self, permission: Permission) -> Situation:
        """Raise PERMISSION_MISSING unless the platform grants it."""
        situation = await self.host.situation()
        if not situation.permissions.get(permission):
            situation = await self.host.situation(max_age_s=0)
        if not situation.permissions.get(permission):
            raise problem_of(
                PermissionMissing(permission, situation.remedies.get(permission, "see analyst desktop doctor"))
            )
        return situation

    def confirmed(self) -> None:
        """Check the confirmation and reserve it; committing spends it (R-CF-3). Raises CONFIRM_REQUIRED."""
        proof = proof_of(getattr(self.params, "confirm", None))
        if proof.kind == "phrase":
            self._confirm_by_phrase(proof)
            return
        assert self.workspace is not None  # noqa: S101 - every method with a confirmation needs a workspace
        scope = Scope(self.method, digest_of(normalized(self.method, self.params), self.workspace.real))
        token = self.host.book.reserve(proof.text, scope, self.peer.principal, self.host.monotonic())
        self.token = token
        self.facts |= {"confirmedBy": token.approved_by, "tokenId": token.id, "tokenConsumed": False}
        self.reins.on_commit = self._consume

    def release(self) -> None:
        """Give the confirmation back when nothing was done with it."""
        if self.token is not None and not self.reins.committed:
            self.host.book.release(self.token)

    async def write(self, name: str, content: bytes) -> None:
        """Write a file of the evidence now, because of what comes next."""
        assert self.execution is not None  # noqa: S101 - only methods with evidence write
        await self.in_files(self.execution.write, name, content)

    def keep(self, name: str, content: Any) -> None:
        """Leave a file (bytes, or members for JSON) for the end of the evidence: it is written before the reply goes out, or that tells a failure."""
        self.files.append((name, content))

    def event(self, kind: str, **members: Any) -> None:
        """Leave an event between start and end; it is written after the files."""
        self.events.append((kind, members))

    async def in_files(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run something that touches files in the host's file threads."""
        return await asyncio.get_running_loop().run_in_executor(self.host.file_threads, function, *args)

    def evidence(self, **members: Any) -> dict[str, Any]:
        """Return the member `evidence` of a result."""
        assert self.execution is not None  # noqa: S101 - see above
        return {"dir": self.execution.dir, "envPath": "env.json", "eventsPath": "events.ndjson", **members}

    def _consume(self) -> None:
        if self.token is not None:
            self.host.book.consume(self.token)
            self.facts["tokenConsumed"] = True

    def _confirm_by_phrase(self, proof: Proof) -> None:
        allowed = self.settings.confirm.allow_phrase and self.host.allows_explicitly(self.peer, self.method)
        if not allowed or proof.text != f"CONFIRM:{self.request_id}":
            raise confirm_required("invalid", "a phrase is not accepted here: call desktop.confirm.issue for a token")
        self.facts["confirmedBy"] = "phrase"


def problem_of(error: BackendError) -> DesktopProblem:
    """Translate what a backend raises into what a caller is told; the only place that does."""
    match error:
        case PermissionMissing():
            return DesktopProblem(
                Code.PERMISSION_MISSING, str(error), permission=error.permission.value, remedy=error.remedy
            )
        case BackendLost():
            return DesktopProblem(
                Code.HOST_NOT_READY, f"the connection to the desktop was lost ({error})", reason="backend_lost"
            )
        case Refused():
            code = _REFUSAL_CODES.get(error.reason, Code.ELEMENT_NOT_FOUND)
            return DesktopProblem(code, f"not done: {error}", reason=error.reason.value, effect="refused")
        case _:
            return invalid(str(error))
