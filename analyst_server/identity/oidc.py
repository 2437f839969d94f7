"""Sign-in by an OpenID Connect provider: authorization code with PKCE, `state` and `nonce`. No I/O: the exchange is a generator that yields
requests and is sent their answers, and raises `TokenRefused` for whatever does not prove who the person is.

Sources: OpenID Connect Core 1.0 (sections 3.1.2 and 3.1.3), Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (`iss` in the answer).
"""

import base64
import hmac
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from analyst_server.errors import TokenRefused
from analyst_server.identity.grants import challenge_of, new_secret_text, username_problem
from analyst_server.identity.id_token import Expected, key_id, usable_keys, verified_claims

__all__ = [
    "Attempt",
    "Exchange",
    "Fetch",
    "Fetched",
    "OidcClient",
    "Provider",
    "VerifiedIdentity",
    "authorization_url",
    "discover",
    "exchange",
    "new_attempt",
]

GOOGLE_ISSUER = "https://accounts.google.com"


@dataclass(frozen=True, slots=True)
class OidcClient:
    """How the administrator has registered this portal at a provider, and whose identities are welcome."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)  # empty: a public client, PKCE alone
    allowed_domains: tuple[str, ...] = ()  # of the verified e-mail address
    username_claim: str = ""  # empty: the local part of the verified e-mail address
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    label: str = ""  # what the button says; empty: the issuer's host

    @property
    def is_google(self) -> bool:
        """Tell whether Google's own rule applies: the hosted domain is a claim, not what the address looks like."""
        return self.issuer == GOOGLE_ISSUER


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request to make: GET, or POST of a form."""

    url: str
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Its answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Provider:
    """What discovery tells of a provider, and the keys that were fetched from it so far, by `kid`."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    sends_iss: bool = False  # RFC 9207
    takes_basic: bool = True  # client_secret_basic
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the browser's session remembers between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    began_at: float


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """Who the provider says that this is."""

    issuer: str
    subject: str
    email: str  # empty where a claim gives the username and the provider tells none
    username: str


Exchange = Generator[Fetch, Fetched, tuple[Provider, VerifiedIdentity]]


def new_attempt(redirect_uri: str, *, now: float) -> Attempt:
    """Return fresh secrets for one sign-in."""
    return Attempt(new_secret_text(), new_secret_text(), new_secret_text(), redirect_uri, now)


def discover(issuer: str) -> Generator[Fetch, Fetched, Provider]:
    """Ask an issuer for its endpoints. Every one of them must be as well protected as the issuer's own address."""
    answer = yield Fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
    facts = _json(answer, "discovery")
    if facts.get("issuer") != issuer:
        raise TokenRefused(f"{issuer} says that it is {str(facts.get('issuer'))[:100]!r}", "correct portal.oidc_issuer")
    endpoints = {name: facts.get(name, "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    for name, url in endpoints.items():
        if not _is_as_safe(url, issuer):
            raise TokenRefused(f"the provider's {name} is not protected by https")
    userinfo = facts.get("userinfo_endpoint", "")
    methods = facts.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Provider(
        issuer,
        **endpoints,
        userinfo_endpoint=userinfo if _is_as_safe(userinfo, issuer) else "",
        sends_iss=facts.get("authorization_response_iss_parameter_supported") is True,
        takes_basic="client_secret_basic" in methods,
    )


def authorization_url(provider: Provider, client: OidcClient, attempt: Attempt) -> str:
    """Return where the browser goes to sign in."""
    asked = {
        "client_id": client.client_id,
        "response_type": "code",
        "redirect_uri": attempt.redirect_uri,
        "scope": " ".join(client.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge_of(attempt.verifier),
        "code_challenge_method": "S256",
    }
    if client.is_google and len(client.allowed_domains) == 1:
        asked["hd"] = client.allowed_domains[0]  # shows the right accounts; what counts is the claim
    separator = "&" if urlsplit(provider.authorization_endpoint).query else "?"
    return f"{provider.authorization_endpoint}{separator}{urlencode(asked)}"


def exchange(
    provider: Provider, client: OidcClient, attempt: Attempt, came: Mapping[str, str], *, now: float
) -> Exchange:
    """Turn what the browser came back with into a verified identity, and the provider with the keys that it needed.

    The caller has taken the attempt out of the session, so `state` and `nonce` work once.
    """
    _check_return(provider, attempt, came)
    tokens = _json((yield _code_request(provider, client, attempt, came["code"])), "token endpoint")
    id_token = tokens.get("id_token")
    kid = key_id(id_token)
    if kid not in provider.keys:
        provider = replace(provider, keys=usable_keys(_json((yield Fetch(provider.jwks_uri)), "key set")))
    expected = Expected(provider.issuer, client.client_id, attempt.nonce)
    claims: Mapping[str, Any] = verified_claims(str(id_token), provider.keys.get(kid), expected, now=now)
    if "email" not in claims and provider.userinfo_endpoint and isinstance(tokens.get("access_token"), str):
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        more = _json((yield Fetch(provider.userinfo_endpoint, headers=headers)), "userinfo endpoint")
        if more.get("sub") != claims["sub"]:  # Core section 5.3.2: else these are somebody else's
            raise TokenRefused("the provider's userinfo is about somebody else")
        claims = {**more, **claims}
    return provider, _identity(claims, client)


def _check_return(provider: Provider, attempt: Attempt, came: Mapping[str, str]) -> None:
    if not hmac.compare_digest(came.get("state", "").encode(), attempt.state.encode()):
        raise TokenRefused("this answer belongs to another sign-in", "sign in again")
    sent_issuer = came.get("iss")
    if sent_issuer != provider.issuer and (sent_issuer is not None or provider.sends_iss):
        raise TokenRefused("this answer is of another provider", "sign in again")
    if "error" in came:
        raise TokenRefused(f"the provider ended the sign-in ({came['error'][:80]})", "sign in again")
    if not came.get("code"):
        raise TokenRefused("the provider's answer carries no code", "sign in again")


def _code_request(provider: Provider, client: OidcClient, attempt: Attempt, code: str) -> Fetch:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.redirect_uri,
        "code_verifier": attempt.verifier,
    }
    if client.client_secret and provider.takes_basic:
        pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"  # RFC 6749 section 2.3.1
        basic = base64.b64encode(pair.encode()).decode()
        return Fetch(provider.token_endpoint, form, {"Authorization": f"Basic {basic}"})
    form["client_id"] = client.client_id
    if client.client_secret:
        form["client_secret"] = client.client_secret
    return Fetch(provider.token_endpoint, form)


def _identity(claims: Mapping[str, Any], client: OidcClient) -> VerifiedIdentity:
    subject, email = claims.get("sub"), claims.get("email", "")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # Core section 2
        raise TokenRefused("the provider names no subject")
    verified = isinstance(email, str) and claims.get("email_verified") in {True, "true"}
    domain = email.rpartition("@")[2].lower() if verified else ""
    if client.allowed_domains:
        if client.is_google:  # a Google account may have any address; the hosted domain tells whose it is
            domain = str(claims.get("hd", "")).lower()
        if domain not in {each.lower() for each in client.allowed_domains}:
            raise TokenRefused(
                "this account is not of an allowed domain"
                if verified
                else "the provider has not verified the e-mail address",
                f"sign in with an address of {', '.join(client.allowed_domains)}",
            )
    local_part = email.rpartition("@")[0].lower() if verified else None
    username = claims.get(client.username_claim) if client.username_claim else local_part
    if not isinstance(username, str) or username_problem(username):
        raise TokenRefused("no user name can be made of this account", "ask the administrator")
    return VerifiedIdentity(client.issuer, subject, email if verified else "", username)


def _json(answer: Fetched, source: str) -> Mapping[str, Any]:
    try:
        content = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise TokenRefused(f"the provider's {source} did not answer with JSON (status {answer.status})") from exc
    if answer.status != 200 or not isinstance(content, dict):
        error = content.get("error", "") if isinstance(content, dict) else ""
        raise TokenRefused(
            f"the provider's {source} refused (status {answer.status} {str(error)[:80]})".replace(" )", ")")
        )
    return content


def _is_as_safe(url: object, issuer: str) -> bool:
    """Tell whether an endpoint is https, or as plain as an issuer on this machine (tests, trials)."""
    if not isinstance(url, str):
        return False
    parts, own = urlsplit(url), urlsplit(issuer)
    return parts.scheme == "https" or (parts.scheme == own.scheme == "http" and parts.hostname == own.hostname)
