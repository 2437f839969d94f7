"""Bearer tokens of devices: issue, verify, refresh (section 1.3 of the protocol). Pure: the caller passes `now`, in seconds since 1970.

A token is a JWT, signed with HS256 and nothing else. What a token says is believed after `Tokens.verify` alone; whether it was revoked
since is the business of `portal.authentication`, which asks the accounts.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from analyst_server.errors import ConfigProblem, TokenRefused
from analyst_server.identity.principal import Principal

__all__ = [
    "DEFAULT_ISSUER",
    "LIFETIME_S",
    "REFRESH_GRACE_S",
    "IssuedToken",
    "TokenKeys",
    "Tokens",
    "check_secret",
    "new_secret",
    "new_token_id",
]

DEFAULT_ISSUER = "data-analyst"
LIFETIME_S = 30 * 86_400  # the source system's 30 days
REFRESH_GRACE_S = 7 * 86_400  # how long after its expiry a token may still be exchanged for a new one
CLOCK_SKEW_S = 60  # a machine whose clock is this much ahead may have issued the token (`iat`, `nbf`)
MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: a key of the size of the hash or larger
MAX_TOKEN_CHARS = 8_192  # what proxies allow for a header line; ours have about 250


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The secret that signs, and during a rotation the one before it, accepted until a moment (None: until it is taken away)."""

    current: str
    previous: str | None = None
    previous_until: float | None = None

    def __post_init__(self) -> None:
        check_secret(self.current, setting="DESKTOP_JWT_SECRET")
        if self.previous is not None:
            check_secret(self.previous, setting="DESKTOP_JWT_SECRET_PREVIOUS")

    def accepted(self, *, now: float) -> tuple[str, ...]:
        """Return the secrets that a token may be signed with now, the signing one first."""
        if self.previous is None or (self.previous_until is not None and now >= self.previous_until):
            return (self.current,)
        return (self.current, self.previous)

    def __repr__(self) -> str:
        return "TokenKeys(…)"  # a settings dump or a traceback shows no secret


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and what it says."""

    token: str
    principal: Principal

    def __repr__(self) -> str:
        return f"IssuedToken(…, {self.principal!r})"


class Tokens:
    """Issue and verify tokens under one set of keys and one issuer name."""

    def __init__(self, keys: TokenKeys, *, issuer: str = DEFAULT_ISSUER) -> None:
        self._keys = keys
        self.issuer = issuer

    def issue(
        self, username: str, *, now: float, device: str = "", token_id: str = "", lifetime_s: float = LIFETIME_S
    ) -> IssuedToken:
        """Make a token for a user's device; `token_id` is random unless given."""
        token_id = token_id or new_token_id()
        issued_at, expires_at = int(now), int(now + lifetime_s)
        claims: dict[str, Any] = {
            "sub": username,
            "iat": issued_at,
            "exp": expires_at,
            "iss": self.issuer,
            "jti": token_id,
        }
        if device:
            claims["device"] = device
        token = jwt.encode(claims, self._keys.current, algorithm="HS256")
        return IssuedToken(token, Principal(username, device, token_id, expires_at, issued_at))

    def verify(self, token: str, *, now: float, issuer_required: bool = True) -> Principal:
        """Return what a valid token says. Raises `TokenRefused`.

        `issuer_required=False` is the compatibility setting of the WebSocket alone: tokens without `iss` pass, a wrong one never does.
        """
        principal = self._signed(token, now=now, issuer_required=issuer_required)
        if now >= principal.expires_at:
            raise TokenRefused("the token has expired", "sign in again: analyst login")
        return principal

    def verify_for_refresh(self, token: str, *, now: float) -> Principal:
        """Return what a token says that may be exchanged for a new one: valid, or expired less than 7 days ago. Raises `TokenRefused`."""
        principal = self._signed(token, now=now, issuer_required=True)
        if now >= principal.expires_at + REFRESH_GRACE_S:
            raise TokenRefused("the token expired more than 7 days ago", "sign in again: analyst login")
        return principal

    def refresh(self, token: str, *, now: float) -> IssuedToken:
        """Exchange a token for a new one of the same user and device. Raises `TokenRefused`."""
        known = self.verify_for_refresh(token, now=now)
        return self.issue(known.username, now=now, device=known.device)

    def _signed(self, token: str, *, now: float, issuer_required: bool) -> Principal:
        claims = self._claims(token, now=now)
        issuer = claims.get("iss")
        if issuer is None and issuer_required:
            raise TokenRefused("the token names no issuer")
        if issuer is not None and issuer != self.issuer:
            raise TokenRefused("the token is of another issuer")
        if "aud" in claims:  # ours have none: this one was made for somebody else
            raise TokenRefused("the token is meant for another audience")
        return _principal(claims, token, now=now)

    def _claims(self, token: str, *, now: float) -> Mapping[str, Any]:
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS:
            raise TokenRefused("the token is not valid")
        for secret in self._keys.accepted(now=now):
            try:
                payload = _jws.decode(token, secret, algorithms=["HS256"])  # the algorithm is never the token's choice
                return _decode_claims(payload)  # they are checked below: times against the caller's clock
            except (jwt.PyJWTError, msgspec.DecodeError):
                continue
        raise TokenRefused("the token is not valid", "sign in again: analyst login")


def check_secret(secret: str, *, setting: str) -> None:
    """Raise `ConfigProblem` if a secret is too short to sign with."""
    size = len(secret.encode())
    if size < MIN_SECRET_BYTES:
        raise ConfigProblem(
            f"{setting} has {size} bytes, fewer than {MIN_SECRET_BYTES}",
            "make one with: python -c 'import secrets; print(secrets.token_hex(32))'",
        )


def new_token_id() -> str:
    """Return a random id for a token (`jti`)."""
    return "t-" + secrets.token_urlsafe(12)


def new_secret() -> str:
    """Return a new random secret in the form that `DESKTOP_JWT_SECRET` has: 32 bytes as hex."""
    return secrets.token_hex(32)


def _principal(claims: Mapping[str, Any], token: str, *, now: float) -> Principal:
    username = claims.get("sub")
    if not isinstance(username, str) or not username:
        raise TokenRefused("the token names no user")
    expires_at, issued_at, not_before = (_time(claims.get(name, default)) for name, default in _TIMES.items())
    if max(issued_at, not_before) > now + CLOCK_SKEW_S:
        raise TokenRefused("the token is not valid yet")
    device, token_id = claims.get("device", ""), claims.get("jti")
    if not isinstance(device, str):
        raise TokenRefused("the token's device cannot be read")
    if (
        not isinstance(token_id, str) or not token_id
    ):  # tokens of the source system have none, and must be revocable all the same
        token_id = "sha256-" + hashlib.sha256(token.encode()).hexdigest()[:32]
    return Principal(username, device, token_id, expires_at, issued_at)


def _time(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME_S:
        return value
    raise TokenRefused("the token's times cannot be read")


_TIMES: dict[str, int | None] = {"exp": None, "iat": 0, "nbf": 0}  # `exp` has no default: every token ends
_END_OF_TIME_S = 1e11  # the year 5138: what lies behind is a mistake in the unit


class _Hs256(HMACAlgorithm):
    """HS256 that looks once at each key: whether it is really a key of another kind, which costs as much as the rest of a token."""

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)
        self._prepared: dict[str | bytes, bytes] = {}

    def prepare_key(self, key: str | bytes) -> bytes:
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = super().prepare_key(key)
        return prepared


_jws = jwt.PyJWS(algorithms=[])
_jws.register_algorithm("HS256", _Hs256())
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode
