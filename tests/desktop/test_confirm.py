"""K6, K7, K8: a confirmation is good for one action of one caller, and an approval that was not used is not lost."""

import asyncio
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.desktop import confirm as c
from analyst_cli.desktop.backends.fake.script import Change, Element
from analyst_cli.desktop.errors import Code, DesktopProblem
from tests.support.fake_desktop_world import World, desktop_world

ME = c.Principal(1000, "exe", "7", "c-1")
SCOPE = c.Scope("desktop.click", "d" * 64)
REQUIRED = "DESKTOP_CONFIRM_REQUIRED"


def reason_of(
    book: c.ConfirmBook, token: str, *, scope: c.Scope = SCOPE, who: c.Principal = ME, now: float = 1.0
) -> str | None:
    try:
        book.reserve(token, scope, who, now)
    except DesktopProblem as problem:
        refused = problem
    else:
        return None
    assert refused.code is Code.CONFIRM_REQUIRED
    assert "expectedDigest" not in refused.details
    return str(refused.details["reason"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"now": 61.0}, "expired"),
        ({"scope": c.Scope("desktop.hotkey", "d" * 64)}, "mismatch"),
        ({"scope": c.Scope("desktop.click", "e" * 64)}, "mismatch"),
        ({"who": c.Principal(1000, "exe", "7", "c-2")}, None),
        ({"who": c.Principal(1001, "exe", "7", "c-2")}, "peer"),
        ({"who": c.Principal(1000, "other", "7", "c-2")}, "peer"),
        ({"who": c.Principal(1000, "exe", "8", "c-2")}, "peer"),
        ({"who": c.Principal(1000, None, "7", "c-2")}, "peer"),
    ],
)
def test_a_token_holds_for_its_scope_its_principal_and_its_time(change: dict[str, Any], reason: str | None) -> None:
    book = c.ConfirmBook()
    token = book.issue(ME, SCOPE, ttl_s=60, now=0)
    assert reason_of(book, token, **change) == reason


def test_a_token_is_used_once_and_released_when_nothing_was_done() -> None:
    book = c.ConfirmBook()
    token = book.issue(ME, SCOPE, ttl_s=60, now=0)
    reserved = book.reserve(token, SCOPE, ME, 1)
    assert reason_of(book, token) == "used"
    book.release(reserved)
    book.consume(book.reserve(token, SCOPE, ME, 1))
    book.release(reserved)
    assert reason_of(book, token) == "used"


def test_unknown_and_voided_tokens_are_invalid_and_a_voided_one_cannot_be_spent() -> None:
    book = c.ConfirmBook()
    assert reason_of(book, "x") == "invalid"
    token = book.issue(ME, SCOPE, ttl_s=60, now=0)
    reserved = book.reserve(token, SCOPE, ME, 1)
    book.void()
    with pytest.raises(DesktopProblem):
        book.consume(reserved)
    assert reason_of(book, token) == "invalid"


def test_a_token_bound_to_a_connection_ends_with_it() -> None:
    book = c.ConfirmBook()
    token = book.issue(ME, SCOPE, ttl_s=60, now=0, connection_bound=True)
    assert reason_of(book, token, who=c.Principal(1000, "exe", "7", "c-2")) == "peer"
    other = book.issue(ME, SCOPE, ttl_s=60, now=0)
    book.void(connection_id="c-1")
    assert reason_of(book, token) == "invalid"
    assert reason_of(book, other) is None


def test_a_question_is_answered_only_to_the_one_who_asked() -> None:
    book = c.ConfirmBook()
    question = c.Approval("a-1", [SCOPE], ME, 0, 60, 60, connection_bound=False, shown=[])
    book.propose(question)
    assert book.approval("a-1", c.Principal(1000, "exe", "7", "c-2"), 1) is question
    assert book.approval("a-1", c.Principal(1000, "other", "7", "c-2"), 1) is None
    assert book.approval("a-2", ME, 1) is None


def test_only_so_many_tokens_are_alive() -> None:
    book = c.ConfirmBook()
    for _ in range(c.MAX_LIVE_PER_PRINCIPAL):
        book.issue(ME, SCOPE, ttl_s=60, now=0)
    with pytest.raises(DesktopProblem) as caught:
        book.issue(ME, SCOPE, ttl_s=60, now=0)
    assert caught.value.code is Code.HOST_NOT_READY
    book.issue(ME, SCOPE, ttl_s=60, now=61)


@pytest.mark.parametrize(
    ("confirm", "reason"),
    [
        ({}, "invalid"),
        ({"token": ""}, "invalid"),
        ({"token": 5}, "invalid"),
        ({"token": "a", "phrase": "b"}, "invalid"),
        ({"token": "a", "more": 1}, "invalid"),
        ({"phrase": "CONFIRM"}, "invalid"),
        ("CONFIRM", "invalid"),
        ([], "invalid"),
        (None, "missing"),
        ({"token": "never issued"}, "invalid"),
    ],
)
async def test_every_fault_of_confirm_has_the_same_code(world: World, confirm: Any, reason: str) -> None:
    error = await world.error("hotkey", keys="a", confirm=confirm)
    assert (error["code"], error["details"]["reason"]) == (REQUIRED, reason)
    assert world.done == []


async def test_a_missing_confirm_is_told(world: World) -> None:
    assert (await world.error("hotkey", keys="a"))["details"]["reason"] == "missing"


async def test_a_token_of_other_params_another_method_or_another_workspace_is_refused(
    world: World, tmp_path: Any
) -> None:
    (tmp_path / "other").mkdir()
    token = await world.token("hotkey", keys="cmd+v")
    confirm = {"token": token}
    assert (await world.error("hotkey", keys="cmd+c", confirm=confirm))["details"]["reason"] == "mismatch"
    selector = {"target": {"selector": {"byRole": "AXButton"}}}
    assert (await world.error("click", **selector, confirm=confirm))["details"]["reason"] == "mismatch"
    elsewhere = {"workspacePath": str(tmp_path / "other")}
    assert (await world.error("hotkey", keys="cmd+v", confirm=confirm, meta=elsewhere))["details"][
        "reason"
    ] == "mismatch"
    assert "result" in await world.call("hotkey", keys=["cmd", "v"], confirm=confirm)


async def test_fifty_uses_at_once_are_one_action(world: World) -> None:
    token = await world.token("hotkey", keys="cmd+s")
    replies = await asyncio.gather(*(world.call("hotkey", keys="cmd+s", confirm={"token": token}) for _ in range(50)))
    assert sum("result" in reply for reply in replies) == 1
    assert [entry for entry in world.done if "chord" in entry] == [{"chord": "cmd+s"}]
    reasons = {reply["error"]["details"].get("reason") for reply in replies if "error" in reply}
    assert reasons <= {"used", "queue_full"}


async def test_an_expired_token_is_told(world: World) -> None:
    token = await world.token("hotkey", keys="a", ttl_ms=1_000)
    for record in world.host.book._tokens.values():
        record.expires_at = world.host.monotonic() - 0.001
    assert (await world.error("hotkey", keys="a", confirm={"token": token}))["details"]["reason"] == "expired"


async def test_a_lookup_that_fails_gives_the_token_back_and_an_action_that_fails_does_not(world: World) -> None:
    target = {"selector": {"titleContains": "Late", "byRole": "AXButton"}}
    token = await world.token("click", target=target)
    error = await world.error("click", target=target, confirm={"token": token})
    assert (error["code"], error["details"]["tokenConsumed"]) == ("DESKTOP_ELEMENT_NOT_FOUND", False)
    late = Element(role="AXButton", id="late", title="Late", frame=[0, 0, 9, 9], effect="none")
    world.desktop.apply([Change(add=late, to="window")])
    done = (await world.call("click", target=target, confirm={"token": token}))["result"]
    assert (done["effect"], done["tokenConsumed"]) == ("no_effect", True)
    assert (await world.error("click", target=target, confirm={"token": token}))["details"]["reason"] == "used"


async def test_phrases_are_off_and_where_they_are_on_only_the_exact_one_counts(tmp_path: Any) -> None:
    async with desktop_world(tmp_path) as world:
        assert (
            await world.code("hotkey", keys="a", confirm={"phrase": "CONFIRM:r"}, meta={"requestId": "r"}) == REQUIRED
        )
    async with desktop_world(tmp_path, settings={"confirm.allowPhrase": True}) as world:
        for phrase in ("CONFIRM", "CONFIRM:", "CONFIRM:other", "confirm:r"):
            assert await world.code("hotkey", keys="a", confirm={"phrase": phrase}, meta={"requestId": "r"}) == REQUIRED
        done = await world.result("hotkey", keys="a", confirm={"phrase": "CONFIRM:r"}, meta={"requestId": "r"})
        assert world.events(done["evidence"]["dir"])[-1]["confirmedBy"] == "phrase"
    async with desktop_world(
        tmp_path, mode="operator", allowed=(), settings={"confirm.allowPhrase": True}
    ) as world:  # no rule of the operator names the caller
        params = {"keys": "a", "confirm": {"phrase": "CONFIRM:r"}, "meta": {"requestId": "r"}}
        assert await world.code("hotkey", **params) == REQUIRED


def test_the_digest_has_the_known_values() -> None:
    vectors = {
        "734f55656d11317e": {"keys": ["escape"]},
        "48f8e8ca3555a9f6": {"target": {"selector": {"byRole": "AXButton"}}},
        "44136fa355b3678a": {},
    }
    for digest, value in vectors.items():
        assert hashlib.sha256(c.canonical_json(value).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": {"d": [3, {"z": 1, "y": 2}], "c": None}}, '{"a":{"c":null,"d":[3,{"y":2,"z":1}]},"b":1}'),
        ({"\U0001f600": 1, "\ufb33": 2, "ö": 3}, '{"ö":3,"\U0001f600":1,"\ufb33":2}'),
        ([333333333.33333329, 1e30, 4.50, 2e-3, 1e-27, 100.0, -0.0], "[333333333.3333333,1e+30,4.5,0.002,1e-27,100,0]"),
        ('\u20ac$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ([True, False], "[true,false]"),
    ],
)
def test_canonical_json_is_the_one_of_rfc_8785(value: Any, written: str) -> None:
    assert c.canonical_json(value) == written


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=4), x),
    )
)
def test_key_order_never_matters(value: Any) -> None:
    def reordered(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: reordered(item[key]) for key in reversed(list(item))}
        return [reordered(each) for each in item] if isinstance(item, list) else item

    assert c.canonical_json(value) == c.canonical_json(reordered(value))
