"""The portal under test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.portal_world import World, portal_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A portal with default settings on loopback."""
    async with portal_world(tmp_path) as served:
        yield served
