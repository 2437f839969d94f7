"""The ways to sign in that need no URL handler, with the real gateway: device code from a terminal without browser, and loopback."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from eventually import eventually
from system import PROGRAM, System, running_system

from analyst_server.identity.tokens import TokenKeys, Tokens

OPENER = """
import pathlib, sys
new = pathlib.Path(sys.argv[0]).with_name("asked-url.new")
new.write_text(sys.argv[1])
new.rename(new.with_suffix(""))  # who looks for it finds it whole
"""

HANDING_OVER = "import subprocess\nsubprocess.run({callback}, check=True)"


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
        async with asyncio.timeout(40):
            _, told = await login.communicate()
        assert login.returncode == 0, told
        assert json.loads(system.run("whoami", "--json").stdout)["username"] == "petr"


async def test_a_server_of_the_source_system_sends_a_token_which_the_person_has_to_confirm(home: Path) -> None:
    token = Tokens(TokenKeys("o" * 64)).issue("petr", now=time.time()).token

    async def link(_: web.Request) -> web.Response:
        return web.Response(text="Authorize Desktop App")  # an old portal overlooks our parameters

    old = web.Application()
    old.add_routes([web.get("/desktop/link", link)])
    runner = web.AppRunner(old, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    opener = home / "browser.py"
    opener.write_text(HANDING_OVER.format(callback=[*PROGRAM, "callback", f"keboola-analyst://auth?token={token}"]))
    environment = {
        **os.environ,
        "BROWSER": f"{sys.executable} {opener} %s",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    terminal, its_end = pty.openpty()
    login = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "login", "--custom-url", "--insecure-storage", "--server", server),
        env=environment,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    try:
        said = await asyncio.to_thread(_answered, terminal)
        async with asyncio.timeout(40):
            assert await login.wait() == 0, said
        assert "petr" in said
        assert "weaker way" in said
        who = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "whoami", "--json", "--server", server), env=environment, stdout=subprocess.PIPE
        )
        told, _ = await who.communicate()
        assert json.loads(told)["username"] == "petr"
    finally:
        os.close(terminal)
        await runner.cleanup()


def _answered(terminal: int) -> str:
    """Read what a terminal shows, say yes where it asks, and read on to the end."""
    said = ""
    while True:
        try:
            said += os.read(terminal, 4_096).decode(errors="replace")
        except OSError:  # Linux: the other end is closed
            return said
        if said.rstrip().endswith("[y/N]:"):
            os.write(terminal, b"y\n")


def test_two_servers_are_used_side_by_side() -> None:
    with running_system() as first, running_system() as second:
        for system, name in ((first, "petr"), (second, "petr.novak")):
            token = system.run("token", "issue", name).stdout
            first.run("login", "--token-stdin", "--insecure-storage", "--server", system.portal_url, stdin=token)
        for system, name in ((first, "petr"), (second, "petr.novak")):
            first.run("server", "use", system.portal_url)
            chosen = {key: value for key, value in first.environment.items() if key != "ANALYST_SERVER"}
            done = subprocess.run(
                [*PROGRAM, "whoami", "--json"], env=chosen, capture_output=True, text=True, check=True
            )
            assert (json.loads(done.stdout)["username"], json.loads(done.stdout)["server"]) == (name, system.portal_url)
        keep = ("login", "--token-stdin", "--insecure-storage", "--server", first.portal_url)
        foreign = first.run(*keep, stdin=second.run("token", "issue", "eva").stdout, check=False)
        assert (foreign.returncode, "it was not kept" in foreign.stderr) == (4, True)
        assert first.run("whoami").stdout.startswith("petr at ")
        first.run("gateway", "revoke", "--user", "petr")
        until = time.monotonic() + 10  # the server looks three times a second; on a busy machine a look may come late
        while (refused := first.run("whoami", check=False)).returncode == 0 and time.monotonic() < until:
            pass
        assert (refused.returncode, refused.stdout.startswith("petr at ")) == (4, True)
        assert "does not accept the token" in refused.stderr
