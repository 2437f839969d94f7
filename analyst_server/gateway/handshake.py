"""The opening handshake of a WebSocket connection (RFC 6455 section 4.2): the head of a request in, the answer out. No I/O; httptools reads HTTP."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from http import HTTPStatus

import httptools
import msgspec

from analyst_server.gateway.admission import origin_allowed

__all__ = ["HandshakeReader", "HandshakeRefused", "UpgradeRequest", "accepted"]

WEBSOCKET_PATHS = ("/ws/notifications", "/")  # the second for a proxy that maps the first to the root
MAX_HEAD_BYTES = 16 * 1024  # what nginx and aiohttp allow, and more than any client sends
VERSION = b"13"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_KEY_BYTES = 16


class HandshakeRefused(Exception):
    """The request is answered with `response` instead of an upgrade."""

    def __init__(self, status: HTTPStatus, words: str, **headers: str) -> None:
        super().__init__(words)
        body = words.encode() + b"\n"
        connection = "close, Upgrade" if "Upgrade" in headers else "close"  # RFC 9110 section 7.8
        lines = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": connection,
        }
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in lines.items())]
        self.response = "\r\n".join((*head, "", "")).encode() + body


class UpgradeRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that is to be upgraded, and the bytes that came behind it."""

    key: bytes
    forwarded_for: str | None
    rest: bytes


class HandshakeReader:
    """Read one request and decide about it."""

    __slots__ = ("_complete", "_headers", "_parser", "_size", "_target")

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)  # None: it has read all
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._size = 0
        self._complete = False

    def feed(self, data: bytes, *, allowed_origins: Sequence[str]) -> UpgradeRequest | None:
        """Take more bytes; None: the request is not complete. Raises `HandshakeRefused`. Not to be called again after an answer."""
        parser, rest = self._parser, b""
        assert parser is not None, "fed after its end"  # noqa: S101 - the caller's mistake
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as exc:
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, f"bad request: {exc}") from None
        self._size += len(data) - len(rest)
        if self._size > MAX_HEAD_BYTES:
            words = f"the request's head has more than {MAX_HEAD_BYTES} bytes"
            raise HandshakeRefused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, words)
        if not self._complete:
            return None
        self.end()
        self._check_what_is_asked(parser.get_method(), parser.get_http_version(), allowed_origins)
        key = self._checked_key()
        forwarded_for = self._headers.get(b"x-forwarded-for")
        return UpgradeRequest(key, None if forwarded_for is None else forwarded_for.decode("latin-1"), rest)

    def end(self) -> None:
        """Read no more. The parser refers to this object: without this the garbage collector has to find them, and 16 KB with them."""
        self._parser = None

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("one request, then frames")  # `feed` gets it as an error of the parser, and answers 400

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip()
        before = self._headers.get(name)
        # A header that comes twice is a list (RFC 9110 section 5.3): no key, version or host is valid that has a comma in it.
        self._headers[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        self._complete = True

    # What is right, in the order in which a person wants to hear of it

    def _check_what_is_asked(self, method: bytes, version: str, allowed_origins: Sequence[str]) -> None:
        path, query = _path_and_query(self._target)
        if path not in WEBSOCKET_PATHS:
            raise HandshakeRefused(HTTPStatus.NOT_FOUND, "not found")
        if method != b"GET":
            raise HandshakeRefused(HTTPStatus.METHOD_NOT_ALLOWED, "this address speaks WebSocket", Allow="GET")
        if "token=" in query:
            words = "a token belongs in the first message, never in a URL"
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, words)
        host = self._headers.get(b"host", b"")
        if version != "1.1":
            words = "WebSocket needs HTTP/1.1; a proxy may have to be told (nginx: proxy_http_version 1.1)"
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, words)
        if not host or b"," in host:
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, "bad request: one Host is needed")
        origin = self._headers.get(b"origin")
        if origin is not None and not origin_allowed(
            origin.decode("latin-1"), host=host.decode("latin-1"), allowed_origins=allowed_origins
        ):
            raise HandshakeRefused(HTTPStatus.FORBIDDEN, "this origin may not connect")

    def _checked_key(self) -> bytes:
        headers = self._headers
        if b"websocket" not in _tokens(headers.get(b"upgrade", b"")):
            words = "this address speaks WebSocket"
            raise HandshakeRefused(HTTPStatus.UPGRADE_REQUIRED, words, Upgrade="websocket")
        if b"upgrade" not in _tokens(headers.get(b"connection", b"")):
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, "bad request: Connection has no upgrade")
        if headers.get(b"sec-websocket-version") != VERSION:
            words = "this address speaks version 13 of WebSocket"
            wanted = {"Upgrade": "websocket", "Sec_WebSocket_Version": VERSION.decode()}
            raise HandshakeRefused(HTTPStatus.UPGRADE_REQUIRED, words, **wanted)
        if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, "bad request: a handshake has no body")
        key = headers.get(b"sec-websocket-key", b"")
        try:
            complete = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
        except binascii.Error:
            complete = False
        if not complete:
            raise HandshakeRefused(HTTPStatus.BAD_REQUEST, "bad request: Sec-WebSocket-Key is not 16 bytes in base64")
        return key


def accepted(key: bytes) -> bytes:
    """Return the answer that upgrades."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + base64.b64encode(digest)
        + b"\r\n\r\n"
    )


def _path_and_query(target: bytes) -> tuple[str, str]:
    path, _, query = target.decode("latin-1").partition("?")
    if path.startswith("http://"):  # the absolute form, which a server takes (RFC 9112 section 3.2.2)
        path = "/" + path.removeprefix("http://").partition("/")[2]
    return path, query


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]
