"""Who stands behind a verified token: what the gateway and the portal know of a caller, and nothing more."""

from dataclasses import dataclass

__all__ = ["Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A person on a device. Made only from a verified token or session, never from what a client says of itself."""

    username: str
    device: str  # empty: the token names none (issued by the source system)
    token_id: str  # the token's `jti`; empty: it has none, so it can be revoked only with its user
    expires_at: float  # Unix time in seconds; a socket of this principal closes then
    issued_at: float = 0.0  # Unix time in seconds; "sign out everywhere" refuses what is older
