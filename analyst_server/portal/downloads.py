"""`/download/`: what the administrator puts there, as in the source system (the desktop app's archive)."""

import re
from dataclasses import dataclass
from pathlib import Path

import humanize
from aiohttp import web

from analyst_server.portal.pages import page
from analyst_server.portal.parts import PARTS
from analyst_server.portal.sessions import session_user

__all__ = ["ROUTES", "Download", "downloadable"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ +-]{0,200}", re.ASCII)  # no hidden files, no separators


@dataclass(frozen=True, slots=True)
class Download:
    """A file that can be downloaded."""

    name: str
    size: str


def downloadable(folder: Path) -> list[Download]:
    """Return the plain files of the folder by name; links and hidden files are not offered."""
    try:
        found = sorted(path for path in folder.iterdir() if _is_offered(path))
        return [Download(path.name, humanize.naturalsize(path.stat().st_size)) for path in found]
    except OSError:  # no folder: nothing is offered
        return []


async def index(request: web.Request) -> web.Response:
    """List the files."""
    parts = request.app[PARTS]
    found = await parts.database.run(downloadable, parts.settings.downloads)
    return page("downloads.html", user=await session_user(request), downloads=found)


async def download(request: web.Request) -> web.StreamResponse:
    """Send a file, as a file: never shown by the browser in the portal's name."""
    parts = request.app[PARTS]
    name = request.match_info["name"]  # may hold a slash: `%2F` is decoded before it comes here
    if not _NAME.fullmatch(name):
        raise web.HTTPNotFound
    path = parts.settings.downloads / name
    if not await parts.database.run(_is_offered, path):
        raise web.HTTPNotFound
    return web.FileResponse(
        path,
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{path.name}"',
            "Cache-Control": "no-cache",
        },
    )


def _is_offered(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None and not path.is_symlink() and path.is_file()


ROUTES = [
    web.get("/download", index),
    web.get("/download/", index),
    web.get("/download/{name}", download),
]
