"""A client that marks faster than the store takes it is not read from meanwhile."""

import json
from types import SimpleNamespace
from typing import Any, cast

from analyst_server.gateway.marking import MAX_WAITING_MARKS, Marking
from analyst_server.gateway.metrics import Metrics
from analyst_server.inbox.log import NotificationDraft, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.wire.messages import Mark

PETR = User("petr")


class OneClient:
    """As much of a connection as marks need."""

    def __init__(self) -> None:
        self.hub = SimpleNamespace(log=MemoryInbox(), metrics=Metrics())
        self.user, self.device = PETR, "desk"
        self.sent: list[dict[str, Any]] = []
        self.held: list[tuple[bool, int]] = []  # whether reading was stopped, and after how many answers

    def send(self, text: bytes) -> None:
        self.sent.append(json.loads(text))

    def hold_reading(self, *, held: bool) -> None:
        self.held.append((held, len(self.sent)))


async def test_a_client_with_too_many_marks_is_read_again_when_half_of_them_are_stored() -> None:
    client = OneClient()
    await client.hub.log.append(NotificationDraft(PETR, "n-1", b"{}"))
    marking = Marking(cast("Any", client))
    for number in range(MAX_WAITING_MARKS + 10):  # what was in the socket's buffer comes all the same
        marking.add(Mark(ref=str(number), ids=["n-1"], state="read"))
    assert client.held == [(True, 0)]
    await marking.store_all()
    assert client.held == [(True, 0), (False, MAX_WAITING_MARKS // 2 + 10)]
    assert [answer["ref"] for answer in client.sent] == [str(number) for number in range(MAX_WAITING_MARKS + 10)]
