"""Put real pixels over cells of a running Textual program, and take them away again.

Textual knows cells only. A picture is written to the terminal after the cells under it have been, at their place; whoever writes these cells anew
has to have it painted anew. Sixel pictures vanish with the cells that are written over them, Kitty's are taken away by name.
"""

from typing import TYPE_CHECKING

from textual.geometry import Region, Size

from analyst_cli.tui.charts.detect import Abilities
from analyst_cli.tui.charts.pixels import fitted, kitty, kitty_delete, sixel

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Painter"]

_KITTY_ID = 7_301  # any number; a terminal's pictures are few


class Painter:
    """Makes the sequences for one picture."""

    def __init__(self, image: "Image", abilities: Abilities) -> None:
        self._image = image
        self._abilities = abilities
        self._made: tuple[Size, str] | None = None

    def lines_for(self, width: int, most: int) -> int:
        """Return how many lines the picture takes in `width` cells, at most so many."""
        scale = min(width * self._abilities.cell_width_px / self._image.width, 2.0)
        return max(1, min(most, -(-round(self._image.height * scale) // self._abilities.cell_height_px)))

    def paint(self, region: Region) -> str:
        """Return what paints the picture into these cells of the screen; the cursor is where it was afterwards."""
        if self._made is None or self._made[0] != region.size:
            self._made = (region.size, self._sequence(region.size))
        return f"\x1b7\x1b[{region.y + 1};{region.x + 1}H{self._made[1]}\x1b8"

    def erase(self) -> str:
        """Return what takes the picture away; cells are no concern of it."""
        return kitty_delete(_KITTY_ID) if self._abilities.images == "kitty" else ""

    def _sequence(self, size: Size) -> str:
        cell_width, cell_height = self._abilities.cell_width_px, self._abilities.cell_height_px
        picture = fitted(self._image, size.width * cell_width, size.height * cell_height)
        if self._abilities.images == "sixel":
            return sixel(picture)
        return kitty(picture, _KITTY_ID, max(1, picture.width // cell_width), max(1, picture.height // cell_height))
