"""From a cursor to live: honour it or send a snapshot, read the log to its end, and hand over to the live events without a seam."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyst_server.errors import CursorLost, StoreUnavailable
from analyst_server.gateway.outgoing import Outgoing
from analyst_server.inbox.log import Event, Seq, User
from analyst_server.wire.close_codes import CloseCode, close_reason
from analyst_server.wire.codec import encode_message, notification_text
from analyst_server.wire.gateway_session import Refuse, StreamMerge, cursor_reason
from analyst_server.wire.messages import Auth, RecoveryReason, ReplayDone

if TYPE_CHECKING:
    from analyst_server.gateway.connection import Connection

__all__ = ["catch_up"]

PAGE_EVENTS = 256  # read from the log at once
RETRY_AFTER_STORE_TROUBLE_S = 10


async def catch_up(connection: "Connection", stream: StreamMerge[Outgoing], auth: Auth) -> None:
    """Bring a device of protocol 2 up to date; its live events are held by the stream meanwhile. Raises nothing."""
    try:
        await _replay(connection, stream, auth)
    except CursorLost:  # retention has overtaken the replay: the cursor with which the client returns tells it
        connection.refuse(Refuse(CloseCode.GOING_AWAY, "the log was cut during the replay; reconnect with the cursor"))
    except StoreUnavailable as exc:
        retry = close_reason(f"the log cannot be read: {exc.problem}", retry_s=RETRY_AFTER_STORE_TROUBLE_S)
        connection.refuse(Refuse(CloseCode.AT_CAPACITY, retry))
    except TimeoutError:
        connection.too_slow()


async def _replay(connection: "Connection", stream: StreamMerge[Outgoing], auth: Auth) -> None:
    log, user = connection.hub.log, connection.user
    page, reason = await _honour(connection, user, auth)
    if reason is None:
        head = stream.position
        if page:
            head = page[-1].seq if len(page) < PAGE_EVENTS else (await log.snapshot(user, limit=0)).seq
        connection.welcome(head)
        connection.start_from(stream.position)
    else:
        await _send_snapshot(connection, stream, user, reason)
        page = ()  # what came after the snapshot was told live, for the connection had joined before
    while connection.signed_in:
        for event in page:
            outgoing = Outgoing(event)
            if stream.read_from_log(outgoing):
                connection.send_event(outgoing, outgoing.replay_frame())
                connection.hub.metrics.events_replayed += 1
            if not await _still_there(connection):
                return
        if not page and _go_live(connection, stream):
            return
        page = await log.read(user, after=Seq(stream.position), limit=PAGE_EVENTS)


async def _honour(connection: "Connection", user: User, auth: Auth) -> tuple[Sequence[Event], RecoveryReason | None]:
    """Return the first page after the cursor, or why there is none."""
    log = connection.hub.log
    reason = cursor_reason(auth.since, epoch=log.epoch)
    if reason is None and auth.since is not None:
        try:
            return await log.read(user, after=Seq(auth.since.seq), limit=PAGE_EVENTS), None
        except CursorLost as exc:
            reason = "ahead" if exc.reason == "ahead" else "expired"
    return (), reason


async def _send_snapshot(
    connection: "Connection", stream: StreamMerge[Outgoing], user: User, reason: RecoveryReason
) -> None:
    snapshot = await connection.hub.log.snapshot(user)
    connection.hub.metrics.snapshots += 1
    stream.position = snapshot.seq
    connection.welcome(snapshot.seq, reason)
    for stored in snapshot.notifications:
        connection.send(notification_text(stored.body, seq=stored.seq, snapshot_state=stored.state))
        if not await _still_there(connection):
            return
    first = snapshot.notifications[0].seq if snapshot.notifications else snapshot.seq + 1
    connection.start_from(snapshot.seq, snapshot_after=first - 1)


async def _still_there(connection: "Connection") -> bool:
    """Wait until the reader has taken what was sent; False: the connection has ended. Raises `TimeoutError`."""
    if connection.queue.paused and connection.signed_in:
        await connection.queue.until_drained()
    return connection.signed_in


def _go_live(connection: "Connection", stream: StreamMerge[Outgoing]) -> bool:
    position = stream.position
    held = stream.end_of_log()
    if held is None:
        return False
    connection.send(encode_message(ReplayDone(position)))
    for outgoing in held:
        connection.send_event(outgoing, outgoing.frame())
    connection.now_live()
    return True
