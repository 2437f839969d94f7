"""Draw a chart from its numbers with braille and block characters: legible in every terminal, also over SSH and in tmux.

The drawing is plotext's, through the instance that textual-plotext makes of it (plotext itself draws on one global figure).
"""

import math
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from analyst_cli.tui.charts.describe import label, number
from analyst_cli.tui.text import cells, fit
from analyst_server.wire.messages import Chart, Series

__all__ = ["LEAST_HEIGHT", "LEAST_WIDTH", "Ink", "draw", "round_levels"]

Ink = tuple[int, int, int] | str
"""A colour as plotext takes it: red, green, blue, or the name of one of the sixteen."""

LEAST_WIDTH, LEAST_HEIGHT = 24, 7  # cells; below that axes leave no room for the curve
_CELLS_A_TICK = 14
_LONGEST_NAME = 18  # cells of a series' name in the legend


def draw(chart: Chart, width: int, height: int, inks: Sequence[Ink], mark_ink: Ink) -> Text:
    """Return the chart in exactly `width` x `height` cells, without a background of its own. `sound(chart)` must hold."""
    from textual_plotext import Plot  # noqa: PLC0415 - 19 ms that only a chart needs

    plot = Plot()
    plot.theme("clear")
    plot.plotsize(width, height)
    plot._set_size(width, height)  # noqa: SLF001 - plotsize alone is not enough (textual-plotext issue 5)
    title = chart.title or (chart.series[0].name if len(chart.series) == 1 else "")
    if title:
        plot.title(fit(cells(title), width - 8).rstrip())
    if chart.kind == "bar":
        _bars(plot, chart, inks)
    else:
        _lines(plot, chart, inks)
    _mark(plot, chart, mark_ink)
    positions = _ticks(plot, chart, width, height)
    *lines, _ = Text.from_ansi(plot.build().rstrip("\n"), no_wrap=True, overflow="crop").split("\n")
    drawn = Text("\n").join([*lines, Text(_axis_labels(chart, positions, lines[-1].plain, width))])
    drawn.end, drawn.no_wrap, drawn.overflow = "", True, "crop"
    return drawn


def _lines(plot: object, chart: Chart, inks: Sequence[Ink]) -> None:
    for index, series in enumerate(chart.series):
        name = _name(series, index) if len(chart.series) > 1 else None
        for start, run in _unbroken(series):
            positions = list(range(start, start + len(run)))
            paint = plot.plot if len(run) > 1 else plot.scatter  # type: ignore[attr-defined]
            paint(positions, run, marker="braille", color=inks[index % len(inks)], label=name)
            name = None  # one entry in the legend, however many gaps


def _bars(plot: object, chart: Chart, inks: Sequence[Ink]) -> None:
    longest = max(len(series.y) for series in chart.series)
    heights = [[value or 0.0 for value in series.y] + [0.0] * (longest - len(series.y)) for series in chart.series]
    positions = list(range(longest))
    if len(heights) == 1:
        plot.bar(positions, heights[0], color=inks[0], width=0.6, minimum=0)  # type: ignore[attr-defined]
        return
    names = [_name(series, index) for index, series in enumerate(chart.series)]
    colors = [inks[n % len(inks)] for n in range(len(heights))]
    plot.multiple_bar(positions, heights, color=colors, labels=names, width=0.8, minimum=0)  # type: ignore[attr-defined]


def _name(series: Series, index: int) -> str:
    return fit(cells(series.name), _LONGEST_NAME).rstrip() or f"series {index + 1}"


def _mark(plot: object, chart: Chart, ink: Ink) -> None:
    if chart.mark is None or not 0 <= chart.mark < len(chart.series[0].y):
        return
    value = chart.series[0].y[chart.mark]
    if value is not None:
        plot.scatter([chart.mark], [value], marker="●", color=ink)  # type: ignore[attr-defined]


def _ticks(plot: object, chart: Chart, width: int, height: int) -> list[int]:
    levels = round_levels(
        [value for series in chart.series for value in series.y if value is not None], max(2, height // 3)
    )
    plot.yticks(levels, [number(level) for level in levels])  # type: ignore[attr-defined]
    longest = max(len(series.y) for series in chart.series)
    wanted = max(2, min(longest, width // _CELLS_A_TICK))
    positions = sorted({round(step * (longest - 1) / max(wanted - 1, 1)) for step in range(wanted)})
    plot.xticks(positions, ["."] * len(positions))  # type: ignore[attr-defined]
    return positions


def _axis_labels(chart: Chart, positions: Sequence[int], axis: str, width: int) -> str:
    """Return the line under the axis: each label below its tick. plotext would put it a cell to the left or right, by the hash of its text."""
    line = ""
    for at, column in zip(positions, (index for index, sign in enumerate(axis) if sign == "┬"), strict=False):
        words = fit(label(chart, at), _CELLS_A_TICK - 2).rstrip()
        start = min(max(column - cell_len(words) // 2, 0), width - cell_len(words))
        if not line or start > cell_len(line):
            line = fit(line, start) + words
    return fit(line, width)


def round_levels(values: Sequence[float], wanted: int) -> list[float]:
    """Return about so many round numbers between the least and the greatest value, for the y axis."""
    least, most = min(values), max(values)
    rough = (most - least) / wanted
    if rough < max(abs(least), abs(most), 1e-9) * 1e-9:  # all the same, as far as anybody can see
        return [least]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.8)
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)] or [least]


def _unbroken(series: Series) -> list[tuple[int, list[float]]]:
    """Split at missing values: a gap in the data is a gap in the line."""
    runs: list[tuple[int, list[float]]] = []
    for index, value in enumerate(series.y):
        if value is None:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == index:
            runs[-1][1].append(value)
        else:
            runs.append((index, [value]))
    return runs
