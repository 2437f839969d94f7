"""One private desktop for all tests of this folder, in one process (the modules' xdist group); a program of its own for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import Program, start_gtk3, windowed

from analyst_cli.desktop.backends.base import Backend
from analyst_cli.desktop.backends.linux import open_backend


@pytest.fixture(scope="session")
def stack() -> Iterator[DesktopStack]:
    """A desktop that all tests share; none of them may break it."""
    with DesktopStack() as running:
        yield running


@pytest.fixture
def own_stack() -> Iterator[DesktopStack]:
    """A desktop that a test may break."""
    with DesktopStack() as running:
        yield running


@pytest.fixture
async def backend(stack: DesktopStack) -> AsyncIterator[Backend]:
    """The backend on the shared desktop."""
    async with open_backend(stack.environ) as opened:
        yield opened


@pytest.fixture
async def program(stack: DesktopStack, backend: Backend, tmp_path: Path) -> AsyncIterator[Program]:
    """Our GTK 3 program, in front."""
    started = start_gtk3(stack, tmp_path)
    try:
        yield await windowed(backend, started)
    finally:
        started.launched.stop()
