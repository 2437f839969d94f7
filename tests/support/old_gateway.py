"""The gateway of the source system, written from its documentation (protocol part 1): aiohttp, two listeners, nothing stored.

It exists to prove that our client works with it. It knows no `protocol`, closes with code 1000, and drops what nobody is connected for.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
from aiohttp import WSMsgType, web

__all__ = ["OldGateway", "old_gateway"]

MAX_CONNECTIONS_PER_USER = 5
AUTH_TIMEOUT_S = 10.0


class OldGateway:
    def __init__(self, secret: str, *, heartbeat_s: float = 30.0, max_missed: int = 3) -> None:
        self._secret = secret
        self._heartbeat_s = heartbeat_s
        self._max_missed = max_missed
        self._connections: dict[str, set[web.WebSocketResponse]] = defaultdict(set)
        self.pongs: asyncio.Queue[str] = asyncio.Queue()
        self.unknown: list[dict[str, object]] = []  # messages after authentication that are no pong
        self.url = ""

    def users(self) -> dict[str, int]:
        return {user: len(sockets) for user, sockets in self._connections.items() if sockets}

    async def disconnect_all(self) -> None:
        for socket in [socket for sockets in self._connections.values() for socket in sockets]:
            await socket.close()

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        user = await self._authenticate(socket)
        if user is None:
            return socket
        self._connections[user].add(socket)
        heartbeat = asyncio.create_task(self._heartbeat(socket))
        try:
            await socket.send_json({"type": "auth_ok", "username": user})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    content = json.loads(message.data)
                    if content.get("type") == "pong":
                        heartbeat.cancel()
                        # as documented: a pong restarts the task
                        heartbeat = asyncio.create_task(self._heartbeat(socket))
                        await self.pongs.put(user)
                    else:
                        self.unknown.append(content)
        finally:
            heartbeat.cancel()
            self._connections[user].discard(socket)
        return socket

    async def dispatch(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return web.json_response({"error": "Invalid JSON"}, status=400)
        if not body.get("user") or not body.get("notification"):
            return web.json_response({"error": "Missing 'user' or 'notification'"}, status=400)
        return web.json_response({"sent": await self.send(body["user"], body["notification"])})

    async def send(self, user: str, notification: dict[str, object]) -> int:
        sockets = list(self._connections[user])
        for socket in sockets:
            await socket.send_json({"type": "notification", **notification})
        return len(sockets)

    async def health(self, request: web.Request) -> web.Response:
        users = self.users()
        return web.json_response({"status": "ok", "connections": sum(users.values()), "users": users})

    async def _authenticate(self, socket: web.WebSocketResponse) -> str | None:
        try:
            message = await asyncio.wait_for(socket.receive_json(), AUTH_TIMEOUT_S)
            token = message["token"] if message["type"] == "auth" else None
            user = str(jwt.decode(token, self._secret, algorithms=["HS256"])["sub"])
        except TimeoutError:
            return await self._refuse(socket, "Auth timeout")
        except json.JSONDecodeError:
            return await self._refuse(socket, "Invalid JSON")
        except (KeyError, TypeError):
            return await self._refuse(socket, "Expected auth message with token")
        except jwt.InvalidTokenError:
            return await self._refuse(socket, "Invalid token")
        if len(self._connections[user]) >= MAX_CONNECTIONS_PER_USER:
            return await self._refuse(socket, "Too many connections")
        return user

    async def _refuse(self, socket: web.WebSocketResponse, message: str) -> None:
        await socket.send_json({"type": "auth_error", "message": message})
        await socket.close()

    async def _heartbeat(self, socket: web.WebSocketResponse) -> None:
        for _ in range(self._max_missed):
            await asyncio.sleep(self._heartbeat_s)
            await socket.send_json({"type": "ping"})
        await socket.close()


@asynccontextmanager
async def old_gateway(
    secret: str, *, dispatch_socket: Path, heartbeat_s: float = 30.0, max_missed: int = 3
) -> AsyncIterator[OldGateway]:
    """Run an old gateway on a free port and a Unix socket."""
    gateway = OldGateway(secret, heartbeat_s=heartbeat_s, max_missed=max_missed)
    public, internal = web.Application(), web.Application()
    public.router.add_get("/ws/notifications", gateway.websocket)
    public.router.add_get("/", gateway.websocket)
    internal.router.add_post("/dispatch", gateway.dispatch)
    internal.router.add_get("/health", gateway.health)
    runners = [web.AppRunner(application, shutdown_timeout=1) for application in (public, internal)]
    for runner in runners:
        await runner.setup()
    site = web.TCPSite(runners[0], "127.0.0.1", 0)
    await site.start()
    await web.UnixSite(runners[1], str(dispatch_socket)).start()
    dispatch_socket.chmod(0o770)
    gateway.url = f"ws://127.0.0.1:{runners[0].addresses[0][1]}/"
    try:
        yield gateway
    finally:
        for runner in runners:
            await runner.cleanup()
