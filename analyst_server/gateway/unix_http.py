"""A small HTTP/1.1 server over httptools, for local callers: `curl --unix-socket`, httpx, aiohttp, http.client.

It knows no routes; it hands whole requests to a function and writes its answer. Requests of one connection are answered one after the other, in
order. Whatever could be read in two ways (request smuggling) is refused with 400 and the connection is closed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
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
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
MAX_CONNECTIONS = 1_024  # local callers; each holds a descriptor that a client could have


class HttpRequest(msgspec.Struct):
    """A whole request."""

    method: str
    path: str  # without the query
    query: str
    body: bytes
    keep_alive: bool


class HttpAnswer(msgspec.Struct, frozen=True):
    """What the caller gets."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    allow: str = ""  # of a 405: the methods that there are (RFC 9110 section 15.5.6)


def json_answer(status: int, value: object, *, allow: str = "") -> HttpAnswer:
    """Return an answer in JSON."""
    return HttpAnswer(status, msgspec.json.encode(value), allow=allow)


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
        "_codings",
        "_deadline",
        "_expects_continue",
        "_head_bytes",
        "_hosts",
        "_in_head",
        "_lengths",
        "_now",
        "_parser",
        "_refused",
        "_server",
        "_transport",
        "_url",
        "_waiting",
        "_wake",
        "_worker",
        "busy",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._lengths: list[bytes] = []
        self._codings: list[bytes] = []
        self._hosts = 0
        self._body: bytes | bytearray = b""
        self._in_head = False
        self._head_bytes = 0
        self._expects_continue = False
        self._refused = False
        self._waiting: deque[HttpRequest] = deque()
        self._deadline = float("inf")
        self._now = asyncio.get_running_loop().time
        self._worker: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None  # None: the worker is not waiting
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
        if not self.busy and self._worker is not None:
            self._worker.cancel()
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
        self._url, self._body, self._hosts = b"", b"", 0
        self._lengths, self._codings = [], []
        self._in_head, self._head_bytes, self._expects_continue = True, 0, False
        self._deadline = self._now() + REQUEST_TIMEOUT_S

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length":
                self._lengths.append(value)
            case b"transfer-encoding":
                self._codings.append(value)
            case b"host":
                self._hosts += 1
            case b"expect":
                self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.should_upgrade():  # else the parser would take the request for complete and stop
            raise _Refusal(400, "Bad request: nothing to upgrade to here")
        if self._parser.get_http_version() not in ("1.1", "1.0"):
            raise _Refusal(400, "Bad request: not HTTP/1.1")
        if (problem := _framing_problem(self._lengths, self._codings, self._hosts)) is not None:
            raise _Refusal(400, f"Bad request: {problem}")
        if self._lengths and int(self._lengths[0]) > self._server.max_body_bytes:
            raise _Refusal(413, self._too_large())
        if self._expects_continue and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._server.max_body_bytes:
            raise _Refusal(413, self._too_large())
        if not self._body:
            self._body = body  # nearly every body arrives whole
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            self._body = bytearray(self._body + body)

    def on_message_complete(self) -> None:
        self._deadline = float("inf")
        path, _, query = self._url.decode("ascii", "replace").partition("?")
        if "://" in path:  # absolute form, RFC 9112 section 3.2.2
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        method = self._parser.get_method().decode("ascii", "replace")
        keep_alive = self._parser.should_keep_alive() and not self._server.closing
        self._waiting.append(HttpRequest(method, path, query, bytes(self._body), keep_alive))
        self._url, self._body = b"", b""
        if len(self._waiting) >= MAX_WAITING_REQUESTS and self._transport is not None:
            self._transport.pause_reading()
        self.busy = True
        if self._wake is not None:
            self._wake.set_result(None)
            self._wake = None
        elif self._worker is None and self._server.tasks is not None:
            self._worker = self._server.tasks.create_task(self._work())

    # Answers

    async def _work(self) -> None:
        """Answer requests as they come, until the connection ends; one task for all of them is cheaper than one for each."""
        while self._transport is not None:
            await self._answer_waiting()
            self.busy = False
            self._deadline = min(self._deadline, self._now() + IDLE_TIMEOUT_S)
            self._server.became_idle()
            if self._transport is None or self._transport.is_closing():
                return
            if not self._transport.is_reading():
                self._transport.resume_reading()
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def _answer_waiting(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            answer = await self._server.handle(request)
            self._write(answer, keep_alive=request.keep_alive, head_only=request.method == "HEAD")
            if not request.keep_alive:
                self.close()
                return

    def _write(self, answer: HttpAnswer, *, keep_alive: bool, head_only: bool = False) -> None:
        if self._transport is None:
            return
        head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n" % (
            _STATUS_LINES[answer.status],
            answer.content_type.encode(),
            len(answer.body),
            b"Allow: %b\r\n" % answer.allow.encode() if answer.allow else b"",
            b"" if keep_alive else b"Connection: close\r\n",
        )
        self._transport.write(head if head_only else head + answer.body)

    def _refuse(self, status: int, problem: str) -> None:
        """Answer with an error and take nothing more from this connection."""
        if self._refused:
            return
        self._refused = True
        self._body = b""
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


class _Refusal(Exception):
    """The request is refused before it is complete; raised through httptools, which wraps it."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem


def _refusal_of(exc: Exception) -> tuple[int, str]:
    cause = exc.__context__
    return (cause.status, cause.problem) if isinstance(cause, _Refusal) else (400, "Bad request")


def _framing_problem(lengths: list[bytes], codings: list[bytes], hosts: int) -> str | None:
    """Return why the end of this request could be seen in two places (RFC 9112 section 6.3), None: it cannot."""
    if lengths and (len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18):
        return "more than one Content-Length, or one that is no number"
    if codings and (lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
        return "a Transfer-Encoding other than chunked, or beside a Content-Length"
    return "more than one Host" if hosts > 1 else None
