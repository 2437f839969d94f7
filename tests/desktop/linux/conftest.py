"""One private desktop for all tests of this folder, in one process; a program of its own for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, start_gtk3, windowed

from analyst_cli.desktop.backends.base import Backend
from analyst_cli.desktop.backends.linux import open_backend


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that need a display together: they share one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and any(name.endswith("stack") for name in getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real(*COMPONENTS))
            item.add_marker(pytest.mark.xdist_group("desktop"))


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
