"""Tokens: what is accepted, and everything that is not (S1)."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.errors import ConfigProblem, TokenRefused
from analyst_server.identity.tokens import LIFETIME_S, REFRESH_GRACE_S, TokenKeys, Tokens, new_secret

NOW = 1_800_000_000.0
SECRET, OTHER = "c" * 64, "d" * 64
tokens = Tokens(TokenKeys(SECRET))


def signed(
    secret: str = SECRET, algorithm: str = "HS256", headers: dict[str, str] | None = None, **claims: object
) -> str:
    base = {"sub": "petr", "iat": int(NOW), "exp": int(NOW) + 60, "iss": "data-analyst"}
    kept = {name: value for name, value in {**base, **claims}.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm, headers=headers)


def by_hand(header: dict[str, object], claims: dict[str, object], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_an_issued_token_has_the_claims_of_the_contract_and_verifies() -> None:
    issued = tokens.issue("petr", now=NOW, device="laptop")
    claims = jwt.decode(issued.token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims["sub"] == "petr"
    assert claims["iss"] == "data-analyst"
    assert claims["exp"] - claims["iat"] == LIFETIME_S
    assert claims["device"] == "laptop"
    assert claims["jti"]
    assert tokens.verify(issued.token, now=NOW) == issued.principal


def test_the_secret_appears_in_no_representation() -> None:
    assert SECRET not in repr(TokenKeys(SECRET))
    issued = tokens.issue("petr", now=NOW)
    assert issued.token not in repr(issued)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(
            by_hand({"alg": "none", "typ": "JWT"}, {"sub": "petr", "exp": NOW + 60, "iss": "data-analyst"}),
            id="alg none",
        ),
        pytest.param(signed(OTHER), id="another secret"),
        pytest.param(signed(algorithm="HS512"), id="another algorithm under the same secret"),
        pytest.param(
            by_hand({"alg": "RS256"}, {"sub": "petr", "exp": NOW + 60, "iss": "data-analyst"}, b"x" * 256), id="RS256"
        ),
        pytest.param(signed(iss="evil"), id="wrong issuer"),
        pytest.param(signed(iss=None), id="no issuer"),
        pytest.param(signed(aud="somebody-else"), id="an audience"),
        pytest.param(signed(nbf=int(NOW) + 3600), id="not yet valid"),
        pytest.param(signed(iat=int(NOW) + 3600), id="issued in the future"),
        pytest.param(signed(exp=int(NOW)), id="expires now"),
        pytest.param(signed(exp=None), id="never expires"),
        pytest.param(signed(sub=None), id="no user"),
        pytest.param(signed(sub=""), id="empty user"),
        pytest.param(signed(sub=7), id="a number for a user"),
        pytest.param(signed(device=["x"]), id="a list for a device"),
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="no token"),
        pytest.param("x" * 1_000_000, id="a megabyte"),
        pytest.param("ž" * 20, id="not ASCII"),
    ],
)
def test_a_forged_or_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.verify(token, now=NOW)


def test_a_key_in_the_header_is_not_used() -> None:
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(OTHER.encode()).decode()}
    token = jwt.encode(
        {"sub": "petr", "exp": NOW + 60, "iss": "data-analyst"}, OTHER, headers={"jwk": jwk, "kid": "../../dev/null"}
    )  # type: ignore[dict-item]
    with pytest.raises(TokenRefused):
        tokens.verify(token, now=NOW)


def test_a_token_without_issuer_passes_only_where_compatibility_asks_for_it() -> None:
    assert tokens.verify(signed(iss=None), now=NOW, issuer_required=False).username == "petr"
    with pytest.raises(TokenRefused, match="another issuer"):
        tokens.verify(signed(iss="evil"), now=NOW, issuer_required=False)


def test_a_token_of_the_source_system_has_an_id_by_which_it_can_be_revoked() -> None:
    token = signed()
    first, again = tokens.verify(token, now=NOW), tokens.verify(token, now=NOW)
    assert first.token_id == again.token_id
    assert first.token_id.startswith("sha256-")


def test_the_previous_secret_is_accepted_until_its_date_and_signs_nothing() -> None:
    rotating = Tokens(TokenKeys(OTHER, previous=SECRET, previous_until=NOW + 30))
    assert rotating.verify(signed(), now=NOW + 29).username == "petr"
    with pytest.raises(TokenRefused):
        rotating.verify(signed(), now=NOW + 30)
    with pytest.raises(TokenRefused):
        tokens.verify(rotating.issue("petr", now=NOW).token, now=NOW)


def test_a_refreshed_token_keeps_user_and_device_and_is_another_token() -> None:
    old = tokens.issue("petr", now=NOW, device="laptop")
    new = tokens.refresh(old.token, now=NOW + 100)
    assert (new.principal.username, new.principal.device) == ("petr", "laptop")
    assert new.principal.token_id != old.principal.token_id
    assert new.principal.expires_at == int(NOW + 100) + LIFETIME_S


@pytest.mark.parametrize(("late_s", "accepted"), [(0, True), (REFRESH_GRACE_S - 1, True), (REFRESH_GRACE_S, False)])
def test_an_expired_token_refreshes_for_seven_days(late_s: float, *, accepted: bool) -> None:
    old = tokens.issue("petr", now=NOW)
    moment = old.principal.expires_at + late_s
    if accepted:
        assert tokens.refresh(old.token, now=moment).principal.username == "petr"
    else:
        with pytest.raises(TokenRefused, match="7 days"):
            tokens.refresh(old.token, now=moment)


def test_a_short_secret_is_a_configuration_error_that_tells_the_way_out() -> None:
    with pytest.raises(ConfigProblem, match=r"DESKTOP_JWT_SECRET has 31 bytes.*token_hex"):
        TokenKeys("x" * 31)
    TokenKeys(new_secret(), previous=new_secret())


@given(st.text() | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,80}\.[\w-]{0,43}"))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.verify(text, now=NOW)
