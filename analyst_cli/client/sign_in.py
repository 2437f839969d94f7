"""One attempt to sign in: what is sent to the browser, and what may come back. Decisions only; `receivers.py` does the waiting.

Authorization code with PKCE (RFC 7636, S256) and `state`, over the custom URL scheme or a loopback redirect (RFC 8252);
see section 2.7 of the protocol.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["Attempt", "CallbackRefused", "Code", "OldServerToken", "begin", "read_callback"]

DEFAULT_SCHEME = "keboola-analyst"


class CallbackRefused(Exception):
    """A URL came back that does not belong to this attempt; the text says why and is shown to the person."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What this program must remember until the browser comes back."""

    state: str
    verifier: str
    redirect_uri: str | None  # None: the custom URL scheme
    scheme: str = DEFAULT_SCHEME

    def link_url(self, server: str, device: str) -> str:
        """Return the page that the person opens."""
        query = {
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": self.state,
            "device": device,
        }
        if self.redirect_uri:
            query["redirect_uri"] = self.redirect_uri
        return f"{server}/desktop/link?{urlencode(query)}"

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier (RFC 7636 section 4.2)."""
        return urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code, to be exchanged with the verifier."""

    code: str


@dataclass(frozen=True, slots=True)
class OldServerToken:
    """A token straight from the URL, the way of a server without protocol 2; the person has to confirm the account."""

    token: str


def begin(*, redirect_uri: str | None = None, scheme: str = DEFAULT_SCHEME) -> Attempt:
    """Make an attempt with fresh secrets (256 bits each)."""
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), redirect_uri, scheme)


def read_callback(attempt: Attempt, url: str) -> Code | OldServerToken:
    """Judge a URL that came back. Raises `CallbackRefused` for every one that this attempt did not ask for."""
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise CallbackRefused("this is no link") from exc
    if attempt.redirect_uri is None:
        if parts.scheme != attempt.scheme or parts.netloc != "auth" or parts.path not in {"", "/"}:
            raise CallbackRefused(f"this is no link of the form {attempt.scheme}://auth?…")
    elif f"{parts.scheme}://{parts.netloc}{parts.path}" != attempt.redirect_uri:
        raise CallbackRefused(f"this is no link of the form {attempt.redirect_uri}?…")
    try:
        pairs = parse_qsl(parts.query, strict_parsing=True, max_num_fields=8, keep_blank_values=True)
    except ValueError as exc:
        raise CallbackRefused("the link's query cannot be read") from exc
    members = dict(pairs)
    if len(members) != len(pairs) or parts.fragment:
        raise CallbackRefused("the link names a member twice, or has a fragment")
    match members:
        case {"error": error}:
            _check_state(attempt, members)
            raise CallbackRefused(f"the server ended the sign-in: {members.get('error_description', error)[:200]}")
        case {"code": code, "state": _} if code and members.keys() <= {"code", "state", "iss"}:
            _check_state(attempt, members)
            return Code(code)
        case {"token": token} if token and members.keys() == {"token"} and attempt.redirect_uri is None:
            return OldServerToken(token)
        case _:
            raise CallbackRefused("the link carries neither a code with its state nor a token")


def _check_state(attempt: Attempt, members: dict[str, str]) -> None:
    if not hmac.compare_digest(members.get("state", "").encode(), attempt.state.encode()):
        raise CallbackRefused("the link belongs to another sign-in (its state differs)")
