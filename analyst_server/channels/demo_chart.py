"""The chart of `/test`: drawn with Pillow alone, so that the bot needs no plotting library."""

import io
import math

from PIL import Image, ImageDraw

__all__ = ["demo_chart"]

WIDTH, HEIGHT, MARGIN = 800, 400, 40


def demo_chart() -> bytes:
    """Return a small line chart as PNG."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(5):
        y = MARGIN + line * (HEIGHT - 2 * MARGIN) / 4
        draw.line((MARGIN, y, WIDTH - MARGIN, y), fill="#e5e7eb")
    points = [
        (MARGIN + step * (WIDTH - 2 * MARGIN) / 60, HEIGHT / 2 - 90 * math.sin(step / 9) - 1.2 * step + 30)
        for step in range(61)
    ]
    draw.line(points, fill="#2563eb", width=4, joint="curve")
    x, y = points[-1]
    draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill="#dc2626")
    draw.text((MARGIN, 12), "analyst: this chart and its text came in one message", fill="#111827")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
