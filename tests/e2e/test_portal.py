"""Issue 4 in one run without a screen: a real provider, a real browser, the system's URL handler, a real Secret Service, the terminal."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from chromium import Page, chromium
from eventually import eventually
from node_tools import oidc_provider
from secret_service import secret_service
from system import PROGRAM, System, running_system

from tests.support.ports import free_port

pytestmark = pytest.mark.xdist_group("browser")

BROWSER = """
import pathlib, sys
new = pathlib.Path(sys.argv[0]).with_name("asked-url.new")
new.write_text(sys.argv[1])
new.rename(new.with_suffix(""))  # who looks for it finds it whole
"""


async def soon(condition: Callable[[], object]) -> None:
    assert await asyncio.to_thread(lambda: eventually(condition, within_s=30))


async def sign_in_at_the_provider(page: Page, system: System) -> None:
    """Type a name and a password into the provider's form, then consent."""
    await page.leave_by("a.button")
    await page.js(
        "document.querySelector('[name=login]').value = 'petr'; document.querySelector('[name=password]').value = 'x'"
    )
    await page.leave_by("form button")
    await page.leave_by("form button")
    assert (await page.js("location.href")).startswith(f"{system.portal_url}/desktop/link?")


@pytest.mark.real("chromium", "node", "xdg-open", "xdg-mime", "gnome-keyring-daemon", "dbus-daemon")
@pytest.mark.timeout(150)  # a dozen programs take part; 8 s on an idle machine
async def test_from_the_provider_to_the_keyring_to_the_inbox_and_out_again() -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with (
        oidc_provider(f"{origin}/signin/callback") as issuer,
        running_system(
            ports=(free_port(), port),
            ANALYST_PORTAL_OIDC_ISSUER=issuer,
            ANALYST_PORTAL_OIDC_CLIENT_ID="portal",
            ANALYST_PORTAL_OIDC_CLIENT_SECRET="portal-secret",
            ANALYST_PORTAL_OIDC_ALLOWED_DOMAINS="example.com",
        ) as system,
        secret_service(system.environment) as reaching,
    ):
        opener = system.home / "browser.py"
        opener.write_text(BROWSER)
        system.environment.update(reaching, DISPLAY=":987654", BROWSER=f"{sys.executable} {opener} %s")
        system.run("login", "--install-handler")
        always_allowed = {"protocol_handler": {"allowed_origin_protocol_pairs": {origin: {"keboola-analyst": True}}}}
        with chromium(preferences=always_allowed, env=system.environment) as browser:
            async with browser.page(own_context=False) as page:
                await linked(page, system)
                await read_here_and_there(page, system)
                await signed_out(page, system)


async def linked(page: Page, system: System) -> None:
    asked = system.home / "asked-url"
    login = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "login", "--custom-url", "--device-name", "Petr's laptop"),
        env=system.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        await soon(asked.exists)
        await page.open(asked.read_text())
        await sign_in_at_the_provider(page, system)
        await page.click("button[value=authorize]")
        async with asyncio.timeout(30):
            _, told = await login.communicate()
        assert login.returncode == 0, told
    finally:
        if login.returncode is None:
            login.kill()
            await login.wait()
    who = json.loads(system.run("whoami", "--json").stdout)
    assert (who["username"], who["token_origin"]) == ("petr", "keyring")
    assert [device["name"] for device in who["devices"]] == ["Petr's laptop"]


_FIRST_REFRESH_FAILS = """{
  const real = window.fetch;
  window.fetch = (...what) => { window.fetch = real; return Promise.reject(new TypeError(`no ${what[0]}`)); };
}"""


async def read_here_and_there(page: Page, system: System) -> None:
    await page.open(f"{system.portal_url}/")
    await page.until("document.getElementById('live').textContent === 'Live'")
    await page.js(_FIRST_REFRESH_FAILS)
    with system.watching("--quiet"):
        system.run("dispatch", "--user", "petr", "--title", "Revenue drop", "--message", "-12 %")
        await page.until("document.querySelectorAll('li.unread').length === 1")
        await soon(system.inbox)
        await page.click("li.unread summary")
        await page.click("li.unread form button")
        await page.until("document.querySelectorAll('li.read').length === 1")
        await soon(lambda: system.inbox()[0]["read"])


async def signed_out(page: Page, system: System) -> None:
    await page.open(f"{system.portal_url}/")
    assert "Linked" in await page.js("document.querySelector('#desktop .badge').textContent")
    await page.click("#desktop .confirms summary")
    await page.leave_by("#desktop .confirms button")
    assert await page.js("document.querySelector('#desktop .badge').textContent") == "Not linked"
    with system.watching("--quiet") as watch:
        await soon(lambda: json.loads(system.run("gateway", "health", "--json").stdout)["users"].get("petr", 0) >= 2)
        await page.click("summary.danger")
        await page.leave_by(".confirms [open] button")
        code = await asyncio.to_thread(watch.wait, 20)
        assert code == 4, "the terminal is told to sign in again"
    assert system.run("token", "refresh", check=False).returncode == 4
