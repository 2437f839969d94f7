"""Connections: lines in, reply lines out, many requests at a time on each, matched by id (R-TR-3).

A `Doorway` accepts at one socket and gives each request with its peer to a function. It knows nothing about methods. A peer of another user is
turned away at accept (R-TR-6). A line that is too long or no UTF-8 is answered and the connection closed (R-TR-2).
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from analyst_cli.desktop import rpc
from analyst_cli.desktop.errors import Code, DesktopProblem, invalid
from analyst_cli.desktop.peer import Peer, peer_of

__all__ = ["Doorway"]

MAX_CONNECTIONS = 64
MAX_IN_FLIGHT = 256  # of one connection; more is a client that does not wait for answers
READ_BYTES = 64 * 1024
LAST_ANSWERS_S = 1.0

Answer = Callable[[rpc.Request, Peer], Awaitable[bytes]]


class Doorway:
    """Serve one listening socket."""

    def __init__(
        self, answer: Answer, *, own_uid: int, joined: Callable[[Peer], None], left: Callable[[Peer], None]
    ) -> None:
        self._answer = answer
        self._own_uid = own_uid
        self._joined = joined
        self._left = left
        self._connections: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def open(self, listener: socket.socket) -> None:
        """Begin to accept."""
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept())

    async def reopen(self, listener: socket.socket) -> None:
        """Accept at another socket from now on; open conversations go on."""
        if self._accepting is not None:
            self._accepting.cancel()
            # before its descriptor can be somebody else's
            await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()
        self.open(listener)

    async def close(self) -> None:
        """Stop accepting and hang up on everybody."""
        tasks = [*self._connections, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def hang_up(self) -> None:
        """Close all connections, and go on accepting."""
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError:  # too many open files: breathe, and go on
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._serve(connection, one_too_many=len(self._connections) >= MAX_CONNECTIONS))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            task.add_done_callback(partial(_closed, connection))  # also when it was cancelled before it began

    async def _serve(self, connection: socket.socket, *, one_too_many: bool) -> None:
        connection.setblocking(False)
        try:
            peer = await asyncio.get_running_loop().run_in_executor(
                None, peer_of, connection, f"c-{secrets.token_hex(6)}"
            )
        except OSError:
            connection.close()
            return
        try:
            if refusal := self._refusal(peer, one_too_many=one_too_many):
                await asyncio.get_running_loop().sock_sendall(connection, rpc.failure(None, refusal))
                return
            self._joined(peer)
            try:
                await _Conversation(connection, peer, self._answer).run()
            finally:
                self._left(peer)
        except OSError:
            return  # the client is gone
        finally:
            connection.close()
            peer.close()

    def _refusal(self, peer: Peer, *, one_too_many: bool) -> DesktopProblem | None:
        if peer.uid != self._own_uid:
            return DesktopProblem(Code.CALLER_NOT_ALLOWED, "this host serves another user", reason="uid")
        if one_too_many:
            return DesktopProblem(
                Code.HOST_NOT_READY, f"{MAX_CONNECTIONS} connections are open already", reason="connections"
            )
        return None


class _Conversation:
    """One connection from its first line to its end."""

    def __init__(self, connection: socket.socket, peer: Peer, answer: Answer) -> None:
        self._connection = connection
        self._peer = peer
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Task[None] | None = None
        self._over = False

    async def run(self) -> None:
        """Read until the client hangs up. Requests in flight are the host's to stop; their tasks end with it."""
        try:
            await self._read()
        except asyncio.CancelledError:
            if self._tasks:  # the host hangs up: answers that are ready still go out
                await asyncio.wait(self._tasks, timeout=LAST_ANSWERS_S)
            raise
        finally:
            self._over = True
            if (
                self._sending is not None
            ):  # a client that does not read: the loop must let go of the descriptor before it is closed
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)

    async def _read(self) -> None:
        buffer = bytearray()
        while True:
            chunk = await self._loop.sock_recv(self._connection, READ_BYTES)
            if not chunk:
                return
            searched = len(buffer)
            buffer += chunk
            while (end := buffer.find(b"\n", searched)) >= 0:
                line = bytes(buffer[:end]).rstrip(b"\r")
                del buffer[: end + 1]
                searched = 0
                if line.strip() and not await self._take(line):
                    return
            if len(buffer) > rpc.MAX_LINE_BYTES:
                await self._send(
                    rpc.failure(None, invalid(f"the line is longer than {rpc.MAX_LINE_BYTES} bytes", rpc_code=-32600))
                )
                return

    async def _take(self, line: bytes) -> bool:
        """Start work on a line; return False when the connection must be closed."""
        try:
            request = rpc.parse(line)
        except rpc.BadLine as bad:
            await self._send(rpc.failure(bad.id, bad.problem))
            return not bad.fatal
        if len(self._tasks) >= MAX_IN_FLIGHT:
            problem = DesktopProblem(
                Code.HOST_NOT_READY, f"{MAX_IN_FLIGHT} requests of this connection are in flight", reason="in_flight"
            )
            await self._send(rpc.failure(request.id, problem))
            return True
        task = self._loop.create_task(self._reply(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.sleep(0)  # let it be admitted: the next line may abort it, or repeat its id
        return True

    async def _reply(self, request: rpc.Request) -> None:
        line = await self._answer(request, self._peer)
        with contextlib.suppress(OSError):  # the client is gone
            await self._send(line)

    async def _send(self, line: bytes) -> None:
        async with self._writing:
            if self._over:
                return
            try:
                sent = self._connection.send(line)
            except BlockingIOError:
                sent = 0
            if sent < len(line):
                self._sending = self._loop.create_task(self._loop.sock_sendall(self._connection, line[sent:]))
                await asyncio.gather(self._sending, return_exceptions=True)  # a client that is gone needs no answer
                self._sending = None


def _closed(connection: socket.socket, _: "asyncio.Task[None]") -> None:
    connection.close()
