"""What every screen looks like at four sizes, kept as text in `screens/` so that a change is read like code; and that every theme is legible.

After a wanted change: UPDATE_SCREENS=1 pytest tests/cli/tui/test_screens.py, then look at the difference.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.color import Color, ColorType
from rich.segment import Segment
from textual.pilot import Pilot

from analyst_cli.client.scripts import KnownScript
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.screens import scripts as scripts_screen
from analyst_cli.tui.themes import THEMES
from tests.cli.tui.conftest import NOW

App = Callable[..., InboxApp]
KEPT = Path(__file__).parent / "screens"
AXIS = re.compile(r" {2,}(?=2026-)")  # plotext puts a label a cell to the left or right, by the hash of its text
SIZES = [(60, 20), (80, 24), (120, 40), (200, 50)]
SCREENS = [  # name, keys that lead there, keys that lead back
    ("list", "j", ""),
    ("message", "enter", "escape"),
    ("selected", "x x U", "escape escape"),
    ("search", "slash s t a l e", "escape"),
    ("snooze", "z", "escape"),
    ("filter", "f", "escape"),
    ("help", "question_mark", "escape"),
    ("settings", "comma", "escape"),
]


def lines_of(app: InboxApp) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips(app.size)]


def segments_of(app: InboxApp) -> list[Segment]:
    return [segment for strip in app.screen._compositor.render_strips(app.size) for segment in strip]


async def quiet(pilot: Pilot[None]) -> None:
    """Wait until what a key has begun is on screen: workers, the delay before a message is laid out, the layout itself."""
    await pilot.pause(0.1)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
async def test_screens_look_as_they_did(inbox_app: App, size: tuple[int, int]) -> None:
    seen = {}
    app = inbox_app(mark_read_when_opened=False)
    async with app.run_test(size=size) as pilot:
        for name, keys, keys_back in SCREENS:
            await pilot.press(*keys.split())
            await quiet(pilot)
            seen[name] = [AXIS.sub("  ", line) for line in lines_of(app)]
            await pilot.press(*keys_back.split())
    shown = "\n".join(f"{'=' * 20} {name} {'=' * 20}\n" + "\n".join(lines) for name, lines in seen.items()) + "\n"
    file = KEPT / f"{size[0]}x{size[1]}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        KEPT.mkdir(exist_ok=True)
        file.write_text(shown)
    assert shown.splitlines() == file.read_text().splitlines()
    assert all(len(line.encode("utf-8", "replace").decode()) <= size[0] for lines in seen.values() for line in lines)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES if not theme.ansi])
async def test_every_word_stands_out_from_its_ground(inbox_app: App, theme: str) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1 for text, and 1.4.6: 7 to 1 in the high-contrast theme; 3 to 1 for what is meant to step back."""
    least = 7.0 if theme == "contrast" else 3.0
    app = inbox_app(theme=theme)
    async with app.run_test(size=(120, 40)) as pilot:
        for keys in ("j", "x", "enter", "escape", "comma"):
            await pilot.press(keys)
            await quiet(pilot)
            dim = {(segment.text.strip(), contrast(segment)) for segment in segments_of(app) if is_words(segment)}
            assert not {(words, ratio) for words, ratio in dim if ratio < least}


async def test_without_colour_nothing_is_told_by_colour(inbox_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = inbox_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        await pilot.pause()
        assert app.theme == "ansi"
        strips = [app.screen._compositor.render_strips(app.size)[y] for y in range(app.size.height)]
        for filter_ in app._filters:
            strips = [strip.apply_filter(filter_, app.screen.background_colors[1]) for strip in strips]
        styles = [segment.style for strip in strips for segment in strip if segment.style]
        coloured = [
            color for style in styles for color in (style.color, style.bgcolor) if color and not color.is_default
        ]
        assert not coloured
        cursor = next(strip for strip in strips if "Revenue dropped" in strip.text)
        assert cursor.text.startswith("▌")
        assert any(segment.style.reverse for segment in cursor)


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


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
async def test_the_scripts_screen_uses_the_room_there_is(
    inbox_app: App, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here() -> list[KnownScript]:
        return [
            KnownScript(
                "revenue_drop", "here", "5m ago", "sent", "", NOW + 600, "*/15 * * * *", "Tells when revenue drops."
            ),
            KnownScript("freshness_check", "here", "", "", "", NOW + 60, "every 5m", "", "syntax error in line 3"),
        ]

    async def there(server: str) -> list[KnownScript]:
        return [KnownScript("unemployment", "server", "2h ago")]

    monkeypatch.setattr(scripts_screen, "scripts_here", here)
    monkeypatch.setattr(scripts_screen, "scripts_there", there)
    app = inbox_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("s")
        await quiet(pilot)
        lines = lines_of(app)
        assert "✓ revenue_drop" in lines[2]
        assert "✗ freshness_check" in lines[3]
        assert ("on the server" in lines[4]) is (size[0] >= 70)
        assert ("next 10:40" in lines[2]) is (size[0] >= 92)
        assert "Tells when revenue drops." in "\n".join(lines)
