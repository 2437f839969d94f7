"""One gateway for all scenarios that need none of their own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.harness import Gateway, Scale, World


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        gateway = Gateway(Path(folder))
        gateway.start()
        yield gateway
        assert gateway.stop() == 0
        gateway.assert_no_traceback()


@pytest.fixture
def world(gateway: Gateway) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="analyst-") as folder:
        yield World(Path(folder), gateway, seed=20261121, scale=Scale())
