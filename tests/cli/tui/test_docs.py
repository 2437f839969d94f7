"""The documentation of the inbox says what the program does."""

import re
from pathlib import Path

from analyst_cli import config
from analyst_cli.tui.actions import all_actions
from analyst_cli.tui.filters import read_typed
from analyst_cli.tui.themes import THEMES
from tests.cli.tui.test_filters import NOW

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_of_keys_is_the_one_of_the_bindings() -> None:
    written = re.findall(
        r"^\| `([a-z_.]+)` \| (.+?) \| (.+?) \|$", (DOCS / "themes-and-keys.md").read_text(), re.MULTILINE
    )
    assert sorted((action, keys.replace("` `", ",").strip("`"), words) for action, keys, words in written) == sorted(
        all_actions()
    )


def test_every_theme_and_every_way_to_draw_is_documented() -> None:
    keys, inbox = (DOCS / "themes-and-keys.md").read_text(), (DOCS / "inbox.md").read_text()
    assert all(f"`{theme.name}`" in keys for theme in THEMES)
    assert all(
        f"`{way}`" in inbox for way in config.setting_named("inbox.images").allowed.removeprefix("one of ").split(", ")
    )


def test_the_conditions_of_a_search_that_are_documented_are_understood() -> None:
    conditions = set(re.findall(r"`((?:is|script|tag|priority|since):\w+)`", (DOCS / "inbox.md").read_text()))
    assert len(conditions) >= 9
    assert all(
        not read_typed(condition, NOW).problems and not read_typed(condition, NOW).filter.search
        for condition in conditions
    )
