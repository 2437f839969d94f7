"""Where a request came from, and whether a browser sent it on behalf of another site. Decisions only."""

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from analyst_server.portal.settings import is_loopback_host

__all__ = ["SAFE_METHODS", "client_address", "cross_site_problem", "own_origin"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def own_origin(public_url: str, host: str) -> str:
    """Return the portal's origin: as configured, else as a loopback browser asked; empty when the Host is none that we serve.

    Refusing other hosts defeats DNS rebinding, where a name of a stranger points to 127.0.0.1.
    """
    if public_url:
        return public_url
    try:
        parts = urlsplit(f"http://{host}")
        port = parts.port
    except ValueError:
        return ""
    if parts.username is not None or parts.path or not is_loopback_host(parts.hostname or ""):
        return ""
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"http://{name}:{port}" if port else f"http://{name}"


def cross_site_problem(method: str, headers: Mapping[str, str], *, origin: str, has_cookie: bool) -> str:
    """Return why a request that changes something may not come from where it comes from, or an empty string (S5).

    A browser tells `Sec-Fetch-Site` or `Origin` with every POST. A request that carries the session's cookie and tells neither is refused;
    programs without cookies send neither, and need a bearer token.
    """
    if method in SAFE_METHODS:
        return ""
    site, sent_origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None and site != "same-origin":
        return f"sent by another site (Sec-Fetch-Site: {site[:20]})"
    if sent_origin is not None and sent_origin != origin:
        return "sent by another site (its Origin differs)"
    if has_cookie and site is None and sent_origin is None:
        return "it does not tell which site sent it"
    return ""


def client_address(peer: str, forwarded_for: str, trusted_proxies: Sequence[str]) -> str:
    """Return the address of the client: the peer, unless that is a trusted proxy; then the last one that no trusted proxy added (S3)."""
    address = peer
    for hop in reversed([hop.strip() for hop in forwarded_for.split(",") if hop.strip()]):
        if not _is_trusted(address, trusted_proxies):
            break
        address = hop
    return address[:64]


def _is_trusted(address: str, trusted_proxies: Sequence[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in trusted_proxies)
