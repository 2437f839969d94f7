"""A WebSocket listener that does nothing by itself: the test is the gateway, one connection at a time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

__all__ = ["Accepted", "ScriptedGateway", "scripted_gateway"]


class Accepted:
    """One connection of a client, as the gateway sees it."""

    def __init__(self, connection: ServerConnection, auth: dict[str, Any]) -> None:
        self._connection = connection
        self.auth = auth

    async def send(self, **message: Any) -> None:
        await self._connection.send(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    async def receive(self) -> dict[str, Any]:
        """Return the next message of the client."""
        async with asyncio.timeout(30):
            return json.loads(await self._connection.recv())

    async def receive_kind(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type; others (acks) are passed over."""
        while True:
            message = await self.receive()
            if message["type"] == kind:
                return message

    async def close(self, code: int = 1001, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def cut(self) -> None:
        """Break the line without a goodbye."""
        self._connection.transport.abort()

    async def greet(self, *, seq: int = 0, epoch: str = "e", recovered: bool = True, **members: Any) -> None:
        """Answer `auth_ok` of protocol 2."""
        await self.send(
            type="auth_ok",
            username="petr",
            protocol=2,
            epoch=epoch,
            seq=seq,
            recovered=recovered,
            heartbeat_s=30,
            **members,
        )


class ScriptedGateway:
    def __init__(self) -> None:
        self.connections: asyncio.Queue[Accepted] = asyncio.Queue()
        self.url = ""

    async def accept(self) -> Accepted:
        """Return the next client that has sent its first message."""
        async with asyncio.timeout(30):
            return await self.connections.get()

    async def _handle(self, connection: ServerConnection) -> None:
        await self.connections.put(Accepted(connection, json.loads(await connection.recv())))
        await connection.wait_closed()


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway()
    async with serve(gateway._handle, "127.0.0.1", 0, close_timeout=1) as server:
        gateway.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/notifications"
        yield gateway
