"""One gateway for all scenarios that need none of their own."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.harness import Gateway, Scale, World
from tests.delivery.readers import warmed_up


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        gateway = Gateway(Path(folder))
        gateway.start()
        yield gateway
        assert gateway.stop() == 0
        gateway.assert_no_traceback()


@pytest.fixture(scope="module")
def baseline(gateway: Gateway) -> tuple[int, float]:
    """Return descriptors and MB of the gateway when it is warm, before the first scenario."""
    return asyncio.run(warmed_up(gateway, World(gateway.folder, gateway, seed=0, scale=Scale())))


@pytest.fixture
def world(gateway: Gateway, baseline: tuple[int, float]) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        yield World(Path(folder), gateway, seed=20261121, scale=Scale())
