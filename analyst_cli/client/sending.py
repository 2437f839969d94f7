"""Send the pending marks over a connection of its own, if the server answers within seconds; for commands that do not stay."""

import asyncio
from contextlib import aclosing

from analyst_cli.client.connection import follow
from analyst_cli.client.events import (
    CaughtUp,
    Connected,
    ConnectionLost,
    MarkConfirmed,
    MarkFailed,
    SignInExpired,
    StateChanged,
    Stopped,
)
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.target import Target, local_inbox, target_of
from analyst_cli.errors import AnalystError

__all__ = ["send_pending"]

PATIENCE_S = 4.0  # people wait at the prompt; what is not sent stays queued


def send_pending(server: str | None) -> str:
    """Send what is pending; return an empty string, or why it could not be sent now."""
    try:
        target = target_of(server)
        with local_inbox(server) as inbox:
            return asyncio.run(_send(target, inbox))
    except AnalystError as error:
        return error.problem


async def _send(target: Target, inbox: Inbox) -> str:
    problem = "the server does not answer"
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(follow(target, delay_s=lambda _: PATIENCE_S)) as events:
            async for event in events:
                match event:
                    case (
                        ConnectionLost(problem=words)
                        | SignInExpired(problem=words)
                        | Stopped(problem=words)
                        | MarkFailed(problem=words)
                    ):
                        return words
                    case Connected():
                        problem = "it did not confirm in time"
                    case CaughtUp() | MarkConfirmed() | StateChanged():  # the last: another program may send it
                        if not inbox.pending():
                            return ""
                    case _:
                        pass
    except TimeoutError:
        return problem
    return problem
