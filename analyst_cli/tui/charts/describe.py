"""Say in a sentence what a chart shows, for those who cannot see it and for terminals that cannot draw it. Pure."""

import math

from analyst_cli.tui.text import cells
from analyst_server.wire.messages import Chart, Series

__all__ = ["describe", "label", "number", "sound"]

_MOST_SERIES = 5  # protocol 2.5
_MOST_POINTS = 500
_GREATEST, _LEAST = 1e15, 1e-9  # numbers past that leave no room on an axis for anything but themselves


def sound(chart: Chart) -> bool:
    """Tell whether the chart can be drawn: it has numbers, and not more or greater ones than make sense (an old gateway checks nothing)."""
    known = [value for series in chart.series for value in series.y if value is not None]
    if not known or len(chart.series) > _MOST_SERIES or sum(len(series.y) for series in chart.series) > _MOST_POINTS:
        return False
    greatest = max(map(abs, known))
    return all(map(math.isfinite, known)) and (greatest == 0 or _LEAST <= greatest < _GREATEST)


def describe(chart: Chart) -> str:
    """Return a sentence or two with the title, the span, and the last, least and greatest value of each series."""
    longest = max((len(series.y) for series in chart.series), default=0)
    head = f"{chart.kind.capitalize()} chart"
    if chart.title:
        head += f" “{cells(chart.title)}”"
    head += f" of {longest} point{'' if longest == 1 else 's'}"
    if longest > 1:
        head += f" from {label(chart, 0)} to {label(chart, longest - 1)}"
    told = [_told(series, chart) for series in chart.series if any(value is not None for value in series.y)]
    marked = _marked(chart)
    return ". ".join([head, *told, *([marked] if marked else [])]) + "."


def label(chart: Chart, index: int) -> str:
    """Return the name of a point on the x axis."""
    if index < len(chart.x):
        value = chart.x[index]
        return cells(value) if isinstance(value, str) else number(value)
    return str(index + 1)


def number(value: float) -> str:
    """Return a number with four significant digits, grouped in thousands."""
    if not abs(value) < _GREATEST:
        return f"{value:.4g}"
    whole = value == int(value) or abs(value) >= 1e4
    return (f"{value:,.0f}" if whole else f"{value:,.4g}").replace(",", "\u202f")


def _told(series: Series, chart: Chart) -> str:
    known = [(value, index) for index, value in enumerate(series.y) if value is not None]
    (least, least_at), (most, most_at), (last, _) = min(known), max(known), known[-1]
    name = f"{cells(series.name)}: " if series.name else ""
    return (
        f"{name}last {number(last)}, least {number(least)} ({label(chart, least_at)}), "
        f"greatest {number(most)} ({label(chart, most_at)})"
    )


def _marked(chart: Chart) -> str:
    if chart.mark is None or not 0 <= chart.mark < len(chart.series[0].y):
        return ""
    value = chart.series[0].y[chart.mark]
    return f"Marked: {label(chart, chart.mark)}" + ("" if value is None else f", {number(value)}")
