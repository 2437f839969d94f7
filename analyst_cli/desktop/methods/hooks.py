"""Test hooks, behind two gates (R-TH): the host was started with them, and the request says `_testMode: true`."""

from typing import Any

from msgspec import UNSET

from analyst_cli.desktop.call import Call
from analyst_cli.desktop.elements import Handle, Modal, Node
from analyst_cli.desktop.params import EmptyParams, InjectParams, MockModal

__all__ = ["clear", "inject"]


async def inject(call: Call[InjectParams]) -> dict[str, Any]:
    """Let waitUntil on this connection see modals that are not there."""
    modals = tuple(_modal(mock, number) for number, mock in enumerate(call.params.mock_modals))
    call.host.inject_modals(call.peer, modals)
    return {"injected": True, "mockModalsCount": len(modals)}


async def clear(call: Call[EmptyParams]) -> dict[str, Any]:
    """Forget them."""
    call.host.inject_modals(call.peer, ())
    return {"cleared": True}


def _modal(mock: MockModal, number: int) -> Modal:
    title = mock.title if mock.title is not UNSET else None
    return Modal(
        element=Node(handle=Handle(f"injected:{number}"), role=mock.role, title=title, pid=mock.pid),
        app_id="injected",
        blocking=True,
    )
