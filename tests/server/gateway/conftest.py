"""A gateway for each test of this folder, on both event loops: the standard one, and uvloop where it is installed."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.support.gateway_world import Client, World, gateway_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_world(tmp_path) as world:
        yield world


@pytest.fixture
async def control(world: World) -> AsyncIterator[Client]:
    """Another user's connection, which gets its notification after the test as before."""
    client = await world.old_client("control")
    yield client
    answer = await world.dispatch("control")
    assert (await client.hear())["id"] == answer["id"]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on both loops; those of whole processes choose their loop themselves."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None and "process" not in item.nodeid:
        import uvloop  # noqa: PLC0415

        factories["uvloop"] = uvloop.new_event_loop
    return factories
