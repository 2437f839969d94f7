"""Other people's clients, and a fuzzer beside a model of RFC 6455 section 5: any frames in any segments have the end that the rules give them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.support.gateway_world import DEADLINE_S, World, until
from tests.support.websocket_talk import (
    BINARY,
    CLOSE,
    CONTINUATION,
    END,
    FRAME_LIMIT,
    MESSAGE_LIMIT,
    PING,
    PONG,
    TEXT,
    Event,
    Frame,
    Talk,
    answers,
    ask,
    closing,
    pieces,
    ping,
    question,
)

# The model


def model(frames: Iterable[Frame], *, early: bool) -> list[Event]:
    """Return what a server answers to these frames up to its close, whose codes are a set. Takes no more frames than it needs.

    A server may find invalid UTF-8 as `early` as it comes in, or when the message is whole.
    """
    events: list[Event] = []
    message: bytes | None = None
    for frame in frames:
        if codes := _broken(frame, within=message is not None):
            return [*events, ("close", codes)]
        if frame.opcode == PING:
            events.append(("pong", frame.payload))
        if frame.opcode >= CLOSE:
            continue
        message = (message or b"") + frame.payload
        if len(message) > MESSAGE_LIMIT:
            return [*events, ("close", {4413, 1009} if len(frame.payload) >= FRAME_LIMIT else {4413})]
        if not _is_text(message, whole=frame.fin) and (early or frame.fin):
            return [*events, ("close", {1007})]
        if frame.fin:
            answer, message = _answer(message), None
            events += [answer] if answer is not None else []
            if answer is not None and answer[0] == "close":
                return events
    return events


def _broken(frame: Frame, *, within: bool) -> set[int]:
    """Return the codes for a frame that may not come here; none: it may."""
    if frame.rsv or not frame.masked or frame.opcode not in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}:
        return {1002}
    if frame.opcode >= CLOSE and (not frame.fin or len(frame.payload) > 125):
        return {1002}
    if frame.opcode == BINARY:
        return {1002, 1003} if within else {1003}
    return {1002} if frame.opcode < CLOSE and within is not (frame.opcode == CONTINUATION) else set()


def _is_text(data: bytes, *, whole: bool) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as exc:
        return not whole and exc.reason == "unexpected end of data"
    return True


def _answer(message: bytes) -> Event | None:
    try:
        asked = json.loads(message.decode())
    except ValueError:
        return "close", {4400}
    if not isinstance(asked, dict) or not isinstance(asked.get("type"), str):
        return "close", {4400}
    if asked["type"] != "mark":
        return None
    return ("mark_error", asked["ref"]) if isinstance(asked.get("ref"), str) else ("close", {4400})


def agrees(heard: list[Event], expected: list[Event]) -> bool:
    """Tell whether this is what was expected. Of several pings only the last need be answered, and none before a close for a fault."""
    pongs = iter(event for event in expected if event[0] == "pong")
    if not all(event in pongs for event in heard if event[0] == "pong"):  # in order, each once
        return False
    said, due = ([event for event in events if event[0] != "pong"] for events in (heard, expected))
    if due and due[-1][0] == "close" and said:
        return said[:-1] == due[:-1] and said[-1][0] == "close" and said[-1][1] in due[-1][1]
    return said == due


# What is thrown at it

refs = st.text("ař€𝄞", max_size=8)
controls = st.builds(Frame, st.binary(max_size=125), st.sampled_from([PING, PONG]))
messages = st.one_of(
    refs.map(question),
    st.builds(question, refs, st.sampled_from([125, 126, 65_535, MESSAGE_LIMIT])),
    st.builds(question, refs, st.sampled_from([MESSAGE_LIMIT, MESSAGE_LIMIT + 1])),
    st.sampled_from(
        [b'{"type":"future"}', b'{"type":"pong"}', b"{", b"", b'{"type":"\xc5', b'{"type":"\xed\xa0\x80"}']
    ),
)
faults = st.one_of(
    st.builds(Frame, st.binary(max_size=8), opcode=st.integers(0, 15).filter(lambda n: n != CLOSE), fin=st.booleans()),
    st.builds(Frame, st.just(b""), opcode=st.sampled_from([TEXT, PING]), rsv=st.integers(1, 7)),
    st.builds(Frame, st.just(b"{}"), opcode=st.sampled_from([TEXT, PING, CONTINUATION]), masked=st.just(False)),
    st.builds(Frame, st.binary(min_size=126, max_size=300), opcode=st.sampled_from([PING, PONG, CLOSE])),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Frame]:
    """Return messages in fragments, control frames anywhere, and often one or two frames that may not be there."""
    frames: list[Frame] = []
    for message in draw(st.lists(messages, max_size=5)):
        cuts = draw(st.lists(st.integers(0, len(message)), max_size=4).map(sorted))
        frames += pieces(message, *cuts)
    for others, most in ((controls, 4), (faults, 2)):
        for other in draw(st.lists(others, max_size=most)):
            frames.insert(draw(st.integers(0, len(frames))), other)
    return frames


@settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames=conversations(), data=st.data())
@pytest.mark.usefixtures("control")
async def test_any_frames_in_any_segments_end_as_the_rules_have_it(
    world: World, frames: list[Frame], data: st.DataObject
) -> None:
    unread = iter(frames)
    expected = [model(frames, early=True), model(unread, early=False)]
    frames = frames[: len(frames) - len(list(unread))]
    size = sum(len(frame.wire()) for frame in frames)
    cuts = data.draw(st.lists(st.integers(0, size), max_size=12).map(sorted))
    talk = await Talk.open(world)
    await talk.send(*frames, cuts=cuts)
    if expected[0] and expected[0][-1][0] == "close":
        heard = await talk.rest()
    else:
        heard = await answered(talk, begun=begun(frames))
    assert any(agrees(heard, each) for each in expected), (heard, expected, frames, cuts)
    await until(lambda: world.hub.open_connections == 1)
    assert (await world.get("/health"))[1]["users"] == {"control": 1}


def begun(frames: list[Frame]) -> bool:
    """Tell whether a message is left without its end."""
    parts = [frame for frame in frames if frame.opcode < CLOSE]
    return bool(parts) and not parts[-1].fin


async def answered(talk: Talk, *, begun: bool) -> list[Event]:
    """Hear what comes up to the answer to a last ping, see that it comes, and leave in good order."""
    await talk.send(ping(b"the last"))
    heard = [await talk.hear()]
    while heard[-1] != ("pong", b"the last"):
        assert heard[-1] != END
        heard.append(await talk.hear())
    if not begun:
        await talk.send(ask("the last"))
        assert await talk.hear() == answers("the last")[0]
    await talk.send(Frame(closing(1000), CLOSE))
    assert await talk.rest() == [("close", 1000)]
    return heard[:-1]


# Other people's clients


class Peer(Protocol):
    """What a client library is asked for here."""

    async def say(self, text: str) -> None: ...
    async def hear(self) -> str | tuple[int, str]:
        """Return the next message, or the close: its code and reason."""

    async def ping(self) -> None:
        """Send a ping, and return when its pong is there."""

    async def leave(self, code: int, reason: str) -> int:
        """Close, and return the code that came back."""


class OfWebsockets:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, text: str) -> None:
        await self._socket.send(text)

    async def hear(self) -> str | tuple[int, str]:
        try:
            return str(await self._socket.recv())
        except ConnectionClosedError as exc:
            return (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd is not None else (1006, "")

    async def ping(self) -> None:
        await (await self._socket.ping(b"there?"))

    async def leave(self, code: int, reason: str) -> int:
        await self._socket.close(code, reason)
        assert self._socket.protocol.close_rcvd is not None
        return self._socket.protocol.close_rcvd.code


class OfAiohttp:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, text: str) -> None:
        await self._socket.send_str(text)

    async def hear(self) -> str | tuple[int, str]:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            await self._socket.close()
            return message.data, message.extra or ""
        return str(message.data)

    async def ping(self) -> None:
        await self._socket.ping(b"there?")
        assert (await self._socket.receive())[:2] == (aiohttp.WSMsgType.PONG, b"there?")

    async def leave(self, code: int, reason: str) -> int:
        await self._socket.close(code=code, message=reason.encode())
        return self._socket.close_code or 0


class OfPicows(WSListener):
    def __init__(self) -> None:
        self._heard: asyncio.Queue[str | bytes | tuple[int, str]] = asyncio.Queue()
        self.transport: WSTransport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        match frame.msg_type:
            case WSMsgType.TEXT:
                self._heard.put_nowait(frame.get_payload_as_utf8_text())
            case WSMsgType.PONG:
                self._heard.put_nowait(frame.get_payload_as_bytes())
            case WSMsgType.CLOSE:
                self._heard.put_nowait((int(frame.get_close_code()), frame.get_close_message() or ""))
                transport.send_close(frame.get_close_code())
                transport.disconnect()

    async def say(self, text: str) -> None:
        self.transport.send(WSMsgType.TEXT, text.encode())

    async def hear(self) -> str | tuple[int, str]:
        heard = await self._heard.get()
        assert not isinstance(heard, bytes)
        return heard

    async def ping(self) -> None:
        self.transport.send_ping(b"there?")
        assert await self._heard.get() == b"there?"

    async def leave(self, code: int, reason: str) -> int:
        self.transport.send_close(WSCloseCode(code), reason)
        heard = await self.hear()
        assert isinstance(heard, tuple)
        return heard[0]


@asynccontextmanager
async def of_websockets(url: str) -> AsyncIterator[Peer]:
    async with connect(url, proxy=None) as socket:
        yield OfWebsockets(socket)


@asynccontextmanager
async def of_aiohttp(url: str) -> AsyncIterator[Peer]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, compress=15, autoping=False, autoclose=False) as socket,
    ):
        yield OfAiohttp(socket)


@asynccontextmanager
async def of_picows(url: str) -> AsyncIterator[Peer]:
    transport, peer = await ws_connect(OfPicows, url)
    peer.transport = transport
    yield peer
    transport.disconnect()


@pytest.mark.parametrize("connected", [of_websockets, of_aiohttp, of_picows])
@pytest.mark.usefixtures("control")
async def test_other_clients_get_history_pings_and_the_reason_of_a_close(
    world: World, connected: Callable[[str], AbstractAsyncContextManager[Peer]]
) -> None:
    await world.dispatch("petr", id="old", title="✓ příliš žluťoučký", message="x" * 16_000)
    auth = {"type": "auth", "token": world.token(), "protocol": 2, "device": "d", "since": None}
    for last, end in ((None, 1000), ("garbage", 4400), ("x" * (MESSAGE_LIMIT + 1), 4413)):
        async with asyncio.timeout(DEADLINE_S), connected(world.url) as peer:
            await peer.say(json.dumps(auth))
            told = [json.loads(str(await peer.hear())) for _ in range(3)]
            assert [each["type"] for each in told] == ["auth_ok", "notification", "replay_done"]
            assert (told[1]["title"], len(told[1]["message"])) == ("✓ příliš žluťoučký", 16_000)
            await peer.ping()
            await peer.say(question("ř", MESSAGE_LIMIT).decode())
            assert json.loads(str(await peer.hear()))["ref"] == "ř"
            if last is None:
                assert await peer.leave(1000, "enough") == 1000
            else:
                await peer.say(last)
                code, reason = await peer.hear()
                assert (code, bool(reason)) == (end, True)
        await until(lambda: world.hub.connections_of("petr") == 0)
