"""The image store: every chart once, under the SHA-256 of what is served, in a folder that only the gateway's account reads.

A picture is checked and encoded anew on the way in (`pictures.py`), off the event loop. Who may see it is answered by the log's references;
everybody else gets what a missing file gets. Files go some time after their last reference, never while a dispatch is about to refer to them.
"""

import asyncio
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from analyst_server.errors import ImageRefused, StoreUnavailable
from analyst_server.inbox.log import User
from analyst_server.inbox.pictures import MAX_IMAGE_BYTES, clean_png

__all__ = ["ImageReferences", "ImageStore"]

_NAME = re.compile(r"[0-9a-f]{64}\.png")
_AT_ONCE = 2  # pictures decoded at the same time: 160 MB each at worst
_GRACE_S = 3600.0  # between a picture's arrival and the notification that refers to it; a dispatch takes seconds


class ImageReferences(Protocol):
    """What the log knows of images."""

    async def may_read(self, user: User, name: str) -> bool:
        """Tell whether the user has a notification that refers to the image. Raises `StoreUnavailable`."""

    async def referenced(self, names: Collection[str]) -> frozenset[str]:
        """Return those of the names to which any notification refers. Raises `StoreUnavailable`."""


class ImageStore:
    """A folder of PNG files. Several processes may share it."""

    def __init__(self, folder: Path, references: ImageReferences, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._references = references
        self._clock = clock
        self._decoding = asyncio.Semaphore(_AT_ONCE)

    async def put(self, image: bytes) -> str:
        """Store a picture and return its name. Raises `ImageRefused`, `TooLarge`, `StoreUnavailable`."""
        async with self._decoding:
            return await asyncio.to_thread(self._put, image)

    async def put_file(self, path: str) -> str:
        """Store the picture of a file that the gateway can read; no link, no device, no way around by `..`. Raises as `put`."""
        async with self._decoding:
            return await asyncio.to_thread(lambda: self._put(_read_picture(path)))

    async def get(self, user: User, name: str) -> bytes | None:
        """Return a picture; None: there is none, or none for this user, or the file is not what its name says. Raises `StoreUnavailable`."""
        if not _NAME.fullmatch(name) or not await self._references.may_read(user, name):
            return None
        return await asyncio.to_thread(self._get, name)

    async def sweep(self, *, grace_s: float = _GRACE_S) -> int:
        """Remove what nothing refers to and nobody has stored lately; return how many files. Raises `StoreUnavailable`."""
        names = await asyncio.to_thread(self._names)
        needless = frozenset(names) - await self._references.referenced(names)
        return await asyncio.to_thread(self._remove, needless, self._clock() - grace_s)

    def _put(self, image: bytes) -> str:
        png = clean_png(image)
        name = f"{sha256(png).hexdigest()}.png"
        with _system_errors(), self._locked(fcntl.LOCK_SH):
            now = self._clock()
            if self._get(name) is None:
                _write_durably(self._folder / name, png)
            os.utime(self._folder / name, (now, now))  # it is young again, whatever referred to it before
        return name

    def _get(self, name: str) -> bytes | None:
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            png = file.read()
        return png if sha256(png).hexdigest() == name.removesuffix(".png") else None

    def _names(self) -> list[str]:
        with _system_errors():
            return (
                [each.name for each in self._folder.iterdir() if _NAME.fullmatch(each.name)]
                if self._folder.is_dir()
                else []
            )

    def _remove(self, names: Collection[str], before: float) -> int:
        removed = 0
        with _system_errors(), self._locked(fcntl.LOCK_EX):
            for name in names:
                path = self._folder / name
                if path.lstat().st_mtime <= before:
                    path.unlink()
                    removed += 1
        return removed

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the folder's lock: whoever removes is alone, so that nothing vanishes between its check and its reference."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def _read_picture(path: str) -> bytes:
    """Return the content of a plain file, at most one byte over the limit."""
    if not path.startswith("/") or ".." in path.split("/") or "\x00" in path:
        raise ImageRefused("image_path is not an absolute path without '..'", "name the file by its full path")
    try:
        # O_NONBLOCK: a named pipe must not hold the thread for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ImageRefused("image_path is not a file", "name a PNG or JPEG file")
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)  # fails on a bad disk, and for files that only look like one
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise ImageRefused("image_path is a symbolic link", "name the file itself") from exc
        raise ImageRefused(
            f"image_path cannot be read: {os.strerror(exc.errno or 0)}", "let the gateway's account read it"
        ) from exc


def _write_durably(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a crash of the machine."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _system_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StoreUnavailable(
            f"the image store cannot be used: {os.strerror(exc.errno or 0)}",
            "look at its disk and permissions",
        ) from exc
