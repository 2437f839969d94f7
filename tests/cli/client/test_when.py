"""Coming times, as people type them."""

import contextlib
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.client.when import NotATime, parse_when, presets

NOW = datetime(2026, 11, 21, 14, 30)  # noqa: DTZ001 - a Saturday, local time


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", "2026-11-21 15:00"),
        ("in 2 hours", "2026-11-21 16:30"),
        ("3d", "2026-11-24 14:30"),
        ("1 week", "2026-11-28 14:30"),
        ("tomorrow", "2026-11-22 09:00"),
        ("tomorrow 9:00", "2026-11-22 09:00"),
        ("Tomorrow at 7.45", "2026-11-22 07:45"),
        ("today 18:00", "2026-11-21 18:00"),
        ("tonight", "2026-11-21 18:00"),
        ("16:15", "2026-11-21 16:15"),
        ("9:00", "2026-11-22 09:00"),
        ("9am", "2026-11-22 09:00"),
        ("12am", "2026-11-22 00:00"),
        ("5 pm", "2026-11-21 17:00"),
        ("noon", "2026-11-22 12:00"),
        ("mon", "2026-11-23 09:00"),
        ("next friday 8:30", "2026-11-27 08:30"),
        ("saturday", "2026-11-28 09:00"),
        ("next week", "2026-11-23 09:00"),
        ("2026-12-24", "2026-12-24 09:00"),
        ("2026-12-24 20:15", "2026-12-24 20:15"),
        ("2026-12-24T20:15", "2026-12-24 20:15"),
    ],
)
def test_a_time_is_read_as_people_type_it(text: str, meant: str) -> None:
    assert parse_when(text, NOW) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "13pm", "2026-02-30", "today 9:00", "2020-01-01", "m", "0m", "9" * 50]
)
def test_what_is_no_coming_time_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(NotATime, match=r"; (try|name)"):
        parse_when(text, NOW)


@given(st.text(max_size=30))
def test_no_text_does_worse_than_not_being_a_time(text: str) -> None:
    with contextlib.suppress(NotATime):
        assert parse_when(text, NOW) > NOW


@pytest.mark.parametrize("hours", range(0, 24, 5))
def test_presets_are_coming_times_in_order(hours: int) -> None:
    now = datetime(2026, 11, 23) + timedelta(hours=hours)  # noqa: DTZ001 - a Monday, local time
    times = [at for _, at in presets(now)]
    assert times == sorted(times)
    assert all(at > now for at in times)
