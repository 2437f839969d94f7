"""Keep a connection to a gateway: sign in, catch up, stay, come back. Everything that arrives is in the local inbox before it is told.

`follow` is the only entry. The decisions are elsewhere (`ClientSession`, `verdict_of`, `backoff`); this loop only waits, stores and sends. What is
told comes from the inbox, so that what another process of the same person has stored meanwhile is told too, and nothing is told twice.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from analyst_cli import __version__
from analyst_cli.client import backoff
from analyst_cli.client.accounts import Account
from analyst_cli.client.credentials import way_in
from analyst_cli.client.delivery import Delivery, to_the_end
from analyst_cli.client.device import device_id
from analyst_cli.client.events import ClientEvent, Connected, Connecting, ConnectionLost, SignInExpired, Stopped
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.inbox_apply import StaleEpoch
from analyst_cli.client.socket_link import Closed, SocketLink, open_socket
from analyst_cli.client.target import Target, find_ws_url, inbox_for
from analyst_cli.client.tokens import TokenSource
from analyst_cli.errors import LocalProblem, ServerRefused, ServerUnreachable, SettingsProblem, SignInNeeded
from analyst_server.wire.client_session import ClientSession, Phase, SignedIn
from analyst_server.wire.close_codes import CloseCode, Verdict, retry_delay_s
from analyst_server.wire.messages import Cursor

__all__ = ["follow"]

SLEEP_S = 20.0  # a clock that runs ahead of the monotonic one by so much within a tick
TICK_S = 0.5  # how soon marks and changes of other processes are noticed; costs microseconds


@dataclass(slots=True)
class _Line:
    """What survives a connection."""

    target: Target
    tokens: TokenSource
    nudge: asyncio.Event
    delay_s: Callable[[int], float]
    open_inbox: Callable[[Account], Inbox]
    device: str | None
    wall: Callable[[], float]
    inbox: Inbox | None
    told_pos: int  # the newest arrival that was told
    account: Account | None = None  # whose inbox was opened here; None: none yet, or it was given
    ws_url: str | None = None
    attempt: int = 0
    renewals: int = 0


async def follow(
    target: Target,
    *,
    tokens: TokenSource | None = None,
    inbox: Inbox | None = None,
    nudge: asyncio.Event | None = None,
    delay_s: Callable[[int], float] | None = None,
    open_inbox: Callable[[Account], Inbox] = inbox_for,
    device: str | None = None,
    wall: Callable[[], float] = time.time,
) -> AsyncGenerator[ClientEvent, None]:
    """Yield what happens, for ever; end after `Stopped`. Close the iterator to disconnect.

    After `SignInExpired` whoever goes on waits for the person to sign in, in this or another program; with a token of the environment it ends.

    `inbox` is used when it is given, else the one of the account that signs in is opened (and closed at the end). Setting `nudge` connects at once,
    or sends new marks at once. `delay_s` gives the wait before an attempt, `device` another
    name for this device than the machine's, `wall` the clock that goes on while the machine sleeps.
    """
    line = _Line(
        target=target,
        tokens=tokens or TokenSource(target.server),
        nudge=nudge or asyncio.Event(),
        delay_s=delay_s or (lambda attempt: backoff.delay_s(attempt, random.random())),  # noqa: S311 - spreads load, hides nothing
        open_inbox=open_inbox,
        device=device,
        wall=wall,
        inbox=inbox,
        told_pos=0 if inbox is None else inbox.newest_pos(),
    )
    try:
        while True:
            try:
                async with aclosing(_one_connection(line)) as events:
                    async for event in events:
                        yield event
                        if isinstance(event, Stopped):
                            return
            except _Again as again:
                if again.wait_s is None:
                    continue
                yield ConnectionLost(again.problem, again.wait_s)
                await _wait(line, again.wait_s)
            else:  # signed out
                if not await line.tokens.another():
                    return
    finally:
        if inbox is None and line.inbox is not None:
            line.inbox.close()


class _Again(Exception):
    """Connect again after `wait_s`; None: at once, and nobody needs to know."""

    def __init__(self, problem: str, wait_s: float | None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.wait_s = wait_s


async def _one_connection(line: _Line) -> AsyncGenerator[ClientEvent, None]:
    line.attempt += 1
    try:
        token = await line.tokens.token()
        yield Connecting(line.target.server)
        if line.inbox is None and (account := line.tokens.account()) is not None:
            _use_inbox(line, account)
        if line.ws_url is None:
            line.ws_url = await find_ws_url(line.target)
        socket = await open_socket(line.ws_url, line.nudge)
    except SignInNeeded as needed:
        yield SignInExpired(needed.problem, needed.way_out)
        return
    except SettingsProblem as problem:
        yield Stopped(problem.problem, problem.way_out)
        return
    except (ServerUnreachable, ServerRefused, LocalProblem) as lost:
        line.ws_url = None  # it may have moved
        raise _Again(lost.problem, line.delay_s(line.attempt)) from lost
    try:
        since = None if line.inbox is None else await to_the_end(line.inbox.cursor)
        session = ClientSession(
            token=token, device=line.device or device_id(), client=f"analyst-cli/{__version__}", since=since
        )
        async with aclosing(_session_events(line, session, socket, since)) as events:
            async for event in events:
                yield event
    except Closed as closed:
        ended = await _after_close(line, session, closed)
        if ended is not None:
            yield ended
    except StaleEpoch as stale:
        raise _Again("another process has met a newer log of the server", line.delay_s(1)) from stale
    except (
        LocalProblem
    ) as problem:  # locked, or the disk is full: what is not stored is not acknowledged, and comes again
        raise _Again(str(problem), line.delay_s(line.attempt)) from problem
    finally:
        await socket.close()


async def _session_events(
    line: _Line, session: ClientSession, socket: SocketLink, since: Cursor | None
) -> AsyncGenerator[ClientEvent, None]:
    """Feed the session, store, tell and answer until the socket closes. Raises `Closed`, `_Again`."""
    delivery: Delivery | None = None
    await socket.send(session.hello())
    heard_at = now = time.monotonic()
    wall = line.wall()
    while True:
        batch = await socket.receive(within_s=TICK_S)
        slept_s = (line.wall() - wall) - (time.monotonic() - now)
        now, wall = time.monotonic(), line.wall()
        if (
            slept_s > SLEEP_S
        ):  # the monotonic clock stands still meanwhile, and the line is dead without anybody having said so
            raise Closed(CloseCode.TIMEOUT, "this machine has slept, or its clock was set")
        if batch:
            heard_at = now
        elif now - heard_at > session.silence_limit_s:
            raise Closed(CloseCode.TIMEOUT, f"nothing was heard for {session.silence_limit_s:.0f} s")
        events = [event for text in batch for event in session.receive(text)]
        await _send_all(session, socket)  # answers to pings first: storing may take time
        for event in events:
            if isinstance(event, SignedIn):
                delivery = _delivery_for(line, session, event, since)
                yield Connected(line.target.server, event.username, event.protocol)
        if delivery is None:
            continue
        for told in await delivery.take(events, now=now):
            line.told_pos = delivery.told_pos
            yield told
        if session.phase is Phase.LIVE:
            line.attempt = line.renewals = 0
        await _send_all(session, socket)


def _delivery_for(line: _Line, session: ClientSession, signed_in: SignedIn, since: Cursor | None) -> Delivery:
    """Return the way into the inbox of who has signed in. Raises `_Again` when that is another inbox, whose cursor was not sent."""
    if line.inbox is None or (line.account is not None and line.account.user != signed_in.username):
        _use_inbox(line, Account(line.target.server, signed_in.username))
        if line.inbox is not None and line.inbox.cursor() is not None and session.protocol >= 2:
            raise _Again("the inbox of another account is meant", None)
    if line.inbox is None:
        raise AssertionError("an inbox was opened above")
    return Delivery(session, line.inbox, sent=since, told_pos=line.told_pos)


async def _send_all(session: ClientSession, socket: SocketLink) -> None:
    while (message := session.to_send()) is not None:
        await socket.send(message)


async def _after_close(line: _Line, session: ClientSession, closed: Closed) -> ClientEvent | None:
    """Decide what a close means: return the event that ends everything, or raise `_Again`."""
    asked_s = retry_delay_s(closed.reason)
    words = session.refused_words or closed.reason or f"the connection was closed with code {closed.code}"
    match session.verdict(closed.code):
        case Verdict.SIGN_IN:
            line.renewals += 1
            if line.renewals == 1 and await line.tokens.renew():
                raise _Again("the token was renewed", None)
            problem = f"{line.target.server} does not accept the token ({words})"
            return SignInExpired(problem, way_in(line.target.server))
        case Verdict.STOP:
            problem = f"{line.target.server} has too many connections of this user"
            return Stopped(problem, "end an inbox or a watch on this or another machine")
        case Verdict.RECONNECT_LATER:
            raise _Again(words, (asked_s or backoff.MALFORMED_WAIT_S) + line.delay_s(1))
        case Verdict.RECONNECT:
            raise _Again(words, (asked_s or 0.0) + line.delay_s(max(line.attempt, 1)))


def _use_inbox(line: _Line, account: Account) -> None:
    if line.inbox is not None:
        line.inbox.close()
    line.inbox = line.open_inbox(account)
    line.account = account
    line.told_pos = line.inbox.newest_pos()


async def _wait(line: _Line, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await line.nudge.wait()
    line.nudge.clear()
