"""The token of a connection: found, renewed when that is due, read again when the server refuses it."""

import asyncio
import os
import time
from collections.abc import Callable

from analyst_cli.client.accounts import Account, last_account
from analyst_cli.client.credentials import claims_of, find_token
from analyst_cli.client.servers import last_sign_in
from analyst_cli.errors import AnalystError

__all__ = ["TokenSource"]

LOOK_S = 1.0  # how soon a sign-in of another program is noticed; costs microseconds


class TokenSource:
    """Where a connection gets its token from, and whose it is."""

    def __init__(self, server: str, *, clock: Callable[[], float] = time.time) -> None:
        self._server = server
        self._clock = clock
        self._token: str | None = None

    async def token(self) -> str:
        """Return the token, renewed if it ends soon. Raises `SignInNeeded`, and `ServerUnreachable` when an expired one cannot be renewed."""
        found = await asyncio.to_thread(find_token, self._server)  # a keyring may take its time
        if found.origin != "ANALYST_TOKEN" and _is_due(found.value, self._clock()):
            from analyst_cli.client.renewal import renewed_token  # noqa: PLC0415 - aiohttp costs 150 ms

            found = await renewed_token(self._server, self._clock())
        self._token = found.value
        return found.value

    def account(self) -> Account | None:
        """Return whose token it is, as it says itself, else who was connected last: decides which inbox is opened, and nothing else."""
        if self._token is None:
            return None
        try:
            return Account(self._server, claims_of(self._token).username)
        except ValueError:  # not a JWT
            return last_account(self._server)

    async def renew(self) -> bool:
        """Look for another token after a refusal: of a new sign-in, or by renewal; tell whether there is one."""
        refused = self._token
        try:
            return await self.token() != refused
        except AnalystError:
            return False

    async def another(self) -> bool:
        """Wait until somebody has signed in with another token than the last one; False: none can come, as the environment names the token.

        The keyring is asked only after a sign-in: a locked one would ask the person for its password each time.
        """
        if os.environ.get("ANALYST_TOKEN"):
            return False
        looked_at: object = "never"
        while (signed_in := last_sign_in()) == looked_at or not await self.renew():
            looked_at = signed_in
            await asyncio.sleep(LOOK_S)
        return True


def _is_due(token: str, now: float) -> bool:
    from analyst_cli.client.renewal import is_due  # noqa: PLC0415

    return is_due(token, now)
