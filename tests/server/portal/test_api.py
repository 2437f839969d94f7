"""The API of apps, publishers and operators: scripts, Telegram, dispatch from afar, downloads, link state."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.errors import ConfigProblem, StoreUnavailable
from analyst_server.identity.oidc import OidcClient
from analyst_server.portal.audit import ADMINISTRATOR, audit_lines, prune_audit
from analyst_server.portal.database import MIGRATIONS, open_database
from analyst_server.portal.link_state import LinkState
from analyst_server.portal.message_html import message_html
from analyst_server.portal.settings import PortalSettings, checked
from tests.support.portal_world import World, portal_world


async def test_scripts_are_listed_and_run_as_the_person_who_asks(world: World) -> None:
    world.scripts.of["petr"] = ["revenue_check"]
    async with world.program(world.token("petr")) as app:
        async with app.get("/api/desktop/scripts") as answer:
            assert await answer.json() == [{"name": "revenue_check.py", "stem": "revenue_check", "last_run": None}]
        async with app.post("/api/desktop/scripts/run", json={"name": "revenue_check.py"}) as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True})
        async with app.post("/api/desktop/scripts/run", json={}) as answer:
            assert answer.status == 400
    assert world.scripts.ran == [("petr", "revenue_check.py")]


async def test_any_call_of_the_app_marks_the_person_as_linked(world: World) -> None:
    async with world.program(world.token("petr")) as app, app.get("/api/desktop/scripts") as answer:
        assert answer.status == 200
    assert json.loads((world.data_dir / "desktop_users.json").read_text()) == {
        "petr": {"linked_at": "2027-01-15T08:00:00Z"}
    }


async def test_the_last_call_of_a_device_is_remembered_to_the_minute(world: World) -> None:
    token = await world.linked("petr")
    async with world.program(token) as app:
        for forward_s, seen in ((30, "08:00:00"), (45, "08:01:15"), (30, "08:01:15")):
            world.clock.forward(forward_s)
            async with app.get("/api/desktop/devices") as answer:
                assert (await answer.json())[0]["last_seen"] == f"2027-01-15T{seen}Z"


async def test_telegram_is_linked_by_the_code_that_the_bot_told_and_unlinked(world: World) -> None:
    async with world.browser("petr") as browser:
        async with browser.get("/api/telegram/status") as answer:
            assert await answer.json() == {"linked": False, "linked_at": None}
        world.chats.codes["12345"] = 1
        for code in ("000000", "12345", "abcdef", "１２３４５６"):
            async with browser.post("/api/telegram/verify", json={"code": code}) as answer:
                assert answer.status == 400
        async with browser.post("/api/telegram/verify", data={"code": "123 456"}) as page:
            assert "Telegram is linked." in await page.text()
        async with browser.get("/api/telegram/status") as answer:
            assert await answer.json() == {"linked": True, "linked_at": "2027-01-15T08:00:00Z"}
        async with browser.post("/api/telegram/unlink") as answer:
            assert (await answer.json())["ok"] is True
        async with browser.post("/api/telegram/unlink") as answer:
            assert answer.status == 400
        for _ in range(26):
            async with browser.post("/api/telegram/verify", data={"code": "000000"}) as page:
                assert "not valid" in await page.text()
        async with browser.post("/api/telegram/verify", json={"code": "123456"}) as answer:
            assert answer.status == 429, "six digits can be guessed"
    actions = [line.action for line in audit_lines(world.portal.parts.database, user="petr")]
    assert actions[:2] == ["telegram unlinked", "telegram linked"]


async def test_a_publisher_reaches_whom_it_may_and_the_audit_log_tells(world: World) -> None:
    publisher_id, token = world.portal.parts.publishers.issue(
        "airflow", ["petr"], now=world.clock.now, by=ADMINISTRATOR
    )
    body = {"user": "petr", "notification": {"title": "T", "message": "M"}}
    async with world.program(token) as publisher:
        async with publisher.post("/api/dispatch", json=body) as answer:
            assert (answer.status, (await answer.json())["sent"]) == (200, 0)
        for scope in ({"user": "eva"}, {"users": ["petr", "eva"], "user": None}):
            async with publisher.post("/api/dispatch", json={**body, **scope}) as answer:
                assert answer.status == 403
        pictured = {**body, "notification": {"title": "T", "message": "M", "image_path": "/etc/passwd"}}
        async with publisher.post("/api/dispatch", json=pictured) as answer:
            assert answer.status == 403
            assert "image_path" in (await answer.json())["error"]
        async with publisher.post("/api/dispatch", data=b"{" + b" " * 270_000 + b"}") as answer:
            assert (answer.status, "256 KiB" in (await answer.json())["error"]) == (413, True)
        async with publisher.post("/api/dispatch", data=b"not json") as answer:
            assert (answer.status, await answer.json()) == (400, {"error": "Invalid JSON"})
        assert world.portal.parts.publishers.revoke(publisher_id, now=world.clock.now, by=ADMINISTRATOR)
        async with publisher.post("/api/dispatch", json=body) as answer:
            assert answer.status == 401
    assert world.dispatched == [body]
    lines = [(line.action, line.actor, line.user) for line in audit_lines(world.portal.parts.database)]
    assert ("dispatched", "publisher airflow", "petr") in lines
    dispatched = next(line for line in audit_lines(world.portal.parts.database) if line.action == "dispatched")
    assert (dispatched.detail, dispatched.address) == (f"{publisher_id} a", "127.0.0.1"), "which notification it was"
    assert lines[0] == ("publisher revoked", "administrator", "")
    stored = b"".join(path.read_bytes() for path in world.data_dir.glob("accounts.db*"))
    assert token.encode() not in stored


async def test_the_audit_log_of_a_person_has_what_was_dispatched_to_several(world: World) -> None:
    _, token = world.portal.parts.publishers.issue("airflow", ["*"], now=world.clock.now, by=ADMINISTRATOR)
    names = ["eva", "petr", *(f"user{number}" for number in range(30))]
    async with (
        world.program(token) as publisher,
        publisher.post("/api/dispatch", json={"users": names, "notification": {"title": "T"}}) as answer,
    ):
        assert answer.status == 200
    database = world.portal.parts.database
    (line,) = audit_lines(database, user="petr")
    assert line.user.startswith("eva, petr, user0, ")
    assert line.user.endswith(", and 12 more")
    assert audit_lines(database, user="pet") == []


async def test_what_is_stored_is_not_called_unstored_because_the_audit_log_is_full(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    publisher_id, token = world.portal.parts.publishers.issue("airflow", ["*"], now=world.clock.now, by=ADMINISTRATOR)
    await world.portal.parts.database.run(world.portal.parts.database.execute, "DROP TABLE audit")
    body = {"user": "petr", "notification": {"title": "T"}}
    async with world.program(token) as publisher, publisher.post("/api/dispatch", json=body) as answer:
        assert answer.status == 200
    assert world.dispatched == [body]
    assert f"dispatched to petr by {publisher_id}, which the audit log could not take" in caplog.text


async def test_a_device_token_publishes_nothing_and_a_publisher_token_reads_nothing(world: World) -> None:
    _, token = world.portal.parts.publishers.issue(
        "airflow", ["*"], now=world.clock.now, by=ADMINISTRATOR, lifetime_s=60
    )
    async with world.program(world.token("petr")) as app, app.post("/api/dispatch", json={"user": "petr"}) as answer:
        assert answer.status == 401
    async with world.program(token) as publisher:
        async with publisher.get("/api/desktop/scripts") as answer:
            assert answer.status == 401
        world.clock.forward(60)
        async with publisher.post("/api/dispatch", json={}) as answer:
            assert answer.status == 401


async def test_a_page_gets_a_short_token_that_ends_with_its_session(world: World) -> None:
    async with world.browser("petr") as browser:
        async with browser.post("/api/desktop/live-token") as answer:
            given = await answer.json()
        assert given["expires_at"] == "2027-01-15T08:05:00Z"
        async with world.program(given["token"]) as app, app.post("/api/desktop/refresh") as answer:
            assert answer.status == 401, "a page's token cannot become a device's"
        world.sockets.live = [world.tokens.verify(given["token"], now=world.clock.now)]
        async with browser.post("/signout") as page:
            assert page.status == 200
    assert world.sockets.live == []
    database = world.portal.parts.database
    assert audit_lines(database)[0].action == "signed out"
    world.clock.forward(3_601)
    async with world.browser("petr") as browser, browser.post("/signout") as page:
        assert page.status == 200
    assert len(database.rows("SELECT * FROM revoked_tokens")) == 1
    assert not (world.data_dir / "desktop_users.json").exists(), "a page is no desktop app"


async def test_downloads_are_what_the_administrator_put_there_and_nothing_else(world: World) -> None:
    folder = world.data_dir / "download"
    folder.mkdir()
    (folder / "KeboolaAnalyst-1.4.zip").write_bytes(b"zip")
    (folder / "page.html").write_text("<script>alert(1)</script>")
    (folder / ".hidden").write_text("x")
    (folder / "link.db").symlink_to(world.data_dir / "accounts.db")
    (folder / "folder").mkdir()
    async with world.program() as anyone:
        async with anyone.get("/download/") as page:
            html = await page.text()
        assert "KeboolaAnalyst-1.4.zip" in html
        assert "hidden" not in html
        assert "link.db" not in html
        async with anyone.get("/download/page.html") as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'
            assert answer.content_type == "application/octet-stream"
        for name in (".hidden", "link.db", "folder", "missing", "..%2Faccounts.db", "%2e%2e/accounts.db"):
            async with anyone.get(f"/download/{name}") as answer:
                assert answer.status == 404, name


@pytest.mark.parametrize(
    ("timestamp", "when"),
    [
        ("0001-01-01T00:00:00Z", "2,027 years ago"),
        ("9999-12-31T23:59:59Z", "7,978 years from now"),
        ("2027-01-15T07:00:00Z", "an hour ago"),
        ("2027-01-15T08:05:00Z", "5 minutes from now"),
        ("yesterday", ""),
    ],
)
async def test_an_alert_of_any_time_is_shown(world: World, timestamp: str, when: str) -> None:
    await world.notify("petr", "n", timestamp=timestamp, chart={"kind": "bar", "series": [{"y": [1e17]}]})
    async with world.browser("petr") as browser, browser.get("/") as page:
        assert page.status == 200
        assert (f">{when}</time>" in await page.text()) == bool(when)


async def test_a_page_of_an_error_leads_on_and_knows_who_is_signed_in(world: World) -> None:
    async with world.browser() as stranger, stranger.get("/nope") as page:
        assert page.status == 404
        assert 'href="/signin"' in await page.text()
    async with world.browser("petr") as browser:
        async with browser.get("/nope") as page:
            assert "<strong>petr</strong>" in await page.text()
        async with browser.get("/desktop/link?state=12345678") as page:
            assert page.status == 400
            assert "begin the sign-in anew" in (await page.text()).lower()


async def test_the_list_shows_how_a_message_begins(world: World) -> None:
    await world.notify("petr", "n", message="**Orders** are late:\n\n- 3 of <14> tables\n" + "x" * 300)
    async with world.browser("petr") as browser, browser.get("/") as page:
        assert ">Orders are late: 3 of &lt;14&gt; tables xxx" in await page.text()


async def test_a_browser_marks_without_javascript(world: World) -> None:
    for number in range(3):
        await world.notify("petr", f"n{number}")
    async with world.browser("petr") as browser:
        async with browser.post("/notifications/mark", data={"id": "n1", "state": "read"}) as page:
            assert (await page.text()).count('class="unread') == 2
        async with browser.post("/notifications/mark", data={"state": "read"}) as page:
            assert "All 3 read" in await page.text()
        async with browser.post("/notifications/mark", data={"id": "n1", "state": "unread"}) as page:
            assert (await page.text()).count('class="unread') == 1


def test_a_link_file_of_an_operator_is_read_again_and_a_broken_one_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "desktop_users.json"
    state = LinkState(file)
    assert state.linked_at("petr") is None
    file.write_text('{"petr":{"linked_at":"2026-01-30T12:00:00Z"}}')
    assert state.linked_at("petr") == "2026-01-30T12:00:00Z"
    state.link("eva", at="2026-01-31T12:00:00Z")
    assert set(json.loads(file.read_text())) == {"petr", "eva"}
    file.write_text("{broken")
    with pytest.raises(StoreUnavailable, match=r"desktop_users\.json"):
        state.link("adam", at="2026-01-31T12:00:00Z")
    assert file.read_text() == "{broken"


def test_a_newer_database_is_refused_and_one_that_is_no_file_too(tmp_path: Path) -> None:
    database = open_database(tmp_path / "accounts.db")
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(StoreUnavailable, match="upgrade analyst"):
        open_database(tmp_path / "accounts.db")
    (tmp_path / "link.db").symlink_to(tmp_path / "accounts.db")
    with pytest.raises(StoreUnavailable, match="plain file"):
        open_database(tmp_path / "link.db")
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match=r"broken\.db"):
        open_database(tmp_path / "broken.db")


def test_the_audit_log_forgets_after_a_year(tmp_path: Path) -> None:
    database = open_database(tmp_path / "accounts.db")
    database.execute("INSERT INTO audit(at, action, user, actor, address, detail) VALUES (0, 'old', '', '', '', '')")
    prune_audit(database, now=401 * 86_400)
    assert audit_lines(database) == []
    database.close()


async def test_a_store_that_cannot_be_used_is_told_as_503_without_its_path(world: World) -> None:
    async with world.browser("petr") as browser, browser.get("/api/telegram/status") as answer:
        assert answer.status == 200
    (world.data_dir / "desktop_users.json").write_text("{broken")
    async with world.program(world.token("petr")) as app, app.get("/api/desktop/scripts") as answer:
        assert answer.status == 503
        assert str(world.data_dir) not in await answer.text()


@pytest.mark.parametrize(
    ("settings", "host", "problem"),
    [
        ({}, "0.0.0.0", "public_url"),
        ({"public_url": "http://alerts.example.com"}, "127.0.0.1", "https"),
        ({"public_url": "https://alerts.example.com/portal"}, "0.0.0.0", "form"),
        ({"dev_user": "trial", "public_url": "https://alerts.example.com"}, "127.0.0.1", "dev-user"),
        ({"dev_user": "trial"}, "192.0.2.1", "public_url"),
        ({"trusted_proxies": ("nginx",)}, "127.0.0.1", "nginx"),
        ({"scheme": "javascript"}, "127.0.0.1", "scheme"),
        ({"scheme": "my-app: https:"}, "127.0.0.1", "scheme"),
        ({"ws_url": "https://alerts.example.com"}, "127.0.0.1", "ws_url"),
        ({"oidc": OidcClient("http://id.example.com", "portal", allowed_domains=("x",))}, "127.0.0.1", "https"),
        ({"oidc": OidcClient("https://id.example.com", "", allowed_domains=("x",))}, "127.0.0.1", "client_id"),
        ({"oidc": OidcClient("https://id.example.com", "portal")}, "127.0.0.1", "allowed_domains"),
    ],
)
def test_settings_that_are_not_safe_are_refused_with_the_way_out(
    tmp_path: Path, settings: dict[str, object], host: str, problem: str
) -> None:
    with pytest.raises(ConfigProblem, match=problem):
        checked(PortalSettings(tmp_path, **settings), host=host)  # type: ignore[arg-type]


def test_a_trial_user_is_loud_at_the_start(tmp_path: Path) -> None:
    assert checked(PortalSettings(tmp_path), host="127.0.0.1") == ()
    assert "trial" in checked(PortalSettings(tmp_path, dev_user="trial"), host="::1")[0]


async def test_an_app_of_the_source_system_is_told_where_link_by_token_is_off(tmp_path: Path) -> None:
    async with (
        portal_world(tmp_path, link_by_token=False) as world,
        world.browser("petr") as browser,
        browser.post("/api/desktop/authorize") as answer,
    ):
        assert (answer.status, "analyst login" in (await answer.json())["error"]) == (400, True)


@pytest.mark.parametrize(
    ("message", "html"),
    [
        (
            "**AMZN** made *5.97*\nin `September`",
            "<p><strong>AMZN</strong> made <em>5.97</em><br>\nin <code>September</code></p>",
        ),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("# no heading | no table", "<p># no heading | no table</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
        (
            "![x](https://evil.example/x.png)",
            '<p>!<a href="https://evil.example/x.png" rel="noreferrer noopener nofollow">x</a></p>',
        ),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](JaVaScRiPt&#58;alert(1))", "<p>[x](JaVaScRiPt:alert(1))</p>"),
        ("[x](data:text/html,hi) [y](/signout)", "<p>[x](data:text/html,hi) [y](/signout)</p>"),
        (
            '[x](https://a.example/"onclick="alert(1))',
            '<p><a href="https://a.example/%22onclick=%22alert(1)" rel="noreferrer noopener nofollow">x</a></p>',
        ),
        ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>"),
        ("\x1b[31m\u202e", "<p>␛[31m�</p>"),
        ("*" * 4_097 + "<b>", '<p class="typed">' + f"{'*' * 4_097}&lt;b&gt;</p>"),
    ],
)
def test_a_message_is_shown_with_a_little_markdown_and_nothing_else(message: str, html: str) -> None:
    assert message_html(message).strip() == html


@given(st.text(alphabet=st.sampled_from("<>\"'&`*_[]()!#-\n ab/:\\"), max_size=80))
def test_no_message_makes_a_tag_of_its_own(message: str) -> None:
    tags = set(re.findall(r"<(/?[a-z]+)", message_html(message)))
    assert tags <= {
        f"{slash}{tag}"
        for tag in ("p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "a")
        for slash in ("", "/")
    }
