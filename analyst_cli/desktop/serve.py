"""The serving process: it puts host, backend, sockets, signals and retention together, and takes them apart again in order."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli.desktop import rpc
from analyst_cli.desktop.allowlist import HostRule
from analyst_cli.desktop.audit import AuditLog
from analyst_cli.desktop.backends.base import Backend
from analyst_cli.desktop.chords import normalized_chord
from analyst_cli.desktop.configuration import (
    host_key,
    read_configuration,
    root_paths,
    state_folder,
    workspace_preferences,
)
from analyst_cli.desktop.endpoint import (
    HostLock,
    bound_socket,
    client_socket_path,
    operator_socket_path,
    private_folder,
)
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid
from analyst_cli.desktop.host import Host, HostState
from analyst_cli.desktop.operator import Operator
from analyst_cli.desktop.peer import Peer, internal_peer
from analyst_cli.desktop.retention import purge
from analyst_cli.desktop.server import Doorway
from analyst_cli.desktop.settings import MenubarSettings, changes_between
from analyst_cli.desktop.workspace import open_roots
from analyst_cli.errors import LocalProblem, SettingsProblem, UsageProblem

__all__ = ["HOOKS_VARIABLE", "ServeOptions", "Serving", "open_backend", "serve"]

log = logging.getLogger("analyst.desktop")

HOOKS_VARIABLE = "ANALYST_DESKTOP_TEST_HOOKS"
RETENTION_EVERY_S = 3_600.0


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    backend: str
    script: Path | None = None
    roots: tuple[Path, ...] = ()
    flags: dict[str, Any] = {}  # settings, as if they stood in the operator's file
    allowed: tuple[HostRule, ...] = ()  # rules that the operator gave on the command line
    hooks_with_real_backend: bool = False
    look_after_sockets_s: float = 10.0  # how often it is checked that the sockets are still there
    wait_for_start: bool = False  # open the sockets, and take no requests until the operator says start


def open_backend(name: str, script: Path | None) -> AbstractAsyncContextManager[Backend]:
    """Return the backend of a name, still closed. Raises UsageProblem."""
    if name == "fake":
        from analyst_cli.desktop.backends.fake import open_backend as fake  # noqa: PLC0415 - only the backend in use is loaded

        return fake(script)
    if name == "linux":
        try:
            from analyst_cli.desktop.backends.linux import open_backend as linux  # noqa: PLC0415 - see above
        except ModuleNotFoundError as exc:
            raise LocalProblem(f"{exc.name} is not installed", "pip install 'analyst-inbox[desktop]'") from exc
        return linux()
    raise UsageProblem(f"there is no backend {name!r}", "backends are linux and fake")


class Serving:
    """A host with its doors."""

    def __init__(self, host: Host, options: ServeOptions) -> None:
        self.host = host
        self.options = options
        self._inside = internal_peer()
        self._asked = 0
        self.preferences: MenubarSettings = host.settings.menubar
        self.clients = Doorway(host.handle, own_uid=host.own_uid, joined=lambda _: None, left=host.forget_connection)
        self.operators = Doorway(
            Operator(self).answer,
            own_uid=host.own_uid,
            joined=lambda peer: host.operator_peers.__setitem__(peer.connection_id, peer),
            left=self._operator_left,
        )

    def _operator_left(self, peer: Peer) -> None:
        self.host.operator_peers.pop(peer.connection_id, None)

    async def settle_panic(self) -> bool:
        """After a panic: wait for everything to end, then hang up on all clients (R-PA-2)."""
        settled = await self.host.settled()
        await self.clients.hang_up()
        if not settled:
            log.error("work is stuck in a call to the desktop after a panic; the process ends, and the panic stays")
            asyncio.get_running_loop().call_later(0.2, os._exit, 70)
        return settled

    def reload(self) -> dict[str, Any]:
        """Read settings and policy again; a broken file keeps what was (R-AL-6, R-CG-4)."""
        host = self.host
        try:
            fresh = read_configuration(self.options.flags)
        except SettingsProblem as exc:
            host.settings_problem = str(exc)
            host.audit.write("config.refused", reason=str(exc))
            raise invalid(f"{exc}; the old settings stay", reason="broken_configuration") from exc
        changes = changes_between(host.settings, fresh.settings)
        policy_changed = (self.options.allowed or fresh.rules) != host.file_rules
        if policy_changed or changes.members:
            host.book.void()  # what was approved under another policy is asked again (R-CF-6)
        host.settings, host.settings_warnings, host.settings_problem = fresh.settings, fresh.warnings, None
        host.file_rules, host.policy_problem = self.options.allowed or fresh.rules, None
        host.lanes.change(reads=host.settings.limits.reads, queue=host.settings.limits.queue)
        self._read_preferences()
        host.audit.write("config.loaded", changed=changes.members, policyChanged=policy_changed)
        host.pulse()
        return {
            "changed": list(changes.members),
            "needsRestart": list(changes.needs_restart),
            "policyChanged": policy_changed,
        }

    def preferred_workspace(self) -> str:
        """Return the workspace of the operator's own Observe."""
        wanted = self.preferences.workspace_path
        return wanted or (self.host.roots[0].real if self.host.roots else "")

    async def ask_inside(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call a method for the operator, as the host itself (§5.2)."""
        self._asked += 1
        line = await self.host.handle(rpc.Request(f"inside-{self._asked}", method, params), self._inside)
        reply: dict[str, Any] = msgspec.json.decode(line)
        if "error" in reply:
            error = reply["error"]
            raise DesktopProblem(
                Code(error["code"]), error["message"], **{k: v for k, v in error["details"].items() if k != "rpcCode"}
            )
        result: dict[str, Any] = reply["result"]
        return result

    def _read_preferences(self) -> None:
        workspace = self.host.settings.menubar.workspace_path or (self.host.roots[0].real if self.host.roots else "")
        self.preferences, warnings = workspace_preferences(Path(workspace), self.host.settings)
        self.host.settings_warnings = (*self.host.settings_warnings, *warnings)


@asynccontextmanager
async def serve(options: ServeOptions) -> AsyncIterator[Serving]:
    """Serve until the context ends. Raises what the command line tells the person: LocalProblem, SettingsProblem, UsageProblem."""
    configuration = read_configuration(options.flags)
    client_path, operator_path = client_socket_path(), operator_socket_path()
    private_folder(client_path.parent)
    lock = HostLock(client_path.with_suffix(".lock"))
    folder = state_folder()
    roots = open_roots(root_paths(configuration.settings, list(options.roots)))
    try:
        async with open_backend(options.backend, options.script) as backend:
            host = Host(
                backend,
                roots=roots,
                state_folder=folder,
                audit=AuditLog(folder, time.time),
                host_key=host_key(folder),
                own_uid=os.geteuid(),
                settings=configuration.settings,
                file_rules=options.allowed or configuration.rules,
                hooks_on=os.environ.get(HOOKS_VARIABLE) == "1"
                and (backend.name == "fake" or options.hooks_with_real_backend),
            )
            host.settings_warnings = configuration.warnings
            host.socket_path = client_path
            serving = Serving(host, options)
            serving._read_preferences()  # noqa: SLF001 - the two halves of one module
            try:
                async with _doors(serving, client_path, operator_path), _housekeeping(serving):
                    if host.state is not HostState.PANIC and not options.wait_for_start:
                        await host.start()
                    yield serving
            finally:
                await host.close()
    finally:
        lock.release()


@asynccontextmanager
async def _doors(serving: Serving, client_path: Path, operator_path: Path) -> AsyncIterator[None]:
    serving.operators.open(bound_socket(operator_path))
    serving.clients.open(bound_socket(client_path))
    try:
        yield
    finally:
        await serving.host.stop()
        await serving.clients.close()
        await serving.operators.close()
        for path in (client_path, operator_path):
            path.unlink(missing_ok=True)


@asynccontextmanager
async def _housekeeping(serving: Serving) -> AsyncIterator[None]:
    """SIGUSR1 is panic; SIGHUP reloads, or ends like SIGTERM when it says that the terminal was closed; old evidence goes once an hour."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[Any]] = set()

    def panicked() -> None:
        serving.host.panic()
        tasks.add(loop.create_task(serving.settle_panic()))

    in_main = _in_main_thread()
    had_terminal = in_main and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and _has_terminal()  # ignored: nohup

    def reloaded() -> None:
        if had_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
            return
        try:
            serving.reload()
        except DesktopProblem as exc:
            log.error("%s", exc.message)  # noqa: TRY400 - the sentence tells everything

    handlers = {signal.SIGUSR1: panicked, signal.SIGHUP: reloaded}
    for number, act in handlers.items():
        if in_main:
            loop.add_signal_handler(number, act)
    jobs = (_retain(serving), _keep_reachable(serving), _keep_panic_key(serving, panicked))
    tasks |= {loop.create_task(job) for job in jobs}
    try:
        yield
    finally:
        for number in handlers:
            if in_main:
                loop.remove_signal_handler(number)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_reachable(serving: Serving) -> None:
    """Bind the sockets again when somebody removed them (a cleaner of temporary files); the host is failed while that cannot be done."""
    places = {client_socket_path(): serving.clients, operator_socket_path(): serving.operators}
    while True:
        await asyncio.sleep(serving.options.look_after_sockets_s)
        host = serving.host
        for path, doorway in places.items():
            if path.is_socket():
                continue
            try:
                private_folder(path.parent)
                await doorway.reopen(bound_socket(path))
            except (LocalProblem, OSError) as exc:
                host.fail(f"its socket was removed and cannot be made again: {exc}")
                break
            host.audit.write("socket.restored", path=path.name)
        else:
            if host.state is HostState.FAILED:
                await host.start()


async def _keep_panic_key(serving: Serving, panicked: Callable[[], None]) -> None:
    """Take the operator's panic key on the desktop, and again when the X server was away (R-PA-3)."""
    host, chord = serving.host, serving.host.settings.panic.hotkey
    if host.backend.name != "linux" or not chord:
        return
    from analyst_cli.desktop.backends.linux.panic_key import PanicKey  # noqa: PLC0415 - only the backend in use is loaded

    key = PanicKey(os.environ, normalized_chord(chord), panicked)
    try:
        while True:
            host.panic_key_problem = await key.ensure()
            await asyncio.sleep(serving.options.look_after_sockets_s)
    finally:
        key.close()


async def _retain(serving: Serving) -> None:
    while True:
        evidence = serving.host.settings.evidence
        loop = asyncio.get_running_loop()
        for root in serving.host.roots:
            gone = await loop.run_in_executor(
                serving.host.file_threads,
                purge,
                root.real,
                evidence.max_age_days,
                evidence.max_bytes,
                serving.host.wall(),
            )
            if gone:
                serving.host.audit.write("evidence.purged", root=root.real, executions=gone)
        await asyncio.sleep(RETENTION_EVERY_S)


def _has_terminal() -> bool:
    """Tell whether there is a controlling terminal; after a hang-up there is none any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
