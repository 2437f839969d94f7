"""What is handed out to be used once: who may redeem it, where it may go."""

import contextlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.errors import RequestRefused
from analyst_server.identity.grants import (
    DeviceGrant,
    PollAnswer,
    challenge_of,
    link_request,
    new_user_code,
    normal_user_code,
    poll_answer,
    return_address,
    username_problem,
    verifier_matches,
)

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ASKED = {"code_challenge": CHALLENGE, "state": "s" * 16}


def test_the_example_of_rfc_7636_matches() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    assert verifier_matches(VERIFIER, CHALLENGE)


@pytest.mark.parametrize("verifier", ["", VERIFIER[:-1], VERIFIER + "x", CHALLENGE, "ž" * 43, "x" * 129])
def test_another_verifier_does_not_match(verifier: str) -> None:
    assert not verifier_matches(verifier, CHALLENGE)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1.evil.example:8000/callback",
        "http://localhost:8000/callback",
        "http://127.0.0.1:8000/callback?next=https://evil.example",
        "http://127.0.0.1:8000/callback#x",
        "http://127.0.0.1:8000/other",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:99999/callback",
        "http://0.0.0.0:8000/callback",
        "//evil.example/callback",
        "javascript:alert(1)",
        "keboola-analyst://auth",
    ],
)
def test_a_redirect_goes_nowhere_but_to_the_loopback_callback(redirect_uri: str) -> None:
    with pytest.raises(RequestRefused, match="redirect_uri"):
        link_request({**ASKED, "redirect_uri": redirect_uri})


@pytest.mark.parametrize("redirect_uri", ["", "http://127.0.0.1:43211/callback", "http://[::1]:43211/callback"])
def test_code_and_state_go_back_to_the_client(redirect_uri: str) -> None:
    asked = link_request({**ASKED, "redirect_uri": redirect_uri, "device": "laptop"})
    address = return_address(asked, scheme="keboola-analyst", code="c0de")
    assert address.startswith((redirect_uri or "keboola-analyst://auth") + "?")
    assert parse_qs(urlsplit(address).query) == {"code": ["c0de"], "state": ["s" * 16]}


@pytest.mark.parametrize(
    "parameters",
    [
        {"state": "s" * 16},
        {"redirect_uri": "http://127.0.0.1:1/callback"},
        {**ASKED, "code_challenge": "short"},
        {**ASKED, "code_challenge_method": "plain"},
        {**ASKED, "state": "short"},
        {**ASKED, "state": "s" * 513},
        {**ASKED, "state": "with blank"},
    ],
)
def test_a_request_that_weakens_the_sign_in_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(RequestRefused):
        link_request(parameters)


def test_a_device_name_is_made_inert_and_short() -> None:
    assert link_request({"device": "lap\x1b[31mtop\u202e" + "x" * 100}).device.startswith("lap␛[31mtop�")
    assert len(link_request({"device": "x" * 100}).device) == 64


def test_a_user_code_is_understood_however_it_is_typed() -> None:
    code = new_user_code()
    assert normal_user_code(f" {code.lower().replace('-', ' ')} ") == code
    assert normal_user_code("AAAA-AAAA") == ""
    assert normal_user_code("x" * 1_000_000) == ""


def test_a_device_code_is_pending_then_slowed_down_then_expired() -> None:
    grant = DeviceGrant("laptop", expires_at=600, interval_s=3)
    assert poll_answer(grant, now=0) is PollAnswer.PENDING
    polled = DeviceGrant("laptop", expires_at=600, interval_s=3, last_poll_at=10)
    assert poll_answer(polled, now=12) is PollAnswer.SLOW_DOWN
    assert poll_answer(polled, now=13) is PollAnswer.PENDING
    assert poll_answer(polled, now=600) is PollAnswer.EXPIRED


def test_an_approved_device_code_is_told_even_to_a_hasty_client_but_not_after_its_end() -> None:
    approved = DeviceGrant("laptop", expires_at=600, interval_s=3, last_poll_at=10, username="petr")
    assert poll_answer(approved, now=11) is PollAnswer.APPROVED
    assert poll_answer(approved, now=600) is PollAnswer.EXPIRED
    assert poll_answer(DeviceGrant("x", expires_at=9, interval_s=3, denied=True), now=1) is PollAnswer.DENIED


@pytest.mark.parametrize("name", ["", "Petr", ".petr", "petr novak", "../petr", "petr\n", "ž", "x" * 65])
def test_a_name_that_cannot_be_a_user_is_refused_with_the_rule(name: str) -> None:
    assert "a-z" in username_problem(name)


@given(st.dictionaries(st.sampled_from(["code_challenge", "state", "device", "redirect_uri"]), st.text()))
def test_no_parameters_raise_anything_but_a_refusal(parameters: dict[str, str]) -> None:
    with contextlib.suppress(RequestRefused):
        link_request(parameters)
