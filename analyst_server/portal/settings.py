"""What an administrator can set for the portal, and what is refused because it would not be safe."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from analyst_server.errors import ConfigProblem
from analyst_server.identity.oidc import OidcClient

__all__ = ["PortalSettings", "checked", "is_loopback_host"]

_SCHEME = re.compile(r"[a-z][a-z0-9-]*")
_TAKEN = frozenset(
    {"about", "blob", "data", "file", "http", "https", "javascript", "mailto", "tel", "vbscript", "ws", "wss"}
)


@dataclass(frozen=True, slots=True)
class PortalSettings:
    """The portal's part of the settings."""

    data_dir: Path
    public_url: str = (
        ""  # how browsers reach it, without a slash at its end; empty: only on loopback, as the browser asked
    )
    ws_url: str = ""  # where clients find the WebSocket; empty: the portal's host on `ws_port`
    ws_port: int = 8765
    scheme: str = "keboola-analyst"
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-For counts
    dev_user: str = ""  # sign in as this user without asking: loopback only
    link_by_token: bool = True  # give apps of the source system `?token=` (1.4); they know no other way
    download_dir: Path | None = None  # None: `download` in the data folder
    oidc: OidcClient | None = None

    @property
    def downloads(self) -> Path:
        """Folder of what `/download/` serves."""
        return self.download_dir or self.data_dir / "download"


def checked(settings: PortalSettings, *, host: str) -> tuple[str, ...]:
    """Return what to warn about when the portal listens on this host. Raises `ConfigProblem` for what is not safe there."""
    on_loopback = is_loopback_host(host) and (not settings.public_url or is_loopback_host(_host(settings.public_url)))
    if not settings.public_url and not on_loopback:
        raise ConfigProblem(
            f"the portal listens on {host}, which others can reach, without knowing its own address",
            "set portal.public_url (ANALYST_PUBLIC_URL), for instance https://alerts.example.com",
        )
    if settings.public_url:
        _check_public_url(settings.public_url)
    if not _SCHEME.fullmatch(settings.scheme) or settings.scheme in _TAKEN:
        raise ConfigProblem(
            f"portal.scheme {settings.scheme!r} is no URL scheme of its own", "use small letters, digits and dashes"
        )
    if settings.ws_url and urlsplit(settings.ws_url).scheme not in {"ws", "wss"}:
        raise ConfigProblem(
            f"portal.ws_url {settings.ws_url!r} is no WebSocket address", "it begins with wss:// or ws://"
        )
    if settings.dev_user and not on_loopback:
        raise ConfigProblem(
            f"--dev-user {settings.dev_user} would let everybody in who reaches {settings.public_url or host}",
            "use it without a public URL, on 127.0.0.1 only",
        )
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as exc:
            raise ConfigProblem(f"portal.trusted_proxies names {network!r}, which is no address or network") from exc
    if settings.oidc is not None:
        _check_oidc(settings.oidc)
    return (f"anyone on this machine can sign in as {settings.dev_user} (--dev-user)",) if settings.dev_user else ()


def is_loopback_host(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    if host.strip("[]").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_public_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query or parts.username:
        raise ConfigProblem(f"portal.public_url {url!r} is not of the form https://host", "leave path and slash out")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
        raise ConfigProblem(f"portal.public_url {url!r} would send cookies and tokens unprotected", "use https")


def _check_oidc(oidc: OidcClient) -> None:
    parts = urlsplit(oidc.issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_host(parts.hostname or "")):
        raise ConfigProblem(f"portal.oidc_issuer {oidc.issuer!r} is not an https URL")
    if not oidc.client_id:
        raise ConfigProblem("portal.oidc_client_id is empty", "register the portal at the provider and set it")
    if not oidc.allowed_domains and not oidc.username_claim:
        raise ConfigProblem(
            "portal.oidc_allowed_domains is empty, so two people of two domains could have one name",
            "name the domains whose addresses may sign in, or a claim with portal.oidc_username_claim",
        )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
