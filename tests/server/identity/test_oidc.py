"""The code exchange with a provider, step by step, without a network: what proves an identity, and everything that does not."""

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from analyst_server.errors import TokenRefused
from analyst_server.identity.oidc import (
    Attempt,
    Fetch,
    Fetched,
    OidcClient,
    Provider,
    VerifiedIdentity,
    authorization_url,
    discover,
    exchange,
    new_attempt,
)

NOW = 1_800_000_000.0
ISSUER = "https://id.example.com"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT = OidcClient(ISSUER, "portal", "s3cret", allowed_domains=("example.com",))
PROVIDER = Provider(ISSUER, f"{ISSUER}/auth", f"{ISSUER}/token", f"{ISSUER}/jwks", f"{ISSUER}/me", sends_iss=True)
ATTEMPT = Attempt("the-state", "the-nonce", "v" * 43, "https://portal.example.com/signin/callback", NOW)
CAME = {"state": "the-state", "code": "c0de", "iss": ISSUER}


def jwk(key: Any, kid: str, **changed: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **changed}


KEYS = {"keys": [jwk(RSA_KEY, "r1", alg="RS256"), jwk(EC_KEY, "e1")]}


def id_token(key: Any = RSA_KEY, *, algorithm: str = "RS256", kid: str | None = "r1", **changed: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": "portal",
        "sub": "id-of-petr",
        "exp": int(NOW) + 300,
        "iat": int(NOW),
        "nonce": "the-nonce",
        "email": "Petr@example.com",
        "email_verified": True,
    }
    kept = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def carried_out(
    token: str,
    *,
    client: OidcClient = CLIENT,
    came: dict[str, str] | None = None,
    provider: Provider = PROVIDER,
    keys: Any = KEYS,
    userinfo: dict[str, Any] | None = None,
) -> tuple[VerifiedIdentity, list[Fetch]]:
    """Play the provider for one exchange."""
    steps = exchange(provider, client, ATTEMPT, CAME if came is None else came, now=NOW)
    asked: list[Fetch] = []
    try:
        fetch = next(steps)
        while True:
            asked.append(fetch)
            answers = {
                provider.token_endpoint: {"id_token": token, "access_token": "at"},
                provider.jwks_uri: keys,
                provider.userinfo_endpoint: userinfo,
            }
            fetch = steps.send(Fetched(200, json.dumps(answers[fetch.url]).encode()))
    except StopIteration as done:
        return done.value[1], asked


def test_a_code_becomes_an_identity_and_the_verifier_goes_to_the_token_endpoint_alone() -> None:
    identity, asked = carried_out(id_token())
    assert identity == VerifiedIdentity(ISSUER, "id-of-petr", "Petr@example.com", "petr")
    assert [each.url for each in asked] == [PROVIDER.token_endpoint, PROVIDER.jwks_uri]
    assert asked[0].form is not None
    assert asked[0].form["code_verifier"] == ATTEMPT.verifier
    assert asked[0].headers["Authorization"] == "Basic " + base64.b64encode(b"portal:s3cret").decode()


def test_another_algorithm_of_the_key_set_works_and_known_keys_are_not_fetched_again() -> None:
    identity, _ = carried_out(id_token(EC_KEY, algorithm="ES256", kid="e1"))
    assert identity.username == "petr"
    knowing = replace(PROVIDER, keys={key["kid"]: key for key in KEYS["keys"]})
    _, asked = carried_out(id_token(), provider=knowing)
    assert [each.url for each in asked] == [PROVIDER.token_endpoint]


def test_the_address_to_leave_by_carries_state_nonce_and_challenge_but_not_the_verifier() -> None:
    attempt = new_attempt("https://portal.example.com/signin/callback", now=NOW)
    url = authorization_url(PROVIDER, CLIENT, attempt)
    assert attempt.state in url
    assert attempt.nonce in url
    assert "code_challenge_method=S256" in url
    assert attempt.verifier not in url


OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = "public key of the provider, as a HMAC secret, at least 32 bytes"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(id_token(iss="https://evil.example"), id="wrong issuer"),
        pytest.param(id_token(aud="another"), id="wrong audience"),
        pytest.param(id_token(aud=["portal", "another"]), id="several audiences without azp"),
        pytest.param(id_token(aud=["portal", "another"], azp="another"), id="made for another program"),
        pytest.param(id_token(nonce="other"), id="nonce of another sign-in"),
        pytest.param(id_token(nonce=None), id="no nonce"),
        pytest.param(id_token(exp=int(NOW) - 61), id="expired"),
        pytest.param(id_token(iat=int(NOW) + 61), id="issued in the future"),
        pytest.param(id_token(nbf=int(NOW) + 61), id="not yet valid"),
        pytest.param(id_token(exp=None), id="never expires"),
        pytest.param(id_token(sub=None), id="no subject"),
        pytest.param(id_token(sub="x" * 256), id="subject too long"),
        pytest.param(id_token(OTHER_RSA), id="signed by somebody else under a known kid"),
        pytest.param(id_token(OTHER_RSA, kid="unknown"), id="unknown kid"),
        pytest.param(id_token(kid=None), id="no kid"),
        pytest.param(id_token(PUBLIC_PEM, algorithm="HS256"), id="HMAC in place of a signature"),
        pytest.param(id_token(RSA_KEY, algorithm="RS512"), id="another algorithm than the key's"),
        pytest.param(id_token(RSA_KEY, algorithm="PS256", kid="e1"), id="an RSA signature under an EC key"),
        pytest.param(jwt.encode({"sub": "x"}, None, algorithm="none", headers={"kid": "r1"}), id="no signature"),
        pytest.param(id_token(email_verified=False), id="address not verified"),
        pytest.param(id_token(email_verified=None), id="nothing said about verification"),
        pytest.param(id_token(email="petr@evil.example"), id="another domain"),
        pytest.param(id_token(email="petr@example.com.evil.example"), id="a domain that begins like ours"),
        pytest.param(id_token(email="petr+a b@example.com"), id="a name that cannot be a user's"),
        pytest.param(id_token(email=["petr@example.com"]), id="a list for an address"),
        pytest.param("not a token", id="no token"),
        pytest.param("x" * 40_000, id="too long"),
        pytest.param(7, id="a number"),
    ],
)
def test_an_id_token_that_proves_nothing_is_refused(token: Any) -> None:
    with pytest.raises(TokenRefused):
        carried_out(token)


@pytest.mark.parametrize(
    "came",
    [
        {**CAME, "state": "another"},
        {"code": "c0de", "iss": ISSUER},
        {**CAME, "iss": "https://evil.example"},
        {"state": "the-state", "code": "c0de"},
        {"state": "the-state", "iss": ISSUER},
        {"state": "the-state", "iss": ISSUER, "error": "access_denied"},
    ],
)
def test_an_answer_of_another_sign_in_or_provider_is_refused_before_anything_is_asked(came: dict[str, str]) -> None:
    with pytest.raises(TokenRefused):
        carried_out(id_token(), came=came)


@pytest.mark.parametrize("keys", [{}, {"keys": "x"}, {"keys": [7]}, {"keys": [{"kty": "oct", "kid": "r1", "k": "QQ"}]}])
def test_a_key_set_without_a_usable_key_is_refused(keys: Any) -> None:
    with pytest.raises(TokenRefused):
        carried_out(id_token(), keys=keys)


def test_an_address_that_only_userinfo_tells_counts_for_the_same_subject_alone() -> None:
    bare = id_token(email=None, email_verified=None)
    about_petr = {"sub": "id-of-petr", "email": "petr@example.com", "email_verified": True}
    identity, asked = carried_out(bare, userinfo=about_petr)
    assert identity.username == "petr"
    assert asked[-1].headers == {"Authorization": "Bearer at"}
    with pytest.raises(TokenRefused, match="somebody else"):
        carried_out(bare, userinfo={**about_petr, "sub": "id-of-eva"})


def test_google_counts_the_hosted_domain_not_the_address() -> None:
    google = replace(CLIENT, issuer="https://accounts.google.com")
    provider = replace(PROVIDER, issuer=google.issuer)
    came = {**CAME, "iss": google.issuer}
    identity, _ = carried_out(
        id_token(iss=google.issuer, hd="example.com"), client=google, provider=provider, came=came
    )
    assert identity.username == "petr"
    for hosted in (None, "evil.example"):
        with pytest.raises(TokenRefused, match="allowed domain"):
            carried_out(id_token(iss=google.issuer, hd=hosted), client=google, provider=provider, came=came)


def test_a_configured_claim_gives_the_user_name() -> None:
    client = OidcClient(ISSUER, "portal", username_claim="preferred_username")
    identity, _ = carried_out(
        id_token(email=None, preferred_username="petr.novak"), client=client, userinfo={"sub": "id-of-petr"}
    )
    assert identity.username == "petr.novak"
    with pytest.raises(TokenRefused, match="user name"):
        carried_out(id_token(preferred_username="../petr"), client=client)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://id.example.com/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
def test_discovery_that_leads_astray_is_refused(changed: dict[str, Any]) -> None:
    facts = {
        "issuer": ISSUER,
        **dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"), f"{ISSUER}/x"),
    }
    steps = discover(ISSUER)
    assert next(steps).url == f"{ISSUER}/.well-known/openid-configuration"
    with pytest.raises(TokenRefused):
        steps.send(Fetched(200, json.dumps({**facts, **changed}).encode()))


@pytest.mark.parametrize(
    "answer",
    [Fetched(200, b"<html>"), Fetched(500, b"{}"), Fetched(200, b"[]"), Fetched(400, b'{"error":"invalid_grant"}')],
)
def test_a_provider_that_answers_strangely_is_an_orderly_refusal(answer: Fetched) -> None:
    steps = exchange(PROVIDER, CLIENT, ATTEMPT, CAME, now=NOW)
    next(steps)
    with pytest.raises(TokenRefused, match="token endpoint"):
        steps.send(answer)
