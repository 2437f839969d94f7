"""Draw the chart of a notification for a command: with pixels where the terminal can, else from the numbers, else in half cells; and in words."""

import asyncio
import shutil
from pathlib import Path

from analyst_cli import config, output
from analyst_cli.errors import AnalystError
from analyst_server.wire.messages import Chart, Notification

__all__ = ["picture_file", "print_picture"]

_LINES = 18
_INKS = ("blue", "orange", "green", "magenta", "cyan")


def print_picture(notification: Notification, server: str | None) -> None:
    """Print the chart, and always what it shows in words; without a terminal the words alone."""
    from analyst_cli.tui.charts.describe import describe, sound  # noqa: PLC0415 - Textual's rendering costs 100 ms

    chart = notification.chart if notification.chart is not None and sound(notification.chart) else None
    if chart is None and notification.image_url is None:
        output.note("This notification has no chart.")
        return
    images = str(config.load()["inbox.images"])
    if (
        output.is_terminal()
        and images != "off"
        and not (_print_pixels(notification, server, images) or _print_plot(chart))
    ):
        _print_half_cells(notification, server)
    words = notification.image_alt or (describe(chart) if chart is not None else "A picture without a description.")
    output.line(f"chart: {words}")


def _print_pixels(notification: Notification, server: str | None, images: str) -> bool:
    from analyst_cli.tui.charts.detect import Abilities, detect  # noqa: PLC0415

    if notification.image_url is None or images in {"half", "chart"}:
        return False
    abilities = detect() if images == "auto" else Abilities("kitty" if images == "kitty" else "sixel")
    if abilities.images == "half":
        return False
    path = picture_file(notification.image_url, server, is_needed=notification.chart is None)
    if path is None:
        return False
    from analyst_cli.tui.charts import half, pixels  # noqa: PLC0415

    columns = min(shutil.get_terminal_size().columns, 100)
    size = columns * abilities.cell_width_px, _LINES * abilities.cell_height_px
    try:
        picture = pixels.fitted(half.open_picture(path), *size)
    except half.PictureUnreadable as problem:
        output.note(f"The picture cannot be shown: {problem}.")
        return False
    if abilities.images == "sixel":
        output.raw(pixels.sixel(picture) + "\n")
        return True
    lines = -(-picture.height // abilities.cell_height_px)
    output.raw(pixels.kitty(picture, 1, -(-picture.width // abilities.cell_width_px), lines) + "\n" * lines)
    return True


def _print_plot(chart: Chart | None) -> bool:
    from analyst_cli.tui.charts import plot  # noqa: PLC0415

    columns = min(shutil.get_terminal_size().columns, 100)
    if chart is None or columns < plot.LEAST_WIDTH:
        return False
    drawn = plot.draw(chart, columns, _LINES, _INKS, "red")
    if output.color_wanted():
        _print_rich(drawn)
    else:
        output.text(drawn.plain)
    return True


def _print_half_cells(notification: Notification, server: str | None) -> None:
    if notification.image_url is None or not output.color_wanted():
        return
    path = picture_file(notification.image_url, server, is_needed=True)
    if path is None:
        return
    from rich.segment import Segment, Segments  # noqa: PLC0415

    from analyst_cli.tui.charts import half  # noqa: PLC0415

    try:
        strips = half.half_cells(half.open_picture(path), min(shutil.get_terminal_size().columns, 100), _LINES)
    except half.PictureUnreadable as problem:
        output.note(f"The picture cannot be shown: {problem}.")
        return
    _print_rich(Segments([segment for strip in strips for segment in [*strip, Segment.line()]]))


def _print_rich(drawing: object) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console(force_terminal=True, highlight=False)
    with console.capture() as captured:
        console.print(drawing)
    output.raw(captured.get().rstrip("\n") + "\n")


def picture_file(image_url: str, server: str | None, *, is_needed: bool) -> Path | None:
    """Return the picture's file; None, and a word about it where nothing else can be drawn, when it cannot be had."""
    from analyst_cli.client.chart_cache import cached_chart, fetched_chart  # noqa: PLC0415
    from analyst_cli.client.target import target_of  # noqa: PLC0415
    from analyst_cli.client.tokens import TokenSource  # noqa: PLC0415

    async def fetch(address: str) -> Path:
        return await fetched_chart(address, await TokenSource(address).token(), image_url)

    try:
        address = target_of(server).server
        return cached_chart(address, image_url) or asyncio.run(fetch(address))
    except AnalystError as problem:
        if is_needed:
            output.note(f"The picture cannot be fetched: {problem}.")
        return None
