"""Words and cells."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from analyst_cli.tui.text import ago, cells, count_of, day_title, duration, exact, fit, list_time, until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@given(st.text(), st.integers(0, 40))
def test_any_text_fits_in_exactly_the_cells_it_is_given(text: str, width: int) -> None:
    assert cell_len(fit(cells(text), width)) == width


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("a\u202eevil", "a�evil"),
        ("👨\u200d👩\u200d👧 family", "👨 family"),
        ("👍🏽 ok", "👍 ok"),
        ("🇨🇿 up", "CZ up"),
        ("e" + "\u0301" * 9, "e\u0301\u0301"),
        ("two\nlines\tand tab", "two lines and tab"),
        ("1\ufe0f\u20e3", "1"),
    ],
)
def test_hostile_text_becomes_one_line_of_a_width_all_terminals_agree_on(hostile: str, shown: str) -> None:
    assert cells(hostile) == shown


def test_a_long_title_is_cut_with_an_ellipsis_and_never_splits_a_wide_character() -> None:
    assert fit(cells("Revenue dropped"), 8) == "Revenue…"
    assert fit(cells("日本語のタイトル"), 8) == "日本語… "
    assert len(cells("x" * 10_000)) == 400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3600, "in 1h"),
        (-5, "just now"),
        (30, "just now"),
        (61, "1m ago"),
        (7200, "2h ago"),
        (90000, "1d ago"),
    ],
)
def test_time_passed_is_told_in_a_word_or_two(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_the_list_shows_minutes_within_the_hour_and_the_clock_after() -> None:
    assert [list_time(NOW - timedelta(minutes=m), NOW) for m in (0, 5, 59, 60, -5)] == [
        "now",
        "5m",
        "59m",
        "11:00",
        "12:05",
    ]


def test_days_have_the_names_people_use() -> None:
    today = date(2026, 11, 21)
    titles = [day_title(today - timedelta(days=days), today) for days in (0, 1, 3, 7, 365)]
    assert titles == ["Today", "Yesterday", "Wednesday", "Sat 14 November", "Fri 21 November 2025"]


def test_coming_times_and_spans_are_short() -> None:
    assert [until(NOW + timedelta(hours=h), NOW) for h in (2, 24, 72, 24 * 30, 24 * 60)] == [
        "14:00",
        "tomorrow 12:00",
        "Tue 12:00",
        "21 Dec 12:00",
        "20 Jan 2027 12:00",
    ]
    assert [duration(s) for s in (0.25, 3.14, 125, 3700)] == ["250 ms", "3.1 s", "2 min 5 s", "1 h 1 min"]
    assert exact(NOW) == "Sat 21 Nov 2026, 12:00:00 UTC"
    assert [count_of(n, "notification") for n in (0, 1, 12345)] == [
        "0 notifications",
        "1 notification",
        "12\u202f345 notifications",
    ]
