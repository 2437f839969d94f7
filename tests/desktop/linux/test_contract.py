"""The X11 desktop keeps the promises of every backend."""

import pytest
from backend_contract import BackendContract
from desktop_world import Program

from analyst_cli.desktop.backends.base import Backend


class TestLinux(BackendContract):
    """The contract on a real display with our GTK 3 program."""

    @pytest.fixture
    async def desktop(self, backend: Backend, program: Program) -> Backend:
        assert program.pid
        return backend
