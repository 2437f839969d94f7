"""`analyst desktop session`: a long-lived pipe. A request a line in, exactly one answer a line out, any number at a time (§7.3).

Line in: `{"id", "workspacePath"?, "method", "params", "timeoutMs"?}`; line out: `{"id", "exitCode", "stdout": "<reply>", "stderr"}`, or with
`raw` plain JSON-RPC lines both ways. The end of the input lets work in flight finish; idle means no input and nothing in flight.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from analyst_cli.desktop.client import CLIENT_GRACE_S, HostClient, HostUnreachable, NoReply

__all__ = ["Session", "run_session", "stdin_lines"]

DEFAULT_TIMEOUT_MS = 10_000  # of a line without one
MAX_LINE_BYTES = 2 * 1024 * 1024


class BadLine(ValueError):
    """A line that is no request; `request_id` where it could be read."""

    def __init__(self, words: str, request_id: str | None = None) -> None:
        super().__init__(words)
        self.request_id = request_id


class Session:
    """Answer lines over one cached connection, which is made again once when the host went away (R-SE-6)."""

    def __init__(
        self,
        workspace: str,
        write: Callable[[dict[str, Any]], None],
        *,
        raw: bool = False,
        many_workspaces: bool = False,
    ) -> None:
        self._workspace = workspace
        self._write = write
        self._raw = raw
        self._many = many_workspaces
        self._client: HostClient | None = None
        self._connecting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether something is in flight."""
        return bool(self._tasks)

    def take(self, line: bytes) -> None:
        """Start to answer a line."""
        if not line.strip():
            return
        try:
            request = self._read(line)
        except BadLine as bad:
            self._answer(bad.request_id, 64, None, str(bad))
            return
        task = asyncio.create_task(self._ask(**request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for everything in flight, then hang up."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()

    async def _ask(self, *, request_id: str | int, method: str, params: dict[str, Any], timeout_ms: int) -> None:
        try:
            client = await self._connected()
            reply = await client.call(method, params, request_id=request_id, wait_s=timeout_ms / 1000 + CLIENT_GRACE_S)
        except NoReply as exc:
            if self._client is not None and not self._client.lost.is_set():  # the host goes on: stop it there (R-SE-7)
                abort = self._client.call("desktop.abort", {"targetRequestId": request_id}, wait_s=1.0)
                await asyncio.gather(abort, return_exceptions=True)
            self._answer(request_id, 124, None, str(exc))
        except HostUnreachable as exc:
            self._answer(request_id, 10, None, str(exc))
        else:
            self._answer(request_id, 2 if "error" in reply else 0, reply, "")

    async def _connected(self) -> HostClient:
        async with self._connecting:
            if self._client is not None and self._client.lost.is_set():
                await self._client.close()
                self._client = None
                sys.stderr.write("[Session] the host hung up; confirmation tokens bound to that connection are void\n")
                sys.stderr.flush()
            if self._client is None:
                self._client = await HostClient.connect()
            return self._client

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            members = json.loads(line.strip())
        except (ValueError, RecursionError) as exc:
            position = getattr(exc, "pos", 0)
            raise BadLine(f"not JSON at position {position}") from exc
        if not isinstance(members, dict):
            raise BadLine("a line is a JSON object")
        request_id = members.get("id")
        if isinstance(request_id, bool) or not isinstance(request_id, str | int) or request_id == "":
            raise BadLine("id must be a string or an integer")
        method, params = members.get("method"), members.get("params", {})
        if not isinstance(method, str) or not isinstance(params, dict):
            raise BadLine("method must be a string and params an object", str(request_id))
        raw_meta = params.get("meta")
        meta = dict(raw_meta) if isinstance(raw_meta, dict) else {}
        workspace = members.get("workspacePath", meta.get("workspacePath") if self._raw else None) or self._workspace
        if workspace != self._workspace and not self._many:
            raise BadLine(
                "workspacePath is not the session's; start it with --multi-workspace to allow others", str(request_id)
            )
        timeout_ms = members.get("timeoutMs", meta.get("timeoutMs", DEFAULT_TIMEOUT_MS))
        if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, int) or not 1 <= timeout_ms <= 600_000:
            raise BadLine("timeoutMs must be an integer from 1 to 600000", str(request_id))
        meta |= {"workspacePath": workspace, "requestId": str(request_id), "timeoutMs": timeout_ms}
        meta.setdefault("schemaVersion", 1)
        return {
            "request_id": request_id,
            "method": method,
            "params": {**params, "meta": meta},
            "timeout_ms": timeout_ms,
        }

    def _answer(self, request_id: str | int | None, exit_code: int, reply: dict[str, Any] | None, words: str) -> None:
        if not self._raw:
            stdout = msgspec.json.encode(reply).decode() if reply is not None else ""
            self._write({"id": request_id, "exitCode": exit_code, "stdout": stdout, "stderr": words})
        elif reply is not None:
            self._write(reply)
        else:
            error = {
                "code": "DESKTOP_HOST_NOT_RUNNING" if exit_code == 10 else "DESKTOP_INVALID_REQUEST",
                "message": words,
                "retryable": False,
            }
            self._write({"jsonrpc": "2.0", "id": request_id, "error": error})


async def run_session(session: Session, lines: asyncio.StreamReader, idle_ms: int) -> None:
    """Answer lines until the input ends, or nothing came and nothing was in flight for `idle_ms`."""
    waiting: asyncio.Task[bytes] | None = None
    try:
        while True:
            waiting = waiting or asyncio.create_task(_line(lines))
            done, _ = await asyncio.wait({waiting}, timeout=idle_ms / 1000)
            if not done:
                if session.busy:
                    continue
                sys.stderr.write("[Session] Idle timeout, exiting session\n")
                return
            line, waiting = waiting.result(), None
            if not line:
                return
            session.take(line)
            await asyncio.sleep(0)
    finally:
        if waiting is not None:
            waiting.cancel()
        await session.finish()


async def stdin_lines() -> asyncio.StreamReader:
    """Return standard input as a stream."""
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    if Path("/dev/stdin").is_file():  # noqa: ASYNC240 - asked once; the loop's poll cannot wait for plain files
        reader.feed_data(await loop.run_in_executor(None, sys.stdin.buffer.read))
        reader.feed_eof()
        return reader
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _line(lines: asyncio.StreamReader) -> bytes:
    try:
        return await lines.readline()
    except ValueError:  # longer than the limit: what was read is dropped, the answer tells it
        return b'"a line longer than 2 MiB"\n'
