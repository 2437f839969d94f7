"""The chart of a notification, as well as this terminal can show it, and always its sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.color import Color
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from analyst_cli.tui.charts.describe import sound
from analyst_cli.tui.charts.half import PictureUnreadable, half_cells, open_picture
from analyst_cli.tui.charts.plot import LEAST_HEIGHT, LEAST_WIDTH, Ink, draw

if TYPE_CHECKING:
    from PIL.Image import Image

    from analyst_server.wire.messages import Chart

__all__ = ["ChartView", "Drawable"]

_MOST_LINES = 18
_ANSI_INKS: tuple[Ink, ...] = ("blue", "green", "magenta", "cyan", "yellow")


@dataclass(frozen=True, slots=True)
class Drawable:
    """What there is to draw."""

    chart: "Chart | None" = None
    picture: Path | None = None


class ChartView(Widget):
    """A plot of the numbers where there are some, else the picture in half cells; nothing where neither can be drawn."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._drawable = Drawable()
        self._image: Image | None = None
        self._drawn: tuple[Size, list[Strip]] | None = None

    def show(self, drawable: Drawable) -> None:
        """Draw this; an unreadable picture draws nothing."""
        self._drawable, self._image, self._drawn = drawable, None, None
        if drawable.chart is not None and not sound(drawable.chart):
            self._drawable = Drawable(None, drawable.picture)
        if self._drawable.chart is None and drawable.picture is not None:
            try:
                self._image = open_picture(drawable.picture)
            except PictureUnreadable:
                self._drawable = Drawable()
        self.display = self._drawable.chart is not None or self._image is not None
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's interface
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's interface
        if self._image is not None:
            return max(1, min(self._most_lines(), round(self._image.height * width / self._image.width / 2)))
        if self._drawable.chart is None or width < LEAST_WIDTH:
            return 0
        return max(LEAST_HEIGHT, min(self._most_lines(), round(width / 4.2)))

    def render_line(self, y: int) -> Strip:
        lines = self._lines(self.content_size)
        width, style = self.content_size.width, self.rich_style
        if y >= len(lines):
            return Strip.blank(width, style)
        return lines[y].apply_style(style).adjust_cell_length(width, style)

    def notify_style_update(self) -> None:
        """Draw again in the colours of another theme."""
        super().notify_style_update()
        self._drawn = None

    def _most_lines(self) -> int:
        return max(LEAST_HEIGHT, min(_MOST_LINES, self.app.size.height // 2))

    def _lines(self, size: Size) -> list[Strip]:
        if self._drawn is None or self._drawn[0] != size:
            self._drawn = (size, self._draw(size))
        return self._drawn[1]

    def _draw(self, size: Size) -> list[Strip]:
        chart = self._drawable.chart
        if self._image is not None and size.width and size.height:
            return half_cells(self._image, size.width, size.height)
        if chart is None or size.width < LEAST_WIDTH or size.height < LEAST_HEIGHT:
            return []
        *inks, mark_ink = self._inks()
        drawn = draw(chart, size.width, size.height, inks, mark_ink)
        return [Strip(list(line.render(self.app.console)) or [Segment("")]) for line in drawn.split("\n")]

    def _inks(self) -> Sequence[Ink]:
        if self.app.native_ansi_color:
            return (*_ANSI_INKS, "red")
        names = ("primary", "success", "warning", "secondary", "accent", "error")
        return [Color.parse(self.app.theme_variables[name]).rgb for name in names]
