"""The baseline: a plain aiohttp gateway that does what section 1 of the protocol asks and no more. Nothing is stored.

Usage: plain_gateway.py PORT SOCKET SECRET [--quiet] (without the access log, which aiohttp writes unless told otherwise).
"""

import asyncio
import logging
import os
import sys
from collections import defaultdict
from pathlib import Path

import jwt
from aiohttp import WSMsgType, web

HEARTBEAT_S = float(os.environ.get("HEARTBEAT_INTERVAL_SECONDS", "30"))
clients: dict[str, set[web.WebSocketResponse]] = defaultdict(set)


async def heartbeat(socket: web.WebSocketResponse) -> None:
    for _ in range(4):
        await asyncio.sleep(HEARTBEAT_S)
        await socket.send_json({"type": "ping"})
    await socket.close()


async def websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    first = await asyncio.wait_for(socket.receive_json(), 10)
    user = jwt.decode(first["token"], request.app["secret"], algorithms=["HS256"])["sub"]
    clients[user].add(socket)
    beating = asyncio.create_task(heartbeat(socket))
    try:
        await socket.send_json({"type": "auth_ok", "username": user})
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.json()["type"] == "pong":
                beating.cancel()
                beating = asyncio.create_task(heartbeat(socket))
    finally:
        beating.cancel()
        clients[user].discard(socket)
    return socket


async def dispatch(request: web.Request) -> web.Response:
    body = await request.json()
    sent = 0
    for socket in list(clients.get(body["user"], ())):
        await socket.send_json({"type": "notification", **body["notification"]})
        sent += 1
    return web.json_response({"sent": sent})


async def health(_: web.Request) -> web.Response:
    users = {user: len(sockets) for user, sockets in clients.items() if sockets}
    return web.json_response({"status": "ok", "connections": sum(users.values()), "users": users})


async def main(port: int, socket: str, secret: str) -> None:
    outside, inside = web.Application(), web.Application()
    outside["secret"] = secret
    outside.add_routes([web.get("/", websocket), web.get("/ws/notifications", websocket)])
    inside.add_routes([web.post("/dispatch", dispatch), web.get("/health", health)])
    runners = [web.AppRunner(outside), web.AppRunner(inside)]
    for runner in runners:
        await runner.setup()
    await web.TCPSite(runners[0], "127.0.0.1", port).start()
    await web.UnixSite(runners[1], socket).start()
    Path(socket).chmod(0o770)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING if "--quiet" in sys.argv else logging.INFO)
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
