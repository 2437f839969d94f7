"""The line that is always there, and how events of the connection reach it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from analyst_cli.client import events
from analyst_cli.tui.announcing import is_looked_at
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_cli.tui.widgets.status_bar import Link, Status, link_words, status_line
from tests.cli.tui.conftest import NOW, until

THEN = datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (Link("live", THEN), "● live"),
        (Link("connecting", THEN), "◐ connecting"),
        (Link("waiting", THEN, retry_at=THEN + timedelta(seconds=4)), "◐ reconnecting in 4 s"),
        (Link("waiting", THEN, retry_at=THEN), "◐ reconnecting"),
        (Link("offline", THEN), "○ offline since 10:30"),
        (Link("offline", THEN - timedelta(days=1)), "○ offline since Fri 10:30"),
        (Link("stopped", THEN, reason="signed out"), "○ signed out"),
    ],
)
def test_the_connection_is_a_sign_and_words(link: Link, words: str) -> None:
    assert link_words(link, THEN) == words


@given(st.integers(1, 220), st.text(max_size=80), st.integers(0, 10**9), st.integers(0, 5))
def test_the_line_is_as_wide_as_the_terminal_whatever_is_told(
    width: int, account: str, unread: int, selected: int
) -> None:
    status = Status(Link("live", THEN), account, unread, THEN, selected)
    assert cell_len(status_line(status, THEN, width)) == width


def test_the_line_keeps_sign_and_unread_count_when_there_is_little_room() -> None:
    status = Status(Link("waiting", THEN, retry_at=THEN + timedelta(seconds=4)), "petr at data.example.com", 12, THEN)
    assert status_line(status, THEN, 100).split("   ", 1)[0] == " ◐ reconnecting in 4 s"
    assert status_line(status, THEN, 100).endswith("12 unread · last received just now ")
    assert status_line(status, THEN, 60) == " ◐ reconnecting in 4 s   petr at… 12 unread · last just now "
    assert status_line(status, THEN, 40) == " ◐ reconnecting in 4 s        12 unread "
    assert status_line(status, THEN, 24) == " ◐ waiting    12 unread "
    assert status_line(status, THEN, 16) == " ◐    12 unread "


def test_a_terminal_that_never_tells_of_focus_is_looked_at_while_somebody_types() -> None:
    assert is_looked_at(True, True, 9999)
    assert not is_looked_at(False, True, 0)
    assert is_looked_at(True, False, 10)
    assert not is_looked_at(True, False, 61)


class Connection:
    """A connection that tells what the test wants, when it wants."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[events.ClientEvent] = asyncio.Queue()

    async def __call__(self, nudge: asyncio.Event) -> AsyncIterator[events.ClientEvent]:
        while True:
            event = await self.events.get()
            yield event
            if isinstance(event, events.SignInExpired | events.Stopped):
                return


async def test_the_bar_follows_the_connection_and_the_inbox_goes_on_when_it_ends(
    inbox_app: Callable[..., InboxApp],
) -> None:
    connection = Connection()
    app = inbox_app(follow=connection, enabled=False)
    async with app.run_test(size=(100, 20)) as pilot:

        async def tell(event: events.ClientEvent) -> str:
            before = (app.status, app.said)
            await connection.events.put(event)
            await until(pilot, lambda: (app.status, app.said) != before)
            return link_words(app.status.link, app.now)

        await pilot.pause()
        assert link_words(app.status.link, app.now) == "◐ connecting"
        assert await tell(events.Connected("https://data.example.com", "petr", 2)) == "● live"
        assert await tell(events.ConnectionLost("nobody answers", 4.0)) == "◐ reconnecting in 4 s"
        await tell(events.CaughtUp(12, (), "the server keeps 30 days"))
        assert app.said == "12 new notifications while you were away; the server keeps 30 days"
        await tell(events.MarkFailed("the server did not take it"))
        assert app.said == "the server did not take it"
        assert await tell(events.SignInExpired("the token is refused", "sign in with: analyst login")) == "○ signed out"
        assert app.said == "the token is refused; sign in with: analyst login"
        await pilot.press("j")
        assert app.screen.query_one(NotificationList).cursor == 1


async def test_who_signs_out_in_the_inbox_is_back_after_the_next_sign_in(inbox_app: Callable[..., InboxApp]) -> None:
    connection = Connection()
    app = inbox_app(follow=connection, enabled=False)
    async with app.run_test(size=(100, 20)) as pilot:
        for _ in range(2):
            await connection.events.put(events.Connected("https://data.example.com", "petr", 2))
            await until(pilot, lambda: link_words(app.status.link, app.now) == "● live")
            app.signed_out()
            assert link_words(app.status.link, app.now) == "○ signed out"


async def test_another_account_that_signs_in_gets_its_own_inbox(inbox_app: Callable[..., InboxApp]) -> None:
    connection = Connection()
    app = inbox_app(follow=connection, enabled=False)
    async with app.run_test(size=(100, 20)) as pilot:
        await connection.events.put(events.Connected("https://data.example.com", "jana", 2))
        await until(pilot, lambda: app.screen.listing.count == 0)
        assert app.desk.account_words == "jana at data.example.com"
