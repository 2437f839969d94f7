"""A gateway for each test of this folder, on both event loops: the standard one, and uvloop where it is installed."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.support.gateway_world import World, gateway_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_world(tmp_path) as world:
        yield world


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on both loops; those of whole processes choose their loop themselves."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None and "process" not in item.nodeid:
        import uvloop  # noqa: PLC0415

        factories["uvloop"] = uvloop.new_event_loop
    return factories
