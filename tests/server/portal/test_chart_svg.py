"""Charts as the pages draw them."""

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.portal.chart_svg import chart_svg
from analyst_server.wire.messages import Chart, Series


@pytest.mark.parametrize(
    ("chart", "words"),
    [
        (Chart("line", [Series([1, None, 3, 4])]), ["polyline"] * 2),
        (Chart("bar", [Series([1, -2]), Series([0, 3])], x=["a", "b"], mark=1), ["rect"] * 4 + ['class="mark"']),
        (Chart("line", [Series([5])]), ["polyline"]),
        (Chart("line", [Series([1.7e308, -1.7e308])]), ["polyline"]),
        (Chart("line", [Series([1e12, -1e12])], mark=99), ["1T", "-1T"]),
    ],
)
def test_a_chart_is_drawn_from_its_numbers(chart: Chart, words: list[str]) -> None:
    drawn = chart_svg(chart)
    for word in set(words):
        assert drawn.count(f">{word}<" if word.endswith("T") else word) == words.count(word)
    assert "nan" not in drawn


_numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 1e17, -1e17, 5e-324, 1e-310, 1.7e308, -1.7e308, 1_000_000.0, 1_000_100.0]),
)


@given(
    st.sampled_from(["line", "bar"]),
    st.lists(st.lists(_numbers, max_size=5), max_size=5),
    st.lists(st.one_of(st.text(max_size=20), st.floats(allow_nan=False)), max_size=6),
)
def test_no_numbers_keep_a_chart_from_being_drawn_inside_its_frame(
    kind: Literal["line", "bar"], series: list[list[float | None]], names: list[float | str]
) -> None:
    drawn = chart_svg(Chart(kind, [Series(numbers, "<i>") for numbers in series], x=names, title="<b>", mark=1))
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    places = re.findall(r'(?: [xy][12]?|points|width|height)="([^"]+)"', drawn)
    assert all(-0.1 <= float(place) <= 640.1 for many in places for place in re.split(r"[ ,]", many))


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ([3, 8, 1], ["0", "2", "4", "6", "8"]),
        ([1_000_000, 1_000_100], ["1000000", "1000025", "1000050", "1000075", "1000100"]),
        ([0, 0.03], ["0", "0.01", "0.02", "0.03"]),
        ([-90_000, 1_200_000], ["-0.5M", "0", "0.5M", "1M", "1.5M"]),
        ([1e17], ["1e+17"]),
    ],
)
def test_the_grid_has_round_numbers_that_differ(numbers: list[float | None], names: list[str]) -> None:
    drawn = chart_svg(Chart("line", [Series(numbers)]))
    assert re.findall(r'text-anchor="end">([^<]*)<', drawn) == names


def test_as_many_points_are_named_as_there_is_room_for() -> None:
    def named(many: int) -> list[str]:
        chart = Chart("bar", [Series([1] * many)], x=[f"day {number:02}" for number in range(many)])
        return re.findall(r'text-anchor="middle">([^<]*)<', chart_svg(chart))

    assert named(3) == ["day 00", "day 01", "day 02"]
    assert named(60)[:2] == ["day 00", "day 11"]


def test_a_chart_without_numbers_is_not_drawn() -> None:
    assert chart_svg(Chart("line", [])) == ""
    assert chart_svg(Chart("bar", [Series([None])])) == ""
