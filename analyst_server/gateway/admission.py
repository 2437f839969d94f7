"""Who may knock: where a handshake comes from, which page of a browser may open one, and how many wrong tokens an address may show. Pure."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["FailureThrottle", "address_of", "origin_allowed", "throttle_key"]

FREE_FAILURES = 30  # S7: so many wrong tokens in a row cost an address nothing
FAILURE_REFILL_S = 60.0  # afterwards one a minute
MAX_TRACKED_ADDRESSES = 10_000  # of the throttle; beyond it the longest untouched is forgotten

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(peer: str, forwarded_for: str | None, *, trusted_proxies: Sequence[Network]) -> str:
    """Return the address that limits count by: the peer, or what a trusted proxy says; empty for a local peer.

    Of `X-Forwarded-For` only the part that trusted proxies have added is believed: the rightmost address that is not one of them.
    """
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    address = peer
    while hops and _within(address, trusted_proxies):
        address = hops.pop()
    return throttle_key(address)


@lru_cache(maxsize=1_024)  # a crowd that comes back at once comes from few networks
def throttle_key(address: str) -> str:
    """Return what to count an address by: IPv6 by its /64, which is one customer; nothing for loopback, which is a proxy or this machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return throttle_key(str(parsed.ipv4_mapped))
        if not parsed.is_loopback:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
    return "" if parsed.is_loopback else str(parsed)


def origin_allowed(origin: str, *, host: str, allowed_origins: Sequence[str]) -> bool:
    """Tell whether a page of this origin may connect: it is this host's own, or one that is configured (S11). Programs send no Origin."""
    own = (f"http://{host}".lower(), f"https://{host}".lower())
    return origin.lower() in (*own, *allowed_origins)


class FailureThrottle:
    """Slow down whoever shows wrong tokens: `FREE_FAILURES` at once, then one a minute."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[float, float]] = {}  # address -> (failures that count, as of when)

    def allows(self, key: str, now: float) -> bool:
        """Tell whether this address may try again."""
        return self._level(key, now) <= FREE_FAILURES - 1

    def failed(self, key: str, now: float) -> None:
        """Count one failure."""
        level = self._level(key, now)
        self._failures.pop(key, None)  # to the end: the order is that of the last failure
        self._failures[key] = (level + 1, now)
        if len(self._failures) > MAX_TRACKED_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def _level(self, key: str, now: float) -> float:
        failures, since = self._failures.get(key, (0.0, now))
        return max(0.0, failures - (now - since) / FAILURE_REFILL_S)


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
