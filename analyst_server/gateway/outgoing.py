"""What goes out of a connection, and through what: an event encoded once for all its receivers, and the socket as a connection sees it."""

from typing import Protocol

from analyst_server.inbox.log import Event
from analyst_server.wire.codec import notification_text, state_text

__all__ = ["Outgoing", "Outlet"]


class Outlet(Protocol):
    """The socket, as the connection needs it. None of these waits or raises; a closed socket swallows everything."""

    def send(self, text: bytes) -> None:
        """Send one text message; the socket buffers what the peer does not take."""

    def close(self, code: int, reason: str) -> None:
        """Send the close frame."""

    def abort(self) -> None:
        """Drop the connection with everything that waits."""

    def hold_reading(self, *, held: bool) -> None:
        """Stop, or go on, taking messages from the peer."""


class Outgoing:
    """One event on its way to all connections of its user: encoded once for each protocol, however many receive it."""

    __slots__ = ("_plain", "_text", "event", "seq")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.seq: int = event.seq
        self._text: bytes | None = None
        self._plain: bytes | None = None

    def text(self, *, replay: bool = False) -> bytes:
        """Return the event as protocol 2 has it."""
        if replay or self._text is None:
            encode = notification_text if self.event.is_notification else state_text
            text = encode(self.event.body, seq=self.seq, replay=replay)
            if replay:
                return text
            self._text = text
        return self._text

    def plain_text(self) -> bytes | None:
        """Return the notification as protocol 1 has it; None: it has no word for this event."""
        if self._plain is None and self.event.is_notification:
            self._plain = notification_text(self.event.body)
        return self._plain
