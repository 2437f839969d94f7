"""What every screen looks like, in every theme, kept in `screens/` so that a change is read like code; and that every theme is legible.

After a wanted change: UPDATE_SCREENS=1 pytest tests/cli/tui/test_screens.py, then look at the difference.
"""

import asyncio
import difflib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.color import Color, ColorType
from rich.segment import Segment
from textual.pilot import Pilot
from textual.strip import Strip

from analyst_cli.client.credentials import store_token
from analyst_cli.client.portal import Device
from analyst_cli.client.scripts import KnownScript
from analyst_cli.errors import LocalProblem
from analyst_cli.tui import status
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.messages import LinkChanged, Said
from analyst_cli.tui.screens import scripts as scripts_screen
from analyst_cli.tui.screens import settings as settings_screen
from analyst_cli.tui.themes import THEMES
from analyst_cli.tui.widgets.status_bar import Link
from tests.cli.tui.conftest import NOW
from tests.cli.tui.pictures import Album, Looks, words_of

App = Callable[..., InboxApp]
KEPT = Path(__file__).parent / "screens"
USUAL = (80, 24)
LINES = ((60, 20), USUAL)  # for what changes a line at the bottom
SIZES = ((60, 20), (120, 40), (200, 50), USUAL)  # ends as it begins
TOO_SMALL = [(40, 10), (24, 6), (12, 3), (3, 2), (1, 1)]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwZXRyIiwiZXhwIjoxNzk1MzU3MDAwfQ.x"  # ends tomorrow


class View(NamedTuple):
    """A screen: keys that lead there from the one before, and back; `tell` is what happens before it is looked at."""

    name: str
    keys: str = ""
    back: str = ""
    tell: Callable[[InboxApp], object] = lambda _: None
    sizes: tuple[tuple[int, int], ...] = SIZES
    plain: bool = False  # begins at the top however it was reached, so that it can be compared without colour too


def link(state: str, **more: object) -> Callable[[InboxApp], object]:
    """Return what changes the connection."""
    return lambda app: app.screen.post_message(LinkChanged(Link(state, app.now, **more)))  # type: ignore[arg-type]


def said(words: str, *, is_problem: bool = False) -> Callable[[InboxApp], object]:
    """Return what tells the person something."""
    return lambda app: app.screen.post_message(Said(words, is_problem=is_problem))


LOCKED = "the local inbox /home/petr/.local/share/analyst/inbox.db is locked by another process; try again, or end the process that holds it"
VIEWS = {
    "list": [
        View("offline", "j", plain=True),
        View("connecting", tell=link("connecting"), sizes=LINES),
        View("reconnecting", tell=lambda app: link("waiting", retry_at=app.now.replace(second=4))(app), sizes=LINES),
        View("signed out", tell=link("stopped", reason="signed out"), sizes=LINES),
        View("live", tell=link("live"), sizes=LINES, plain=True),
        View("something is said", tell=said("12 new notifications while you were away"), sizes=LINES),
        View("a problem is said", tell=said(LOCKED, is_problem=True), sizes=LINES, plain=True),
        View("two are selected, only unread ones", "x x U", "escape escape g j", plain=True),
        View("search", "slash s t a l e"),
        View("search, not understood", "space i s colon x", "escape", plain=True),
        View("nothing matches", "slash z z z enter", "escape"),
    ],
    "message": [View("begin", "j enter", plain=True), View("end", "G", "escape", sizes=LINES)],
    "dialogs": [
        View("snooze", "j z", plain=True),
        View("snooze, not understood", "s o o n", "escape", plain=True),
        View("filter", "f", "escape"),
        View("copy", "y", "escape"),
        View("commands", "ctrl+p"),
        View("commands, found", "t h e m e", "escape"),
        View("keys", "question_mark", "escape", plain=True),
    ],
    "settings": [
        View("settings", "comma", plain=True),
        View("a choice", "enter", "escape"),
        View("a value that cannot be", "k k k k k enter 2 5", "escape"),
        View("devices", "d"),
        View("sign out", "X", "escape"),
        View("keys", "question_mark", "escape escape"),
    ],
    "scripts": [
        View("scripts", "j s", plain=True),
        View("one runs", "enter", plain=True),
        View("one is explained", "j e"),
        View("runs of one", "h"),
        View("keys", "question_mark", "escape escape"),
    ],
}
FIRST_DAY = [
    View("nothing has come yet, offline"),
    View("nothing has come yet, live", tell=link("live")),
    View("no scripts yet", "s", "escape"),
]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with scripts, a server with devices; nothing takes time, and what is said stays until the next is."""

    async def here() -> list[KnownScript]:
        return [
            KnownScript("revenue_drop", "here", "5m ago", "sent", "", NOW + 600, "*/15 * * * *", "Tells when revenue drops."),
            KnownScript("freshness_check", "here", "", "", "", NOW + 60, "every 5m", "", "syntax error in line 3"),
            KnownScript("signups", "here", "2d ago", "failed", "exit code 1", NOW + 90_000, "daily 09:00", "", "", True),
        ]  # fmt: skip

    async def there(server: str) -> list[KnownScript]:
        return [KnownScript("unemployment", "server", "2h ago")]

    async def explained(script: KnownScript) -> str:
        return f"{script.stem} cannot run: syntax error in line 3.\n\nNext run: 10:31, every 5 minutes."

    async def runs(script: KnownScript) -> list[tuple[float, str, str, float]]:
        return [
            (NOW - 300, "sent", "Revenue dropped 23 % in EU", 1.234),
            (NOW - 1_200, "quiet", "", 0.4),
            (NOW - 90_000, "failed", "exit code 1", 61.0),
        ]

    async def running(script: KnownScript, server: str) -> str:
        await asyncio.Event().wait()
        return ""

    async def devices(server: str) -> list[Device]:
        return [
            Device("d1", "laptop", "2026-10-01T08:00:00Z", "2026-11-21T10:29:30Z"),
            Device("d2", "the office machine", "2026-11-20T08:00:00Z", None),
        ]

    monkeypatch.setattr(scripts_screen, "scripts_here", here)
    monkeypatch.setattr(scripts_screen, "scripts_there", there)
    monkeypatch.setattr(scripts_screen, "explanation", explained)
    monkeypatch.setattr(scripts_screen, "history", runs)
    monkeypatch.setattr(scripts_screen, "run_script", running)
    monkeypatch.setattr(scripts_screen, "monotonic", lambda: NOW)
    monkeypatch.setattr(settings_screen, "known_devices", devices)
    monkeypatch.setattr(status, "_SAID_FOR_S", 600)
    monkeypatch.setattr(status, "_PROBLEM_FOR_S", 600)
    store_token("https://data.example.com", TOKEN, insecure=True)


def strips_of(app: InboxApp) -> list[Strip]:
    return app.screen._compositor.render_strips(app.size)


def segments_of(app: InboxApp) -> list[Segment]:
    return [segment for strip in strips_of(app) for segment in strip]


async def quiet(pilot: Pilot[None]) -> None:
    """Wait until what a key has begun is on screen: workers that end, the delay before a message is laid out, the layout itself."""
    await pilot.pause(0.07)
    ending = [worker for worker in pilot.app.workers if not worker.group.startswith("run-")]
    if ending:
        await pilot.app.workers.wait_for_complete(ending)
    await pilot.pause()


async def looks_of(pilot: Pilot[None], themes: list[str]) -> Looks:
    """Return the screen as it is in these themes, the first one last, so that it stays."""
    looks = {}
    for theme in [*themes[1:], themes[0]]:
        if pilot.app.theme != theme:
            pilot.app.theme = theme
            await pilot.pause()
        looks[theme] = strips_of(pilot.app)
    return {theme: looks[theme] for theme in themes}


async def seen(pilot: Pilot[None], views: list[View]) -> AsyncIterator[View]:
    """Go through the views and stop at each."""
    for view in views:
        pilot.app._show_said()
        await pilot.press(*view.keys.split())
        view.tell(pilot.app)
        await quiet(pilot)
        yield view
        await pilot.press(*view.back.split())


async def add_sizes(album: Album, pilot: Pilot[None], view: View) -> None:
    """Add a screen at its sizes, in every theme."""
    for size in view.sizes:
        if size != pilot.app.size:
            await pilot.resize_terminal(*size)
            await quiet(pilot)
        album.add(f"{view.name}, {size[0]}x{size[1]}", await looks_of(pilot, [theme.name for theme in THEMES]))


def compare(album: Album) -> None:
    """Fail with the difference to what is kept."""
    lines, file = album.lines(), album.kept
    if os.environ.get("UPDATE_SCREENS"):
        KEPT.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    kept = file.read_text().splitlines() if file.exists() else []
    different = list(difflib.unified_diff(kept, lines, "as it was", "as it is", lineterm="", n=2))
    assert not different, "\n" + "\n".join(different[:200])


@pytest.mark.timeout(180)  # hundreds of pictures
@pytest.mark.parametrize("part", VIEWS)
@pytest.mark.usefixtures("world")
async def test_screens_look_as_they_did(inbox_app: App, part: str) -> None:
    album = Album(KEPT / f"{part}.txt")
    app = inbox_app(mark_read_when_opened=False)
    async with app.run_test(size=USUAL) as pilot:
        async for view in seen(pilot, VIEWS[part]):
            await add_sizes(album, pilot, view)
    compare(album)


@pytest.mark.usefixtures("world")
async def test_the_first_day_looks_as_it_did(inbox_app: App, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_here() -> list[KnownScript]:
        return []

    async def none_there(server: str) -> list[KnownScript]:
        raise LocalProblem("not signed in to https://data.example.com", "sign in with: analyst login")

    monkeypatch.setattr(scripts_screen, "scripts_here", none_here)
    monkeypatch.setattr(scripts_screen, "scripts_there", none_there)
    for file in store.parent.glob("inbox.db*"):
        file.unlink()
    album = Album(KEPT / "first-day.txt")
    app = inbox_app()
    async with app.run_test(size=USUAL) as pilot:
        async for view in seen(pilot, FIRST_DAY):
            await add_sizes(album, pilot, view)
    compare(album)


async def test_small_terminals_look_as_they_did(inbox_app: App) -> None:
    album = Album(KEPT / "small.txt")
    app = inbox_app(mark_read_when_opened=False)
    async with app.run_test(size=USUAL) as pilot:
        async for view in seen(
            pilot, [View("list", "j"), View("message", "enter", "escape"), View("snooze", "z", "escape")]
        ):
            for size in TOO_SMALL:
                await pilot.resize_terminal(*size)
                await quiet(pilot)
                album.add(f"{view.name}, {size[0]}x{size[1]}", await looks_of(pilot, ["dark"]))
    compare(album)


@pytest.mark.parametrize("part", VIEWS)
@pytest.mark.usefixtures("world")
async def test_without_colour_the_same_words_are_told_and_nothing_by_colour(
    inbox_app: App, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = inbox_app(mark_read_when_opened=False)
    kept = (KEPT / f"{part}.txt").read_text()
    async with app.run_test(size=USUAL) as pilot:
        async for view in seen(pilot, VIEWS[part]):
            strips = strips_of(app)
            is_kept = "\n".join([f"======== {view.name}, 80x24", *words_of(strips), "--------"]) in kept
            assert is_kept or not view.plain, words_of(strips)  # others were scrolled elsewhere by the other sizes
            for filter_ in app._filters:
                strips = [strip.apply_filter(filter_, app.screen.background_colors[1]) for strip in strips]
            styles = [segment.style for strip in strips for segment in strip if segment.style]
            assert not [ink for style in styles for ink in (style.color, style.bgcolor) if ink and not ink.is_default]
            if (part in {"settings", "scripts"} and view.name != "keys") or view.name in {"snooze", "filter"}:
                chosen = [segment for strip in strips for segment in strip if segment.style and segment.style.reverse]
                assert any(len(segment.text.strip()) > 3 for segment in chosen), view.name
            if view.name == "offline":
                cursor = next(strip for strip in strips if "Revenue dropped" in strip.text)
                assert cursor.text.startswith("▌")
                assert any(segment.style and segment.style.reverse for segment in cursor)


def is_words(segment: Segment) -> bool:
    words = segment.text.strip()
    return bool(words) and words.isprintable() and any(map(str.isalnum, words)) and segment.style is not None


def contrast(segment: Segment) -> float:
    style = segment.style
    assert style is not None
    assert style.color is not None, segment
    assert style.bgcolor is not None, segment
    ink, ground = luminance(style.color), luminance(style.bgcolor)
    if style.reverse:
        ink, ground = ground, ink
    return (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)


def luminance(color: Color) -> float:
    assert color.type is ColorType.TRUECOLOR, color
    parts = [value / 255 for value in color.get_truecolor()]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
