"""The host: one state, one policy, one desktop, and the way of a request through all checks in their order (R-ORD).

It knows no sockets: `server.py` gives it requests with their peers, `operator.py` the operator's wishes. Confirmations, queues and
evidence are its parts; decisions are made in the pure modules.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from analyst_cli.desktop import rpc
from analyst_cli.desktop.admission import admitted
from analyst_cli.desktop.allowlist import HostRule, default_rules, host_allows
from analyst_cli.desktop.audit import AuditLog
from analyst_cli.desktop.backends.base import Backend, BackendError, PermissionMissing, Situation
from analyst_cli.desktop.call import Call, problem_of
from analyst_cli.desktop.confirm import Approval, ConfirmBook
from analyst_cli.desktop.elements import Modal, Permission
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.evidence import iso_time
from analyst_cli.desktop.lanes import Lanes
from analyst_cli.desktop.methods.registry import LaneName, Method
from analyst_cli.desktop.peer import Peer
from analyst_cli.desktop.recording import begin_recording, end_recording
from analyst_cli.desktop.reins import StopCause
from analyst_cli.desktop.running import run_under
from analyst_cli.desktop.settings import Settings
from analyst_cli.desktop.targets import ElementTable
from analyst_cli.desktop.workspace import Root

__all__ = ["Host", "HostState"]

log = logging.getLogger("analyst.desktop")

PANIC_MARKER = "panic"
PROBE_AGE_S = 2.0  # how old an answer about permissions may be
RECENT = 200  # executions that the operator's screen can show


class HostState(StrEnum):
    """§6.1."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"
    PANIC = "panic"


class Host:
    """See the module. The event loop owns it; only `panic` may be called while everything hangs."""

    def __init__(
        self,
        backend: Backend,
        *,
        roots: tuple[Root, ...],
        state_folder: Path,
        audit: AuditLog,
        host_key: bytes,
        own_uid: int,
        settings: Settings | None = None,
        file_rules: tuple[HostRule, ...] | None = None,
        hooks_on: bool = False,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self.roots = roots
        self.state_folder = state_folder
        self.audit = audit
        self.own_uid = own_uid
        self.settings = settings or Settings()
        self.file_rules = file_rules  # None: there is no operator's list
        self.hooks_on = hooks_on
        self.wall = wall
        self.monotonic = monotonic
        self.settings_problem: str | None = None
        self.settings_warnings: tuple[str, ...] = ()
        self.policy_problem: str | None = None
        self.failure: str | None = None
        self.panic_key_problem: str | None = "it was not taken yet"  # why the operator's panic key does not work
        self.socket_path: Path | None = None
        self.state = HostState.PANIC if (state_folder / PANIC_MARKER).exists() else HostState.STOPPED
        self.book = ConfirmBook()
        self.requesters: dict[str, Peer] = {}  # approval id -> who asked
        self.lanes = Lanes(reads=self.settings.limits.reads, queue=self.settings.limits.queue)
        self.file_threads = ThreadPoolExecutor(4, thread_name_prefix="evidence")
        self.recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self.operator_peers: dict[str, Peer] = {}
        self.revision = 0  # counts what the operator's screen shows
        self.approvals_changed = asyncio.Event()
        self._host_key = host_key
        self._active: set[Call[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._elements: dict[str, ElementTable] = {}
        self._injected: dict[str, tuple[Modal, ...]] = {}
        self._situation: tuple[float, Situation] | None = None
        self._probing = asyncio.Lock()

    # What a request goes through

    async def handle(self, request: rpc.Request, peer: Peer) -> bytes:
        """Do what a request asks and return the reply line. Never raises but for cancellation."""
        try:
            call, method = admitted(self, request, peer)
        except DesktopProblem as problem:
            self._note_refusal(request.method, peer, problem)
            return rpc.failure(request.id, problem)
        self._begin(call)
        try:
            return rpc.success(request.id, await self._execute(call, method))
        except DesktopProblem as problem:
            return rpc.failure(request.id, problem)
        except Exception as exc:  # noqa: BLE001 - the dispatcher answers every request; what went wrong stays in the log
            log.error(  # noqa: TRY400 - a traceback may hold a stranger's text
                "unexpected %s in %s at %s", type(exc).__name__, request.method, _place(exc)
            )
            return rpc.failure(
                request.id, DesktopProblem(Code.INTERNAL_ERROR, "unexpected failure; the host's log tells more")
            )
        finally:
            self._end(call)

    async def _execute(self, call: Call[Any], method: Method) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            try:
                if method.lane is not LaneName.NONE:
                    lane = {LaneName.UI: self.lanes.ui, LaneName.WAITS: self.lanes.waits}.get(
                        method.lane, self.lanes.reads
                    )
                    await stack.enter_async_context(lane.admit())
                if method.evidence:
                    await begin_recording(call)
            except DesktopProblem as problem:
                self._note_refusal(call.method, call.peer, problem)
                raise
            result, ended_by = await self._outcome(call, method)
            if method.evidence:
                ended_by = await end_recording(call, result, ended_by)
            self._note_end(call, ended_by)
        if ended_by is not None:
            raise ended_by
        assert result is not None  # noqa: S101 - there is a result or a problem
        return result

    async def _outcome(self, call: Call[Any], method: Method) -> tuple[dict[str, Any] | None, DesktopProblem | None]:
        try:
            return await run_under(call.reins, self._steps(call, method)), None
        except (DesktopProblem, BackendError) as error:
            problem = problem_of(error) if isinstance(error, BackendError) else error
            problem.details = {**problem.details, **_token_facts(call)}
            return None, problem
        except Exception as exc:  # noqa: BLE001 - the evidence must get its end whatever happens; nothing internal is told
            log.error(  # noqa: TRY400 - a traceback may hold a stranger's text
                "unexpected %s in %s at %s", type(exc).__name__, call.method, _place(exc)
            )
            return None, DesktopProblem(
                Code.INTERNAL_ERROR, "unexpected failure; the host's log tells more", **_token_facts(call)
            )
        finally:
            call.release()

    async def _steps(self, call: Call[Any], method: Method) -> dict[str, Any]:
        if method.permission is not None:
            situation = await call.permitted(method.permission)
            if method.capability is not None and method.capability not in situation.capabilities:
                raise _cannot(call.method, method, situation)
        if method.confirmed:
            call.confirmed()
        return await method.run(call)

    # What methods ask of the host

    @property
    def rules(self) -> tuple[HostRule, ...]:
        """The operator's list, or the policy without one (Q8)."""
        if self.file_rules is not None:
            return self.file_rules
        return default_rules(own_uid=self.own_uid, person_approves=self.settings.confirm.mode == "operator")

    def allows_explicitly(self, peer: Peer, method: str) -> bool:
        """Tell whether a rule that the operator wrote lets the peer call this method."""
        return self.file_rules is not None and host_allows(self.file_rules, peer.caller, method)

    async def situation(self, max_age_s: float = PROBE_AGE_S) -> Situation:
        """Return what the backend can do, asked anew when the answer is older."""
        async with self._probing:
            if self._situation is None or self.monotonic() - self._situation[0] > max_age_s:
                self._situation = (self.monotonic(), await self.backend.probe())
            return self._situation[1]

    def active_calls(self) -> Iterable[Call[Any]]:
        """Return the requests that are being worked on."""
        return tuple(self._active)

    def elements_of(self, peer: Peer) -> ElementTable:
        """Return the elements that a connection knows."""
        return self._elements.setdefault(peer.connection_id, ElementTable())

    def injected_modals(self, peer: Peer) -> tuple[Modal, ...]:
        """Return the modals that a test invented on this connection."""
        return self._injected.get(peer.connection_id, ())

    def inject_modals(self, peer: Peer, modals: tuple[Modal, ...]) -> None:
        """Keep invented modals until the connection ends (R-TH-3)."""
        self._injected[peer.connection_id] = modals

    def protected_pids(self) -> frozenset[int]:
        """Return the processes in whose windows somebody may be approving right now (R-CF-10)."""
        return frozenset(ancestor.pid for peer in self.operator_peers.values() for ancestor in peer.lineage)

    def salt_of(self, execution_id: str) -> bytes:
        """Return the salt for redacted text of an execution; it never leaves the host (R-EV-5)."""
        return hmac.new(self._host_key, execution_id.encode(), hashlib.sha256).digest()

    def note_approval(self, approval: Approval, peer: Peer) -> None:
        """Tell the operator that somebody asks."""
        self.requesters = {i: who for i, who in self.requesters.items() if self.book.remembers(i)} | {approval.id: peer}
        self.pulse()

    def pulse(self) -> None:
        """Wake everybody who waits for a decision, or watches."""
        self.revision += 1
        self.approvals_changed.set()
        self.approvals_changed = asyncio.Event()

    def forget_connection(self, peer: Peer) -> None:
        """A client hung up: its requests stop where they can, what was bound to it is void (R-TR-7, R-CF-6)."""
        for call in self.active_calls():
            if call.peer.connection_id == peer.connection_id:
                call.reins.stop(StopCause.DISCONNECT)
        self.book.void(connection_id=peer.connection_id)
        self._elements.pop(peer.connection_id, None)
        self._injected.pop(peer.connection_id, None)
        self.pulse()

    def assert_accepting(self, peer: Peer) -> None:
        """Raise HOST_STOPPED or HOST_NOT_READY unless requests are taken; the operator's screen may ask in any state."""
        if self.state is HostState.RUNNING or (peer.internal and self.state is not HostState.PANIC):
            return
        if self.state is HostState.STARTING:
            raise DesktopProblem(Code.HOST_NOT_READY, "the host is starting")
        words = (
            "the host was stopped by panic; the operator resets it"
            if self.state is HostState.PANIC
            else f"the host is {self.state}"
        )
        raise DesktopProblem(Code.HOST_STOPPED, words, state=self.state.value)

    # What the operator asks of the host

    async def start(self) -> None:
        """Take requests. From panic this is the operator's explicit way out (R-ST)."""
        if self.state is HostState.RUNNING:
            return
        self._enter(HostState.STARTING)
        (self.state_folder / PANIC_MARKER).unlink(missing_ok=True)
        await self.situation(max_age_s=0)
        if self.state is HostState.STARTING:  # a panic may have come meanwhile
            self._enter(HostState.RUNNING)

    async def stop(self) -> None:
        """Take no more requests, let the running ones end for `drainMs`, then stop them."""
        if self.state in {HostState.STOPPED, HostState.PANIC}:
            return
        self._enter(HostState.STOPPING)
        self.book.void()
        self.pulse()
        await self._drained(self.settings.limits.drain_ms / 1000)
        for call in self.active_calls():
            call.reins.stop(StopCause.STOPPING)
        await self._drained(self.settings.limits.drain_ms / 1000)
        if self.state is HostState.STOPPING:
            self._enter(HostState.STOPPED)

    def panic(self) -> None:
        """Stop everything at once (R-PA-1); it stays so, also across restarts, until `reset`."""
        for call in self.active_calls():
            call.reins.stop(StopCause.PANIC)
        self._enter(HostState.PANIC)
        self.book.void()
        self.backend.release_keys()
        try:
            (self.state_folder / PANIC_MARKER).write_text(iso_time(self.wall()) + "\n")
        except OSError:
            log.error("the panic could not be written down: a restart of the host would end it")  # noqa: TRY400 - no traceback for people
        self.pulse()

    async def settled(self) -> bool:
        """Wait until everything that a panic stopped has ended, 5 s at most; return whether it has (R-PA-2)."""
        await self._drained(5.0)
        self.backend.release_keys()
        return not self._active

    def reset(self) -> None:
        """Leave the panic and be stopped."""
        if self.state is HostState.PANIC:
            (self.state_folder / PANIC_MARKER).unlink(missing_ok=True)
            self._enter(HostState.STOPPED)

    def fail(self, reason: str) -> None:
        """The host cannot serve any more."""
        self.failure = reason
        self._enter(HostState.FAILED)

    async def close(self) -> None:
        """Stop, and let go of everything but the backend."""
        await self.stop()
        await self._drained(5.0)
        self.file_threads.shutdown(wait=True)
        self.audit.close()
        for root in self.roots:
            root.close()

    async def _drained(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    def _begin(self, call: Call[Any]) -> None:
        self._active.add(call)
        self._idle.clear()

    def _end(self, call: Call[Any]) -> None:
        self._active.discard(call)
        if not self._active:
            self._idle.set()
        if call.workspace is not None:
            call.workspace.close()

    def _enter(self, state: HostState) -> None:
        if state is not self.state:
            self.audit.write("state", old=self.state.value, new=state.value)
            log.info("%s -> %s", self.state.value, state.value)
        self.state = state
        self.pulse()

    def _note_refusal(self, method: str, peer: Peer, problem: DesktopProblem) -> None:
        reason = problem.details.get("reason")
        self.audit.write(
            "refused",
            peer=peer.identity_digest,
            pid=peer.pid,
            method=method[:100],
            code=problem.code.value,
            reason=reason,
        )

    def _note_end(self, call: Call[Any], problem: DesktopProblem | None) -> None:
        code = problem.code.value if problem else None
        self.recent.append(
            {
                "ts": iso_time(self.wall()),
                "executionId": call.execution_id,
                "method": call.method,
                "ok": problem is None,
                "errorCode": code,
                "durationMs": call.reins.elapsed_ms,
                "pid": call.peer.pid,
                "evidenceDir": call.execution.dir if call.execution else None,
            }
        )
        if call.execution is None or (problem is not None and problem.code is Code.CONFIRM_REQUIRED):
            reason = problem.details.get("reason") if problem else None
            self.audit.write("called", peer=call.peer.identity_digest, method=call.method, code=code, reason=reason)
        self.pulse()


def _token_facts(call: Call[Any]) -> dict[str, Any]:
    consumed = call.facts.get("tokenConsumed")
    return {} if consumed is None else {"tokenConsumed": consumed}


def _cannot(name: str, method: Method, situation: Situation) -> DesktopProblem:
    """Say why a method cannot work here: an overlay is a wish (INVALID_REQUEST), everything else a permission."""
    if name == "desktop.highlight":
        return DesktopProblem(Code.INVALID_REQUEST, "this desktop cannot show an overlay", reason="no_overlay")
    remedy = situation.remedies.get(
        Permission.ACCESSIBILITY, f"this session ({situation.session}) does not allow {method.capability}"
    )
    return problem_of(PermissionMissing(Permission.ACCESSIBILITY, remedy))


def _place(exc: BaseException) -> str:
    """Name where it happened, without values."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"
