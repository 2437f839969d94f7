"""The log's regular upkeep: retention, and the images that nothing refers to any more. Started by the composition root as one task."""

import asyncio
import logging
from typing import Protocol

from analyst_server.errors import StoreUnavailable
from analyst_server.inbox.images import ImageStore
from analyst_server.inbox.retention import Purged, Retention

__all__ = ["Retained", "keep_up"]

_log = logging.getLogger(__name__)
_EVERY_S = 600.0  # a user's log passes its bound by at most what arrives in this time


class Retained(Protocol):
    """A log from which old events can be removed."""

    async def retain(self, retention: Retention) -> Purged:
        """Remove what is too old or too much. Raises `StoreUnavailable`."""


async def keep_up(log: Retained, images: ImageStore, retention: Retention, *, every_s: float = _EVERY_S) -> None:
    """Keep the log within its bounds until cancelled; a store that cannot be used now is tried again next time."""
    while True:
        try:
            purged = await log.retain(retention)
            swept = await images.sweep()
        except StoreUnavailable as exc:
            _log.warning("nothing was cleaned up: %s", exc)
        else:
            if purged.events or swept:
                _log.info("retention removed %d events and %d images", purged.events, swept)
        await asyncio.sleep(every_s)
