"""From bytes of a stranger to a PNG that is only a picture: a decision without I/O.

The kind is told by the first bytes, the size in pixels by the header before anything is decoded, and what is stored is encoded anew from the
pixels: no comments, no trailing archive, no profile survive. Raises `ImageRefused` and `TooLarge`, nothing else.
"""

import struct
import zlib
from io import BytesIO

from PIL import ImageOps
from PIL.Image import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from analyst_server.errors import ImageRefused, TooLarge

__all__ = ["MAX_IMAGE_BYTES", "MAX_IMAGE_PIXELS", "clean_png"]

MAX_IMAGE_BYTES = 10_000_000  # section 2.5 of the protocol
MAX_IMAGE_PIXELS = 40_000_000  # decoded, at most 160 MB for a moment

_SMALLER = (1_600, 1_600)  # pixels; a photo of 10 MB would be a PNG of 80 MB otherwise
# PngImageFile and JpegImageFile are used as such: `Image.open` would try every format it knows, and warn of bombs where we refuse.
_KINDS: dict[bytes, type[ImageFile]] = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
# What Pillow is known to raise on damaged files.
_DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    MemoryError,
    struct.error,
    zlib.error,
)


def clean_png(stranger: bytes) -> bytes:
    """Return the picture as a fresh PNG; the same bytes always give the same."""
    if len(stranger) > MAX_IMAGE_BYTES:
        raise TooLarge(f"the image has more than {MAX_IMAGE_BYTES // 1_000_000} MB", "make it smaller")
    kind = next((kind for magic, kind in _KINDS.items() if stranger.startswith(magic)), None)
    if kind is None:
        raise ImageRefused("the image is neither PNG nor JPEG", "save the chart as PNG")
    try:
        return _encoded_anew(kind(BytesIO(stranger)))
    except _DAMAGE as exc:
        raise ImageRefused("the image is damaged", "write it anew, and dispatch it when it is complete") from exc


def _encoded_anew(opened: ImageFile) -> bytes:
    with opened:
        if opened.width * opened.height > MAX_IMAGE_PIXELS:
            raise TooLarge(f"the image has more than {MAX_IMAGE_PIXELS // 1_000_000} megapixels", "make it smaller")
        opened.load()
        # upright: the note that it is not goes with the other metadata
        picture: Image = ImageOps.exif_transpose(opened)
        if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
            picture = picture.convert("RGB")
        transparency = picture.info.get("transparency")
        picture.info = {} if transparency is None else {"transparency": transparency}
        png = _png(picture)
        if len(png) > MAX_IMAGE_BYTES:
            picture.thumbnail(_SMALLER)
            png = _png(picture)
        return png


def _png(picture: Image) -> bytes:
    written = BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()
