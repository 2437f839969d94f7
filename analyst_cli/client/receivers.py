"""Wait for the browser to come back: over the private socket of the URL handler, a loopback web server, or a pasted URL.

Every URL that arrives is offered to an `Arrival`, which turns away those that its judge refuses, so a hostile link cannot end a sign-in that waits
for the real one. The first URL that is accepted ends the wait.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from html import escape
from typing import Generic, TypeVar

from analyst_cli import paths
from analyst_cli.client.callback import MAX_URL_BYTES, socket_path
from analyst_cli.client.sign_in import CallbackRefused
from analyst_cli.errors import LocalProblem

__all__ = ["Arrival", "handler_socket", "loopback", "pasted"]

LINE_TIMEOUT_S = 5.0  # for a handler or a browser to send its one line
_HEADERS = (
    "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nX-Frame-Options: DENY\r\nConnection: close\r\n"
)

Judged = TypeVar("Judged")


class Arrival(Generic[Judged]):
    """The one accepted answer of a browser, once it is there."""

    def __init__(self, judge: Callable[[str], Judged]) -> None:
        self._judge = judge
        self._accepted: asyncio.Future[Judged] = asyncio.get_running_loop().create_future()

    def offer(self, url: str) -> str:
        """Take a URL; return nothing when it was accepted, else why not."""
        if self._accepted.done():
            return "this sign-in is done already"
        try:
            self._accepted.set_result(self._judge(url))
        except CallbackRefused as exc:
            return str(exc)
        return ""

    async def wait(self, timeout_s: float) -> Judged:
        """Return what the judge made of the accepted URL. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            return await self._accepted


@asynccontextmanager
async def handler_socket(arrival: Arrival[Judged]) -> AsyncIterator[None]:
    """Listen for `analyst callback` on a socket that only this person can reach. Raises `LocalProblem` when another sign-in waits."""
    path = socket_path()
    paths.private_folder(path.parent).chmod(0o700)
    if path.exists():
        try:
            _, writer = await asyncio.open_unix_connection(str(path))
        except OSError:
            path.unlink(missing_ok=True)  # left behind by a sign-in that was killed
        else:
            await _end(writer)
            raise LocalProblem(
                "another analyst login waits on this machine", "finish or end it first, or use --loopback or --device"
            )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(LINE_TIMEOUT_S):
                url = (await reader.readline()).decode(errors="replace").strip()
            if url:
                writer.write((arrival.offer(url) or "ok").encode() + b"\n")
                await writer.drain()
        await _end(writer)

    try:
        server = await asyncio.start_unix_server(answer, str(path), limit=MAX_URL_BYTES)
    except OSError as exc:
        raise LocalProblem(
            f"the socket {path} cannot be made ({exc})", "use --loopback or --device, or set XDG_RUNTIME_DIR"
        ) from exc
    try:
        path.chmod(0o600)
        yield
    finally:
        server.close()
        await server.wait_closed()
        path.unlink(missing_ok=True)


@asynccontextmanager
async def loopback(offer: Callable[[str], str]) -> AsyncIterator[str]:
    """Serve `/callback` on a free port of 127.0.0.1 and yield its address; the browser is told in a sentence how it went."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(LINE_TIMEOUT_S):
                request = (await reader.readline()).decode("ascii", errors="replace").split()
                while (await reader.readline()).strip():
                    pass  # the headers decide nothing here
            writer.write(_answer_to(request, address, offer))
            await writer.drain()
        await _end(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=MAX_URL_BYTES)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield f"{address}/callback"
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def pasted(arrival: Arrival[Judged], tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Let the person paste the link into the terminal, if there is one."""
    loop = asyncio.get_running_loop()
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip() and (refusal := arrival.offer(line.strip())):
            tell(f"not accepted: {refusal}")

    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _answer_to(request: list[str], address: str, offer: Callable[[str], str]) -> bytes:
    match request:
        case ["GET", target, _] if target.startswith("/callback?"):
            refusal = offer(address + target)
            if refusal:
                return _page("400 Bad Request", "Not signed in", refusal)
            return _page("200 OK", "Signed in", "You can close this page and go back to the terminal.")
        case _:
            return _page("404 Not Found", "Nothing here", "This address takes the answer of one sign-in.")


def _page(status: str, title: str, words: str) -> bytes:
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:30rem;padding:0 1rem}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(words)}</p></html>"
    ).encode()
    return f"HTTP/1.1 {status}\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body
