"""Schedules: daylight saving time, catch-up, jitter."""

import contextlib
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.runner.local_time import both_times, local_zone
from analyst_server.runner.schedule import BadSchedule, Schedule, parse_schedule

PRAGUE = ZoneInfo("Europe/Prague")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def prague(schedule: str) -> Schedule:
    return parse_schedule(schedule, zone="Europe/Prague", local=UTC)


def runs(schedule: Schedule, start: str, count: int) -> list[str]:
    moment, found = at(start), []
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(f"{datetime.fromtimestamp(moment, PRAGUE):%d %H:%M %Z}")
    return found


def test_a_time_in_the_zone_keeps_its_hour_across_daylight_saving_time() -> None:
    assert runs(prague("30 7 * * *"), "2026-03-27 12:00", 3) == ["28 07:30 CET", "29 07:30 CEST", "30 07:30 CEST"]


def test_a_run_in_the_skipped_hour_happens_right_after_it() -> None:
    assert runs(prague("30 2 * * *"), "2026-03-28 12:00", 2) == ["29 03:00 CEST", "30 02:30 CEST"]


def test_a_run_in_the_repeated_hour_happens_once() -> None:
    assert runs(prague("30 2 * * *"), "2026-10-24 12:00", 2) == ["25 02:30 CEST", "26 02:30 CET"]


def test_every_quarter_goes_on_through_the_repeated_hour() -> None:
    schedule = prague("*/15 * * * *")
    found = runs(schedule, "2026-10-25 00:40", 6)
    assert found == ["25 02:45 CEST", "25 02:00 CET", "25 02:15 CET", "25 02:30 CET", "25 02:45 CET", "25 03:00 CET"]


def test_a_leap_day() -> None:
    assert datetime.fromtimestamp(prague("0 6 29 2 *").next_after(at("2026-01-01")), PRAGUE).year == 2028


def test_three_missed_runs_are_caught_up_with_one() -> None:
    due = prague("0 * * * *").due(considered_until=at("2026-06-01 00:30"), now=at("2026-06-01 03:30"))
    assert due is not None
    assert (due.at, due.missed) == (at("2026-06-01 03:00"), 2)


def test_what_has_been_considered_is_not_due_again() -> None:
    schedule = prague("0 * * * *")
    assert schedule.due(considered_until=at("2026-06-01 03:00"), now=at("2026-06-01 03:59:59")) is None
    assert schedule.due(considered_until=at("2026-06-01 03:30"), now=at("2026-06-01 02:30")) is None


@pytest.mark.parametrize("text", ["* * * * *", "every 1m"])
def test_a_year_asleep_is_caught_up_with_the_latest_run_and_quickly(text: str) -> None:
    due = prague(text).due(considered_until=at("2025-06-01 00:30"), now=at("2026-06-01 03:30:20"))
    assert due is not None
    assert due.at == at("2026-06-01 03:30")
    assert due.missed >= 999


def test_every_keeps_to_its_grid() -> None:
    schedule = parse_schedule("every 10m", zone="", local=UTC)
    assert schedule.next_after(at("2026-06-01 00:00")) == at("2026-06-01 00:10")
    due = schedule.due(considered_until=at("2026-06-01 00:01"), now=at("2026-06-01 00:35"))
    assert due is not None
    assert (due.at, due.missed) == (at("2026-06-01 00:30"), 2)


def test_jitter_spreads_scripts_and_stays_the_same_for_each() -> None:
    start = at("2026-06-01 00:30")
    nexts = {
        stem: parse_schedule("0 * * * *", zone="", local=UTC, stem=stem, jitter_s=120).next_after(start)
        for stem in "abcdef"
    }
    assert len(set(nexts.values())) == 6
    assert all(at("2026-06-01 01:00") <= moment < at("2026-06-01 01:02") for moment in nexts.values())
    again = parse_schedule("0 * * * *", zone="", local=UTC, stem="a", jitter_s=120)
    assert again.next_after(start) == nexts["a"]
    due = again.due(considered_until=start, now=nexts["a"])
    assert due is not None
    assert due.at == nexts["a"]
    assert again.due(considered_until=nexts["a"], now=nexts["a"] + 3000) is None


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("x", "", "five fields"),
        ("* * * * * *", "", "five fields"),
        ("61 * * * *", "", "bad minute"),
        ("0 0 30 2 *", "", "bad day"),
        ("every 0m", "", "at least a minute"),
        ("every day", "", "no duration"),
        ("* * * * *", "Europe/Prag", "not known"),
        ("* * * * *", "../../etc/passwd", "not known"),
    ],
)
def test_what_cannot_be_meant(text: str, zone: str, words: str) -> None:
    with pytest.raises(BadSchedule, match=words):
        parse_schedule(text, zone=zone, local=UTC)


@given(st.text(max_size=30), st.text(max_size=20))
def test_no_text_makes_the_reader_fail_otherwise(text: str, zone: str) -> None:
    with contextlib.suppress(BadSchedule):
        parse_schedule(text, zone=zone, local=UTC)


@pytest.mark.parametrize(
    ("moment", "zone", "words"),
    [
        ("2026-03-29 05:30", PRAGUE, "2026-03-29 07:30 CEST (05:30 UTC)"),
        ("2026-03-28 23:30", PRAGUE, "2026-03-29 00:30 CET (2026-03-28 23:30 UTC)"),
        ("2026-03-28 23:30", UTC, "2026-03-28 23:30 UTC"),
        ("2026-03-28 23:30", ZoneInfo("Europe/London"), "2026-03-28 23:30 UTC"),
    ],
)
def test_times_are_told_as_on_the_wall_and_in_utc(moment: str, zone: tzinfo, words: str) -> None:
    assert both_times(at(moment), zone) == words


def test_the_machines_zone_is_the_one_of_tz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Prague")
    assert local_zone() == PRAGUE
    monkeypatch.setenv("TZ", "nonsense/../..")
    assert local_zone().utcoffset(datetime(2026, 1, 1)) is not None  # noqa: DTZ001 - what tzinfo takes
