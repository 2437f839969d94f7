"""What goes out of a connection, and through what: an event encoded once for all its receivers, and the socket as a connection sees it."""

from collections.abc import Callable
from typing import Protocol

from analyst_server.inbox.log import Event
from analyst_server.wire.codec import notification_text, state_text
from analyst_server.wire.frames import text_frame

__all__ = ["Outgoing", "Outlet", "SendNow"]

SendNow = Callable[[bytes], int]  # hand a frame to the kernel; how many bytes it took. Raises `OSError`


class Outlet(Protocol):
    """The socket, as the connection needs it. None of these waits or raises; one that is closing takes nothing more, and says so like a full one."""

    def send(self, frame: bytes) -> None:
        """Send one frame; the socket buffers what the peer does not take."""

    def sender(self) -> SendNow:
        """Return the short way: to be used only while the socket's buffer is empty, and by one that sends what is not taken through `send`."""

    def close(self, code: int, reason: str) -> None:
        """Send the close frame."""

    def abort(self) -> None:
        """Drop the connection with everything that waits."""

    def hold_reading(self, *, held: bool) -> None:
        """Stop, or go on, taking messages from the peer."""


class Outgoing:
    """One event on its way to all connections of its user: encoded and framed once for each protocol, however many receive it."""

    __slots__ = ("_frame", "_plain", "event", "seq")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.seq: int = event.seq
        self._frame: bytes | None = None
        self._plain: bytes | None = None

    def frame(self) -> bytes:
        """Return the live event as protocol 2 has it."""
        if self._frame is None:
            self._frame = self._framed(replay=False)
        return self._frame

    def replay_frame(self) -> bytes:
        """Return the event as a device gets it that missed it."""
        return self._framed(replay=True)

    def plain_frame(self) -> bytes | None:
        """Return the notification as protocol 1 has it; None: it has no word for this event."""
        if self._plain is None and self.event.is_notification:
            self._plain = text_frame(notification_text(self.event.body))
        return self._plain

    def _framed(self, *, replay: bool) -> bytes:
        encode = notification_text if self.event.is_notification else state_text
        return text_frame(encode(self.event.body, seq=self.seq, replay=replay))
