"""Keep a stored token alive: renew it before it expires, and within the server's grace of 7 days after."""

from analyst_cli.client.credentials import Token, claims_of, find_token, store_token
from analyst_cli.client.portal import open_portal
from analyst_cli.client.servers import known_servers
from analyst_cli.errors import ServerRefused, ServerUnreachable, SignInNeeded

__all__ = ["RENEW_BEFORE_S", "is_due", "renewed_token"]

RENEW_BEFORE_S = 10 * 86_400.0  # a token lives 30 days: a machine used once a week never has to sign in again
GRACE_S = 7 * 86_400.0  # section 1.4 of the protocol


def is_due(token: str, now: float) -> bool:
    """Tell whether a token should be renewed now (Unix seconds): it ends soon, or ended less than 7 days ago."""
    try:
        expires_at = claims_of(token).expires_at
    except ValueError:
        return False
    return expires_at is not None and -GRACE_S < expires_at - now < RENEW_BEFORE_S


async def renewed_token(server: str, now: float) -> Token:
    """Return the token for a server, renewed and stored if that is due.

    A renewal that fails while the token is still valid is tried again another time. Raises `SignInNeeded` when there is no token, or it has
    expired and cannot be renewed; `ServerUnreachable` when it has expired and the server cannot be asked.
    """
    token = find_token(server)
    if token.origin == "ANALYST_TOKEN" or not is_due(token.value, now):
        return token
    try:
        async with open_portal(server, token.value) as portal:
            issued = await portal.refresh()
    except (ServerRefused, ServerUnreachable, SignInNeeded):
        expires_at = claims_of(token.value).expires_at
        if expires_at is not None and expires_at > now:
            return token
        raise
    keeps_file = any(known.url == server and known.kept_in == "file" for known in known_servers())
    stored = store_token(server, issued.token, insecure=keeps_file)
    return Token(issued.token, stored.origin)
