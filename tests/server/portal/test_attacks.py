"""What attackers try over HTTP, and what they get (S1 to S9 and S13 of the quality list)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from analyst_server.identity.grants import challenge_of
from analyst_server.portal.audit import ADMINISTRATOR, audit_lines
from analyst_server.portal.signin import local_path
from tests.support.portal_world import STATE, VERIFIER, World, portal_world

LINK = {"code_challenge": challenge_of(VERIFIER), "state": STATE, "device": "laptop"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {},
    ],
)
async def test_another_site_changes_nothing_in_a_signed_in_browser(world: World, headers: dict[str, str]) -> None:
    async with world.browser("petr") as browser:
        cookie = "; ".join(f"{each.key}={each.value}" for each in browser.cookie_jar)
    async with aiohttp.ClientSession(world.url, headers={"Cookie": cookie, **headers}) as forged:
        for path in (
            *("/api/desktop/authorize", "/api/desktop/unlink", "/api/desktop/live-token", "/api/telegram/verify"),
            *("/signout", "/notifications/mark", "/desktop/device"),
        ):
            async with forged.post(path, data=LINK, allow_redirects=False) as answer:
                assert answer.status == 403, path
                assert "code=" not in await answer.text()


async def test_a_foreign_sign_in_cannot_be_forced_on_a_browser(world: World) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    code = world.invite("mallory")
    async with (
        aiohttp.ClientSession(world.url, headers=headers) as victim,
        victim.post("/signin/invite", data={"code": code}, allow_redirects=False) as answer,
    ):
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


async def test_a_session_gets_a_new_key_when_somebody_signs_in(world: World) -> None:
    name, planted = "analyst-session", "x" * 43
    headers = {"Origin": world.url, "Cookie": f"{name}={planted}"}
    async with aiohttp.ClientSession(world.url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as victim:
        async with victim.post("/signin/invite", data={"code": world.invite("petr")}, allow_redirects=False) as answer:
            given = answer.cookies[name]
            assert answer.status == 303
        assert given.value != planted
        assert (given["httponly"], given["samesite"]) == (True, "Lax")
        async with victim.get("/api/telegram/status") as answer:
            assert answer.status == 401, "the planted key opens nothing"
    async with world.browser("mallory") as browser:
        before = {"Cookie": "; ".join(f"{each.key}={each.value}" for each in browser.cookie_jar)}
        async with browser.post("/signin/invite", data={"code": world.invite("petr")}) as page:
            assert page.status == 200
    async with world.program() as other, other.get("/api/telegram/status", headers=before) as answer:
        assert answer.status == 401, "the session before has ended"


async def test_an_invitation_leads_to_no_other_site_whatever_the_cookie_says(world: World) -> None:
    headers = {"Origin": world.url, "Cookie": "analyst-onward=%2F%2Fevil.example"}
    async with (
        aiohttp.ClientSession(world.url, headers=headers) as victim,
        victim.post("/signin/invite", data={"code": world.invite("petr")}, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_cookies_are_bound_to_the_host_behind_https(tmp_path: Path) -> None:
    async with portal_world(tmp_path, public_url="https://alerts.example.com") as world:
        headers = {"Origin": "https://alerts.example.com"}
        async with aiohttp.ClientSession(world.url, headers=headers) as browser:
            async with browser.post(
                "/signin/invite", data={"code": world.invite("petr")}, allow_redirects=False
            ) as answer:
                cookie = answer.cookies["__Host-analyst"]
                assert cookie["secure"]
                assert cookie["path"] == "/"
                assert not cookie["domain"]
                assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
                assert answer.headers["Strict-Transport-Security"]
            async with browser.get("/signin?next=/desktop/link") as answer:
                for cookie in answer.cookies.values():
                    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
                assert answer.cookies
            async with browser.get("/.well-known/analyst.json") as answer:
                assert (await answer.json())["ws_url"] == "wss://alerts.example.com/ws/notifications"


async def test_a_session_ends_after_an_idle_hour_and_after_a_working_day(world: World) -> None:
    async with world.browser("petr") as idle, world.browser("petr") as busy:
        for _ in range(14):
            world.clock.forward(3_300)
            async with busy.get("/api/telegram/status") as answer:
                still_in = answer.status == 200
        assert not still_in
        async with idle.get("/api/telegram/status") as answer:
            assert answer.status == 401
    async with world.browser("petr") as browser:
        world.clock.forward(3_599)
        async with browser.get("/api/telegram/status") as answer:
            assert answer.status == 200
        world.clock.forward(3_600)
        async with browser.get("/api/telegram/status") as answer:
            assert answer.status == 401


async def test_a_page_that_is_left_open_does_not_keep_its_session_alive(world: World) -> None:
    async with world.browser("petr") as browser:
        answers = []
        for _ in range(13):
            async with browser.post("/api/desktop/live-token", headers={"Sec-Fetch-Dest": "empty"}) as answer:
                answers.append(answer.status)
            world.clock.forward(300)
    assert answers == [200] * 12 + [401]


async def test_one_byte_now_and_then_is_not_waited_for(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    async with (
        portal_world(tmp_path, body_timeout_s=0.05) as world,
        world.program() as app,
        app.post("/api/desktop/token", data=slowly()) as answer,
    ):
        assert answer.status == 408


async def test_signing_out_ends_the_session_on_the_server(world: World) -> None:
    async with world.browser("petr") as browser:
        cookies = {each.key: each.value for each in browser.cookie_jar}
        async with browser.post("/signout") as page:
            assert page.url.path == "/signin"
    async with aiohttp.ClientSession(world.url, cookies=cookies) as thief, thief.get("/api/telegram/status") as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "refused"),
    [
        ("GET", "/api/desktop/scripts", {}, 401),
        ("POST", "/api/desktop/refresh", {}, 401),
        ("POST", "/api/dispatch", {"user": "petr"}, 401),
        ("POST", "/api/desktop/token", {"code": "guess", "code_verifier": VERIFIER}, 400),
        ("POST", "/api/desktop/token", {"device_code": "guess"}, 400),
        ("POST", "/signin/invite", {"code": "guess"}, 404),
        ("GET", "/signin/invite?code=guess", {}, 404),
    ],
)
async def test_thirty_one_failures_from_one_address_have_to_wait_and_one_a_minute_goes_on(
    world: World, method: str, path: str, body: dict[str, str], *, refused: int
) -> None:
    async with world.program("wrong") as app:
        answers = []
        for _ in range(31):
            async with app.request(method, path, json=body or None) as answer:
                answers.append(answer.status)
        assert answers == [refused] * 30 + [429]
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        world.clock.forward(61)
        async with app.request(method, path, json=body or None) as answer:
            assert answer.status == refused
        async with app.request(method, path, json=body or None) as answer:
            assert answer.status == 429
    async with world.program(world.token("petr")) as app, app.get("/api/desktop/scripts") as answer:
        assert answer.status == 200, "a good token is not held up by a broken program behind the same address"


async def test_device_codes_are_not_to_be_had_in_any_number(world: World) -> None:
    async with world.program() as app:
        for asked in range(31):
            async with app.post("/api/desktop/device", json={"device": "laptop"}) as answer:
                assert answer.status == (429 if asked == 30 else 200)


async def test_guessing_a_device_code_counts_against_the_person_too(world: World) -> None:
    async with world.browser("mallory") as browser:
        for _ in range(30):
            async with browser.post(
                "/desktop/device", data={"user_code": "BCDF-GHJK", "decision": "authorize"}
            ) as page:
                assert page.status == 400
        async with browser.post("/desktop/device", data={"user_code": "BCDF-GHJK", "decision": "authorize"}) as page:
            assert page.status == 429
    throttling, now = world.portal.parts.throttling, world.clock.now
    assert throttling.wait_s(["user:mallory"], now=now) > 0
    assert throttling.wait_s(["user:petr"], now=now) == 0


async def test_addresses_behind_a_proxy_count_only_where_the_proxy_is_configured(tmp_path: Path) -> None:
    async with portal_world(tmp_path) as world, world.program("wrong") as app:
        for number in range(31):
            async with app.get("/api/desktop/scripts", headers={"X-Forwarded-For": f"192.0.2.{number}"}) as answer:
                last = answer.status
        assert last == 429, "a header cannot be used to look like many"
    (tmp_path / "behind").mkdir()
    async with (
        portal_world(tmp_path / "behind", trusted_proxies=("127.0.0.1",)) as world,
        world.program("wrong") as app,
    ):
        for number in range(31):
            headers = {"X-Forwarded-For": f"203.0.113.{number}, 192.0.2.1"}  # the first is what the client claims
            async with app.get("/api/desktop/scripts", headers=headers) as answer:
                last = answer.status
        assert last == 429
        async with app.get("/api/desktop/scripts", headers={"X-Forwarded-For": "192.0.2.2"}) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "header", ["X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Auth-Request-Email", "X-Forwarded-Email"]
)
async def test_headers_that_claim_an_identity_are_ignored(world: World, header: str) -> None:
    async with world.program() as app, app.get("/api/desktop/scripts", headers={header: "petr"}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1"])
async def test_a_name_of_a_stranger_that_points_here_is_refused(world: World, host: str) -> None:
    async with world.program() as app, app.get("/signin", headers={"Host": host}) as answer:
        assert answer.status in {400, 421}


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/a\\b",
        "/\n",
        "",
        None,
        7,
    ],
)
def test_nobody_is_sent_to_another_site_after_signing_in(target: object) -> None:
    assert local_path(target) == "/"


async def test_pages_cannot_be_framed_cached_or_sniffed_and_load_nothing_from_elsewhere(world: World) -> None:
    async with world.browser("petr") as browser:
        for path in (
            "/",
            "/signin",
            "/desktop/device",
            "/download/",
            "/nothing",
            "/api/telegram/status",
            "/static/portal.css",
        ):
            async with browser.get(path, allow_redirects=False) as answer:
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'")
                assert "unsafe" not in policy
                html = await answer.text() if answer.content_type == "text/html" else ""
                assert re.findall(r'(?:src|href|action)="(?:https?:)?//(?!t\.me/)[^"]*"', html) == []
                assert "style=" not in html


async def test_a_script_or_device_of_somebody_else_is_one_that_does_not_exist(world: World) -> None:
    world.scripts.of["petr"] = ["revenue_check"]
    petr_token = await world.linked("petr")
    device = world.tokens.verify(petr_token, now=world.clock.now).device
    answers = []
    async with world.program(world.token("eva")) as app:
        for name in ("revenue_check.py", "missing.py"):
            async with app.post("/api/desktop/scripts/run", json={"name": name}) as answer:
                answers.append((answer.status, (await answer.json())["error"].replace(name, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 500
    assert world.scripts.ran == []
    async with world.browser("eva") as browser:
        for each in (device, "d-000000000000"):
            async with browser.post("/api/desktop/unlink", json={"device": each}) as answer:
                assert (answer.status, (await answer.json())["error"]) == (400, "there is no such device")
        await world.notify("petr", "n1")
        async with browser.post("/notifications/mark", data={"id": "n1", "state": "read"}) as page:
            assert page.status == 400


async def test_what_strangers_wrote_is_shown_as_text(world: World) -> None:
    evil = '"><script>alert(1)</script>\x1b[31m\u202e'
    await world.notify(
        "petr", "n1", title=evil, message=evil, script=evil, tags=[evil], image_alt=evil, url="javascript:alert(1)"
    )
    chart = {"kind": "line", "x": [evil, evil], "series": [{"name": evil, "y": [1, 2]}]}
    await world.notify("petr", 'n2"><b>', title="x", chart=chart)
    await world.notify("petr", "n3", title="x", image_url="https://evil.example/x.png")
    await world.notify("petr", "n4", title="x", url='https://wiki.example/"onclick="x')
    async with world.browser("petr") as browser, browser.get("/") as page:
        html = await page.text()
    assert "<script>alert" not in html
    assert "javascript:" not in html
    assert "evil.example" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert 'href="https://wiki.example/&#34;onclick=&#34;x"' in html
    assert 'data-id="n2&#34;&gt;&lt;b&gt;"' in html


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"name":7}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"name":' + b"9" * 5_000 + b"}",
        b"NaN",
        b'{"name":"x","name":"y"}',
    ],
)
async def test_a_body_that_cannot_be_meant_is_an_orderly_refusal(world: World, body: bytes) -> None:
    async with world.program(world.token("petr")) as app:
        async with app.post(
            "/api/desktop/scripts/run", data=body, headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status in {400, 500}
            assert set(await answer.json()) == {"error"}
        async with app.post("/api/desktop/scripts/run", data=b"x" * 17_000) as answer:
            assert answer.status == 413


async def test_nothing_secret_is_written_to_the_logs(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = await world.linked("petr")
    async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
        refreshed = (await answer.json())["token"]
    async with world.program("wrong-token-of-a-thief") as app, app.get("/api/desktop/scripts") as answer:
        assert answer.status == 401
    lines = caplog.text + "\n".join(map(str, audit_lines(world.portal.parts.database, limit=1_000)))
    for secret in (token, refreshed, VERIFIER, "wrong-token-of-a-thief"):
        assert secret not in lines


async def test_the_trial_user_needs_no_proof_and_nobody_else_exists_by_that_way(tmp_path: Path) -> None:
    async with (
        portal_world(tmp_path, dev_user="trial") as world,
        world.browser() as browser,
        browser.post("/signin/dev", data={"next": "//evil.example"}) as page,
    ):
        assert (page.status, page.url.path) == (200, "/")
        assert "<strong>trial</strong>" in await page.text()
        world.portal.parts.accounts.set_disabled("trial", disabled=True, now=world.clock.now, by=ADMINISTRATOR)
        async with browser.post("/signin/dev") as refused:
            assert refused.status == 401
    (tmp_path / "other").mkdir()
    async with (
        portal_world(tmp_path / "other") as world,
        world.browser() as browser,
        browser.post("/signin/dev") as page,
    ):
        assert page.status == 404


async def test_a_disabled_person_is_out_at_once_and_cannot_come_back(world: World) -> None:
    token = await world.linked("petr")
    world.sockets.live = [world.tokens.verify(token, now=world.clock.now)]
    accounts = world.portal.parts.accounts
    async with world.browser("petr") as browser:
        accounts.set_disabled("petr", disabled=True, now=world.clock.now, by=ADMINISTRATOR)
        await world.portal.parts.revoked()
        assert world.sockets.live == []
        async with browser.get("/api/telegram/status") as answer:
            assert answer.status == 401
    code = world.invite("petr")
    async with world.browser() as browser, browser.post("/signin/invite", data={"code": code}) as page:
        assert page.status == 404
    world.clock.forward(60)
    async with world.program(world.token("petr")) as app, app.get("/api/desktop/scripts") as answer:
        assert answer.status == 401, "a token that was made later helps no more"
    async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
        assert answer.status == 401
