"""The ID token of an OpenID Connect provider: which key it names, and whether it proves anything (Core section 3.1.3.7, S1 and S2). Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from analyst_server.errors import TokenRefused

__all__ = ["Expected", "key_id", "usable_keys", "verified_claims"]

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)  # asymmetric alone: a public key must never become the secret of a HMAC
CLOCK_SKEW_S = 60.0
MAX_ID_TOKEN_CHARS = 32_768

# Times are checked against the caller's clock, below.
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "sub"]}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to belong to a sign-in."""

    issuer: str
    client_id: str
    nonce: str


def key_id(id_token: object) -> str:
    """Return which key the token names; nothing else of an unverified token is looked at. Raises `TokenRefused`."""
    if not isinstance(id_token, str) or len(id_token) > MAX_ID_TOKEN_CHARS:
        raise TokenRefused("the provider gave no ID token")
    try:
        header = jwt.get_unverified_header(id_token)
    except jwt.PyJWTError as exc:
        raise TokenRefused("the provider's ID token cannot be read") from exc
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused(f"the provider's ID token is signed with {str(header.get('alg'))[:20]!r}")
    return str(header.get("kid", ""))


def usable_keys(key_set: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the keys of a key set that can sign, by `kid`."""
    listed = key_set.get("keys")
    return {
        str(key.get("kid", "")): key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    }


def verified_claims(id_token: str, key: Mapping[str, Any] | None, expected: Expected, *, now: float) -> dict[str, Any]:
    """Return what a token says that is signed with this key of the provider and meant for this sign-in. Raises `TokenRefused`."""
    if key is None:
        raise TokenRefused("the provider's ID token is signed with an unknown key")
    try:
        signed_with = jwt.PyJWK(dict(key), algorithm=key.get("alg") or jwt.get_unverified_header(id_token)["alg"])
        claims: dict[str, Any] = jwt.decode(
            id_token,
            signed_with,
            algorithms=[signed_with.algorithm_name],
            audience=expected.client_id,
            issuer=expected.issuer,
            options=_OPTIONS,
        )
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise TokenRefused("the provider's ID token is not valid") from exc
    _check_times(claims, now=now)
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != expected.client_id:
        raise TokenRefused("the provider's ID token was made for another program")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()):
        raise TokenRefused("the provider's ID token belongs to another sign-in")
    return claims


def _check_times(claims: Mapping[str, Any], *, now: float) -> None:
    times = [claims["exp"], claims["iat"], claims.get("nbf", 0)]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times):
        raise TokenRefused("the provider's ID token has times that cannot be read")
    expires_at, issued_at, not_before = times
    if now > expires_at + CLOCK_SKEW_S or max(issued_at, not_before) > now + CLOCK_SKEW_S:
        raise TokenRefused("the provider's ID token is not valid now", "check the clocks of both machines")
