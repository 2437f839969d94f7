"""Charts: drawn from numbers, from pictures, in words; and what the terminal can."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from analyst_cli.client.accounts import Account, inbox_path, remember
from analyst_cli.client.inbox import Inbox
from analyst_cli.paths import cache_dir
from analyst_cli.tui.charts.describe import describe, number, sound
from analyst_cli.tui.charts.detect import Abilities, abilities_from_answer, abilities_from_environment, cell_size
from analyst_cli.tui.charts.half import PictureUnreadable, half_cells, open_picture
from analyst_cli.tui.charts.painter import Painter
from analyst_cli.tui.charts.pixels import KITTY_CHUNK, fitted, kitty, sixel
from analyst_cli.tui.charts.plot import draw, round_levels
from analyst_server.wire.messages import Chart, Series
from tests.cli.tui.conftest import CHART, NOW, notification, receive

INKS = [(90, 170, 230), (120, 200, 120)]


def picture(width: int = 200, height: int = 100) -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).rectangle((width // 2, 0, width, height), fill=(200, 0, 0))
    return image


def decoded_sixel(sequence: str) -> Image.Image:
    """Read a Sixel sequence as a terminal does: palette, bands of six, run lengths."""
    width, height = map(int, re.search(r'"1;1;(\d+);(\d+)', sequence).group(1, 2))
    image, palette, color, x, top = Image.new("RGB", (width, height)), {}, 0, 0, 0
    body = sequence[sequence.index("q") + 1 :].removesuffix("\x1b\\")
    for definition, repeat, sign in re.findall(r'#(\d+(?:;\d+){0,4})|(?:!(\d+))?([?-~$-])|"[\d;]+', body):
        if definition:
            color, *parts = map(int, definition.split(";"))
            if parts:
                palette[color] = tuple(round(part * 255 / 100) for part in parts[1:])
        elif sign == "$":
            x = 0
        elif sign == "-":
            x, top = 0, top + 6
        elif sign:
            columns = range(x, x + int(repeat or 1))
            rows = [top + bit for bit in range(6) if (ord(sign) - 63) >> bit & 1 and top + bit < height]
            for at in ((column, row) for column in columns for row in rows):
                image.putpixel(at, palette[color])
            x = columns.stop
    return image


def test_a_line_chart_is_drawn_in_its_cells_with_axes_names_and_mark() -> None:
    drawn = draw(CHART, 80, 16, INKS, (255, 0, 0)).plain
    lines = drawn.split("\n")
    assert len(lines) == 16
    assert all(len(line) <= 80 for line in lines)
    for words in ("Daily revenue, EU", "revenue", "target", "2026-09-01", "●", "⠒"):
        assert words in drawn


@pytest.mark.parametrize(
    "chart",
    [
        Chart(kind="bar", x=["a", "b"], series=[Series(y=[1, -2], name="x")], mark=1),
        Chart(kind="bar", series=[Series(y=[1, 2]), Series(y=[3, None])]),
        Chart(kind="line", series=[Series(y=[5.0])]),
        Chart(kind="line", series=[Series(y=[None, 1.0, None, 2.0, 3.0])], mark=99),
        Chart(kind="line", series=[Series(y=[0.0] * 500)]),
        Chart(kind="line", title="\x1b]0;x\x07 [red]", x=["\x1b[2J", "b"], series=[Series(y=[1, 2], name="\u202e")]),
    ],
)
@pytest.mark.parametrize("size", [(24, 7), (120, 18)])
def test_every_sound_chart_can_be_drawn_and_told_inertly(chart: Chart, size: tuple[int, int]) -> None:
    assert sound(chart)
    drawn = draw(chart, *size, INKS, "red").plain
    assert drawn.count("\n") == size[1] - 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", drawn + describe(chart))


@given(
    st.lists(st.lists(st.none() | st.floats(-1e14, 1e14), max_size=12), max_size=5).map(
        lambda series: Chart(kind="line", series=[Series(y=y) for y in series], mark=2)
    )
)
def test_any_numbers_are_drawn_or_refused(chart: Chart) -> None:
    if sound(chart):
        draw(chart, 40, 9, INKS, "red")
        describe(chart)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0, 10], [0, 2, 4, 6, 8, 10]),
        ([71.2, 112.7], [80, 90, 100, 110]),
        ([5, 5], [5]),
        ([-0.03, 0.02], [-0.02, 0, 0.02]),
    ],
)
def test_the_y_axis_has_round_numbers(values: list[float], levels: list[float]) -> None:
    assert round_levels(values, 4) == levels


def test_charts_without_numbers_or_with_absurd_ones_are_refused() -> None:
    for series in ([], [[]], [[None]], [[1e300]], [[float("nan")]], [[1.0] * 501], [[1.0]] * 6):
        assert not sound(Chart(kind="line", series=[Series(y=y) for y in series]))


def test_a_chart_is_told_in_a_sentence_with_what_matters() -> None:
    chart = Chart(
        kind="line", title="Revenue", x=["Mon", "Tue", "Wed"], series=[Series(name="EU", y=[3, 1250.5, 2])], mark=1
    )
    assert describe(chart) == (
        "Line chart “Revenue” of 3 points from Mon to Wed. EU: last 2, least 2 (Wed), greatest 1\u202f250 (Tue). Marked: Tue, 1\u202f250."
    ).replace("1\u202f250", number(1250.5))


def test_half_cells_keep_the_shape_and_the_colours() -> None:
    strips = half_cells(picture(), 40, 30)
    assert [strip.cell_length for strip in strips] == [40] * 10
    left, right = strips[5].crop(2, 3), strips[5].crop(37, 38)
    assert next(iter(left)).style.color.name == "#ffffff"
    assert next(iter(right)).style.color.name == "#c80000"


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, b"GIF89a"])
def test_a_broken_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(PictureUnreadable):
        open_picture(path)


def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    with pytest.raises(PictureUnreadable):
        open_picture(path)


def test_sixel_says_the_same_picture() -> None:
    image = picture(90, 45)
    seen = decoded_sixel(sixel(image))
    assert seen.size == image.size
    for at in ((3, 3), (80, 3), (3, 44), (80, 44)):
        assert max(abs(a - b) for a, b in zip(seen.getpixel(at), image.getpixel(at), strict=True)) <= 3


def test_kitty_sends_the_same_picture_in_chunks_without_asking_for_answers() -> None:
    image = Image.effect_noise((120, 90), 90).convert("RGB")
    sequence = kitty(image, 7, 12, 5)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{head};{data}\x1b\\" for head, data in chunks) == sequence
    assert "a=T,f=100,i=7" in chunks[0][0]
    assert "c=12,r=5" in chunks[0][0]
    assert "q=2" in chunks[0][0]
    assert [head[-3:] for head, _ in chunks] == ["m=1"] * (len(chunks) - 1) + ["m=0"]
    assert all(len(data) <= KITTY_CHUNK for _, data in chunks)
    assert Image.open(BytesIO(base64.b64decode("".join(data for _, data in chunks)))).tobytes() == image.tobytes()


def test_a_picture_is_fitted_keeping_its_shape_and_not_blown_up() -> None:
    assert fitted(picture(200, 100), 100, 100).size == (100, 50)
    assert fitted(picture(20, 10), 1000, 1000).size == (40, 20)
    assert Painter(picture(800, 400), Abilities("sixel", 10, 20)).lines_for(60, 18) == 15


@pytest.mark.parametrize(
    ("environ", "images"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "screen-256color", "TMUX": "/tmp/x", "KITTY_WINDOW_ID": "1"}, "half"),
        ({"TERM": "dumb"}, "half"),
        ({}, "half"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7000"}, "half"),
        ({"TERM": "xterm-256color"}, None),
    ],
)
def test_the_environment_tells_first_what_the_terminal_can(environ: dict[str, str], images: str | None) -> None:
    found = abilities_from_environment(environ)
    assert (found.images if found else None) == images


def test_a_cell_is_what_the_window_tells_and_nonsense_is_not_believed() -> None:
    assert cell_size(128, 42, 1155, 799) == (9, 19)
    for told in ((0, 0, 0, 0), (80, 24, 0, 0), (80, 24, 80, 24), (1, 1, 60_000, 60_000)):
        assert cell_size(*told) is None


@pytest.mark.real("Xvfb", "xterm", "python:mss")
@pytest.mark.xdist_group("terminal")
def test_a_real_xterm_shows_the_picture_in_pixels_and_takes_it_away(tmp_path: Path) -> None:
    account = Account("http://127.0.0.1:9", "petr")
    remember(account)
    name = "a" * 64 + ".png"
    path = cache_dir() / "charts" / hashlib.sha256(account.server.encode()).hexdigest()[:12] / name
    path.parent.mkdir(parents=True)
    stripes = Image.new("RGB", (300, 150), (20, 200, 20))
    for x in range(0, 300, 10):  # narrower than a cell, so that only real pixels can show both colours
        stripes.paste((250, 20, 200), (x, 0, x + 5, 150))
    stripes.save(path)
    with Inbox(inbox_path(account)) as inbox:
        shown = notification("n-1", "With a picture", at=NOW, image_url=f"/api/notifications/images/{name}")
        receive(inbox, [notification("n-0", "Without", at=NOW - 60), shown])
    with x_display(tmp_path) as display:
        patiently = (  # a busy machine may keep xterm from answering in time
            "import sys; from analyst_cli.app import run; from analyst_cli.tui.charts import detect; "
            "detect._DEADLINE_S = 30; sys.exit(run(['inbox', '--offline']))"
        )
        command = [sys.executable, "-c", patiently]
        environ = {name: value for name, value in os.environ.items() if name not in {"TMUX", "NO_COLOR", "STY"}}
        xterm = subprocess.Popen(
            [
                "xterm",
                "-ti",
                "vt340",
                "-xrm",
                "XTerm*numColorRegisters: 256",
                "-fa",
                "DejaVu Sans Mono",
                "-fs",
                "11",
                "-geometry",
                "120x40",
                "-e",
                *command,
            ],
            env=environ | {"DISPLAY": display, "ANALYST_SERVER": account.server},
        )
        try:
            wait_for_pixels(display, (250, 20, 200), least=5_000)
            press(display, "j")
            wait_for_pixels(display, (250, 20, 200), most=0)
            press(display, "k")
            wait_for_pixels(display, (250, 20, 200), least=5_000)
        finally:
            xterm.kill()
            xterm.wait()


@contextmanager
def x_display(folder: Path) -> Iterator[str]:
    """Start an X server on a free display."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x800x24", "-nolisten", "tcp"],
        pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def wait_for_pixels(display: str, color: tuple[int, int, int], *, least: int = 0, most: int = 10**9) -> None:
    """Look at the screen until about this colour covers so many pixels."""
    from mss import MSS  # noqa: PLC0415 - an extra

    end = time.monotonic() + 40
    while True:
        with MSS(display=display) as screen:
            grabbed = screen.grab(screen.monitors[0])
        image = Image.frombytes("RGB", grabbed.size, grabbed.rgb)
        near = [
            part.point(lambda value, wanted=wanted: 255 * (abs(value - wanted) <= 30))
            for part, wanted in zip(image.split(), color, strict=True)
        ]
        both = ImageChops.multiply(ImageChops.multiply(near[0], near[1]), near[2])
        count = both.histogram()[255]
        if least <= count <= most:
            return
        assert time.monotonic() < end, f"{count} pixels are {color}"
        time.sleep(0.1)  # an X server tells nobody that it has drawn


def press(display: str, key: str) -> None:
    from Xlib import XK, X  # noqa: PLC0415
    from Xlib.display import Display  # noqa: PLC0415
    from Xlib.ext import xtest  # noqa: PLC0415

    connection = Display(display)
    code = connection.keysym_to_keycode(XK.string_to_keysym(key))
    for kind in (X.KeyPress, X.KeyRelease):
        xtest.fake_input(connection, kind, code)
    connection.sync()
    connection.close()


@pytest.mark.parametrize(
    ("answer", "abilities"),
    [
        ("", Abilities()),
        ("\x1b[?62;c", Abilities()),
        ("\x1b[?64;1;2;4;6c", Abilities("sixel")),
        ("\x1b[6;18;9t\x1b[?62;4c", Abilities("sixel", 9, 18)),
        ("\x1b[6;0;0t\x1b[?62;4c", Abilities("sixel")),
        ("\x1b[?62;14c", Abilities()),
    ],
)
def test_the_answer_of_a_terminal_is_read(answer: str, abilities: Abilities) -> None:
    assert abilities_from_answer(answer) == abilities
