"""The chart of a notification, as well as this terminal can show it: real pixels, else a plot of the numbers, else half cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from analyst_cli.tui.charts.describe import sound
from analyst_cli.tui.charts.detect import Abilities
from analyst_cli.tui.charts.half import PictureUnreadable, half_cells, open_picture
from analyst_cli.tui.charts.painter import Painter
from analyst_cli.tui.charts.plot import LEAST_HEIGHT, LEAST_WIDTH, Ink, draw

if TYPE_CHECKING:
    from PIL.Image import Image

    from analyst_server.wire.messages import Chart

__all__ = ["ChartView", "Drawable"]

_MOST_LINES = 18
_PAINT_DELAY_S = 0.05  # a scrolling message is not painted at every line
_ANSI_INKS: tuple[Ink, ...] = ("blue", "green", "magenta", "cyan", "yellow")


@dataclass(frozen=True, slots=True)
class Drawable:
    """What there is to draw, and how it may be drawn."""

    chart: "Chart | None" = None
    picture: Path | None = None
    abilities: Abilities | None = None  # None: nothing is to be drawn


class ChartView(Widget):
    """Draws a `Drawable`; not there where nothing can be drawn. Real pixels are shown while the whole of it is in sight."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._chart: Chart | None = None
        self._image: Image | None = None
        self._painter: Painter | None = None
        self._drawn: tuple[Size, list[Strip]] | None = None
        self._in_pixels = False

    def show(self, drawable: Drawable) -> None:
        """Draw this; an unreadable picture draws nothing."""
        self._take_away()
        self._chart = self._image = self._painter = self._drawn = None
        if drawable.abilities is None:
            self.display = False
            return
        if drawable.chart is not None and sound(drawable.chart):
            self._chart = drawable.chart
        has_pixels = drawable.abilities.images != "half"
        if drawable.picture is not None and (has_pixels or self._chart is None):
            try:
                self._image = open_picture(drawable.picture)
            except PictureUnreadable:
                self._image = None
        if self._image is not None and has_pixels:
            self._painter = Painter(self._image, drawable.abilities)
        self.display = self._chart is not None or self._image is not None
        self.refresh(layout=True)

    # Cells

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's interface
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's interface
        most = max(LEAST_HEIGHT, min(_MOST_LINES, self.app.size.height // 2))
        if self._painter is not None:
            return self._painter.lines_for(width, most)
        if self._chart is not None:
            return max(LEAST_HEIGHT, min(most, round(width / 4.2))) if width >= LEAST_WIDTH else 0
        if self._image is not None:
            return max(1, min(most, round(self._image.height * width / self._image.width / 2)))
        return 0

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw what is in sight; Textual calls it whenever the cells on the terminal are written."""
        in_pixels = self._painter is not None and crop.size == self.size and self.app.screen is self.screen
        if in_pixels != self._in_pixels:
            self._styles_cache.clear()
            if self._in_pixels:
                self._take_away()
            self._in_pixels = in_pixels
        if in_pixels:
            self.set_timer(_PAINT_DELAY_S, self._paint)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        lines = [] if self._in_pixels else self._lines(self.content_size)
        width, style = self.content_size.width, self.rich_style
        if y >= len(lines):
            return Strip.blank(width, style)
        return lines[y].apply_style(style).adjust_cell_length(width, style)

    def notify_style_update(self) -> None:
        """Draw again in the colours of another theme."""
        super().notify_style_update()
        self._drawn = None

    def _lines(self, size: Size) -> list[Strip]:
        if self._drawn is None or self._drawn[0] != size:
            self._drawn = (size, self._draw(size))
        return self._drawn[1]

    def _draw(self, size: Size) -> list[Strip]:
        if self._chart is not None and size.width >= LEAST_WIDTH and size.height >= LEAST_HEIGHT:
            *inks, mark_ink = self._inks()
            drawn = draw(self._chart, size.width, size.height, inks, mark_ink)
            return [Strip(list(line.render(self.app.console)) or [Segment("")]) for line in drawn.split("\n")]
        if self._image is not None and size.width and size.height:
            return half_cells(self._image, size.width, size.height)
        return []

    def _inks(self) -> Sequence[Ink]:
        if self.app.native_ansi_color:
            return (*_ANSI_INKS, "red")
        names = ("primary", "success", "warning", "secondary", "accent", "error")
        return [Color.parse(self.app.theme_variables[name]).rgb for name in names]

    # Pixels

    def on_hide(self) -> None:
        self._take_away()

    def on_unmount(self) -> None:
        self._take_away()

    def _paint(self) -> None:
        if self._painter is not None and self._in_pixels and self.app.screen is self.screen:
            self._write(self._painter.paint(self.content_region))

    def _take_away(self) -> None:
        if self._painter is not None and self._in_pixels:
            self._in_pixels = False
            self._write(self._painter.erase())

    def _write(self, sequence: str) -> None:
        driver = self.app._driver  # noqa: SLF001 - Textual has no public writer; `copy_to_clipboard` does the same
        if sequence and driver is not None and not self.app.is_headless:
            driver.write(sequence)
            driver.flush()
