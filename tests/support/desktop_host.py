"""A serving host in its own process on a test desktop, asked over its socket as any client would."""

import json
import sys
from pathlib import Path
from typing import Any

from desktop_stack import DesktopStack, Launched
from desktop_world import soon

from analyst_cli.desktop.client import HostClient, HostUnreachable

__all__ = ["ANALYST", "Served", "own_folders", "start_host"]

ANALYST = Path(sys.executable).with_name("analyst")


class Served:
    """A host, its workspace, and a connection to it."""

    def __init__(self, launched: Launched, workspace: Path, client: HostClient) -> None:
        self.launched = launched
        self.workspace = workspace
        self.client = client
        self.replies: list[dict[str, Any]] = []

    def meta(self) -> dict[str, Any]:
        """Give what every request says about itself."""
        return {"workspacePath": str(self.workspace), "timeoutMs": 30_000}

    async def call(self, method: str, request_id: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a request and give the whole reply."""
        params.setdefault("meta", self.meta())
        reply = await self.client.call(method, params, request_id=request_id)
        self.replies.append(reply)
        return reply

    async def result(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request that must succeed."""
        reply = await self.call(method, **params)
        assert "result" in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    async def token(self, method: str, **params: Any) -> str:
        """Get a confirmation; the host lets callers approve themselves."""
        issued = await self.result("desktop.confirm.issue", intent={"method": method, "params": params})
        return str(issued["token"])

    async def act(self, method: str, request_id: str | None = None, **params: Any) -> dict[str, Any]:
        """Do something that needs a confirmation, and give the whole reply."""
        confirm = {"token": await self.token(method, **params)}
        return await self.call(method, request_id=request_id, confirm=confirm, **params)

    async def done(self, method: str, **params: Any) -> dict[str, Any]:
        """Do something that must succeed."""
        reply = await self.act(method, **params)
        assert "result" in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    async def error(self, method: str, **params: Any) -> dict[str, Any]:
        """Do something that must be refused."""
        reply = await self.act(method, **params)
        assert "error" in reply, reply
        error: dict[str, Any] = reply["error"]
        return error

    def evidence(self, result: dict[str, Any], name: str) -> Any:
        """Read a file of an execution."""
        return json.loads(Path(result["evidence"]["dir"], name).read_bytes())

    async def close(self) -> None:
        """Hang up and end the host."""
        await self.client.close()
        self.launched.stop()


def own_folders(workspace: Path) -> dict[str, str]:
    """Give the environment of a host of this workspace: settings and state beside it."""
    return {
        f"XDG_{kind}_HOME": str(workspace.parent / "host" / kind.lower())
        for kind in ("CONFIG", "DATA", "STATE", "CACHE")
    }


async def start_host(stack: DesktopStack, workspace: Path, *arguments: str) -> Served:
    """Start a host for this workspace, with a state of its own beside it, and connect to it."""
    workspace.mkdir(mode=0o700, exist_ok=True)
    argv = [str(ANALYST), "desktop", "serve", "--backend", "linux", "--workspace-root", str(workspace)]
    launched = stack.launch([*argv, "--confirm", "self", "--allow", "*", *arguments], own_folders(workspace))
    path = Path(stack.environ["XDG_RUNTIME_DIR"], "analyst", "desktop.sock")
    clients: list[HostClient] = []

    async def is_up() -> bool:
        try:
            clients.append(await HostClient.connect(path))
        except HostUnreachable:
            return False
        return True

    try:
        await soon(is_up)
        served = Served(launched, workspace, clients[0])

        async def is_ready() -> bool:
            return "result" in await served.client.call("desktop.health", {"meta": {}})

        await soon(is_ready)
    except BaseException:
        for client in clients:
            await client.close()
        launched.stop()
        raise
    return served
