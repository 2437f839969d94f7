"""The inbox screen, key by key, on a real store."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot

from analyst_cli.client.inbox import Inbox
from analyst_cli.client.rows import Filter
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.desk import Listing
from analyst_cli.tui.palette import commands_of
from analyst_cli.tui.screens.help import HelpScreen
from analyst_cli.tui.widgets.bottom_line import BottomLine
from analyst_cli.tui.widgets.detail import Detail
from analyst_cli.tui.widgets.notification_list import NotificationList
from tests.cli.tui.conftest import NOW, Clock, notification, receive, until, use_keys

App = Callable[..., InboxApp]


def listed(app: InboxApp) -> NotificationList:
    return app.screen.query_one(NotificationList)


def shown_id(app: InboxApp) -> str | None:
    shown = app.screen.query_one(Detail).shown
    return shown.row.id if shown else None


def current_id(app: InboxApp) -> str:
    row = listed(app).current
    assert row is not None
    return row.id


def row(store: Path, id_: str):
    with Inbox(store) as inbox:
        return inbox.row(id_)


def text_of(app: InboxApp) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips(app.size)]


def states(store: Path) -> list[object]:
    with Inbox(store) as inbox:
        return [inbox.row(f"n-0{number}") for number in range(1, 9)]


async def settled(pilot: Pilot[None]) -> None:
    """Wait for workers and for what they have posted."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_keys_move_the_cursor(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for keys, cursor_on in [
            ("j j", "n-06"),
            ("up", "n-07"),
            ("down k k k", "n-08"),
            ("G", "n-01"),
            ("home", "n-08"),
            ("pagedown", "n-01"),
            ("pageup", "n-08"),
            ("ctrl+d ctrl+u end g", "n-08"),
            ("n", "n-07"),
            ("n", "n-05"),
            ("N", "n-07"),
            ("g J J K", "n-07"),
        ]:
            await pilot.press(*keys.split())
            assert current_id(app) == cursor_on, keys
        await pilot.press("G", "n")
        await pilot.pause()
        assert app.said == "no unread notification below"


async def test_a_narrow_terminal_shows_list_or_message_and_enter_and_escape_go_between(
    inbox_app: App, store: Path
) -> None:
    app = inbox_app()
    async with app.run_test(size=(60, 20)) as pilot:
        assert not app.screen.query_one(Detail).display
        await pilot.press("j", "enter")
        await settled(pilot)
        assert app.screen.query_one(Detail).display
        assert not listed(app).display
        assert shown_id(app) == "n-07"
        assert row(store, "n-07").is_read
        await pilot.press("escape")
        assert listed(app).display
        assert listed(app).has_focus


async def test_a_wide_terminal_shows_the_message_beside_the_list(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("j")
        await until(pilot, lambda: shown_id(app) == "n-07")
        assert not row(store, "n-07").is_read, "looking at it in passing is not reading it"


async def test_opening_marks_nothing_read_when_the_person_does_not_want_that(inbox_app: App, store: Path) -> None:
    app = inbox_app(mark_read_when_opened=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settled(pilot)
        assert not row(store, "n-08").is_read


async def test_r_marks_read_and_unread_again_and_u_takes_it_back(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for expected in (True, False):
            await pilot.press("r")
            await settled(pilot)
            assert row(store, "n-08").is_read is expected
        await pilot.press("u")
        await settled(pilot)
        assert row(store, "n-08").is_read
        assert "taken back" in app.said


async def test_archiving_moves_the_cursor_to_the_next_one_and_undo_brings_it_back(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        assert current_id(app) == "n-07"
        await pilot.press("u")
        await settled(pilot)
        await pilot.press("g")
        assert current_id(app) == "n-08"


async def test_a_collapsed_line_stands_for_its_repeats(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j", "j", "a")
        await settled(pilot)
        assert row(store, "n-05").archived
        assert row(store, "n-03").archived
        await pilot.press("u", "C")
        await settled(pilot)
        assert app.screen.wanted.collapsed is False


async def test_selected_ones_are_marked_together(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "space")
        assert app.status.selected == 2
        await pilot.press("r")
        await settled(pilot)
        assert row(store, "n-08").is_read
        assert row(store, "n-07").is_read
        assert not listed(app).selected
        await pilot.press("g", "x", "j", "X")
        assert set(listed(app).selected) == {"n-08", "n-07", "n-06"}
        await pilot.press("escape")
        assert not listed(app).selected
        await pilot.press("asterisk")
        assert len(listed(app).selected) == 7


async def test_snooze_takes_a_preset_or_words(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z", "enter")
        await settled(pilot)
        assert row(store, "n-08").snoozed_until == NOW + 3600
        await pilot.press("z", *"tomorrow", "space", *"9:00", "enter")
        await settled(pilot)
        assert row(store, "n-07").snoozed_until == NOW + 22.5 * 3600
        await pilot.press("z", *"soon")
        await pilot.pause()
        assert "is no time I know" in str(app.screen.query_one("#dialog-problem").render())
        await pilot.press("enter", "escape")
        await settled(pilot)
        assert row(store, "n-06").snoozed_until is None


async def test_what_was_snoozed_comes_back_and_minutes_pass_without_an_event(inbox_app: App, clock: Clock) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z", "enter")
        await until(pilot, lambda: app.screen.listing.count == 6)
        assert "  25m" in text_of(app)[0]
        clock.now += 1800
        app.screen.tick()
        await pilot.pause()
        assert "  55m" in text_of(app)[0]
        assert app.screen.listing.count == 6
        clock.now += 1801
        app.screen.tick()
        await pilot.pause()
        assert app.screen.listing.count == 7
        assert current_id(app) == "n-07"


async def test_search_narrows_as_it_is_typed_and_escape_brings_everything_back(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"reven")
        await pilot.pause()
        assert app.screen.listing.count == 1
        await pilot.press("enter", "j")
        assert listed(app).has_focus
        assert app.screen.wanted == Filter(search="reven")
        await pilot.press("escape")
        assert app.screen.wanted == Filter()
        await pilot.press("slash", *"is:unread", "space", *"prio:high", "escape")
        assert app.screen.wanted == Filter()


@pytest.mark.parametrize("asks", ["/", "z", "f"])
async def test_words_typed_ahead_go_into_the_question_and_never_act_on_notifications(
    inbox_app: App, store: Path, asks: str
) -> None:
    app, before = inbox_app(), states(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for (
            character
        ) in f"{asks}reae":  # r reads, e and a archive: all at once, as a terminal delivers what is typed fast
            app._driver.process_message(Key(_character_to_key(character), character))
        await settled(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert states(store) == before


async def test_filters_are_chips_that_a_click_takes_off(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("U", "f", *"high", "enter")
        await pilot.pause()
        assert app.screen.wanted == Filter(unread=True, min_level=2)
        await pilot.click("#filters", offset=(4, 0))
        await pilot.pause()
        assert app.screen.wanted == Filter(min_level=2)


async def test_what_arrives_is_shown_and_the_cursor_stays_on_its_notification(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j")
        with Inbox(store) as other_process:
            receive(other_process, [notification("n-09", "One more", at=NOW)], seq=101)
        await until(pilot, lambda: app.status.unread == 6)
        assert current_id(app) == "n-06"
        assert listed(app).cursor == 3
        await pilot.press("g")
        assert current_id(app) == "n-09"


async def test_help_tells_the_keys_that_really_work(inbox_app: App) -> None:
    use_keys('[keys]\n"inbox.archive" = "E"\n')
    app = inbox_app()
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        words = "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))
        assert re.search(r"  E +Archive, or take", words)
        for said in ("Mark read, or unread", "Put aside until later", "In the message", "A page down"):
            assert said in words
        await pilot.press("escape", "E")
        await settled(pilot)
        assert current_id(app) == "n-07"


async def test_a_click_moves_the_cursor_and_a_second_one_opens(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(NotificationList, offset=(20, 2))
        assert current_id(app) == "n-06"
        await pilot.click(NotificationList, offset=(20, 2), times=2)
        await pilot.pause()
        assert shown_id(app) == "n-06"


async def test_no_size_of_the_terminal_breaks_it(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("j", "enter")
        for size, keys in [
            ((1, 1), "j escape j slash a escape question_mark escape comma escape s escape z escape"),
            ((5, 3), "enter escape question_mark escape"),
            ((300, 3), "comma escape"),
            ((80, 24), "j"),
        ]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            await pilot.press(*keys.split())
            assert app.is_running


async def test_run_again_copy_and_open_say_what_they_did(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y", *"share", "enter")
        await pilot.pause()
        assert "Signups above the usual" in app.clipboard
        await pilot.press("o")
        await pilot.pause()
        assert app.said == "this notification has neither a link nor a picture"
        await pilot.press("j", "o")
        await pilot.pause()
        assert app.said == "there is no desktop here; the link is https://data.example.com/d/42"
        await pilot.press("y", *"link", "enter")
        await pilot.pause()
        assert app.clipboard == "https://data.example.com/d/42"


async def test_the_palette_offers_what_keys_do_and_the_themes(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 30)) as pilot:
        offered = {command.label: command.hint for command in commands_of(app, app.screen)}
        assert {"Mark read, or unread", "Put aside until later", "Theme: contrast"} <= set(offered)
        assert offered["Mark read, or unread"] == "r"
        assert "A page down" not in offered
        await pilot.press("ctrl+p", *"archive", "enter")
        await until(pilot, lambda: current_id(app) == "n-07")
        await pilot.press("ctrl+p", *"contrast", "enter")
        await until(pilot, lambda: app.theme == "contrast")


async def test_the_cursor_keeps_its_notification_whatever_is_stored_while_the_rows_are_read(
    inbox_app: App, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_where = Listing.index_of
    arriving = [notification(f"n-1{number}", "Burst", at=NOW) for number in range(3)]

    def overtaken(listing: Listing, pos: int) -> int:
        index = found_where(listing, pos)
        if len(arriving) == 2:
            receive(other, [arriving.pop()], seq=102)
        return index

    monkeypatch.setattr(Listing, "index_of", overtaken)
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        with Inbox(store) as other:
            await pilot.press("j")
            receive(other, [arriving.pop()], seq=101)
            await until(pilot, lambda: app.screen.listing.count >= 8)
            assert current_id(app) == "n-07"
            await until(pilot, lambda: app.screen.listing.count == 9)
            assert current_id(app) == "n-07"


async def test_what_has_been_said_goes_with_the_screen_and_never_hides_the_connection(inbox_app: App) -> None:
    app = inbox_app()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("u")
        await pilot.pause()
        assert text_of(app)[-1].strip() == "nothing to undo"
        assert text_of(app)[-2].startswith(" ○ offline since 10:30")
        await pilot.press("comma")
        await pilot.pause()
        assert text_of(app)[-1].startswith(" ⏎ Change")
        await pilot.press("escape")
        await pilot.click(BottomLine)
        await pilot.pause()
        assert text_of(app)[-1].startswith(" ⏎ Open ? Help")
        await pilot.click(BottomLine, offset=(9, 0))
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)


async def test_a_locked_store_is_told_and_the_inbox_goes_on(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        other = sqlite3.connect(store, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await pilot.press("r")
        await settled(pilot)
        assert "is locked by another process" in app.said
        other.execute("ROLLBACK")
        other.close()
        await pilot.press("j", "r")
        await settled(pilot)
        assert row(store, "n-07").is_read


async def test_what_has_gone_meanwhile_is_told_and_breaks_nothing(inbox_app: App, store: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        revision = app.desk.revision()
        app.desk.revision = lambda: revision  # as if the screen had not looked again yet
        with sqlite3.connect(store) as other:
            other.execute("DELETE FROM notification")
        for key in ("y", "o", "i", "r", "a", "enter", "escape", "z", "escape", "f", "escape"):
            await pilot.press(key)
            await settled(pilot)
        assert app.is_running
        assert "there is no notification 'n-08'" in app.said
