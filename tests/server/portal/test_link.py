"""Linking a device: from the invitation to a token that works, by all three ways, and what stands in a thief's way."""

import asyncio
import json
import stat
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from analyst_server.identity.grants import challenge_of
from analyst_server.identity.tokens import LIFETIME_S
from analyst_server.portal.codes import Codes, Redeemed, Replayed
from analyst_server.portal.database import open_database
from tests.support.portal_world import SECRET, STATE, VERIFIER, World

CHALLENGE = challenge_of(VERIFIER)
ASKED = {"code_challenge": CHALLENGE, "state": STATE, "device": "laptop"}


async def test_an_invited_person_links_a_device_and_its_token_works(world: World) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        async with browser.get("/desktop/link", params=ASKED) as page:
            html = await page.text()
            assert page.status == 200
        assert "Authorize Desktop App" in html
        assert "<dd>petr</dd>" in html
        assert "<dd>laptop</dd>" in html
        code = await world.code(browser)
        async with program.post("/api/desktop/token", json={"code": code, "code_verifier": VERIFIER}) as answer:
            assert answer.status == 200
            given = await answer.json()
    claims = jwt.decode(
        given["token"], SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["sub"] == "petr"
    assert claims["exp"] - claims["iat"] == LIFETIME_S
    assert claims["jti"]
    assert given["expires_at"] == "2027-02-14T08:00:00Z"
    async with world.program(given["token"]) as app, app.get("/api/desktop/devices") as answer:
        assert await answer.json() == [
            {
                "device": claims["device"],
                "name": "laptop",
                "linked_at": "2027-01-15T08:00:00Z",
                "last_seen": "2027-01-15T08:00:00Z",
            }
        ]
    linked = world.data_dir / "desktop_users.json"
    assert json.loads(linked.read_text()) == {"petr": {"linked_at": "2027-01-15T08:00:00Z"}}


async def test_the_form_of_the_page_leads_to_the_custom_url_without_any_script(world: World) -> None:
    async with world.browser("petr") as browser:
        form = {**ASKED, "decision": "authorize"}
        async with browser.post("/api/desktop/authorize", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"].startswith("keboola-analyst://auth?code=")
            assert parse_qs(urlsplit(answer.headers["Location"]).query)["state"] == [STATE]
        async with browser.post("/api/desktop/authorize", data={**form, "decision": "show"}) as answer:
            assert 'value="keboola-analyst://auth?code=' in await answer.text()
        async with browser.post(
            "/api/desktop/authorize", data={**form, "decision": "cancel"}, allow_redirects=False
        ) as answer:
            assert answer.headers["Location"] == f"keboola-analyst://auth?error=access_denied&state={STATE}"


async def test_a_loopback_client_gets_the_code_at_its_own_port(world: World) -> None:
    async with world.browser("petr") as browser:
        form = {**ASKED, "redirect_uri": "http://127.0.0.1:45678/callback"}
        async with browser.post("/api/desktop/authorize", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"].startswith("http://127.0.0.1:45678/callback?code=")
        async with browser.get("/desktop/link", params=form) as page:
            assert "form-action 'self' http://127.0.0.1:45678;" in page.headers["Content-Security-Policy"]
        async with browser.get(
            "/desktop/link", params={**form, "redirect_uri": "https://evil.example/callback"}
        ) as page:
            assert page.status == 400


async def test_an_app_of_the_source_system_gets_a_token_by_address(world: World) -> None:
    async with world.browser("petr") as browser, browser.post("/api/desktop/authorize") as answer:
        url = (await answer.json())["url"]
    assert url.startswith("keboola-analyst://auth?token=")
    token = url.partition("=")[2]
    async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
        assert answer.status == 200
        assert (await answer.json())["token"] != token


async def test_a_code_works_once_and_its_replay_revokes_what_it_gave(world: World) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        body = {"code": await world.code(browser), "code_verifier": VERIFIER}
        async with program.post("/api/desktop/token", json=body) as answer:
            token = (await answer.json())["token"]
        world.sockets.live = [world.tokens.verify(token, now=world.clock.now)]
        async with program.post("/api/desktop/token", json=body) as answer:
            assert answer.status == 400
        assert [code for _, code in world.sockets.closed] == [4401]
        async with world.program(token) as app, app.post("/api/desktop/refresh") as answer:
            assert answer.status == 401


@pytest.mark.parametrize("verifier", ["w" * 64, "", CHALLENGE])
async def test_whoever_intercepts_a_code_without_the_verifier_gets_nothing_and_spoils_it(
    world: World, verifier: str
) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        code = await world.code(browser)
        for each in (verifier, VERIFIER):
            async with program.post("/api/desktop/token", json={"code": code, "code_verifier": each}) as answer:
                assert answer.status == 400
                assert "token" not in await answer.json()


async def test_a_code_gives_one_token_however_many_ask_at_once_in_several_processes(world: World) -> None:
    async with world.browser("petr") as browser:
        code = await world.code(browser)

    def ask(number: int) -> object:
        database = open_database(world.data_dir / "accounts.db")  # as another gateway of the same data folder would
        try:
            return Codes(database).redeem(code, VERIFIER, token_id=f"t-{number}", now=world.clock.now)
        finally:
            database.close()

    answers = await asyncio.gather(*(asyncio.to_thread(ask, number) for number in range(8)))
    assert [type(answer) for answer in answers].count(Redeemed) == 1
    assert [type(answer) for answer in answers].count(Replayed) == 7


async def test_a_code_lives_sixty_seconds(world: World) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        early, late = await world.code(browser), await world.code(browser)
        world.clock.forward(59)
        async with program.post("/api/desktop/token", json={"code": early, "code_verifier": VERIFIER}) as answer:
            assert answer.status == 200
        world.clock.forward(1)
        async with program.post("/api/desktop/token", json={"code": late, "code_verifier": VERIFIER}) as answer:
            assert answer.status == 400


async def test_a_terminal_without_browser_signs_in_by_a_typed_code(world: World) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        async with program.post("/api/desktop/device", json={"device": "server-7"}) as answer:
            begun = await answer.json()
        assert begun["verification_uri"] == f"{world.url}/desktop/device"
        poll = {"device_code": begun["device_code"]}
        async with program.post("/api/desktop/token", json=poll) as answer:
            assert (answer.status, await answer.json()) == (400, {"error": "authorization_pending"})
        async with program.post("/api/desktop/token", json=poll) as answer:
            assert await answer.json() == {"error": "slow_down"}
        typed = {"user_code": begun["user_code"].lower().replace("-", " ")}
        async with browser.post("/desktop/device", data=typed) as page:
            assert "server-7" in await page.text()
        async with browser.post("/desktop/device", data={**typed, "decision": "authorize"}) as page:
            assert "Connected" in await page.text()
        async with program.post("/api/desktop/token", json=poll) as answer:
            assert answer.status == 200
            assert (await answer.json())["username"] == "petr"
        async with program.post("/api/desktop/token", json=poll) as answer:
            assert await answer.json() == {"error": "expired_token"}
        async with browser.post("/desktop/device", data={**typed, "decision": "authorize"}) as page:
            assert page.status == 400


async def test_a_denied_and_an_expired_device_code_say_so(world: World) -> None:
    async with world.browser("petr") as browser, world.program() as program:
        begun = []
        for _ in range(2):
            async with program.post("/api/desktop/device", json={}) as answer:
                begun.append(await answer.json())
        denied, waiting = begun
        async with browser.post(
            "/desktop/device", data={"user_code": denied["user_code"], "decision": "cancel"}
        ) as page:
            assert "Not connected" in await page.text()
        async with program.post("/api/desktop/token", json={"device_code": denied["device_code"]}) as answer:
            assert await answer.json() == {"error": "access_denied"}
        world.clock.forward(600)
        async with program.post("/api/desktop/token", json={"device_code": waiting["device_code"]}) as answer:
            assert await answer.json() == {"error": "expired_token"}


async def test_the_old_and_the_new_token_work_after_a_refresh_and_the_grace_ends_after_seven_days(world: World) -> None:
    token = await world.linked("petr")
    world.clock.forward(LIFETIME_S + 7 * 86_400 - 1)
    async with world.program(token) as app:
        async with app.get("/api/desktop/devices") as answer:
            assert answer.status == 401
        async with app.post("/api/desktop/refresh") as answer:
            assert answer.status == 200
            new = (await answer.json())["token"]
        world.clock.forward(1)
        async with app.post("/api/desktop/refresh") as answer:
            assert answer.status == 401
            assert "7 days" in (await answer.json())["error"]
    async with world.program(new) as app, app.get("/api/desktop/devices") as answer:
        assert (await answer.json())[0]["name"] == "laptop"


async def test_an_invitation_signs_in_once_after_a_click_and_goes_on_to_the_page_that_was_asked_for(
    world: World,
) -> None:
    async with world.browser() as browser:
        async with browser.get("/desktop/link", params=ASKED) as page:
            assert page.url.path == "/signin"
        code = world.invite("petr")
        for _ in range(2):  # a mail program that opens links uses nothing up
            async with browser.get("/signin/invite", params={"code": code}) as page:
                assert "Welcome, petr" in await page.text()
        async with browser.post("/signin/invite", data={"code": code}) as page:
            assert page.url.path == "/desktop/link"
            assert "<dd>petr</dd>" in await page.text()
        async with browser.post("/signin/invite", data={"code": code}) as page:
            assert "used, expired or unknown" in await page.text()


async def test_an_invitation_expires(world: World) -> None:
    code = world.invite("petr")
    world.clock.forward(7 * 86_400)
    async with world.browser() as browser, browser.post("/signin/invite", data={"code": code}) as page:
        assert page.status == 404


async def test_a_chart_is_shown_to_its_owner_alone(world: World) -> None:
    await world.notify("petr", "n1", image="abc.png")
    for user, status in (("petr", 200), ("eva", 404)):
        async with world.program(world.token(user)) as app, app.get("/api/notifications/images/abc.png") as answer:
            assert answer.status == status
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            if status == 200:
                assert answer.content_type == "image/png"
                assert answer.headers["Cache-Control"].startswith("private")
        async with world.browser(user) as browser, browser.get("/api/notifications/images/abc.png") as answer:
            assert answer.status == status
    await world.notify("petr", "n2", image="a.b.png")
    async with world.program(world.token("petr")) as app, app.get("/api/notifications/images/a.b.png") as answer:
        assert answer.status == 404, "section 1.4 tells what a name may be"
    async with world.program() as nobody:
        refusals = []
        for name in ("abc.png", "missing.png", "..%2F..%2Fetc%2Fpasswd", "abc.svg"):
            async with nobody.get(f"/api/notifications/images/{name}") as answer:
                refusals.append((answer.status, await answer.text()))
    assert len(set(refusals[:2])) == 1, "a stranger cannot tell a chart of somebody else from a missing one"
    assert {status for status, _ in refusals} == {404}


async def test_the_accounts_are_readable_by_their_owner_only(world: World) -> None:
    await world.linked("petr")
    for path in world.data_dir.iterdir():
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    accounts = world.data_dir / "accounts.db"
    accounts.chmod(0o644)  # as a backup may have left it
    open_database(accounts).close()
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    stored = b"".join(path.read_bytes() for path in world.data_dir.glob("accounts.db*"))
    assert VERIFIER.encode() not in stored
