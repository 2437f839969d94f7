"""A host with a fake desktop for every test that wants one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.fake_desktop_world import World, desktop_world


@pytest.fixture(autouse=True)
def _own_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKSPACE_ROOT", raising=False)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Serve the desktop `REPORT`; callers may approve themselves and do everything."""
    async with desktop_world(tmp_path) as opened:
        yield opened
