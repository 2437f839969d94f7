"""Waits between attempts, and times as people type them: pure functions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyst_cli.client.backoff import LONGEST_S, delay_s
from analyst_cli.client.moments import ago, earlier
from analyst_cli.client.rows import rfc3339, unix_seconds

NOW = datetime(2026, 1, 30, 10, 30, tzinfo=UTC)  # a Friday


def test_the_wait_doubles_from_one_second_to_thirty() -> None:
    assert [delay_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 5, 6, 7, 1_000)] == [1, 2, 4, 8, 16, 30, 30, 30]


@settings(deadline=None)
@given(attempt=st.integers(-5, 10_000), chance=st.floats(0, 1))
def test_the_wait_is_fully_jittered_and_never_longer_than_thirty_seconds(attempt: int, chance: float) -> None:
    assert 0 <= delay_s(attempt, chance) <= LONGEST_S
    assert delay_s(attempt, 0.0) == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        (" 3D ", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("now", NOW),
        ("today", NOW.replace(hour=0, minute=0)),
        ("yesterday", datetime(2026, 1, 29, tzinfo=UTC)),
        ("monday", datetime(2026, 1, 26, tzinfo=UTC)),
        ("friday", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02 9:05", datetime(2026, 1, 2, 9, 5, tzinfo=UTC)),
        ("2026-01-02T09:05:00+02:00", datetime(2026, 1, 2, 7, 5, tzinfo=UTC)),
    ],
)
def test_a_time_past_is_understood(typed: str, meant: datetime) -> None:
    assert earlier(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["", "soon", "-3h", "3 moons", "2026-13-01", "99999w", "\x00"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        earlier(typed, NOW.replace(year=2))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"), (59, "now"), (60, "1m"), (3_599, "59m"), (3_600, "1h"), (86_400, "1d"), (14 * 86_400, "2w"), (800 * 86_400, "2y"),
        (-30, "now"), (-7_200, "in 2h"),
    ],
)  # fmt: skip
def test_how_long_ago_takes_a_few_characters(seconds: float, said: str) -> None:
    assert ago(NOW.timestamp() - seconds, NOW.timestamp()) == said


def test_nonsense_of_a_sender_becomes_the_time_of_arrival() -> None:
    for timestamp in ("", "yesterday", "2026-01-30T25:00:00Z", "9" * 400):
        assert unix_seconds(timestamp, otherwise=7.0) == 7.0
    assert (
        unix_seconds("2026-01-30T10:30:00Z", otherwise=0)
        == NOW.timestamp()
        == unix_seconds("2026-01-30T10:30:00", otherwise=0)
    )
    assert rfc3339(NOW.timestamp()) == "2026-01-30T10:30:00Z"
