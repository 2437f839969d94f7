"""What a mark makes of a notification's state. Server and client derive state with this one function, so they cannot disagree."""

from msgspec.structs import replace

from analyst_server.wire.messages import NotificationState

__all__ = ["after_mark"]

_CHANGES: dict[str, dict[str, bool]] = {
    "read": {"read": True},
    "unread": {"read": False},
    "archived": {"archived": True},
    "unarchived": {"archived": False},
    "acknowledged": {"acknowledged": True},
}


def after_mark(state: NotificationState, mark: str, *, until: str | None = None) -> NotificationState:
    """Return the state after a mark; an unknown mark (of a newer server) changes nothing. Marking twice is the same as once."""
    if mark == "snoozed":
        return replace(state, snoozed_until=until)
    return replace(state, **_CHANGES.get(mark, {}))
