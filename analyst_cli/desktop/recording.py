"""The beginning and the end of an execution's evidence, around whatever the method does."""

import os
import uuid
from typing import Any

from analyst_cli import __version__
from analyst_cli.desktop.backends.base import Situation
from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Permission
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.evidence import Execution, iso_time
from analyst_cli.desktop.methods.health import os_version
from analyst_cli.desktop.redaction import rect_json, redacted_params

__all__ = ["SERVICE_LABEL", "begin_recording", "end_recording"]

SERVICE_LABEL = "com.analyst.desktop.bridge"


async def begin_recording(call: Call[Any]) -> None:
    """Create the folder, `env.json` and the `start` event. Raises DesktopProblem; then nothing may be done."""
    situation = await call.host.situation()
    call.execution_id = str(uuid.uuid4())
    salt = call.host.salt_of(call.execution_id)
    shown = redacted_params(call.params, salt, include_text=call.settings.evidence.include_text)
    call.execution = await call.in_files(_begin, call, situation, shown)
    call.host.pulse()  # the operator's screen shows what runs


def _begin(call: Call[Any], situation: Situation, shown: dict[str, Any]) -> Execution:
    assert call.workspace is not None  # noqa: S101 - methods with evidence need one
    assert call.execution_id is not None  # noqa: S101 - set above
    try:
        execution = Execution(call.workspace, call.execution_id, call.method, call.request_id, call.host.wall)
        try:
            execution.write_json("env.json", _env(call, execution, situation))
            execution.event(
                "desktop.start", params=shown, requestId=call.request_id, peerDigest=call.peer.identity_digest
            )
        except BaseException:
            execution.discard(call.workspace)
            raise
    except OSError as exc:
        raise _unwritable(exc) from exc
    return execution


async def end_recording(
    call: Call[Any], result: dict[str, Any] | None, problem: DesktopProblem | None
) -> DesktopProblem | None:
    """Write how it ended. Return the problem that the reply must tell: the one given, or that the evidence could not be written."""
    execution = call.execution
    assert execution is not None  # noqa: S101 - begin_recording made it
    error = problem.reply() if problem else None
    summary = (
        None
        if result is None
        else {name: value for name, value in result.items() if name not in {"evidence", "elementRefs", "executionId"}}
    )

    def end() -> DesktopProblem | None:
        lost = None
        try:
            execution.keep(call.files, call.events)
        except OSError as exc:
            lost = problem or _unwritable(exc)
        execution.finish(
            result=None if lost else summary,
            error=lost.reply() if lost else error,
            facts=call.facts,
            peer_digest=call.peer.identity_digest,
        )
        return lost

    try:
        problem = await call.in_files(end) or problem
    except OSError as exc:
        lost = _unwritable(exc)
        call.host.audit.write(
            "evidence.lost", executionId=execution.id, method=call.method, facts=call.facts, reason=lost.message
        )
        return problem or DesktopProblem(lost.code, lost.message, **lost.details, **call.facts)
    finally:
        execution.close()
    return problem


def _env(call: Call[Any], execution: Execution, situation: Situation) -> dict[str, Any]:
    """Return `env.json` (§5.5): the source document's members, then ours."""
    assert call.workspace is not None  # noqa: S101 - see above
    return {
        "executionId": execution.id,
        "timestamp": iso_time(execution.started_at),
        "workspacePath": call.workspace.real,
        "eventsPath": "events.ndjson",
        "peer": call.peer.json(),
        "host": {"pid": os.getpid(), "bundleId": SERVICE_LABEL, "version": __version__},
        "permissions": {permission.value: bool(situation.permissions.get(permission)) for permission in Permission},
        "requestId": call.request_id,
        "method": call.method,
        "schemaVersion": 1,
        "os": os_version(),
        "backend": call.backend.name,
        "displays": [
            {"id": display.display_id, "main": display.main, "scale": display.scale, "frame": rect_json(display.frame)}
            for display in situation.displays
        ],
    }


def _unwritable(error: OSError) -> DesktopProblem:
    words = os.strerror(error.errno).lower() if error.errno else "the disk refused it"
    return DesktopProblem(
        Code.INTERNAL_ERROR,
        f"evidence cannot be written to the workspace: {words}",
        reason="evidence_unavailable",
        errno=error.errno,
    )
