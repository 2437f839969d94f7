"""HTTP on the dispatch socket: shapes that two parsers could read differently, slow callers, pipelines, limits."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyst_server.gateway import unix_http
from tests.support.gateway_world import World

BODY = b'{"user":"petr","notification":{"title":"t"}}'
SMUGGLED = b"POST /dispatch HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
SIZE = str(len(BODY)).encode()


def post(*headers: bytes, body: bytes = BODY, line: bytes = b"POST /dispatch HTTP/1.1") -> bytes:
    return b"\r\n".join((line, *headers, b"", b"")) + body


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"Content-Length: " + SIZE, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", b"Content-Length: " + SIZE, body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Content-Length: " + SIZE, b"Content-Length: 0", body=BODY + SMUGGLED),
        post(b"Content-Length: " + SIZE, b"Content-Length: " + SIZE),
        post(b"Content-Length: " + SIZE + b", " + SIZE),
        post(b"Content-Length: +" + SIZE),
        post(b"Content-Length: -1"),
        post(b"Content-Length: 0x10"),
        post(b"Content-Length: 1 0"),
        post(b"Content-Length: " + b"9" * 30),
        post(b"Content-Length:"),
        post(b"Content-Length : " + SIZE),
        post(b" Content-Length: " + SIZE),
        post(b"X: y", b" folded: z", b"Content-Length: " + SIZE),
        post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"0x5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"5\nhello\r\n0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\nhello"),
        post(b"Host: a", b"Host: b", b"Content-Length: " + SIZE),
        post(b"A\x00B: c", b"Content-Length: " + SIZE),
        post(b"A: b\x00c", b"Content-Length: " + SIZE),
        post(b"A: b\rContent-Length: 0", b"Content-Length: " + SIZE),
        post(b"no colon", b"Content-Length: " + SIZE),
        post(b"Content-Length: " + SIZE, line=b"POST /dispatch HTTP/2.0"),
        post(b"Content-Length: " + SIZE, line=b"POST /dispatch HTTP/1.1 extra"),
        post(b"Content-Length: " + SIZE, line=b"POST  /dispatch\tHTTP/1.1"),
        post(b"Content-Length: " + SIZE, line=b"post /dispatch HTTP/1.1"),
        b"POST /dispatch HTTP/1.1\nContent-Length: " + SIZE + b"\n\n" + BODY,
        b"POST /dispatch\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        post(b"Upgrade: h2c", b"Connection: Upgrade", body=b"", line=b"GET /health HTTP/1.1"),
        b"CONNECT localhost:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_connection_closed(
    world: World, request_bytes: bytes
) -> None:
    answer = await world.http_bytes(request_bytes)
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"Connection: close" in answer
    assert world.hub.metrics.events_stored == 0
    await world.dispatch()  # the control


async def test_requests_in_a_pipeline_are_answered_in_order(world: World) -> None:
    bodies = [b'{"user":"petr","notification":{"id":"n%d","title":"t"}}' % n for n in range(40)]
    requests = b"".join(post(b"Content-Length: %d" % len(body), body=body) for body in bodies)
    answer = await world.http_bytes(requests + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    ids = [part.split(b'"', 1)[0] for part in answer.split(b'"id":"')[1:]]
    assert ids == [b"n%d" % n for n in range(40)]
    assert answer.count(b"HTTP/1.1 200 OK") == 41


async def test_a_caller_of_http_1_0_gets_one_answer_and_the_end(world: World) -> None:
    answer = await world.http_bytes(b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_absolute_urls_lead_to_the_same_place(world: World) -> None:
    assert (await world.http_exchange(b"GET http://localhost/health HTTP/1.1\r\nConnection: close\r\n\r\n"))[0] == 200
    assert (await world.http_exchange(b"GET http://localhost HTTP/1.1\r\nConnection: close\r\n\r\n"))[0] == 404


async def test_curl_is_told_to_go_on_before_it_sends_a_large_body(world: World) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.socket))
    writer.write(post(b"Expect: 100-continue", b"Content-Length: " + SIZE, b"Connection: close", body=b""))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_body_that_is_too_large_is_refused_from_its_head_and_the_caller_reads_why(world: World) -> None:
    size = 50_000_000
    reader, writer = await asyncio.open_unix_connection(str(world.socket))
    writer.write(post(b"Content-Length: %d" % size, body=b"x" * 1_000_000))
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"more than 262144 bytes" in answer
    writer.close()


async def test_a_chunked_body_is_cut_at_the_limit(world: World) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = await world.http_bytes(post(b"Transfer-Encoding: chunked", body=chunk * 6))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_an_endless_head_is_cut_off(world: World) -> None:
    answer = await world.http_bytes(b"GET /health HTTP/1.1\r\n" + b"X-Filler: x\r\n" * 3_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", b"POST /disp", post(b"Content-Length: 100", body=b"half")])
async def test_who_takes_too_long_is_told_and_sent_away(world: World, begun: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.socket))
    writer.write(begun)
    while not world.http.connections:
        await asyncio.sleep(0)
    await world.get("/health")  # the control; by now the first bytes have been read
    later = asyncio.get_running_loop().time() + unix_http.REQUEST_TIMEOUT_S + 1
    for connection in tuple(world.http.connections):
        connection.sweep(later)
    answer = await reader.read()
    assert answer == b"" if not begun else answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_kept_connection_is_closed_when_it_is_idle_for_long(world: World) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.socket))
    writer.write(b"GET /health HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"}}")
    now = asyncio.get_running_loop().time()
    connection = next(iter(world.http.connections))
    connection.sweep(now + 60)
    assert not reader.at_eof()
    connection.sweep(now + unix_http.IDLE_TIMEOUT_S + 1)
    assert await reader.read() == b""
    writer.close()


async def test_more_connections_than_the_bound_are_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_http, "MAX_CONNECTIONS", 2)
    kept = [await asyncio.open_unix_connection(str(world.socket)) for _ in range(2)]
    while len(world.http.connections) < 2:
        await asyncio.sleep(0)
    answer = await world.http_bytes(b"")
    assert answer.startswith(b"HTTP/1.1 503 ")
    for _, writer in kept:
        writer.close()


async def test_a_shutdown_answers_what_was_begun(world: World) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.socket))
    writer.write(SMUGGLED)
    while not world.http.connections:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    await world.http.drain(5)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(noise=st.binary(min_size=1, max_size=300), cut=st.integers(0, 60))
def test_no_bytes_break_the_parser(noise: bytes, cut: int) -> None:
    async def handle(request: unix_http.HttpRequest) -> unix_http.HttpAnswer:
        return unix_http.json_answer(200, {"path": request.path})

    class Sink(asyncio.Transport):
        written = b""

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.written += data

        def can_write_eof(self) -> bool:
            return False

        def close(self) -> None:
            pass

        def pause_reading(self) -> None:
            pass

    async def feed() -> None:
        server = unix_http.HttpServer(handle, max_body_bytes=1_000)
        async with asyncio.TaskGroup() as server.tasks:
            connection = server()
            connection.connection_made(Sink())
            connection.data_received(SMUGGLED[:cut] + noise)
            connection.data_received(noise)
            connection.connection_lost(None)

    asyncio.run(feed())
