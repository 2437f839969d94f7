"""A picture in half cells: every cell is two pixels, one over the other. Shows a chart's shape where nothing better can be shown.

Nothing here asks the terminal anything.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MOST_PIXELS", "PictureUnreadable", "half_cells", "open_picture"]

MOST_PIXELS = 40_000_000  # protocol 2.5; a file that claims more is a decompression bomb


class PictureUnreadable(Exception):
    """The file is no picture, is broken, or claims to be too large."""


def open_picture(path: Path) -> "Image":
    """Decode a picture wholly, as RGB on white; raise `PictureUnreadable`."""
    from PIL import Image  # noqa: PLC0415 - 30 ms that only a picture needs

    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PictureUnreadable(f"{image.width}×{image.height} pixels are too many")
            rgba = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureUnreadable(str(error)) from error
    ground = Image.new("RGB", rgba.size, "white")
    ground.paste(rgba, mask=rgba.getchannel("A"))
    return ground


def half_cells(image: "Image", width: int, height: int) -> list[Strip]:
    """Return the picture, its shape kept, in at most `width` x `height` cells."""
    from PIL import Image  # noqa: PLC0415

    scale = min(width / image.width, 2 * height / image.height)
    columns, lines = max(1, round(image.width * scale)), max(1, round(image.height * scale / 2))
    pixels = image.resize((columns, 2 * lines), Image.Resampling.LANCZOS).tobytes()
    row = columns * 3

    def pixel(x: int, y: int) -> bytes:
        return pixels[y * row + 3 * x : y * row + 3 * x + 3]

    return [
        Strip(
            Segment.simplify(Segment("▀", _cell_style(pixel(x, 2 * y), pixel(x, 2 * y + 1))) for x in range(columns)),
            columns,
        )
        for y in range(lines)
    ]


@lru_cache(maxsize=4096)
def _cell_style(upper: bytes, lower: bytes) -> Style:
    return Style(color=f"#{upper.hex()}", bgcolor=f"#{lower.hex()}")
