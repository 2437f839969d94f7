"""How often somebody may fail (S7): 30 failures, then one a minute, per address and per user. Pure.

A bucket holds the failures that are left; it refills by one a minute. Success costs nothing, so honest people behind one address are not locked
out by each other's successes.
"""

import ipaddress
from dataclasses import dataclass

__all__ = ["MAX_FAILURES", "REFILL_S", "Bucket", "address_key", "after_failure", "wait_s"]

MAX_FAILURES = 30
REFILL_S = 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many failures were left at a moment."""

    left: float = MAX_FAILURES
    at: float = 0.0  # Unix time in seconds

    def left_at(self, now: float) -> float:
        """Return how many failures are left now."""
        return min(MAX_FAILURES, self.left + max(0.0, now - self.at) / REFILL_S)


def wait_s(bucket: Bucket, *, now: float) -> float:
    """Return how long to wait until the next try is allowed; 0 when it is allowed now."""
    missing = 1.0 - bucket.left_at(now)
    return 0.0 if missing <= 1e-6 else missing * REFILL_S


def after_failure(bucket: Bucket, *, now: float) -> Bucket:
    """Return the bucket after one more failure."""
    return Bucket(max(0.0, bucket.left_at(now) - 1.0), now)


def address_key(address: str) -> str:
    """Return what is counted for an address: an IPv6 network of /64, which one person has for themselves, or an IPv4 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address:{parsed}"
