"""The opening handshake byte by byte: RFC 6455 section 4 and RFC 9112, on the listener's real socket.

Where the RFCs leave an answer free, every answer that they allow is taken; `None` stands for a connection that is closed without one.
"""

import asyncio
import gc
import json
from pathlib import Path

import pytest

from analyst_server.gateway import websocket
from analyst_server.gateway.handshake import HandshakeReader
from analyst_server.gateway.hub import Limits
from tests.support.gateway_world import DEADLINE_S, RawClient, World, gateway_world, until

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # both of RFC 6455 section 1.3
GET = b"GET /ws/notifications HTTP/1.1"
HOST, UPGRADE, CONNECTION = b"Host: localhost", b"Upgrade: websocket", b"Connection: Upgrade"
KEYED, VERSION = b"Sec-WebSocket-Key: " + KEY, b"Sec-WebSocket-Version: 13"
NEEDED = (HOST, UPGRADE, CONNECTION, KEYED, VERSION)
BAD = frozenset({400})


def request(*extra: bytes, line: bytes = GET, without: bytes | None = None) -> bytes:
    """Return a handshake with all that is needed, but for one header, and with others."""
    return b"\r\n".join((line, *(header for header in NEEDED if header != without), *extra, b"", b""))


def replaced(header: bytes, *by: bytes) -> bytes:
    return request(*by, without=header)


def keyed(key: bytes) -> bytes:
    return replaced(KEYED, b"Sec-WebSocket-Key: " + key)


def to(target: bytes) -> bytes:
    return request(line=b"GET " + target + b" HTTP/1.1")


class Answer:
    """What comes back: the status (None: nothing did), the headers in small letters, and the connection."""

    def __init__(self, head: bytes, raw: RawClient) -> None:
        line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.status = int(line.split(b" ")[1]) if head else None
        assert not head or line.startswith(b"HTTP/1.1 "), head
        pairs = [header.split(b":", 1) for header in lines]
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        assert len(self.headers) == len(pairs), head
        self.raw = raw


async def asked(world: World, *segments: bytes) -> Answer:
    """Send a handshake in these segments and read the head of the answer."""
    raw = await knocking(world, *segments)
    async with asyncio.timeout(DEADLINE_S):
        try:
            head = await raw.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            head = b""
    return Answer(head, raw)


async def knocking(world: World, *segments: bytes) -> RawClient:
    """Send the bytes of a handshake, and read nothing."""
    raw = RawClient(*await asyncio.open_connection("127.0.0.1", world.port))
    world._clients.append(raw)  # to be closed, too
    for segment in segments:
        raw.writer.write(segment)
        await asyncio.sleep(0)
    return raw


async def ended(raw: RawClient) -> bytes:
    """Return what is left to read, to the end: the listener closes first."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await raw.reader.read()
        except ConnectionResetError:  # closed before everything was read
            return b""
        finally:
            raw.writer.close()


def auth(world: World) -> bytes:
    """Return the first message as one frame with a mask of zeros."""
    payload = json.dumps({"type": "auth", "token": world.token()}).encode()
    return b"\x81\xfe" + len(payload).to_bytes(2) + bytes(4) + payload


async def works(world: World, answer: Answer, *, accept: bytes | None = ACCEPT) -> None:
    """See that the answer upgrades as section 4.2.2 has it, and that the connection serves."""
    assert answer.status == 101
    assert accept in {None, answer.headers[b"sec-websocket-accept"]}
    assert answer.headers[b"upgrade"].lower() == b"websocket"
    assert answer.headers[b"connection"].lower() == b"upgrade"
    assert not answer.headers.keys() & {b"sec-websocket-extensions", b"sec-websocket-protocol", b"content-length"}
    answer.raw.writer.write(auth(world))
    assert json.loads((await answer.raw.frame())[1]) == {"type": "auth_ok", "username": "petr"}
    answer.raw.writer.transport.abort()
    await until(lambda: world.hub.connections_of("petr") == 0)


GOOD = {
    "plain": request(),
    "small letters": request().replace(b"Sec-WebSocket", b"sec-websocket").replace(b"Upgrade:", b"upgrade:"),
    "capitals": b"\r\n".join(
        (GET, *(b":".join((h.split(b":")[0].upper(), h.split(b":")[1])) for h in NEEDED), b"\r\n")
    ),
    "no space": request().replace(b": ", b":"),
    "space around values": request().replace(b": ", b": \t ").replace(b"13\r\n", b"13 \t\r\n"),
    "upgrade in capitals": replaced(UPGRADE, b"Upgrade: WebSocket"),
    "Firefox": replaced(CONNECTION, b"Connection: keep-alive, Upgrade"),
    "upgrade first": replaced(CONNECTION, b"Connection: upgrade,keep-alive"),
    "empty members": replaced(CONNECTION, b"Connection: , Upgrade ,"),
    "two lines": replaced(CONNECTION, b"Connection: keep-alive", CONNECTION),
    "deflate": request(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
    "two extensions": request(b"Sec-WebSocket-Extensions: x-a; b=1", b"Sec-WebSocket-Extensions: permessage-deflate"),
    "subprotocols": request(b"Sec-WebSocket-Protocol: chat, superchat", b"Sec-WebSocket-Protocol: more"),
    "query": to(b"/ws/notifications?from=proxy&x=%20"),
    "root": to(b"/"),
    "empty query": to(b"/?"),
    "absolute": to(b"http://localhost/ws/notifications"),  # RFC 9112 section 3.2.2: a server must take it
    "absolute root": to(b"http://localhost"),
    "empty header": request(b"X-Empty:"),
    "cookies": request(b"Cookie: " + b"c" * 6_000, b"X-Cookies: " + b"c" * 2_000),
    "many headers": request(*(b"X-%d: y" % n for n in range(80))),
    "value beyond ASCII": request("User-Agent: žluťoučký".encode()),
    "Latin-1": request("User-Agent: kůň".encode("cp1250"), b"X-Forwarded-For: \xff"),
    "empty body": request(b"Content-Length: 0"),
    "own origin": request(b"Origin: http://localhost"),
    "own origin in capitals": request(b"Origin: HTTP://LocalHost"),
    "HTTP header of a proxy": request(b"X-Forwarded-For: 203.0.113.7, 10.0.0.1", b"Forwarded: for=203.0.113.7"),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.usefixtures("control")
async def test_a_handshake_as_the_rfc_has_it_is_taken(world: World, name: str) -> None:
    await works(world, await asked(world, GOOD[name]))
    answer = await asked(world, GOOD[name] + auth(world))
    assert json.loads((await answer.raw.frame())[1])["type"] == "auth_ok"


FREE = {
    "folded value": request(b"X-Folded: a", b" b"),
    "bare LF": request().replace(b"\r\n", b"\n"),
    "an empty line first": b"\r\n" + request(),
    "two upgrades": replaced(UPGRADE, b"Upgrade: websocket, h2c"),
    "HTTP/1.2": request(line=b"GET / HTTP/1.2"),
    "NUL in a value": request(b"X-Nul: a\x00b"),
    "CR in a value": request(b"X-Cr: a\rb"),
    "a key not in its shortest form": keyed(b"dGhlIHNhbXBsZSBub25jZR=="),
}


@pytest.mark.parametrize("handshake", FREE.values(), ids=FREE)
async def test_what_a_server_may_take_is_taken_whole_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handshake: bytes
) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_TIMEOUT_S", 0.2)  # for those who wait for the CR before a bare LF
    async with gateway_world(tmp_path) as world:
        answer = await asked(world, handshake)
        if answer.status == 101:
            await works(world, answer, accept=None)
        else:
            assert answer.status in {400, 408, 426, 505, None}
            await ended(answer.raw)


REFUSED: dict[str, tuple[bytes, frozenset[int | None]]] = {
    "no Upgrade": (replaced(UPGRADE), frozenset({400, 426})),
    "another Upgrade": (replaced(UPGRADE, b"Upgrade: h2c"), frozenset({400, 426})),
    "nearly Upgrade": (replaced(UPGRADE, b"Upgrade: websockets"), frozenset({400, 426})),
    "no Connection": (replaced(CONNECTION), frozenset({400, 426})),
    "another Connection": (replaced(CONNECTION, b"Connection: keep-alive"), frozenset({400, 426})),
    "nearly Connection": (replaced(CONNECTION, b"Connection: upgraded"), frozenset({400, 426})),
    "no key": (replaced(KEYED), BAD),
    "empty key": (keyed(b""), BAD),
    "15 bytes": (keyed(b"dGhlIHNhbXBsZSBub25j"), BAD),
    "17 bytes": (keyed(b"dGhlIHNhbXBsZSBub25jZSE="), BAD),
    "32 bytes": (keyed(b"dGhlIHNhbXBsZSBub25jZSEgdGhlIHNhbXBsZSBub24="), BAD),
    "no base64": (keyed(b"!!!!IHNhbXBsZSBub25jZQ=="), BAD),
    "base64 with a space": (keyed(b"dGhlIHNhbXBs ZSBub25jZQ=="), BAD),
    "base64 without padding": (keyed(b"dGhlIHNhbXBsZSBub25jZQ"), BAD),
    "base64 for URLs": (keyed(b"__-_IHNhbXBsZSBub25jZQ=="), BAD),
    "key beyond ASCII": (keyed(b"\xff" * 24), BAD),
    "two keys": (request(KEYED), BAD),  # RFC 6455 section 11.3.1
    "two keys, one wrong": (request(b"Sec-WebSocket-Key: x"), BAD),
    "no version": (replaced(VERSION), frozenset({400, 426})),
    "empty version": (replaced(VERSION, b"Sec-WebSocket-Version:"), frozenset({400, 426})),
    "version beyond ASCII": (replaced(VERSION, b"Sec-WebSocket-Version: \xff"), frozenset({400, 426})),
    "two versions": (request(VERSION), frozenset({400, 426})),  # section 11.3.5
    "no Host": (replaced(HOST), BAD),  # RFC 9112 section 3.2
    "two Hosts": (request(b"Host: other"), BAD),
    "POST": (request(line=b"POST /ws/notifications HTTP/1.1"), frozenset({400, 405, 426, 501})),
    "HEAD": (request(line=b"HEAD /ws/notifications HTTP/1.1"), frozenset({400, 405, 426, 501})),
    "get": (request(line=b"get /ws/notifications HTTP/1.1"), frozenset({400, 405, 426, 501})),
    "CONNECT": (request(line=b"CONNECT localhost:443 HTTP/1.1"), frozenset({400, 404, 405, 501})),
    "HTTP/1.0": (request(line=b"GET / HTTP/1.0"), frozenset({400, 426, 505})),
    "HTTP/0.9": (b"GET /\r\n\r\n", frozenset({400, 505, None})),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset({400, 505, None})),
    "another protocol": (request(line=b"GET / HTTPS/1.1"), frozenset({400, 505})),
    "two requests": (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n" + request(line=b"GET /notifications HTTP/1.1", without=HOST),
        frozenset({400, 404, 426}),
    ),
    "a request behind another": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + replaced(HOST), frozenset({400, 404, 426})),
    "a word too many": (request(line=b"GET / HTTP/1.1 x"), BAD),
    "no target": (request(line=b"GET  HTTP/1.1"), BAD),
    "a target with NUL": (to(b"/\x00"), frozenset({400, 404})),
    "a target with a space": (to(b"/ws/ notifications"), BAD),
    "a target beyond ASCII": (to(b"/\xff"), frozenset({400, 404})),
    "a name with NUL": (request(b"A\x00b: c"), BAD),
    "a name with a space": (request(b"A b: c"), BAD),
    "a space before the colon": (request(b"Origin : http://evil.example"), BAD),  # RFC 9112 section 5.1
    "no colon": (request(b"nothing"), BAD),
    "no name": (request(b": nothing"), BAD),
    "a space first": (request(line=GET + b"\r\n Host: other"), BAD),
    "a body": (request(b"Content-Length: 5") + b"hello", frozenset({400, 413})),
    "a body in chunks": (request(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", frozenset({400, 501})),
    "a body twice": (request(b"Content-Length: 0", b"Content-Length: 5") + b"hello", BAD),
    "elsewhere": (to(b"/elsewhere"), frozenset({404})),
    "nearly there": (to(b"/ws/notifications/"), frozenset({404})),
    "above": (to(b"/../etc/passwd"), frozenset({400, 404})),
    "*": (to(b"*"), frozenset({400, 404})),
    "no path": (to(b"ws/notifications"), frozenset({400, 404})),
    "a token in the URL": (to(b"/ws/notifications?a=b&token=eyJ"), BAD),
    "another origin": (request(b"Origin: https://evil.example"), frozenset({403})),
    "a longer origin": (request(b"Origin: http://localhost.evil.example"), frozenset({403})),
    "no origin": (request(b"Origin: null"), frozenset({403})),
    "an empty origin": (request(b"Origin:"), frozenset({403})),
    "two origins": (request(b"Origin: http://localhost", b"Origin: https://evil.example"), frozenset({400, 403})),
    "two origins, the other first": (
        request(b"Origin: https://evil.example", b"Origin: http://localhost"),
        frozenset({400, 403}),
    ),
    "an origin of no URL": (request(b"Origin: http://[::1"), frozenset({400, 403})),
    "one header too long": (request(b"X-Long: " + b"x" * 70_000), frozenset({400, 431, None})),
    "too many headers": (request(*(b"X-%d: y" % n for n in range(5_000))), frozenset({400, 431, None})),
    "a target too long": (to(b"/?" + b"x" * 70_000), frozenset({400, 414, 431, None})),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", frozenset({400, None})),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("control")
async def test_what_is_no_handshake_is_refused_and_the_connection_closed(world: World, name: str) -> None:
    handshake, statuses = REFUSED[name]
    answer = await asked(world, handshake + auth(world))
    assert answer.status in statuses
    rest = await ended(answer.raw)
    assert answer.headers.get(b"content-length") in {None, b"%d" % len(rest)}
    assert b"Traceback" not in rest
    assert b"HTTP/1.1 4" not in rest  # what follows is never taken for a second request
    assert (world.hub.open_connections, world.hub.metrics.connections_opened) == (1, 1)


@pytest.mark.parametrize("version", [b"0", b"8", b"12", b"14", b"131", b"x", b"-1"])
@pytest.mark.usefixtures("control")
async def test_another_version_is_told_the_right_one(world: World, version: bytes) -> None:
    answer = await asked(world, replaced(VERSION, b"Sec-WebSocket-Version: " + version))
    assert answer.status == 426
    assert answer.headers[b"sec-websocket-version"] == b"13"
    await ended(answer.raw)


@pytest.mark.usefixtures("control")
async def test_a_plain_visit_is_told_what_is_spoken_here(world: World) -> None:
    answer = await asked(world, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (answer.status, answer.headers[b"upgrade"].lower()) == (426, b"websocket")
    assert b"upgrade" in answer.headers[b"connection"].lower()  # RFC 9110 section 7.8: it belongs there, too
    await ended(answer.raw)


@pytest.mark.usefixtures("control")
async def test_a_handshake_arrives_in_any_segments_with_the_first_frame_behind_it(world: World) -> None:
    everything = request() + auth(world)
    cuts = [[everything], [everything[n : n + 1] for n in range(len(everything))]]
    cuts += [[everything[:n], everything[n:]] for n in range(1, len(everything), 3)]
    for segments in cuts:
        answer = await asked(world, *segments)
        assert answer.headers[b"sec-websocket-accept"] == ACCEPT
        assert json.loads((await answer.raw.frame())[1])["type"] == "auth_ok"
        answer.raw.writer.transport.abort()
        await until(lambda: world.hub.connections_of("petr") == 0)


@pytest.mark.parametrize("begun", [b"", b"G", GET + b"\r\n", request()[:-1]])
async def test_a_handshake_that_is_not_done_in_time_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    async with gateway_world(tmp_path, limits=Limits(connections=1)) as world:
        with monkeypatch.context() as patch:
            patch.setattr(websocket, "HANDSHAKE_TIMEOUT_S", 0.2)
            raws = [await knocking(world, begun) for _ in range(3)]
            for raw in raws:
                assert b" 101 " not in await ended(raw)
        answer = await asked(world, request())  # they took no place
        await works(world, answer)


async def test_the_oldest_of_too_many_handshakes_makes_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_HANDSHAKES", 3)
    raws = [await knocking(world, GET + b"\r\n") for _ in range(5)]
    for oldest in raws[:2]:
        assert await ended(oldest) == b""
    for raw in raws[2:]:
        raw.writer.write(b"\r\n".join((*NEEDED, b"", b"")))
        assert await raw.reader.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"


async def test_who_drips_headers_has_no_more_time_than_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_TIMEOUT_S", 0.3)
    async with gateway_world(tmp_path) as world:
        raw = await knocking(world, GET + b"\r\n")
        over = asyncio.ensure_future(ended(raw))
        while not over.done():
            raw.writer.write(b"X: y\r\n" if not raw.writer.is_closing() else b"")
            await asyncio.wait((over,), timeout=0.05)
        assert not (await over).startswith(b"HTTP/1.1 101")


@pytest.mark.usefixtures("control")
async def test_a_handshake_that_comes_to_nothing_leaves_nothing_for_the_garbage_collector(world: World) -> None:
    gc.collect()
    gc.disable()
    try:
        for begun in (GET + b"\r\nX: y", REFUSED["TLS"][0], REFUSED["elsewhere"][0], REFUSED["one header too long"][0]):
            raw = await knocking(world, begun)
            if begun.endswith(b"\r\n"):
                await ended(raw)
            else:
                await world.get("/health")  # by now it has been read
            raw.writer.transport.abort()
        await until(lambda: not [each for each in gc.get_objects() if type(each) is HandshakeReader])
    finally:
        gc.enable()


@pytest.mark.usefixtures("control")
async def test_whoever_leaves_in_the_middle_of_a_handshake_leaves_nothing_behind(world: World) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for begun in (b"", b"G", request()[:-1], request(), request() + auth(world)[:-1]):
        for half in (False, True):
            raw = await knocking(world, begun)
            if half:
                raw.writer.write_eof()
                await ended(raw)
            else:
                raw.writer.transport.abort()
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)
