"""A gateway for each test of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway_world import World, gateway_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_world(tmp_path) as world:
        yield world
