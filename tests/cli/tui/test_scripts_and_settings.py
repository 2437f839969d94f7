"""The other screens, on the real runner and a real settings file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from analyst_cli import config
from analyst_cli.client.credentials import find_token, store_token
from analyst_cli.client.scripts import KnownScript
from analyst_cli.errors import SettingsProblem, SignInNeeded
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.keys import read_keymap
from analyst_cli.tui.script_text import about, script_line
from analyst_cli.tui.widgets.status_bar import link_words
from tests.cli.tui.conftest import NOW, until, use_keys
from tests.cli.tui.test_status import THEN

App = Callable[..., InboxApp]
SAY = 'print(\'{"notify": %s, "title": "Signups are low", "message": "12"}\')\n'


@pytest.fixture
def scripts(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scripts of this machine, one broken; and no gateway."""
    folder = home / "user" / "notifications"
    folder.mkdir(parents=True)
    (folder / "revenue_drop.py").write_text(SAY % "false")
    (folder / "signups.py").write_text(
        '# /// analyst\n# description = "Tells when few people sign up."\n# ///\n' + SAY % "true"
    )
    monkeypatch.setenv("WS_DISPATCH_SOCKET", str(home / "none.sock"))
    return folder


def told(app: InboxApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


def listed(app: InboxApp) -> list[str]:
    options = app.screen.query_one(OptionList)
    return [str(options.get_option_at_index(index).prompt) for index in range(options.option_count)]


async def test_scripts_are_listed_run_explained_and_their_runs_shown(inbox_app: App, scripts: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("j", "s")
        await until(pilot, lambda: len(listed(app)) == 2)
        assert "revenue_drop" in listed(app)[0]
        assert "has not run yet" in listed(app)[1]
        await pilot.press("j")
        await pilot.pause()
        assert "Tells when few people sign up." in told(app)
        await pilot.press("r")
        await pilot.pause()
        assert "running" in listed(app)[1]
        await until(pilot, lambda: app.said.startswith("signups: waiting: no gateway answers"))
        await until(pilot, lambda: "◐ signups" in listed(app)[1])
        await pilot.press("e")
        await until(pilot, lambda: "It said: Signups are low" in told(app))
        await pilot.press("h")
        await until(pilot, lambda: "◐ waiting" in told(app))
        await pilot.press("escape")
        assert app.status.account == "petr at data.example.com"


async def test_a_script_is_run_again_from_its_notification_and_a_missing_one_is_told(
    inbox_app: App, scripts: Path
) -> None:
    app = inbox_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("j", "R")
        await until(pilot, lambda: app.said.startswith("revenue_drop: quiet"))
        await pilot.press("g", "H")
        await until(pilot, lambda: len(listed(app)) == 2)
        assert app.screen.query_one(OptionList).highlighted == 1
        await pilot.press("escape", "G", "R")
        await until(pilot, lambda: "unemployment" in app.said and "running" not in app.said)
        assert app.said.startswith(
            "there is no script 'unemployment' here, and the server cannot be asked (not signed in to"
        )


def test_a_script_is_one_line_that_fits_and_tells_what_is_wrong() -> None:
    failing = KnownScript("x" * 99, "here", "5m ago", "failed", "exit code 1", NOW + 60, "every 5m", "About.", "", True)
    for width in (20, 40, 70, 100):
        assert len(script_line(failing, width, THEN, None).plain) <= max(width, 38)
    assert script_line(failing, 100, THEN, None).plain.startswith("✗ ")
    assert "next 10:31" in script_line(failing, 100, THEN, None).plain
    assert "running, 3 s" in script_line(failing, 100, THEN, 3.2).plain
    assert "Last run: failed 5m ago - exit code 1" in about(failing)
    assert "on the server" in script_line(KnownScript("x", "server"), 100, THEN, None).plain
    assert script_line(KnownScript("x", "here", "0s ago", "running"), 100, THEN, None).plain.startswith("▶ x")


async def test_settings_are_changed_in_the_file_and_hold_at_once(
    inbox_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = inbox_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("comma", "enter", *"light", "enter")
        await pilot.pause()
        assert app.theme == "light"
        assert config.load()["inbox.theme"] == "light"
        await pilot.press("j", "j", "enter")
        await pilot.pause()
        assert config.load()["inbox.mark_read_when_opened"] is False
        assert app.preferences.mark_read_when_opened is False
        assert "Whether opening a notification marks it read." in told(app)
        monkeypatch.setenv("ANALYST_THEME", "contrast")
        await pilot.press("k", "k", "enter", *"dark", "enter")
        await pilot.pause()
        assert app.said.endswith("but ANALYST_THEME overrules it here")
        assert app.theme == "contrast"
        for _ in range(8):
            await pilot.press("j")
        await pilot.press("enter", *"25:00")
        await pilot.pause()
        assert "not '25:00': give HH:MM" in str(app.screen.query_one("#dialog-problem").render())
        await pilot.press("escape", "enter", *"22:00", "enter")
        await pilot.pause()
        assert app.said.startswith("there are no quiet hours as long as notifications.quiet_until is empty; ")
        await pilot.press("j", "enter", *"07:00", "enter")
        await pilot.pause()
        assert app.said.startswith("notifications.quiet_until is set in ")


async def test_signing_out_forgets_the_token_after_a_question(inbox_app: App) -> None:
    server = "https://data.example.com"
    store_token(server, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwZXRyIiwiZXhwIjoxNzk1MzU3MDAwfQ.x", insecure=True)
    app = inbox_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("comma")
        await until(
            pilot,
            lambda: "token in a file, ends tomorrow 14:16" in str(app.screen.query_one("#heading", Static).render()),
        )
        await pilot.press("X", "enter")
        await pilot.pause()
        assert find_token(server).origin == "file"
        await pilot.press("X", *"token", "enter")  # in both answers: the first one keeps it
        await pilot.pause()
        assert find_token(server).origin == "file"
        await pilot.press("X", *"sign")
        await pilot.pause()
        assert len(listed(app)) == 1
        await pilot.press("enter")
        await until(pilot, lambda: link_words(app.status.link, app.now) == "○ signed out")
        with pytest.raises(SignInNeeded):
            find_token(server)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[keys]\n"inbox.fly" = "f"', "'inbox.fly', which does not exist"),
        ('[keys]\n"inbox.archive" = 3', "are 3"),
        ('[keys]\n"inbox.archive" = "e,"', "are 'e,'"),
        ('[keys]\n"inbox.archive" = "x"\n"inbox.read" = "x"', "gives 'x' to 'inbox.archive' and to 'inbox.read'"),
        ("keys = 1", "has other things than"),
        ("[other]", "has other things than"),
        ("[keys", "is no TOML"),
        ("\xff", "is no TOML"),
    ],
)
def test_a_keymap_that_cannot_be_meant_is_refused_with_the_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(content)
    with pytest.raises(SettingsProblem, match=complaint.replace("(", r"\(")):
        read_keymap({"inbox.archive", "inbox.read"}, path)


async def test_a_broken_keymap_is_told_and_the_usual_keys_work(inbox_app: App) -> None:
    use_keys("[keys")
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "is no TOML" in app.said
        await pilot.press("question_mark", "escape")


async def test_an_own_key_is_taken_from_the_list_and_the_message(inbox_app: App) -> None:
    use_keys('[keys]\n"inbox.archive" = "x"\n"inbox.search" = "ctrl+f,slash"\n')
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: app.said.startswith("archived"))
        await pilot.press("u", "enter")  # in the message
        await pilot.press("ctrl+f")
        await pilot.pause()
        assert isinstance(app.focused, Input)


async def test_without_scripts_the_way_to_the_first_one_is_told(inbox_app: App, home: Path) -> None:
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "Make one with: analyst scripts new" in told(app))


async def test_an_agent_that_is_named_while_the_inbox_is_open_is_started_without_a_new_start(inbox_app: App) -> None:
    config.changed("investigate.agent", "no-such-agent")
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: "the agent 'no-such-agent' is not installed" in app.said)
        config.changed("investigate.agent", "another-one")
        await pilot.press("i")
        await until(pilot, lambda: "the agent 'another-one' is not installed" in app.said)
