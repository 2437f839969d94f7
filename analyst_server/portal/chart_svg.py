"""Draw a chart's numbers for pages: title, SVG, legend. Pure; colours come from the style sheet, so that it fits light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from analyst_server.wire.inert import inert_line
from analyst_server.wire.messages import Chart, Series

__all__ = ["chart_svg"]

WIDTH, HEIGHT = 640, 280
RIGHT, TOP, BOTTOM = 16, 14, 38
CHAR_W = 13.5  # of the largest size that the style sheet gives to labels, on a phone
MAX_NAME_CHARS = 16
_PLOT_H = HEIGHT - TOP - BOTTOM
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to places in the drawing."""

    points: int
    low: float
    high: float
    left: float  # where the plot begins, after the labels of the grid

    @property
    def width(self) -> float:
        return WIDTH - RIGHT - self.left

    def x(self, index: int) -> float:
        return self.left + self.width * (index + 0.5) / self.points

    def y(self, value: float) -> float:
        # halves: no sum overflows
        return TOP + _PLOT_H * (1 - (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2))


def chart_svg(chart: Chart) -> str:
    """Return title, drawing and legend, or an empty string when there is no number in it."""
    numbers = [y for series in chart.series for y in series.y if y is not None]
    if not numbers:
        return ""
    points = max(len(series.y) for series in chart.series)
    low, high, ticks = _ticks(numbers, from_zero=chart.kind == "bar")
    named = list(zip(ticks, _tick_names(ticks), strict=True))
    scale = _Scale(points, low, high, 14 + CHAR_W * max((len(name) for _, name in named), default=0))
    drawn = [*_grid(named, scale), *_x_labels(chart.x[:points], scale)]
    for index, series in enumerate(chart.series):
        drawn += _bars(series, scale, index, len(chart.series)) if chart.kind == "bar" else _line(series, scale, index)
    if chart.mark is not None and 0 <= chart.mark < points:
        x = scale.x(chart.mark)
        drawn.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + _PLOT_H}"/>')
    picture = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" focusable="false">{"".join(drawn)}</svg>'
    title = f'<p class="chart-title">{escape(inert_line(chart.title))}</p>' if chart.title else ""
    return title + picture + _legend(chart)


def _legend(chart: Chart) -> str:
    """Name the series; lines differ by their dashes as well as by colour."""
    shape = '<rect class="bar s{0}" width="28" height="12"/>' if chart.kind == "bar" else _KEY_LINE
    named = [
        f'<span><svg class="key" viewBox="0 0 28 12" focusable="false">{shape.format(index)}</svg> {escape(inert_line(series.name))}</span>'
        for index, series in enumerate(chart.series)
        if series.name
    ]
    return f'<p class="legend">{"".join(named)}</p>' if named else ""


_KEY_LINE = '<line class="series s{0}" x1="0" x2="28" y1="6" y2="6"/>'


def _ticks(numbers: Sequence[float], *, from_zero: bool) -> tuple[float, float, list[float]]:
    """Return the range to draw and the round numbers in it that get a line of the grid."""
    low, high = min(numbers), max(numbers)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    quarter = high / 4 - low / 4
    if quarter <= max(
        abs(low) * 1e-12, 1e-300
    ):  # all the same, or as good as: no step between them could be told apart
        return low - max(1.0, abs(low) / 4), high + max(1.0, abs(high) / 4), [low]
    size = 10.0 ** math.floor(math.log10(quarter))
    step = next((size * factor for factor in (1.0, 2.0, 2.5, 5.0) if size * factor >= quarter), size * 10)
    first, last = math.floor(low / step), math.ceil(high / step)
    if not (math.isfinite(first * step) and math.isfinite(last * step)):
        return low, high, [low, 0.0, high]
    return first * step, last * step, [index * step for index in range(first, last + 1)]


def _tick_names(ticks: Sequence[float]) -> list[str]:
    """Write the numbers of the grid in one unit, so short that each still differs from the next."""
    largest = max(abs(tick) for tick in ticks)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else largest
    if largest >= 1e15 or 0 < step < 1e-4:
        return [f"{tick:.3g}" for tick in ticks]
    for size, unit in _UNITS:
        decimals = max(0, math.ceil(-math.log10(step / size) + 0.5)) if step else 0  # 0.25 needs two
        if largest >= size and (decimals <= 2 or size == 1.0):
            return [_trimmed(f"{tick / size:.{decimals}f}", unit) for tick in ticks]
    return [f"{tick:.4g}" for tick in ticks]


def _trimmed(number: str, unit: str) -> str:
    short = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if short in {"0", "-0"} else short + unit


def _grid(ticks: Sequence[tuple[float, str]], scale: _Scale) -> list[str]:
    drawn = []
    for value, name in ticks:
        y, kind = scale.y(value), "zero" if value == 0 and scale.low < 0 else "grid"
        drawn.append(f'<line class="{kind}" x1="{scale.left:.1f}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{scale.left - 8:.1f}" y="{y + 5:.1f}" text-anchor="end">{name}</text>')
    return drawn


def _x_labels(names: Sequence[float | str | None], scale: _Scale) -> list[str]:
    """Name as many points as there is room for, evenly spaced."""
    written = [_name(name) for name in names]
    if not any(written):
        return []
    needed = CHAR_W * max(map(len, written)) + 12
    every = max(1, math.ceil(needed * scale.points / scale.width))
    drawn, end = [], 0.0
    for index in range(0, len(written), every):
        half = CHAR_W * len(written[index]) / 2
        x = max(half, min(scale.x(index), WIDTH - half))
        if x - half < end:  # one at the margin was moved inwards
            continue
        end = x + half
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - 9}" text-anchor="middle">{escape(written[index])}</text>')
    return drawn


def _line(series: Series, scale: _Scale, index: int) -> list[str]:
    runs: list[list[str]] = [[]]
    for at, value in enumerate(series.y):
        if value is None:  # a gap in the data is a gap in the line
            runs.append([])
        else:
            runs[-1].append(f"{scale.x(at):.1f},{scale.y(value):.1f}")
    # A point alone is a line of no length, which its round ends make a dot.
    return [
        f'<polyline class="series s{index}" points="{" ".join(run if len(run) > 1 else run * 2)}"/>'
        for run in runs
        if run
    ]


def _bars(series: Series, scale: _Scale, index: int, of: int) -> list[str]:
    slot = scale.width / scale.points
    width, zero = slot * 0.8 / of, scale.y(0.0)
    bars = []
    for at, value in enumerate(series.y):
        if value is not None:
            y, x = scale.y(value), scale.left + slot * (at + 0.1) + width * index
            bars.append(
                f'<rect class="bar s{index}" x="{x:.1f}" y="{min(y, zero):.1f}" width="{width:.1f}" height="{abs(y - zero):.1f}"/>'
            )
    return bars


def _name(value: float | str | None) -> str:
    text = value if isinstance(value, str) else "" if value is None else f"{value:.6g}"
    return inert_line(text)[:MAX_NAME_CHARS]
