"""A small HTTP/1.1 server over httptools, for local callers: `curl --unix-socket`, httpx, aiohttp, http.client.

It knows no routes; it hands whole requests to a function and writes its answer. Requests of one connection are answered one after the other, in
order. Whatever could be read in two ways (request smuggling) is refused with 400 and the connection is closed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools
import msgspec

__all__ = ["HttpAnswer", "HttpConnection", "HttpRequest", "HttpServer", "json_answer"]

MAX_HEAD_BYTES = 16 * 1024  # what nginx and aiohttp allow, and more than any caller sends
REQUEST_TIMEOUT_S = 10.0  # from its first byte to its last
IDLE_TIMEOUT_S = 75.0  # of a connection that is kept, as nginx has it
LINGER_S = 2.0  # how long a refused caller may go on sending, so that it gets to read the answer
MAX_WAITING_REQUESTS = 16  # pipelined on one connection; then nothing more is read
MAX_CONNECTIONS = 1_024  # local callers; each holds a descriptor that a client could have


@dataclass(slots=True)
class HttpRequest:
    """A whole request."""

    method: str
    path: str  # without the query
    query: str
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the caller gets."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"


def json_answer(status: int, value: object) -> HttpAnswer:
    """Return an answer in JSON."""
    return HttpAnswer(status, msgspec.json.encode(value))


class HttpServer:
    """All connections of one listener, and the timer that ends slow ones."""

    def __init__(self, handle: Callable[[HttpRequest], Awaitable[HttpAnswer]], *, max_body_bytes: int) -> None:
        self.handle = handle  # raises nothing
        self.max_body_bytes = max_body_bytes
        self.connections: set[HttpConnection] = set()
        self.tasks: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._closing = False

    def __call__(self) -> "HttpConnection":
        """Return the protocol of a new connection (the factory that the event loop asks for)."""
        return HttpConnection(self)

    async def run(self, started: asyncio.Event) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as self.tasks:
            started.set()
            while True:
                await asyncio.sleep(1.0)
                now = asyncio.get_running_loop().time()
                for connection in tuple(self.connections):
                    connection.sweep(now)

    async def drain(self, timeout_s: float) -> None:
        """Let requests that are being answered finish, close every connection."""
        self._closing = True
        try:
            async with asyncio.timeout(timeout_s):
                while any(connection.busy for connection in self.connections):
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            pass
        for connection in tuple(self.connections):
            connection.close()

    @property
    def closing(self) -> bool:
        """Whether no new request is taken on kept connections."""
        return self._closing

    def became_idle(self) -> None:
        """Learn that a connection has answered everything."""
        self._idle.set()


class HttpConnection(asyncio.Protocol):
    """Parse the requests of one connection and answer them in order."""

    __slots__ = (
        "_body",
        "_deadline",
        "_expects_continue",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_parser",
        "_refused",
        "_server",
        "_transport",
        "_url",
        "_waiting",
        "busy",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._in_head = False
        self._head_bytes = 0
        self._expects_continue = False
        self._refused = False
        self._waiting: deque[HttpRequest] = deque()
        self._deadline = float("inf")
        self.busy = False

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it
        self._deadline = self._now() + REQUEST_TIMEOUT_S
        self._server.connections.add(self)
        if len(self._server.connections) > MAX_CONNECTIONS:
            self._refuse(503, f"more than {MAX_CONNECTIONS} connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._waiting.clear()
        self._server.connections.discard(self)
        self._server.became_idle()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # lingering: the caller may finish its sentence
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as exc:
            self._refuse(*_refusal_of(exc))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._refuse(400, f"Bad request: {exc}")
        if self._in_head and not self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"The request's head has more than {MAX_HEAD_BYTES} bytes")

    # httptools

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], bytearray()
        self._in_head, self._head_bytes, self._expects_continue = True, 0, False
        self._deadline = self._now() + REQUEST_TIMEOUT_S

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.should_upgrade():  # else the parser would take the request for complete and stop
            raise _Refusal(400, "Bad request: nothing to upgrade to here")
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            raise _Refusal(400, "Bad request: not HTTP/1.1")
        if (problem := _framing_problem(self._headers)) is not None:
            raise _Refusal(400, f"Bad request: {problem}")
        for name, value in self._headers:
            if name == b"content-length" and int(value) > self._server.max_body_bytes:
                raise _Refusal(413, self._too_large())
            if name == b"expect" and value.lower() == b"100-continue" and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._server.max_body_bytes:
            raise _Refusal(413, self._too_large())
        self._body += body

    def on_message_complete(self) -> None:
        self._deadline = float("inf")
        path, _, query = self._url.decode("ascii", "replace").partition("?")
        if "://" in path:  # absolute form, RFC 9112 section 3.2.2
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        method = self._parser.get_method().decode("ascii", "replace")
        keep_alive = self._parser.should_keep_alive() and not self._server.closing
        self._waiting.append(HttpRequest(method, path, query, bytes(self._body), keep_alive))
        self._url, self._body = b"", bytearray()
        if len(self._waiting) >= MAX_WAITING_REQUESTS and self._transport is not None:
            self._transport.pause_reading()
        if not self.busy and self._server.tasks is not None:
            self.busy = True
            self._server.tasks.create_task(self._answer_waiting())

    # Answers

    async def _answer_waiting(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            answer = await self._server.handle(request)
            self._write(answer, keep_alive=request.keep_alive, head_only=request.method == "HEAD")
            if not request.keep_alive:
                self.close()
                break
        self.busy = False
        self._deadline = min(self._deadline, self._now() + IDLE_TIMEOUT_S)
        if self._transport is not None and not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
        self._server.became_idle()

    def _write(self, answer: HttpAnswer, *, keep_alive: bool, head_only: bool = False) -> None:
        if self._transport is None:
            return
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (
            answer.status,
            HTTPStatus(answer.status).phrase.encode(),
            answer.content_type.encode(),
            len(answer.body),
            b"" if keep_alive else b"Connection: close\r\n",
        )
        self._transport.write(head if head_only else head + answer.body)

    def _refuse(self, status: int, problem: str) -> None:
        """Answer with an error and take nothing more from this connection."""
        if self._refused:
            return
        self._refused = True
        self._body = bytearray()
        self._write(json_answer(status, {"error": problem}), keep_alive=False)
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self._deadline = self._now() + LINGER_S

    def _too_large(self) -> str:
        return f"the body has more than {self._server.max_body_bytes} bytes"

    # Time

    def sweep(self, now: float) -> None:
        """End what takes too long."""
        if self._deadline > now or self.busy:
            return
        if self._refused or not (self._in_head or self._url):
            self.close()
        else:
            self._refuse(408, f"The request did not arrive within {REQUEST_TIMEOUT_S:g} s")

    def close(self) -> None:
        """Close after everything written is sent."""
        if self._transport is not None:
            self._transport.close()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class _Refusal(Exception):
    """The request is refused before it is complete; raised through httptools, which wraps it."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem


def _refusal_of(exc: Exception) -> tuple[int, str]:
    cause = exc.__context__
    return (cause.status, cause.problem) if isinstance(cause, _Refusal) else (400, "Bad request")


def _framing_problem(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return why the end of this request could be seen in two places (RFC 9112 section 6.3), None: it cannot."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or any(not value.isdigit() or len(value) > 18 for value in lengths):
        return "more than one Content-Length, or one that is no number"
    if codings and (lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
        return "a Transfer-Encoding other than chunked, or beside a Content-Length"
    if sum(name == b"host" for name, _ in headers) > 1:
        return "more than one Host"
    return None
