"""A client of single frames: what it sends is as the test wants it, what it hears is held to the rules of RFC 6455 for servers."""

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.support.gateway_world import DEADLINE_S, RawClient, World

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MESSAGE_LIMIT, FRAME_LIMIT = 64 * 1024, 256 * 1024
MASK = b"\x9a\x5c\x01\xff"
Event = tuple[str, object]
END: Event = ("end", b"")


@dataclass(frozen=True)
class Frame:
    """One frame of a client, with every bit as the test wants it."""

    payload: bytes = b""
    opcode: int = TEXT
    fin: bool = True
    rsv: int = 0
    masked: bool = True
    form: int = 0  # bits of the length's longest form; 0: the shortest that fits

    def wire(self) -> bytes:
        size, bit = len(self.payload), 0x80 if self.masked else 0
        form = self.form or (7 if size < 126 else 16 if size < 65_536 else 64)
        head = bytes((self.fin << 7 | self.rsv << 4 | self.opcode,))
        head += {
            7: lambda: bytes((bit | size,)),
            16: lambda: struct.pack("!BH", bit | 126, size),
            64: lambda: struct.pack("!BQ", bit | 127, size),
        }[form]()
        return head + (MASK + masked(self.payload) if self.masked else self.payload)


def masked(payload: bytes) -> bytes:
    size = len(payload)
    stream = (MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(size)


def question(ref: str, size: int = 0) -> bytes:
    """Return a message that is answered at once under its ref, padded to a size."""
    return json.dumps({"type": "mark", "ref": ref, "ids": [], "state": "read"}, ensure_ascii=False).encode().ljust(size)


def closing(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2) + reason


def ask(ref: str, size: int = 0, form: int = 0) -> Frame:
    return Frame(question(ref, size), form=form)


def ping(payload: bytes = b"") -> Frame:
    return Frame(payload, PING)


def pieces(message: bytes, *cuts: int) -> list[Frame]:
    """Return a text message as fragments, cut at these places."""
    bounds = [0, *cuts, len(message)]
    parts = [message[start:stop] for start, stop in pairwise(bounds)]
    return [Frame(part, CONTINUATION if n else TEXT, fin=n == len(parts) - 1) for n, part in enumerate(parts)]


class Talk:
    """A signed-in connection of bytes; what the gateway sends is held to the rules for servers."""

    def __init__(self, raw: RawClient) -> None:
        self._raw = raw

    @classmethod
    async def open(cls, world: World) -> "Talk":
        raw = await world.raw()
        world._clients.append(raw)  # to be closed, too
        talk = cls(raw)
        auth = {"type": "auth", "token": world.token(), "protocol": 2, "device": "raw"}
        await talk.send(Frame(json.dumps(auth).encode()))
        while await talk.hear() != ("replay_done", None):
            pass
        return talk

    async def send(self, *frames: Frame, cuts: Sequence[int] = ()) -> None:
        """Send frames in one segment, or cut at these places of their bytes."""
        data = b"".join(frame.wire() for frame in frames)
        await self.send_bytes(*(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)))

    async def send_bytes(self, *segments: bytes) -> None:
        for segment in segments:
            self._raw.writer.write(segment)
            await asyncio.sleep(0)  # to the loop, which is the gateway's, too
            await asyncio.sleep(0)

    async def hear(self) -> Event:
        """Return the next frame as an event: a pong, a close, an answer, or the end."""
        async with asyncio.timeout(DEADLINE_S):
            head = await self._raw.reader.read(1)
            if not head:
                return END
            (second,) = await self._raw.reader.readexactly(1)
            assert second < 0x80, "a server masks nothing"
            extended = {126: 2, 127: 8}.get(second, 0)
            size = int.from_bytes(await self._raw.reader.readexactly(extended)) if extended else second
            assert size >= {0: 0, 2: 126, 8: 65_536}[extended], "a length not in its shortest form"
            payload = await self._raw.reader.readexactly(size)
        match head[0] ^ 0x80:  # whole, no reserved bit
            case 0xA:
                return "pong", payload
            case 0x8:
                assert len(payload) != 1
                payload[2:].decode()
                return "close", int.from_bytes(payload[:2]) if payload else 1005
            case 0x1:
                message = json.loads(payload)
                return message["type"], message.get("ref")
        raise AssertionError(head)

    async def rest(self) -> list[Event]:
        """Return what comes up to the close; answer it, see that it is the last thing, and leave."""
        events = [await self.hear()]
        while events[-1][0] not in {"close", "end"}:
            events.append(await self.hear())
        if events[-1][0] == "close":
            await self.send(Frame(closing(1000), CLOSE))
            assert await self.hear() == END
        self.leave(how="fin")
        return events

    def leave(self, *, how: str) -> None:
        """End the connection below the protocol: `fin`, `rst`, or `half` (a FIN, and reading goes on)."""
        sock = self._raw.writer.get_extra_info("socket")
        if how == "rst":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.writer.write_eof() if how == "half" else self._raw.writer.transport.abort()


def answers(*refs: str) -> list[Event]:
    """Return what questions under these refs are answered."""
    return [("mark_error", ref) for ref in refs]
