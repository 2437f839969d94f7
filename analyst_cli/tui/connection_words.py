"""What happens to the connection, in the words and signs that the inbox shows. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from textual.message import Message

from analyst_cli.client.events import (
    CaughtUp,
    ClientEvent,
    Connected,
    ConnectionLost,
    MarkFailed,
    SignInExpired,
    Stopped,
)
from analyst_cli.tui.messages import LinkChanged, Said, StoreChanged
from analyst_cli.tui.text import count_of
from analyst_cli.tui.widgets.status_bar import Link

__all__ = ["told"]


def told(event: ClientEvent, now: datetime) -> Iterator[Message]:
    """Yield the messages for the inbox screen that an event leads to."""
    match event:
        case Connected():
            yield LinkChanged(Link("live", now))
        case ConnectionLost(problem, retry_in_s):
            yield LinkChanged(Link("waiting", now, retry_at=now + timedelta(seconds=retry_in_s), reason=problem))
        case CaughtUp(count, _, gap):
            words = f"{count_of(count, 'new notification')} while you were away" if count else ""
            if words or gap:
                yield Said("; ".join(filter(None, [words, gap])))
            yield StoreChanged()
        case MarkFailed(problem):
            yield Said(problem, is_problem=True)
        case SignInExpired() | Stopped():
            yield LinkChanged(
                Link("stopped", now, reason="signed out" if isinstance(event, SignInExpired) else "stopped")
            )
            yield Said(f"{event.problem}; {event.way_out}", is_problem=True)
        case _:
            yield StoreChanged()
