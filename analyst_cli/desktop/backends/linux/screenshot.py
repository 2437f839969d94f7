"""Pictures of the display: mss reads the pixels, what nobody may see is blackened, zlib packs them; all in one thread of its own."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ParamSpec, TypeVar

from mss import MSS
from mss.exception import ScreenShotError
from mss.tools import to_png

from analyst_cli.desktop.backends.base import BackendLost, CaptureRequest, Frame, PermissionMissing
from analyst_cli.desktop.backends.linux.one_thread import OneThread
from analyst_cli.desktop.backends.linux.x_display import NO_DISPLAY, display_name
from analyst_cli.desktop.elements import Display, Permission, Rect

__all__ = ["Camera"]

P = ParamSpec("P")
T = TypeVar("T")

COMPRESSION_LEVEL = 3  # as fast as level 1 on screens, and half of the time of level 6 for 5 % more bytes
CLOSE_TIMEOUT_S = 0.5
CAPTURE_TIMEOUT_S = 10.0  # a noisy 4k picture takes 1 s to pack


class Camera:
    """Takes pictures over a connection that is opened on first use and again after it was lost."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._thread = OneThread("camera")
        self._screen: Any = None

    async def capture(self, request: CaptureRequest) -> tuple[Frame, ...]:
        """Take the pictures, main display first."""
        return await self._run(self._capture, request)

    async def displays(self) -> tuple[Display, ...]:
        """Give the displays, main first. Reading one pixel shows that a picture can be taken."""
        return await self._run(self._displays)

    async def close(self) -> None:
        """Close the connection and end the thread; a silent server is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._thread.run(self._drop)
        self._thread.stop()

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with asyncio.timeout(CAPTURE_TIMEOUT_S):
                return await self._thread.run(lambda: self._guarded(partial(function, *args, **kwargs)))
        except TimeoutError as exc:
            raise BackendLost("the X server does not answer") from exc

    def _guarded(self, work: Callable[[], T]) -> T:
        if self._screen is None:
            self._screen = self._open()
        try:
            return work()
        except (ScreenShotError, OSError, AssertionError) as exc:  # mss 10.2 asserts that a dead server answers
            self._drop()
            raise BackendLost("the X server gives no picture") from exc

    def _open(self) -> Any:
        name = display_name(self._environ)
        try:
            return MSS(display=name)
        except (ScreenShotError, OSError) as exc:
            raise PermissionMissing(
                Permission.SCREEN_RECORDING, f"no X server answers at {name}; {NO_DISPLAY}"
            ) from exc

    def _drop(self) -> None:
        screen, self._screen = self._screen, None
        with contextlib.suppress(Exception):  # it is broken already
            if screen is not None:
                screen.close()

    def _displays(self) -> tuple[Display, ...]:
        self._screen.grab({"left": 0, "top": 0, "width": 1, "height": 1})
        return self._list_displays()

    def _list_displays(self) -> tuple[Display, ...]:
        monitors = self._screen.monitors[1:]  # the first entry is all of them together
        main = next((index for index, monitor in enumerate(monitors) if monitor.get("is_primary")), 0)
        found = [
            Display(
                display_id=str(monitor.get("output") or monitor.get("name") or f"display-{index}"),
                frame=Rect(monitor["left"], monitor["top"], monitor["width"], monitor["height"]),
                main=index == main,
            )
            for index, monitor in enumerate(monitors)
        ]
        return tuple(sorted(found, key=lambda display: not display.main))

    def _capture(self, request: CaptureRequest) -> tuple[Frame, ...]:
        displays = self._list_displays()
        wanted = displays if request.displays == "all" else displays[:1]
        frames = []
        for display in wanted:
            area = display.frame
            if request.region is not None and display.main:
                area = _common(request.region, display.frame)
                if area.empty:
                    continue
            frames.append(self._picture(display.display_id, area, request))
        return tuple(frames)

    def _picture(self, display_id: str, area: Rect, request: CaptureRequest) -> Frame:
        captured_at = time.time()
        shot = self._screen.grab({"left": area.x, "top": area.y, "width": area.width, "height": area.height})
        for hidden in request.blank:
            _blacken(shot.raw, area, _common(hidden, area))
        pixels, size = shot.rgb, (area.width, area.height)
        if request.max_width is not None and request.max_width < area.width:
            pixels, size = _scaled(pixels, size, request.max_width)
        png = to_png(pixels, size, level=COMPRESSION_LEVEL)
        return Frame(
            display_id=display_id, area=area, width=size[0], height=size[1], png=png or b"", captured_at=captured_at
        )


def _common(one: Rect, other: Rect) -> Rect:
    left, top = max(one.x, other.x), max(one.y, other.y)
    right, bottom = min(one.x + one.width, other.x + other.width), min(one.y + one.height, other.y + other.height)
    return Rect(left, top, max(0, right - left), max(0, bottom - top))


def _blacken(raw: bytearray, area: Rect, hidden: Rect) -> None:
    """Overwrite the pixels (4 bytes each) of a rectangle before anything else sees them."""
    black = bytes(4 * hidden.width)
    for row in range(hidden.y - area.y, hidden.y - area.y + hidden.height):
        start = 4 * (row * area.width + hidden.x - area.x)
        raw[start : start + len(black)] = black


def _scaled(pixels: bytes, size: tuple[int, int], width: int) -> tuple[bytes, tuple[int, int]]:
    from PIL import Image  # noqa: PLC0415 - 30 ms, and few ask for it

    height = max(1, round(size[1] * width / size[0]))
    image = Image.frombytes("RGB", size, pixels).resize((width, height), Image.Resampling.BOX)
    return image.tobytes(), (width, height)
