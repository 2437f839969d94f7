"""The ways to sign in that need no URL handler, with the real gateway: device code from a terminal without browser, and loopback."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from eventually import eventually
from system import PROGRAM, System, running_system

OPENER = "import pathlib, sys; pathlib.Path(sys.argv[0]).with_name('asked-url').write_text(sys.argv[1])"


@asynccontextmanager
async def person(system: System, name: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser in which somebody has opened an invitation and pressed its button."""
    link = system.run("gateway", "invite", name, "--url", system.portal_url).stdout.strip()
    code = dict(parse_qsl(urlsplit(link).query))["code"]
    headers = {"Origin": system.portal_url, "Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{system.portal_url}/signin/invite", data={"code": code}) as page:
            assert page.status == 200
        yield browser


async def test_an_agent_begins_with_a_code_and_finishes_after_a_person_has_typed_it() -> None:
    with running_system() as system:
        begun = json.loads(system.run("login", "--no-input", "--device-name", "server-7").stdout)
        assert "--complete" in begun["next_step"]
        async with person(system, "petr") as browser:
            form = {"user_code": begun["user_code"].lower(), "decision": "authorize"}
            async with browser.post(begun["verification_uri"], data=form) as page:
                assert "Connected" in await page.text()
        system.run("login", "--complete", "--insecure-storage")
        who = json.loads(system.run("whoami", "--json").stdout)
        assert (who["username"], [device["name"] for device in who["devices"]]) == ("petr", ["server-7"])


async def test_a_browser_comes_back_to_the_waiting_command_through_loopback() -> None:
    with running_system() as system:
        opener = system.home / "browser.py"
        opener.write_text(OPENER)
        system.environment["BROWSER"] = f"{sys.executable} {opener} %s"
        login = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "login", "--loopback", "--insecure-storage"),
            env=system.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        asked = system.home / "asked-url"
        assert await asyncio.to_thread(eventually, asked.exists)
        async with person(system, "petr") as browser:
            form = {**dict(parse_qsl(urlsplit(asked.read_text()).query)), "decision": "authorize"}
            async with browser.post(f"{system.portal_url}/api/desktop/authorize", data=form) as page:
                assert (page.status, page.url.path) == (200, "/callback")
                assert page.url.host == "127.0.0.1"
        async with asyncio.timeout(20):
            _, told = await login.communicate()
        assert login.returncode == 0, told
        assert json.loads(system.run("whoami", "--json").stdout)["username"] == "petr"
