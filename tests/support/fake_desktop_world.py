"""A real host on real sockets with the fake desktop, in this process: what the conformance tests talk to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from analyst_cli.desktop.allowlist import HostRule
from analyst_cli.desktop.backends.fake import FakeBackend
from analyst_cli.desktop.client import HostClient
from analyst_cli.desktop.endpoint import client_socket_path, operator_socket_path
from analyst_cli.desktop.host import Host
from analyst_cli.desktop.serve import ServeOptions, Serving, serve

__all__ = ["EVERYBODY", "REPORT", "World", "button", "desktop_of", "desktop_world"]

EVERYBODY = (HostRule(rule="*"),)


def button(element_id: str, title: str, *, at: tuple[int, int] = (10, 10), **members: Any) -> dict[str, Any]:
    """Return a button of a script."""
    return {"id": element_id, "role": "AXButton", "title": title, "frame": [*at, 80, 24], **members}


def desktop_of(*elements: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a script with one application and one window that holds these elements."""
    window = {
        "id": "window",
        "role": "AXWindow",
        "title": "Main",
        "frame": [0, 0, 800, 600],
        "children": list(elements),
    }
    app = {"appId": "org.example.App", "name": "App", "pid": 4001, "frontmost": True, "windows": [window]}
    return {"apps": [app], **members}


REPORT: dict[str, Any] = desktop_of(
    button("go", "Go", press=[{"set": "state", "title": "Gone"}]),
    button("off", "Off", at=(100, 10), enabled=False),
    button("twin-1", "Twin", at=(200, 10)),
    button("twin-2", "Twin", at=(300, 10)),
    button("under", "Under", at=(400, 10), occluded=True),
    button("dead", "Dead", at=(500, 10), effect="none"),
    {
        "id": "name",
        "role": "AXTextField",
        "title": "Name",
        "value": "old",
        "editable": True,
        "frame": [10, 60, 200, 24],
    },
    {
        "id": "stiff",
        "role": "AXTextField",
        "title": "Stiff",
        "value": "",
        "editable": True,
        "focusable": False,
        "frame": [10, 90, 200, 24],
    },
    {
        "id": "secret",
        "role": "AXSecureTextField",
        "title": "Password",
        "value": "hunter2",
        "editable": True,
        "secure": True,
        "frame": [10, 120, 200, 24],
    },
    {"id": "state", "role": "AXStaticText", "title": "Ready", "frame": [10, 150, 200, 24]},
    chords={"cmd+s": [{"set": "state", "title": "Saved"}]},
)


class World:
    """The host, its desktop, a workspace, and one connected client."""

    def __init__(self, serving: Serving, workspace: Path, client: HostClient) -> None:
        self.serving = serving
        self.workspace = workspace
        self.client = client

    @property
    def host(self) -> Host:
        return self.serving.host

    @property
    def desktop(self) -> FakeBackend:
        assert isinstance(self.host.backend, FakeBackend)
        return self.host.backend

    @property
    def done(self) -> list[dict[str, Any]]:
        """What was done to the desktop: presses, keys, texts."""
        return self.desktop.record

    def meta(self, **members: Any) -> dict[str, Any]:
        return {"workspacePath": str(self.workspace), **members}

    async def call(
        self, method: str, *, client: HostClient | None = None, meta: dict[str, Any] | None = None, **params: Any
    ) -> dict[str, Any]:
        """Call a method with our workspace; return the whole reply."""
        return await (client or self.client).call(
            f"desktop.{method}", {"meta": self.meta(**(meta or {})), **params}, wait_s=20
        )

    async def result(self, method: str, **params: Any) -> dict[str, Any]:
        reply = await self.call(method, **params)
        assert "result" in reply, reply
        found: dict[str, Any] = reply["result"]
        return found

    async def error(self, method: str, **params: Any) -> dict[str, Any]:
        reply = await self.call(method, **params)
        assert "error" in reply, reply
        found: dict[str, Any] = reply["error"]
        return found

    async def code(self, method: str, **params: Any) -> str:
        return str((await self.error(method, **params))["code"])

    async def token(self, method: str, *, ttl_ms: int = 60_000, client: HostClient | None = None, **params: Any) -> str:
        """Return a confirmation token, where callers may approve themselves."""
        intent = {"method": f"desktop.{method}", "params": params}
        reply = await self.call("confirm.issue", client=client, intent=intent, ttlMs=ttl_ms)
        return str(reply["result"]["token"])

    async def act(self, method: str, **params: Any) -> dict[str, Any]:
        """Issue a token for an action and do it; return the whole reply."""
        token = await self.token(method, **params)
        return await self.call(method, confirm={"token": token}, **params)

    @asynccontextmanager
    async def another_client(self) -> AsyncIterator[HostClient]:
        async with await HostClient.connect(client_socket_path()) as client:
            yield client

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[HostClient]:
        async with await HostClient.connect(operator_socket_path()) as client:
            yield client

    def executions(self) -> list[Path]:
        return sorted((self.workspace / "artifacts" / "desktop").glob("????-??-??/*"))

    def index(self) -> list[dict[str, Any]]:
        path = self.workspace / "artifacts" / "desktop" / "index.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def events(self, folder: Path | str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(folder, "events.ndjson").read_text().splitlines()]

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.host.audit.path.read_text().splitlines()]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something on the host holds, under a deadline."""
        async with asyncio.timeout(30):
            while not condition():  # the host has no event for the insides that tests look at
                await asyncio.sleep(0.002)


@asynccontextmanager
async def desktop_world(
    root: Path,
    script: dict[str, Any] | None = None,
    *,
    mode: str = "self",
    allowed: tuple[HostRule, ...] = EVERYBODY,
    settings: dict[str, Any] | None = None,
    started: bool = True,
) -> AsyncIterator[World]:
    """Serve a fake desktop below a root, and connect."""
    workspace = root / "ws"
    workspace.mkdir(exist_ok=True)
    script_file = root / "desktop.json"
    script_file.write_text(json.dumps(REPORT if script is None else script))
    flags = {"confirm.mode": mode, **(settings or {})}
    options = ServeOptions(
        backend="fake",
        script=script_file,
        roots=(root,),
        flags=flags,
        allowed=allowed,
        wait_for_start=not started,
        look_after_sockets_s=0.05,
    )
    async with serve(options) as serving, await HostClient.connect(client_socket_path()) as client:
        yield World(serving, workspace, client)
