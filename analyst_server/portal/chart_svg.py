"""Draw a chart's numbers as SVG, for pages. Pure; colours come from the style sheet, so that it fits light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from analyst_server.wire.inert import inert_line
from analyst_server.wire.messages import Chart, Series

__all__ = ["chart_svg"]

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 34, 30
_PLOT_W, _PLOT_H = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to places in the drawing."""

    points: int
    low: float
    high: float

    def x(self, index: int) -> float:
        return LEFT + _PLOT_W * (index + 0.5) / self.points

    def y(self, value: float) -> float:
        return TOP + _PLOT_H * (
            1 - (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        )  # halves: no sum overflows


def chart_svg(chart: Chart) -> str:
    """Return the drawing, or an empty string when there is no number in it."""
    numbers = [y for series in chart.series for y in series.y if y is not None]
    if not numbers:
        return ""
    points = max(len(series.y) for series in chart.series)
    scale = _Scale(points, *_range(numbers, from_zero=chart.kind == "bar"))
    drawn = [*_legend(chart), *_grid(scale), *_x_labels(chart.x, scale)]
    for index, series in enumerate(chart.series):
        drawn += _bars(series, scale, index, len(chart.series)) if chart.kind == "bar" else _line(series, scale, index)
    if chart.mark is not None and 0 <= chart.mark < points:
        x = scale.x(chart.mark)
        drawn.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + _PLOT_H}"/>')
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">{"".join(drawn)}</svg>'
    )


def _legend(chart: Chart) -> list[str]:
    """Name the series; lines differ by their dashes as well as by colour."""
    named = [(index, series.name) for index, series in enumerate(chart.series) if series.name]
    width = _PLOT_W / max(1, len(named))
    drawn = []
    for place, (index, name) in enumerate(named):
        x = LEFT + width * place
        swatch = (
            f'<rect class="bar s{index}" x="{x:.1f}" y="6" width="14" height="10"/>'
            if chart.kind == "bar"
            else f'<polyline class="series s{index}" points="{x:.1f},11 {x + 28:.1f},11"/>'
        )
        drawn += [swatch, f'<text x="{x + 34:.1f}" y="16">{escape(inert_line(name)[: int(width / 9)])}</text>']
    return drawn


def _range(numbers: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low - 1.0, high + 1.0) if low == high else (low, high)


def _grid(scale: _Scale) -> list[str]:
    drawn = []
    for step in range(5):
        value = scale.low * (1 - step / 4) + scale.high * (step / 4)
        y = scale.y(value)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    return drawn


def _x_labels(names: Sequence[float | str | None], scale: _Scale) -> list[str]:
    if not names:
        return []
    chosen = sorted({0, len(names) // 2, len(names) - 1})
    anchors = {0: "start", len(names) - 1: "end"}
    return [
        f'<text x="{scale.x(index):.1f}" y="{HEIGHT - 10}" text-anchor="{anchors.get(index, "middle")}">'
        f"{escape(_name(names[index]))}</text>"
        for index in chosen
    ]


def _line(series: Series, scale: _Scale, index: int) -> list[str]:
    runs: list[list[str]] = [[]]
    for at, value in enumerate(series.y):
        if value is None:  # a gap in the data is a gap in the line
            runs.append([])
        else:
            runs[-1].append(f"{scale.x(at):.1f},{scale.y(value):.1f}")
    return [f'<polyline class="series s{index}" points="{" ".join(run)}"/>' for run in runs if run]


def _bars(series: Series, scale: _Scale, index: int, of: int) -> list[str]:
    slot = _PLOT_W / scale.points
    width, zero = slot * 0.8 / of, scale.y(0.0)
    bars = []
    for at, value in enumerate(series.y):
        if value is not None:
            y, x = scale.y(value), LEFT + slot * (at + 0.1) + width * index
            bars.append(
                f'<rect class="bar s{index}" x="{x:.1f}" y="{min(y, zero):.1f}" width="{width:.1f}" height="{abs(y - zero):.1f}"/>'
            )
    return bars


def _short(value: float) -> str:
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:.4g}"


def _name(value: float | str | None) -> str:
    return inert_line(value)[:16] if isinstance(value, str) else _short(value or 0.0)
