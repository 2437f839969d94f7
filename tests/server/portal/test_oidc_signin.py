"""Signing in by a real, certified provider (npm's oidc-provider), walked through as a browser would."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from analyst_server.identity.oidc import OidcClient
from analyst_server.portal.audit import ADMINISTRATOR, audit_lines
from tests.support.node_tools import oidc_provider
from tests.support.portal_world import World, portal_world
from tests.support.ports import free_port

pytestmark = [pytest.mark.real("node"), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def port() -> int:
    """A port that the portal can have: the provider must know the address before the portal is there."""
    return free_port()


@pytest.fixture(scope="module")
def issuer(port: int) -> Iterator[str]:
    """The provider, started once."""
    with oidc_provider(f"http://127.0.0.1:{port}/signin/callback") as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, issuer: str, port: int) -> AsyncIterator[World]:
    """A portal that trusts the provider; its clock shows the provider's time."""
    client = OidcClient(issuer, "portal", "portal-secret", allowed_domains=("example.com",))
    async with portal_world(tmp_path, port=port, real_time=True, oidc=client) as served:
        yield served


async def walk(browser: aiohttp.ClientSession, start: str, login: str) -> aiohttp.ClientResponse:
    """Follow redirects and fill in the provider's forms, like a person; return where that ends."""
    url, form = start, None
    for _ in range(20):
        method = "GET" if form is None else "POST"
        answer = await browser.request(
            method, url, data=form, allow_redirects=False, headers={"Origin": str(URL(url).origin())}
        )
        body = await answer.text()
        if answer.status in {301, 302, 303}:
            url, form = urljoin(url, answer.headers["Location"]), None
        elif 'name="prompt"' in body:
            fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', body))
            form = {**fields, **({"login": login, "password": "x"} if 'name="login"' in body else {})}
            action = re.search(r'action="([^"]+)"', body)
            assert action
            url = urljoin(url, action[1])
        else:
            return answer
    raise AssertionError("too many steps")


async def test_a_person_signs_in_by_the_provider_and_lands_where_they_wanted_to_go(world: World) -> None:
    async with world.browser() as browser:
        async with browser.get("/desktop/link?device=laptop") as page:
            assert "Sign in with 127.0.0.1" in await page.text()
        end = await walk(browser, f"{world.url}/signin/oidc?next=/desktop/link?device%3Dlaptop", "petr")
        assert end.url.path_qs == "/desktop/link?device=laptop"
        assert "<dd>petr</dd>" in await end.text()
    actions = [line.action for line in audit_lines(world.portal.parts.database)]
    assert actions[::-1] == ["user made", "identity connected", "signed in"]


@pytest.mark.parametrize(("login", "words"), [("unverified", "not verified"), ("stranger", "not of an allowed domain")])
async def test_who_is_not_welcome_is_told_why(world: World, login: str, words: str) -> None:
    async with world.browser() as browser:
        end = await walk(browser, f"{world.url}/signin/oidc", login)
        assert end.status == 401
        assert words in await end.text()


async def test_a_name_that_an_invited_person_has_is_refused_until_an_administrator_connects_it(world: World) -> None:
    accounts, now = world.portal.parts.accounts, world.clock.now
    accounts.ensure_user("eva", now=now, by=ADMINISTRATOR)
    async with world.browser() as browser:
        end = await walk(browser, f"{world.url}/signin/oidc", "eva")
        assert "the name eva is taken" in (await end.text()).lower()
        accounts.expect_identity("eva", "eva@example.com", now=now, by=ADMINISTRATOR)
        end = await walk(browser, f"{world.url}/signin/oidc", "eva")
        assert (end.status, end.url.path) == (200, "/")


async def test_an_answer_works_in_the_browser_that_asked_and_only_once(world: World) -> None:
    async with world.browser() as mine, world.browser() as victim:
        async with mine.get("/signin/oidc", allow_redirects=False) as answer:
            asked = answer.headers["Location"]
        caught = await stop_before_callback(mine, asked)
        async with victim.get(caught) as page:  # login CSRF: the attacker's answer in the victim's browser
            assert page.status == 401
            assert "no sign-in was begun in this browser" in (await page.text()).lower()
        async with mine.get(caught) as page:
            assert (page.status, page.url.path) == (200, "/")
        async with mine.get(caught) as page:
            assert page.status == 401


async def test_a_failed_answer_spends_the_state_as_well(world: World) -> None:
    async with world.browser() as browser:
        async with browser.get("/signin/oidc", allow_redirects=False) as answer:
            caught = await stop_before_callback(browser, answer.headers["Location"])
        wrong = URL(caught).update_query(code="guessed")
        async with browser.get(wrong) as page:
            assert page.status == 401
        async with browser.get(caught) as page:
            assert page.status == 401
            assert "no sign-in was begun" in (await page.text()).lower()


async def test_failed_answers_count_like_other_guesses(world: World) -> None:
    async with world.browser() as browser:
        for tried in range(31):
            async with browser.get("/signin/callback?state=guessed&code=guessed") as page:
                assert page.status == (429 if tried == 30 else 401)


async def test_an_answer_that_comes_after_ten_minutes_is_too_late(world: World) -> None:
    async with world.browser() as browser:
        async with browser.get("/signin/oidc", allow_redirects=False) as answer:
            caught = await stop_before_callback(browser, answer.headers["Location"])
        world.clock.forward(600)
        async with browser.get(caught) as page:
            assert "10 minutes" in await page.text()


async def test_a_provider_that_is_down_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    client = OidcClient(nobody, "portal", allowed_domains=("example.com",))
    async with (
        portal_world(tmp_path, oidc=client) as world,
        world.browser() as browser,
        browser.get("/signin/oidc") as page,
    ):
        assert page.status == 502
        assert "does not answer" in await page.text()


async def test_a_provider_with_a_problem_of_its_own_is_not_the_persons_fault(tmp_path: Path) -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503, text="<h1>maintenance</h1>")

    async def endless(_: web.Request) -> web.Response:
        return web.Response(body=b" " * (513 << 10))

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/other/.well-known/openid-configuration")

    for answer_it, status, words in (
        (broken, 502, "status 503"),
        (endless, 502, "512 KiB"),
        (elsewhere, 401, "status 302"),
    ):
        provider = web.Application()
        provider.add_routes([web.get("/.well-known/openid-configuration", answer_it)])
        async with TestServer(provider) as running:
            client = OidcClient(str(running.make_url("")).rstrip("/"), "portal", allowed_domains=("example.com",))
            async with (
                portal_world(tmp_path, oidc=client) as world,
                world.browser() as browser,
                browser.get("/signin/oidc") as page,
            ):
                assert (page.status, words in await page.text()) == (status, True)


async def stop_before_callback(browser: aiohttp.ClientSession, url: str) -> str:
    """Sign in at the provider; return the address that would lead back to the portal, unopened."""
    held: list[str] = []

    async def hold(_session: object, _context: object, params: aiohttp.TraceRequestStartParams) -> None:
        if params.url.path == "/signin/callback":
            held.append(str(params.url))
            raise asyncio.CancelledError

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(hold)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), trace_configs=[trace]) as provider_only:
        try:
            await walk(provider_only, url, "petr")
        except asyncio.CancelledError:
            return held[0]
    raise AssertionError("the provider did not lead back")
