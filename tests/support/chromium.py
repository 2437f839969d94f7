"""A real, headless Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

# The last five keep it from looking for its maker's hosts at every start.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
    "--disable-dev-shm-usage",
]
DEADLINE_S = 30.0  # a machine that runs everything else at the same time


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.violations: list[
            str
        ] = []  # of the content security policy, and uncaught errors, as the console tells them
        self.asked: list[str] = []  # every address that the page has requested
        self._reader = asyncio.create_task(self._read())

    async def prepare(self) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.command(f"{domain}.enable")

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(DEADLINE_S):
            return await answer

    async def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.expect_load()
        await self.command("Page.navigate", url=url)
        await self.loaded()

    def expect_load(self) -> None:
        """Make `loaded` wait for the next page."""
        self._loaded.clear()

    async def loaded(self) -> None:
        """Wait until a page is loaded."""
        async with asyncio.timeout(DEADLINE_S):
            await self._loaded.wait()

    async def js(self, expression: str) -> Any:
        answer = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(DEADLINE_S):
            while not (value := await self.js(expression)):
                await asyncio.sleep(0.05)
            return value

    async def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, as a person does."""
        box = await self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def leave_by(self, selector: str) -> None:
        """Click what leads to another page, and wait for it."""
        self.expect_load()
        await self.click(selector)
        await self.loaded()

    async def key(self, key: str, code: int, text: str = "") -> None:
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def look(self, *, width: int, dark: bool, scripts: bool = True) -> None:
        """Show pages at this width and in this colour scheme from now on."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])
        await self.command("Emulation.setScriptExecutionDisabled", value=not scripts)

    async def picture(self, path: Path) -> None:
        """Save what the whole page looks like."""
        shot = await self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            params = message.get("params", {})
            match message.get("method"):
                case None:
                    answer = self._answers.pop(message["id"])
                    if "error" in message:
                        answer.set_exception(AssertionError(message["error"]))
                    else:
                        answer.set_result(message["result"])
                case "Page.loadEventFired":
                    self._loaded.set()
                case "Network.requestWillBeSent":
                    self.asked.append(params["request"]["url"])
                case "Log.entryAdded" if params["entry"]["level"] == "error":
                    self.violations.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
                case "Runtime.exceptionThrown":
                    self.violations.append(params["exceptionDetails"]["exception"].get("description", "?"))


class Chromium:
    """One running browser."""

    def __init__(self, port: int) -> None:
        self._port = port

    @asynccontextmanager
    async def page(self, *, own_context: bool = True) -> AsyncIterator[Page]:
        """Open a tab without cookies of others; without a context of its own, in the profile with its preferences."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self._port}") as http:
            async with http.get("/json/version") as answer:
                browser_url = (await answer.json())["webSocketDebuggerUrl"]
            async with connect(browser_url, max_size=None) as browser:
                context = (
                    await _ask(browser, "Target.createBrowserContext", disposeOnDetach=True) if own_context else {}
                )
                target = await _ask(browser, "Target.createTarget", url="about:blank", **context)
                address = f"ws://127.0.0.1:{self._port}/devtools/page/{target['targetId']}"
                page = Page(await connect(address, max_size=None))
                await page.prepare()
                try:
                    yield page
                finally:
                    await page.close()
                    await _ask(browser, "Target.closeTarget", targetId=target["targetId"])


@contextmanager
def chromium(*, preferences: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> Iterator[Chromium]:
    """Run a browser with an empty profile until the block ends; its tabs may be opened from any event loop."""
    profile = Path(tempfile.mkdtemp(prefix="chromium-"))
    (profile / "Default").mkdir()
    if preferences:
        (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    process = subprocess.Popen(
        ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**(env or os.environ), "TMPDIR": str(profile)},  # its socket is left there
    )
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "DevTools listening on" in line)
        threading.Thread(target=process.stderr.read, daemon=True).start()  # it talks on; a full pipe would stop it
        yield Chromium(int(line.rpartition(":")[2].partition("/")[0]))
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()
        shutil.rmtree(profile, ignore_errors=True)


async def _ask(socket: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"id": 1, "method": method, "params": params}))
    async with asyncio.timeout(DEADLINE_S):
        async for text in socket:
            message = json.loads(text)
            if message.get("id") == 1:
                result: dict[str, Any] = message["result"]
                return result
    raise AssertionError("the browser is gone")
