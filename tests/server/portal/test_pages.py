"""The pages in a real browser, with a real gateway behind them: live, by keyboard, without JavaScript, and without barriers."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from analyst_server import app
from analyst_server.config import GatewaySettings, PortalSettings, Settings
from analyst_server.identity.grants import challenge_of
from analyst_server.inbox.log import MarkDraft, NotificationDraft, User
from analyst_server.inbox.sqlite import SqliteInbox
from analyst_server.portal.accounts import Accounts
from analyst_server.portal.audit import ADMINISTRATOR
from analyst_server.portal.database import open_database
from tests.support.chromium import Chromium, Page, chromium
from tests.support.node_tools import installed
from tests.support.portal_world import STATE, VERIFIER

pytestmark = [pytest.mark.real("chromium"), pytest.mark.xdist_group("browser")]

LINK = f"/desktop/link?code_challenge={challenge_of(VERIFIER)}&state={STATE}&device=laptop"
PNG_NUMBERS = {"kind": "line", "x": ["Mon", "Tue"], "series": [{"name": "revenue", "y": [3, 1]}], "mark": 1}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One Chromium for all; each test has a context of its own in it."""
    with chromium() as running:
        yield running


@dataclass
class Served:
    """A real gateway with its portal, in this process."""

    url: str
    folder: Path
    gateway: app.Running

    @property
    def log(self) -> SqliteInbox:
        assert isinstance(self.gateway.hub.log, SqliteInbox)
        return self.gateway.hub.log

    async def notify(self, notification_id: str, title: str, **members: object) -> None:
        body = {
            "id": notification_id,
            "title": title,
            "message": "Look.",
            "timestamp": "2026-11-20T10:00:00Z",
            **members,
        }
        await self.log.append(NotificationDraft(User("petr"), notification_id, json.dumps(body).encode()))

    async def dispatch_picture(self, notification_id: str, title: str) -> None:
        """Send an alert with a chart as scripts do, over the Unix socket."""
        Image.new("RGB", (40, 30), "teal").save(self.folder / "chart.png")
        alert = {
            "id": notification_id,
            "title": title,
            "message": "Look.",
            "image_path": str(self.folder / "chart.png"),
        }
        connector = aiohttp.UnixConnector(str(self.gateway.socket))
        async with (
            aiohttp.ClientSession("http://localhost", connector=connector) as script,
            script.post("/dispatch", json={"user": "petr", "notification": alert}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def read_ids(self) -> set[str]:
        snapshot = await self.log.snapshot(User("petr"))
        return {json.loads(each.body)["id"] for each in snapshot.notifications if each.state.read}

    @asynccontextmanager
    async def signed_in(self, browser: Chromium) -> AsyncIterator[Page]:
        """A tab in which petr has opened an invitation and clicked."""
        database = open_database(self.folder / "accounts.db")
        code = Accounts(database).invite("petr", now=time.time(), by=ADMINISTRATOR)
        database.close()
        async with browser.page() as page:
            await page.open(f"{self.url}/signin/invite?code={code}")
            await page.leave_by("button.button")
            yield page


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway on free ports."""
    settings = Settings(gateway=GatewaySettings(port=0), portal=PortalSettings(port=0))
    folder = tmp_path / "data"
    async with app.running(settings, data_dir=folder, socket=tmp_path / "ws.sock") as gateway:
        assert gateway.portal_url
        yield Served(gateway.portal_url, folder, gateway)


async def test_what_arrives_appears_at_once_and_marks_travel_through_the_log(served: Served, browser: Chromium) -> None:
    await served.notify("a", "First alert")
    async with served.signed_in(browser) as page:
        await page.until("document.getElementById('live').textContent === 'Live'")
        await served.notify("b", "Second <b>alert</b>")
        await page.until("document.querySelectorAll('li.unread').length === 2")
        assert await page.js("document.querySelector('.title').textContent") == "Second <b>alert</b>"
        assert await page.js("document.title") == "(2) Notifications · analyst"
        await page.click("li[data-id=b] summary")
        await page.click("li[data-id=b] form button")
        await page.until("document.querySelector('li[data-id=b]').classList.contains('read')")
        assert await served.read_ids() == {"b"}
        assert await page.js("document.querySelector('li[data-id=b] details').open"), "the open one stays open"
        await served.log.mark(MarkDraft(User("petr"), ["a"], "read", "2026-11-20T10:00:01Z", device="terminal"))
        await page.until("document.querySelectorAll('li.unread').length === 0")
        await served.dispatch_picture("c", "With a picture")
        await page.until("document.querySelector('li[data-id=c]') !== null")
        await page.click("li[data-id=c] summary")
        await page.until("document.querySelector('li[data-id=c] img').naturalWidth === 40")
        assert page.violations == []
        assert [url for url in page.asked if not url.startswith(served.url)] == []


async def test_signing_out_everywhere_ends_the_live_page(served: Served, browser: Chromium) -> None:
    async with served.signed_in(browser) as page:
        await page.until("document.getElementById('live').textContent === 'Live'")
        assert served.gateway.hub.connections_of("petr") == 1
        await page.click("summary.danger")
        await page.leave_by(".confirms [open] button")
        assert "signed out everywhere" in await page.js("document.querySelector('[role=status]').textContent")
        assert served.gateway.hub.connections_of("petr") == 0
        await page.open(f"{served.url}/")
        assert await page.js("location.pathname") == "/signin"


async def test_everything_works_without_javascript(served: Served, browser: Chromium) -> None:
    await served.notify("a", "An alert", chart=PNG_NUMBERS)
    async with served.signed_in(browser) as page:
        await page.look(width=390, dark=False, scripts=False)
        await page.open(f"{served.url}/")
        # the test asks by script what the page shows
        await page.command("Emulation.setScriptExecutionDisabled", value=False)
        assert await page.js("document.querySelector('li details svg.chart polyline') !== null")
        await page.command("Emulation.setScriptExecutionDisabled", value=True)
        root = (await page.command("DOM.getDocument"))["root"]["nodeId"]
        button = await page.command("DOM.querySelector", nodeId=root, selector="form[data-mark=read] button")
        await page.command("DOM.focus", **button)
        page.expect_load()
        await page.key("Enter", 13, "\r")
        await page.loaded()
    assert await served.read_ids() == {"a"}


async def test_the_keyboard_reaches_the_button_that_links_a_device(served: Served, browser: Chromium) -> None:
    async with served.signed_in(browser) as page:
        await page.open(served.url + LINK)
        reached = []
        for _ in range(8):
            await page.key("Tab", 9)
            reached.append(await page.js("document.activeElement.textContent.trim()"))
            if reached[-1] == "Authorize Desktop App":
                break
        assert reached[0] == "Skip to the content"
        assert reached[-1] == "Authorize Desktop App"
        outline = await page.js("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "whoever uses the keyboard sees where they are"


@pytest.mark.real("node")
@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
async def test_axe_finds_no_barrier_on_any_page(served: Served, browser: Chromium, width: int, *, dark: bool) -> None:
    axe = (installed() / "node_modules" / "axe-core" / "axe.min.js").read_text()
    await served.notify("a", "An alert", chart=PNG_NUMBERS, priority="critical", tags=["daily"], script="drop")
    await served.notify("b", "A resolved one", status="resolved", priority="high")
    async with served.signed_in(browser) as page:
        await page.look(width=width, dark=dark)
        for path in ("/", LINK, "/desktop/device", "/download/", "/no-such-page", "/signin/invite?code=x"):
            await page.open(served.url + path)
            await no_barrier(page, axe, width)
        await page.leave_by("header button")
        await no_barrier(page, axe, width)


async def no_barrier(page: Page, axe: str, width: int) -> None:
    await page.js("for (const each of document.querySelectorAll('details')) each.open = true")
    await page.js(axe + ";0")
    found = await page.js("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
    where = await page.js("location.href")
    assert found == [], where
    assert await page.js("document.documentElement.scrollWidth <= innerWidth"), f"{where} is wider than {width} px"
