"""Rules of what is handed out to be used once: sign-in codes, device codes, invitations (section 2.7 of the protocol). Pure.

Whoever stores one keeps `digest(secret)` alone, so that a stolen database opens nothing.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlencode, urlsplit

from analyst_server.errors import RequestRefused
from analyst_server.wire.inert import inert_line

__all__ = [
    "CODE_LIFETIME_S",
    "DEVICE_CODE_LIFETIME_S",
    "INVITE_LIFETIME_S",
    "POLL_INTERVAL_S",
    "SIGN_IN_LIFETIME_S",
    "DeviceGrant",
    "LinkRequest",
    "PollAnswer",
    "challenge_of",
    "digest",
    "link_request",
    "new_secret_text",
    "new_user_code",
    "normal_user_code",
    "poll_answer",
    "return_address",
    "username_problem",
    "verifier_matches",
]

CODE_LIFETIME_S = 60  # section 2.7
DEVICE_CODE_LIFETIME_S = 600
POLL_INTERVAL_S = 3  # RFC 8628 section 3.2 would default to 5
SIGN_IN_LIFETIME_S = 600  # S5: `state` and `nonce` live 10 minutes at most
INVITE_LIFETIME_S = 7 * 86_400
MAX_DEVICE_CHARS = 64
MAX_STATE_CHARS = 512

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 section 6.1: no vowels, so no words; 20^8 = 2.6e10 codes
_BEGIN_ANEW = "begin the sign-in anew where you started it: analyst login"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636: SHA-256 as base64url without padding
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_STATE = re.compile(r"[\x21-\x7e]{8,512}")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a client asks the person to authorize. Without `challenge` it is an app of the source system, which takes `?token=`."""

    device: str = ""
    challenge: str = ""
    state: str = ""
    redirect_uri: str = ""  # empty: the custom URL scheme

    @property
    def as_query(self) -> dict[str, str]:
        """The parameters of `/desktop/link` that ask for the same."""
        named = {
            "code_challenge": self.challenge,
            "state": self.state,
            "device": self.device,
            "redirect_uri": self.redirect_uri,
        }
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """A device code as it is stored."""

    device: str
    expires_at: float
    interval_s: float
    last_poll_at: float | None = None
    username: str | None = None  # who approved it
    denied: bool = False


class PollAnswer(Enum):
    """What a poll of a device code is told (RFC 8628 section 3.5); the values are the words of the wire."""

    APPROVED = "approved"
    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


def new_secret_text() -> str:
    """Return 256 random bits for a URL, a cookie or a header."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what to store of a random secret. A plain hash is enough: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def verifier_matches(verifier: str, challenge: str) -> bool:
    """Tell, in constant time, whether a verifier is the one behind a challenge. The method `plain` does not exist here."""
    return _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(challenge_of(verifier), challenge)


def new_user_code() -> str:
    """Return a code that a person types: `BCDF-GHJK`."""
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def normal_user_code(typed: str) -> str:
    """Return what a person typed as the code it stands for, whatever case, blanks and dashes were used; empty if it is none."""
    letters = re.sub(r"[\s-]", "", typed[:64]).upper()
    if len(letters) != 8 or not set(letters) <= set(USER_CODE_LETTERS):
        return ""
    return f"{letters[:4]}-{letters[4:]}"


def link_request(parameters: Mapping[str, str]) -> LinkRequest:
    """Read what a client asks for at `/desktop/link`. Raises `RequestRefused` naming the parameter that cannot be meant."""
    challenge, state = parameters.get("code_challenge", ""), parameters.get("state", "")
    redirect_uri = parameters.get("redirect_uri", "")
    device = inert_line(parameters.get("device", "")).strip()[:MAX_DEVICE_CHARS]
    if parameters.get("code_challenge_method", "S256") != "S256":
        raise RequestRefused("the code_challenge_method must be S256", _BEGIN_ANEW)
    if not challenge:
        if state or redirect_uri:  # leaving the challenge out must not turn a protected sign-in into an unprotected one
            raise RequestRefused("the link lacks its code_challenge", _BEGIN_ANEW)
        return LinkRequest(device)
    if not _CHALLENGE.fullmatch(challenge):
        raise RequestRefused("the link's code_challenge is no S256 challenge", _BEGIN_ANEW)
    if not _STATE.fullmatch(state):
        raise RequestRefused(f"the link's state must be 8 to {MAX_STATE_CHARS} visible ASCII characters", _BEGIN_ANEW)
    if redirect_uri and not _is_loopback_callback(redirect_uri):
        raise RequestRefused("the redirect_uri must be http://127.0.0.1:<port>/callback", _BEGIN_ANEW)
    return LinkRequest(device, challenge, state, redirect_uri)


def return_address(request: LinkRequest, *, scheme: str, **members: str) -> str:
    """Return where the browser goes with a one-time code (`code=`), or with the person's refusal (`error=`)."""
    base = request.redirect_uri or f"{scheme}://auth"
    return f"{base}?{urlencode({**members, 'state': request.state}, quote_via=quote)}"


def poll_answer(grant: DeviceGrant, *, now: float) -> PollAnswer:
    """Return what a poll is told now."""
    if now >= grant.expires_at:
        return PollAnswer.EXPIRED
    if grant.denied:
        return PollAnswer.DENIED
    if grant.username is not None:
        return PollAnswer.APPROVED
    if grant.last_poll_at is not None and now - grant.last_poll_at < grant.interval_s:
        return PollAnswer.SLOW_DOWN
    return PollAnswer.PENDING


def username_problem(name: str) -> str:
    """Return why a name cannot be a user's name, or an empty string."""
    if _USERNAME.fullmatch(name):
        return ""
    return "a user name has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with a letter or a digit"


def _is_loopback_callback(uri: str) -> bool:
    """Tell whether a URI is RFC 8252's loopback redirect: an IP literal, any port, one path. `localhost` may be resolved elsewhere."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    host = {"127.0.0.1": "127.0.0.1", "::1": "[::1]"}.get(parts.hostname or "")
    return bool(host and port) and uri == f"http://{host}:{port}/callback"
