"""Draw a fake desktop: a box for every element, with its title."""

import io

from analyst_cli.desktop.backends.base import CaptureRequest
from analyst_cli.desktop.elements import Rect

__all__ = ["draw"]

_DESK, _FACE, _EDGE, _INK = (58, 80, 107), (245, 246, 248), (120, 128, 140), (20, 24, 28)


def draw(shown: list[tuple[Rect, str]], screen: Rect, request: CaptureRequest) -> tuple[tuple[int, int], bytes]:
    """Return the size and the PNG. Blocks; called in a thread."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - 60 ms that a host without screenshots need not pay

    image = Image.new("RGB", (screen.width, screen.height), _DESK)
    pen = ImageDraw.Draw(image)
    for rect, title in shown:
        pen.rectangle(_box(rect), fill=_FACE, outline=_EDGE)
        if title:
            pen.text((rect.x + 6, rect.y + 4), title.encode("ascii", "replace").decode(), fill=_INK)
    for rect in request.blank:
        pen.rectangle(_box(rect), fill=(0, 0, 0))
    if request.region is not None:
        region = request.region
        image = image.crop((region.x, region.y, region.x + region.width, region.y + region.height))
    if request.max_width is not None and image.width > request.max_width:
        image = image.resize((request.max_width, max(1, image.height * request.max_width // image.width)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return image.size, buffer.getvalue()


def _box(rect: Rect) -> tuple[int, int, int, int]:
    return rect.x, rect.y, rect.x + rect.width - 1, rect.y + rect.height - 1
