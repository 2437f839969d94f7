"""The Linux desktop keeps the promises of every backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_contract import BackendContract
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Program, start_gtk3, windowed

from analyst_cli.desktop.backends.base import Backend

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]


@pytest.fixture(scope="module")
def shared_program(stack: DesktopStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for all promises: none of them leaves it in a state that another minds."""
    started = start_gtk3(stack, Path(tmp_path_factory.mktemp("program")))
    yield started
    started.launched.stop()


class TestLinux(BackendContract):
    """The contract on a real desktop."""

    @pytest.fixture
    async def desktop(self, backend: Backend, shared_program: Program) -> Backend:
        await windowed(backend, shared_program)
        return backend
