"""Real pixels: a picture as Sixel (xterm, foot, WezTerm, Windows Terminal, mlterm) or as Kitty graphics (kitty, Ghostty).

Pure encoders: what they return is written to the terminal by `widgets.picture`, and by `analyst show --image`.
"""

from base64 import standard_b64encode
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["KITTY_CHUNK", "fitted", "kitty", "kitty_delete", "sixel"]

KITTY_CHUNK = 4096  # bytes of base64 in one escape sequence, the limit of the protocol
_SIXEL_COLORS = 64  # a chart has few; xterm knows 256 at most


def fitted(image: "Image", width: int, height: int) -> "Image":
    """Return the picture scaled into `width` x `height` pixels, its shape kept; never enlarged more than twice."""
    from PIL import Image  # noqa: PLC0415 - only a picture needs it

    scale = min(width / image.width, height / image.height, 2.0)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def sixel(image: "Image") -> str:
    """Return the picture as one Sixel sequence (DEC STD 070; one band is six pixels high), the cursor left where the terminal likes."""
    from PIL import Image  # noqa: PLC0415

    indexed = image.quantize(_SIXEL_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    width, height = indexed.size
    palette = indexed.getpalette() or []
    pixels = indexed.tobytes()
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for color in range(min(_SIXEL_COLORS, len(palette) // 3)):
        red, green, blue = (round(part * 100 / 255) for part in palette[3 * color : 3 * color + 3])
        out.append(f"#{color};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        out.append("$".join(_band(rows, color) for color in sorted(set().union(*rows))) + "-")
    out.append("\x1b\\")
    return "".join(out)


def kitty(image: "Image", image_id: int, columns: int, lines: int) -> str:
    """Return the sequences that send the picture and place it at the cursor over `columns` x `lines` cells, answers suppressed."""
    png = BytesIO()
    image.save(png, "PNG")
    data = standard_b64encode(png.getvalue()).decode()
    chunks = [data[start : start + KITTY_CHUNK] for start in range(0, len(data), KITTY_CHUNK)]
    out = []
    for number, chunk in enumerate(chunks):
        more = int(number < len(chunks) - 1)
        first = f"a=T,f=100,i={image_id},p=1,c={columns},r={lines},C=1,q=2," if number == 0 else ""
        out.append(f"\x1b_G{first}m={more};{chunk}\x1b\\")
    return "".join(out)


def kitty_delete(image_id: int) -> str:
    """Return the sequence that removes the picture and forgets its data."""
    return f"\x1b_Ga=d,d=I,i={image_id},q=2\x1b\\"


def _band(rows: list[bytes], color: int) -> str:
    """Return one colour's pixels of a band, run-length encoded."""
    bits = [0] * len(rows[0])
    for number, row in enumerate(rows):
        at = row.find(color)
        while at >= 0:
            bits[at] |= 1 << number
            at = row.find(color, at + 1)
    out, start = [f"#{color}"], 0
    for at in range(1, len(bits) + 1):
        if at == len(bits) or bits[at] != bits[start]:
            count, sign = at - start, chr(63 + bits[start])
            if at == len(bits) and bits[start] == 0:
                break
            out.append(f"!{count}{sign}" if count > 3 else sign * count)
            start = at
    return "".join(out)
