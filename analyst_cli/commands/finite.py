"""A number of an option that is one: `float` also takes nan and inf, and no range refuses nan."""

import math

import typer

__all__ = ["finite"]


def finite(value: float) -> float:
    """Return the value of an option (its `callback`). Raises `typer.BadParameter`."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number that can be used here")
    return value
