"""Settings: one frozen dataclass a part, each value from its default, then the TOML file, then the environment, then a flag. The later wins.

A part declares its settings with `setting` and stands in `Settings`; the table for `--help` and the documentation, the names of the environment
variables and the checks follow from that (`config_sources.py`). A key that no part knows is an error, in the file and in the environment.
"""

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_server.config_sources import SettingRow, read_sources, rows_of, setting

__all__ = [
    "GatewaySettings",
    "IdentitySettings",
    "PortalSettings",
    "RunnerSettings",
    "Settings",
    "StoreSettings",
    "TelegramSettings",
    "is_loopback",
    "load_settings",
    "setting_rows",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """WebSocket listener and dispatch socket."""

    host: str = setting("127.0.0.1", "address of the WebSocket listener", env="WS_GATEWAY_HOST")
    port: int = setting(8765, "its port; 0: any free one", env="WS_GATEWAY_PORT", least=0, most=65535)
    socket: Path | None = setting(
        None,
        "path of the dispatch socket (default: /run/ws-gateway/ws.sock where that folder is writable, else a private one)",
        env="WS_DISPATCH_SOCKET",
    )
    heartbeat_s: float = setting(30.0, "seconds between pings", env="HEARTBEAT_INTERVAL_SECONDS", least=0.05, most=3600)
    heartbeat_missed: int = setting(
        3, "pings without an answer that end a connection", env="HEARTBEAT_TIMEOUT_MISSED", least=1, most=100
    )
    auth_timeout_s: float = setting(10.0, "seconds until a client must have shown its token", least=0.05, most=300)
    connections_per_user: int = setting(
        5, "connections of one user", env="MAX_CONNECTIONS_PER_USER", least=1, most=100_000
    )
    connections_per_address: int = setting(
        100, "connections of one address (IPv6: of one /64); loopback is not counted", least=1, most=1_000_000
    )
    connections: int = setting(10_000, "connections in all", least=1, most=1_000_000)
    user_rate: int = setting(
        20_000, "notifications to one user in 10 s, beyond which they are refused; 0: no limit", least=0
    )
    user_day_bytes: int = setting(
        1_000_000_000, "bytes of notifications to one user in a day, without pictures; 0: no limit", least=0
    )
    user_day_images: int = setting(5_000, "pictures to one user in a day; 0: no limit", least=0)
    allowed_origins: tuple[str, ...] = setting(
        (), "web pages of other hosts that may connect, for instance https://portal.example.com"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "addresses or networks whose X-Forwarded-For is believed, for instance 127.0.0.1"
    )
    metrics_port: int = setting(
        0, "also serve /metrics and /health on this port of 127.0.0.1; 0: do not", least=0, most=65535
    )
    drain_s: float = setting(15.0, "seconds that a shutdown waits for clients and requests", least=0, most=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """The log of events."""

    data_dir: Path | None = setting(
        None, "folder of the log, the images and the accounts (default: the person's data folder)"
    )
    synchronous: str = setting(
        "FULL",
        "FULL: an accepted alert survives a power cut; NORMAL: faster, and the last ones may not",
        choices=("FULL", "NORMAL"),
    )
    keep_days: float = setting(90.0, "days after which events go", least=0.01, most=36_500)
    keep_notifications: int = setting(10_000, "newest notifications of a user that stay", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Tokens."""

    secret: str = setting(
        "",
        "signs the tokens: 32 random bytes as hex; made and kept on a first run on loopback",
        env="DESKTOP_JWT_SECRET",
        secret=True,
    )
    previous_secret: str = setting(
        "", "still accepted while secrets are changed", env="DESKTOP_JWT_SECRET_PREVIOUS", secret=True
    )
    previous_secret_until: str = setting(
        "",
        "until when, for instance 2026-12-31T00:00:00Z; empty: until it is taken away",
        env="DESKTOP_JWT_SECRET_PREVIOUS_UNTIL",
    )
    issuer: str = setting("data-analyst", "claim `iss` of the tokens")
    accept_tokens_without_issuer: bool = setting(True, "take tokens of the source system's portal on the WebSocket")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSettings:
    """The web portal."""

    enabled: bool = setting(True, "serve the portal")
    host: str = setting("127.0.0.1", "address of the portal")
    port: int = setting(8766, "its port; 0: any free one", least=0, most=65535)
    public_url: str = setting(
        "",
        "how browsers reach it, for instance https://alerts.example.com; empty: on loopback, as the browser asks",
        env="ANALYST_PUBLIC_URL",
    )
    ws_url: str = setting("", "where clients find the WebSocket; empty: at the portal's host")
    scheme: str = setting("keboola-analyst", "scheme of the URL that ends a sign-in")
    trusted_proxies: tuple[str, ...] = setting((), "addresses or networks whose X-Forwarded-For is believed")
    dev_user: str = setting("", "let everybody on this machine in as this user; loopback only")
    link_by_token: bool = setting(True, "give apps of the source system their token in the URL; they know no other way")
    download_dir: Path | None = setting(None, "folder of what /download/ serves (default: download in the data folder)")
    oidc_issuer: str = setting(
        "", "sign-in provider, for instance https://accounts.google.com; empty: invitations only"
    )
    oidc_client_id: str = setting("", "this portal's name at the provider")
    oidc_client_secret: str = setting("", "its secret there; empty: PKCE alone", secret=True)
    oidc_allowed_domains: tuple[str, ...] = setting((), "domains of the verified addresses that may sign in")
    oidc_username_claim: str = setting("", "claim that is the user name; empty: the local part of the address")
    oidc_scopes: tuple[str, ...] = setting(("openid", "email", "profile"), "what is asked of the provider")
    oidc_label: str = setting("", "what the button says; empty: the provider's host")


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings:
    """The Telegram bot."""

    enabled: bool = setting(False, "run the bot in this process (analyst telegram serve runs it in one of its own)")
    token: str = setting("", "token of the bot; empty: no Telegram", env="TELEGRAM_BOT_TOKEN", secret=True)
    socket: Path | None = setting(None, "path of the bot socket, as /run/notify-bot/bot.sock; empty: none")
    api_url: str = setting("https://api.telegram.org", "the Bot API, or a server of one's own")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Scripts that people start from the portal and from Telegram (`analyst runner` has settings of its own)."""

    enabled: bool = setting(True, "let people list and run their scripts")
    group: str = setting("dataread", "group of the accounts that may have scripts")
    command: tuple[str, ...] = setting((), "the analyst that sudoers allows; empty: the one of the PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All parts."""

    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    identity: IdentitySettings = IdentitySettings()
    portal: PortalSettings = PortalSettings()
    telegram: TelegramSettings = TelegramSettings()
    runner: RunnerSettings = RunnerSettings()


_PARTS: dict[str, type] = {each.name: each.type for each in dataclasses.fields(Settings) if isinstance(each.type, type)}


def load_settings(
    *, file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Return the settings and, for every key that is not at its default, where it comes from. Raises `ConfigProblem`.

    `flags` maps `part.name` to a value of the right type or to its text; None stands for a flag that was not given.
    """
    values, origins = read_sources(_PARTS, file=file, environ=environ, flags=flags or {})
    return Settings(**{part: kind(**values[part]) for part, kind in _PARTS.items()}), origins


def setting_rows() -> Iterator[SettingRow]:
    """Return every setting, for `--help` and the documentation."""
    return rows_of(_PARTS)


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
