"""The client's end of a connection to the host: requests out, replies matched by id. The command line, the session and the screen use it."""

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any, Self

from analyst_cli.desktop.endpoint import client_socket_path
from analyst_cli.desktop.rpc import RequestId, request_line
from analyst_cli.errors import LocalProblem

__all__ = ["CLIENT_GRACE_S", "HostClient", "HostUnreachable", "NoReply"]

CLIENT_GRACE_S = 2.0  # R-TO-2: the host answers at the deadline; so much later the client gives up
MAX_REPLY_BYTES = 64 * 1024 * 1024


class HostUnreachable(LocalProblem):
    """Nobody serves, or the connection broke before the reply. Exit code 10, as in the source document."""

    exit_code = 10


class NoReply(LocalProblem):
    """The host did not answer in time."""

    exit_code = 124


class HostClient:
    """One connection. `call` may be used many times at once; `async with` closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[RequestId | None, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._prefix = f"{os.getpid()}-{os.urandom(3).hex()}"
        self._listening = asyncio.create_task(self._listen())
        self.lost = asyncio.Event()

    @classmethod
    async def connect(cls, path: Path | None = None) -> "HostClient":
        """Connect to the host. Raises HostUnreachable."""
        path = path or client_socket_path()
        try:
            reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=MAX_REPLY_BYTES)
        except (OSError, ValueError) as exc:
            words = f"the desktop host is not running (nobody answers at {path})"
            raise HostUnreachable(words, "start it with: analyst desktop serve") from exc
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def new_id(self) -> str:
        """Return an id that nobody used."""
        return f"{self._prefix}-{next(self._numbers)}"

    async def call(
        self, method: str, params: dict[str, Any], *, request_id: RequestId | None = None, wait_s: float = 62.0
    ) -> dict[str, Any]:
        """Send a request and return its whole reply. Raises HostUnreachable, NoReply; cancelling it forgets the reply."""
        request_id = self.new_id() if request_id is None else request_id
        if self.lost.is_set():
            raise HostUnreachable("the desktop host closed the connection", "see analyst desktop status")
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = reply
        try:
            self._writer.write(request_line(request_id, method, params))
            await self._writer.drain()
            async with asyncio.timeout(wait_s):
                return await reply
        except TimeoutError as exc:
            raise NoReply(f"the desktop host did not answer {method} within {wait_s:.1f} s") from exc
        except OSError as exc:
            raise HostUnreachable("the connection to the desktop host broke", "see analyst desktop status") from exc
        finally:
            self._waiting.pop(request_id, None)
            if reply.done() and not reply.cancelled():
                reply.exception()  # writing failed first: that the host hung up is told already

    async def close(self) -> None:
        """Hang up."""
        self._listening.cancel()
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # it was broken already

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._deliver(line)
        except (OSError, ValueError):  # broken, or a reply longer than anybody expects
            pass
        finally:
            self.lost.set()
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(
                        HostUnreachable("the desktop host hung up before it answered", "see analyst desktop status")
                    )

    def _deliver(self, line: bytes) -> None:
        reply = json.loads(line)
        waiting = self._waiting.get(reply.get("id"))
        if waiting is None and reply.get("id") is None and len(self._waiting) == 1:
            waiting = next(iter(self._waiting.values()))  # refused at the door: the reply knows no id
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
