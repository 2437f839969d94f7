"""Charts of notifications: fetched from the portal when they are wanted, kept in the cache folder under the name the server gave them.

Names of this server's charts are hashes of their content (protocol 2.6), so a cached one is never stale; what does not fit that is fetched anew.
"""

import hashlib
import re
from pathlib import Path

from analyst_cli import paths
from analyst_cli.client.servers import replace_file
from analyst_cli.errors import LocalProblem, NotFound, ServerRefused, SettingsProblem

__all__ = ["cached_chart", "fetched_chart"]

_NAME = re.compile(r"/api/notifications/images/([A-Za-z0-9_-]+\.png)")  # protocol 1.4
_CONTENT_HASH = re.compile(r"[0-9a-f]{64}\.png")


def cached_chart(server: str, image_url: str) -> Path | None:
    """Return the file of a chart that is here already; None when it has to be fetched."""
    path = _path(server, image_url)
    return path if path is not None and _CONTENT_HASH.fullmatch(path.name) and path.is_file() else None


async def fetched_chart(server: str, token: str, image_url: str) -> Path:
    """Return the file of a chart, fetched with the person's token where it is not here yet.

    Raises `ServerUnreachable`, `ServerRefused`, `SignInNeeded`, `NotFound` for an address that is no chart of this server, `LocalProblem`.
    """
    known = cached_chart(server, image_url)
    if known is not None:
        return known
    path = _path(server, image_url)
    if path is None:
        raise NotFound(f"{image_url!r} is not the address of a chart")
    if not server.startswith("http"):
        raise SettingsProblem("charts come from a portal, and only a gateway is named", "name the portal with --server")
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415 - aiohttp costs 150 ms

    async with open_portal(server, token) as portal:
        try:
            content = await portal.image(image_url)
        except ServerRefused as refused:
            raise NotFound(
                "the server does not have this chart any more", "old charts go with their notifications"
            ) from refused
    try:
        replace_file(path, content)
    except OSError as exc:
        raise LocalProblem(
            f"{path} cannot be written ({exc.strerror})", "check the folder's owner and free space"
        ) from exc
    return path


def _path(server: str, image_url: str) -> Path | None:
    found = _NAME.fullmatch(image_url)
    folder = hashlib.sha256(server.encode()).hexdigest()[:12]  # two servers may use one name for two charts
    return None if found is None else paths.cache_dir() / "charts" / folder / found[1]
