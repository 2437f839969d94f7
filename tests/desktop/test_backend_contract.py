"""The fake desktop keeps the promises of every backend."""

from collections.abc import AsyncIterator

import pytest
from backend_contract import BackendContract
from fake_desktop_world import button, desktop_of

from analyst_cli.desktop.backends.base import Backend
from analyst_cli.desktop.backends.fake import open_backend

PROGRAM = desktop_of(
    button("increment", "Increment", press=[{"set": "count", "title": "1"}]),
    button("twin-1", "Twin", at=(200, 10)),
    button("twin-2", "Twin", at=(300, 10)),
    button("disabled", "Disabled", at=(400, 10), enabled=False),
    {"id": "count", "role": "AXStaticText", "title": "0", "frame": [500, 10, 50, 24]},
    {
        "id": "name",
        "role": "AXTextField",
        "title": "name entry",
        "value": "",
        "editable": True,
        "frame": [10, 60, 200, 24],
    },
    {
        "id": "secret",
        "role": "AXSecureTextField",
        "title": "password entry",
        "value": "",
        "editable": True,
        "secure": True,
        "frame": [10, 90, 200, 24],
    },
)


class TestFake(BackendContract):
    """The contract on a scripted desktop."""

    @pytest.fixture
    async def desktop(self) -> AsyncIterator[Backend]:
        async with open_backend(PROGRAM) as backend:
            yield backend
