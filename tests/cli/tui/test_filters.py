"""The search box's language."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.client.rows import Filter
from analyst_cli.tui.filters import chips, read_typed

NOW = datetime(2026, 11, 21, 14, 30)  # noqa: DTZ001 - local time


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("revenue drop", Filter(search="revenue drop")),
        ("revenue ", Filter(search="revenue ")),
        ("is:unread prio:high", Filter(unread=True, min_level=2)),
        ("is:archived", Filter(archived=True, snoozed=None)),
        ("is:snoozed", Filter(snoozed=True)),
        ("is:all x", Filter(archived=None, snoozed=None, search="x")),
        ("script:revenue_drop tag:eu", Filter(script="revenue_drop", tag="eu")),
        ("since:2h", Filter(since=datetime(2026, 11, 21, 12, 30).timestamp())),  # noqa: DTZ001
        ("since:yesterday", Filter(since=datetime(2026, 11, 20).timestamp())),  # noqa: DTZ001
        ("https://example.com foo:bar", Filter(search="https://example.com foo:bar")),
    ],
)
def test_words_search_and_named_conditions_narrow(typed: str, meant: Filter) -> None:
    assert read_typed(typed, NOW) == (meant, ())


@pytest.mark.parametrize("word", ["is:red", "priority:huge", "since:soon", "since:99999999999w"])
def test_a_condition_that_cannot_be_meant_is_told_and_not_searched_for(word: str) -> None:
    assert read_typed(f"load {word}", NOW) == (Filter(search="load"), (word,))


def test_every_condition_is_a_chip_and_taking_all_chips_off_leads_back_to_the_inbox() -> None:
    typed = "is:unread prio:high script:revenue_drop tag:eu since:2h some words"
    wanted = read_typed(typed, NOW).filter
    labels = []
    while shown := chips(wanted, NOW):
        labels.append(shown[0].label)
        wanted = shown[0].without
    assert labels == ["unread", "high and above", "script revenue_drop", "tag eu", "since 12:30", "“some words”"]
    assert wanted == Filter()
    assert [chip.label for chip in chips(Filter(archived=True, snoozed=None, collapsed=False), NOW)] == [
        "archived",
        "repeats shown",
    ]


@given(st.text(max_size=60))
def test_any_text_can_be_typed(typed: str) -> None:
    chips(read_typed(typed, NOW).filter, NOW)
