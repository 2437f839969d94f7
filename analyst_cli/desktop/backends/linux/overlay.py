"""Draw a red frame over an area for a while. Clicks go through it, and so does the test for what a click would reach."""

import asyncio
import contextlib
from typing import Any

from Xlib import X
from Xlib.ext.shape import SK, SO

from analyst_cli.desktop.backends.base import BackendError, Effect, Highlight, Outcome
from analyst_cli.desktop.backends.linux.x_display import XDisplay, root_of
from analyst_cli.desktop.elements import Rect

__all__ = ["Overlay"]

BORDER = 3
TILE = 5  # one pixel in five is red: a fill of 20 % that needs no compositor


class Overlay:
    """The frames that are shown at the moment."""

    def __init__(self, display: XDisplay) -> None:
        self._display = display
        self._removals: set[asyncio.Task[None]] = set()

    async def show(self, action: Highlight) -> Outcome:
        """Show the frame, take it away later."""
        window = await self._display.run(_draw, action.area)
        removal = asyncio.create_task(self._remove_later(window, action.duration_ms / 1000))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return Outcome(effect=Effect.CONFIRMED, method="overlay", verification="the frame is mapped")

    async def _remove_later(self, window: Any, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(BackendError):  # with its server the frame is gone too
                await asyncio.shield(self._display.run(_erase, window))

    async def close(self) -> None:
        """Take every frame away now."""
        removals = list(self._removals)
        for removal in removals:
            removal.cancel()
        await asyncio.gather(*removals, return_exceptions=True)


def _draw(display: Any, area: Rect) -> Any:
    root = root_of(display)
    red = display.screen().default_colormap.alloc_color(0xFFFF, 0, 0).pixel
    width, height = max(1, area.width), max(1, area.height)
    window = root.create_window(
        area.x, area.y, width, height, 0, X.CopyFromParent, background_pixel=red, override_redirect=True, event_mask=0
    )
    mask = _mask(root, width, height)
    window.shape_mask(SO.Set, SK.Bounding, 0, 0, mask)
    window.shape_rectangles(SO.Set, SK.Input, X.Unsorted, 0, 0, [])
    mask.free()
    window.map()
    display.sync()
    return window


def _mask(root: Any, width: int, height: int) -> Any:
    """Make the shape: the whole border, and a fifth of the inside."""
    tile = root.create_pixmap(TILE, TILE, 1)
    paint = tile.create_gc(foreground=0)
    tile.fill_rectangle(paint, 0, 0, TILE, TILE)
    paint.change(foreground=1)
    for row in range(TILE):
        tile.point(paint, 2 * row % TILE, row)
    mask = root.create_pixmap(width, height, 1)
    fill = mask.create_gc(tile=tile, fill_style=X.FillTiled)
    mask.fill_rectangle(fill, 0, 0, width, height)
    fill.change(fill_style=X.FillSolid, foreground=1)
    for x, y, across, down in (
        (0, 0, width, BORDER),
        (0, height - BORDER, width, BORDER),
        (0, 0, BORDER, height),
        (width - BORDER, 0, BORDER, height),
    ):
        mask.fill_rectangle(fill, x, y, across, down)
    for thing in (paint, fill, tile):
        thing.free()
    return mask


def _erase(display: Any, window: Any) -> None:
    window.destroy()
    display.sync()
