"""The image store: what it takes, what it makes of it, who sees it, and when it goes (S10 of quality.md)."""

import asyncio
import os
import resource
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from analyst_server.errors import ImageRefused, StoreUnavailable, TooLarge
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.log import NotificationDraft, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.inbox.pictures import MAX_IMAGE_BYTES, clean_png
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.upkeep import keep_up

PETR = User("petr")


def picture(kind: str = "PNG", *, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    written = BytesIO()
    Image.new(mode, size, color=1).save(written, kind, **options)
    return written.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is huge."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


class Desk:
    """A store over a log, with a clock that moves when told."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.folder = folder
        self.log = MemoryInbox(clock=lambda: self.now)
        self.store = ImageStore(folder, self.log, clock=lambda: self.now)

    async def dispatch(self, name: str, *, user: User = PETR) -> None:
        await self.log.append(NotificationDraft(user, f"n-{self.now}-{user}", b"{}", image=name))

    def files(self) -> set[str]:
        return {each.name for each in self.folder.iterdir() if each.suffix == ".png"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "images")


async def test_a_picture_is_stored_once_and_served_to_its_owner_only(desk: Desk) -> None:
    name = await desk.store.put(picture())
    assert await desk.store.put(picture()) == name
    await desk.dispatch(name)
    served = await desk.store.get(PETR, name)
    assert served is not None
    assert Image.open(BytesIO(served)).size == (40, 30)
    assert await desk.store.get(User("eva"), name) is None
    assert desk.files() == {name}
    assert (desk.folder / name).stat().st_mode & 0o777 == 0o600
    assert desk.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_taken(mode: str) -> None:
    assert Image.open(BytesIO(clean_png(picture(mode=mode)))).size == (40, 30)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_mode_of_jpeg_becomes_a_png(mode: str) -> None:
    assert Image.open(BytesIO(clean_png(picture("JPEG", mode=mode)))).format == "PNG"


def test_a_jpeg_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    assert Image.open(BytesIO(clean_png(picture("JPEG", exif=exif)))).size == (30, 40)


def test_nothing_but_pixels_survives() -> None:
    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    polyglot = picture(pnginfo=info, icc_profile=b"secret profile") + b"PK\x03\x04 an archive"
    cleaned = clean_png(polyglot)
    for remnant in (b"script", b"secret", b"PK\x03\x04", b"iCCP", b"tEXt"):
        assert remnant not in cleaned


def test_transparency_survives() -> None:
    cleaned = Image.open(BytesIO(clean_png(picture(mode="L", transparency=1))))
    assert cleaned.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    "stranger",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        picture("GIF"),
        picture("BMP"),
        picture("TIFF"),
    ],
)
def test_other_kinds_are_refused(stranger: bytes) -> None:
    with pytest.raises(ImageRefused, match="neither PNG nor JPEG"):
        clean_png(stranger)


@pytest.mark.parametrize(
    "stranger", [picture()[:-45], picture()[:30], b"\x89PNG\r\n\x1a\n<svg/>", picture("JPEG")[:100], bomb(0, 5)]
)
def test_damaged_pictures_are_refused(stranger: bytes) -> None:
    with pytest.raises(ImageRefused, match="damaged"):
        clean_png(stranger)


@pytest.mark.parametrize("size", [(8_000, 5_001), (30_000, 30_000), (2_000_000_000, 2)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises((TooLarge, ImageRefused)):
        clean_png(bomb(*size))


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(TooLarge, match="10 MB"):
        clean_png(picture() + bytes(MAX_IMAGE_BYTES))


def test_a_photo_that_would_become_huge_is_made_smaller() -> None:
    written = BytesIO()
    noise = os.urandom(2_200 * 2_200 * 3)
    Image.frombytes("RGB", (2_200, 2_200), noise).save(written, "JPEG", quality=70)
    assert len(clean_png(written.getvalue())) < MAX_IMAGE_BYTES


@given(st.data())
def test_only_the_documented_errors_escape(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from([picture(), picture("JPEG"), picture(mode="L", transparency=1)])))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(3, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ImageRefused, TooLarge):
        clean_png(bytes(whole))


async def test_a_file_is_taken_by_its_full_path(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "chart.png").write_bytes(picture())
    assert await desk.store.put_file(str(tmp_path / "chart.png")) == await desk.store.put(picture())


async def test_other_ways_to_a_file_are_refused(desk: Desk, tmp_path: Path) -> None:
    chart = tmp_path / "chart.png"
    chart.write_bytes(picture())
    (tmp_path / "link.png").symlink_to(chart)
    os.mkfifo(tmp_path / "pipe.png")
    for path, why in {
        "chart.png": "absolute",
        f"{tmp_path}/images/../chart.png": "absolute path without",
        f"{tmp_path}/link.png": "symbolic link",
        f"{tmp_path}/pipe.png": "not a file",
        str(tmp_path): "not a file",
        f"{tmp_path}/none.png": "No such file",
        f"{tmp_path}/nul\x00.png": "absolute path without",
        "/proc/self/mem": "cannot be read",  # it opens as a file, and fails when it is read
        "/etc/hostname": "neither PNG nor JPEG",
    }.items():
        with pytest.raises(ImageRefused, match=why):
            await desk.store.put_file(path)


@pytest.mark.parametrize("name", ["../secret", "a.png", "%2e%2e.png", "", "A" * 64 + ".png", "0" * 64 + ".png\n"])
async def test_other_names_are_missing_files(desk: Desk, name: str) -> None:
    await desk.dispatch(name)
    assert await desk.store.get(PETR, name) is None


async def test_a_file_that_is_not_what_its_name_says_is_not_served(desk: Desk, tmp_path: Path) -> None:
    name = await desk.store.put(picture())
    await desk.dispatch(name)
    (desk.folder / name).write_bytes(b"<html>")
    assert await desk.store.get(PETR, name) is None
    (desk.folder / name).unlink()
    (tmp_path / "target").write_bytes(picture())
    (desk.folder / name).symlink_to(tmp_path / "target")
    assert await desk.store.get(PETR, name) is None
    await desk.store.put(picture())
    assert await desk.store.get(PETR, name) is not None


async def test_a_picture_goes_with_its_last_reference_and_not_before(desk: Desk) -> None:
    name = await desk.store.put(picture())
    await desk.dispatch(name)
    await desk.dispatch(name, user=User("eva"))
    desk.now += 100_000
    unreferenced = await desk.store.put(picture(size=(5, 5)))
    assert await desk.store.sweep() == 0
    desk.now += 4_000
    assert await desk.store.sweep() == 1
    assert desk.files() == {name}
    assert unreferenced not in desk.files()
    await desk.log.retain(Retention(max_age_s=1))
    assert await desk.store.sweep() == 1
    assert desk.files() == set()


async def test_a_picture_that_comes_again_is_young_again(desk: Desk) -> None:
    name = await desk.store.put(picture())
    desk.now += 100_000
    await desk.store.put(picture())
    assert await desk.store.sweep() == 0
    assert desk.files() == {name}


async def test_upkeep_cleans_the_log_and_the_folder(desk: Desk) -> None:
    await desk.dispatch(await desk.store.put(picture()))
    desk.now += 100_000
    upkeep = asyncio.create_task(keep_up(desk.log, desk.store, Retention(max_age_s=10), every_s=0.01))
    async with asyncio.timeout(30):
        while desk.files():
            await asyncio.sleep(0.01)
    upkeep.cancel()
    assert (await desk.log.snapshot(PETR)).notifications == ()


async def test_a_full_disk_leaves_no_half_of_a_picture(desk: Desk) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = Image.frombytes("RGB", (200, 200), os.urandom(120_000))
    written = BytesIO()
    noise.save(written, "PNG")
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StoreUnavailable, match="image store cannot be used: File too large"):
            await desk.store.put(written.getvalue())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [each.name for each in desk.folder.iterdir()] == [".lock"]


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    desk = Desk(tmp_path / "images")
    with pytest.raises(StoreUnavailable, match="image store"):
        await desk.store.put(picture())
