"""The OpenAPI document is true: schemathesis makes requests of every kind from it, and every answer is one that it tells."""

import asyncio
import json
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from analyst_server.errors import RequestRefused, TooLarge
from analyst_server.portal.audit import ADMINISTRATOR
from analyst_server.portal.openapi import document
from analyst_server.wire.publication import decode_publication
from tests.support.portal_world import World

REQUESTS_A_CALL = 16
CHECKED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


def _try(operation: Any, url: str, headers: dict[str, str]) -> None:
    """Send requests of every kind that one call takes, and compare each answer with the document."""
    checks = CHECKS.get_by_names(list(CHECKED))

    @settings(
        max_examples=REQUESTS_A_CALL,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in _modes(operation))))
    def every_answer_is_documented(case: schemathesis.Case) -> None:
        answer = case.call(base_url=url, headers=headers, allow_redirects=False)
        case.validate_response(answer, checks=checks)

    every_answer_is_documented()


def _modes(operation: Any) -> list[GenerationMode]:
    """Requests as documented, and otherwise where there is anything to get wrong."""
    takes_something = bool(operation.body) or bool(operation.path_parameters)
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes_something else [GenerationMode.POSITIVE]


async def test_every_answer_to_every_call_is_documented(world: World) -> None:
    world.scripts.of["petr"] = ["revenue_check"]
    _, publisher = world.portal.parts.publishers.issue("airflow", ["*"], now=world.clock.now, by=ADMINISTRATOR)
    device = await world.linked("petr")
    async with world.browser("petr") as browser:
        cookie = "; ".join(f"{each.key}={each.value}" for each in browser.cookie_jar)
    headers = {
        "device": {"Authorization": f"Bearer {device}"},
        "publisher": {"Authorization": f"Bearer {publisher}"},
        "session": {"Cookie": cookie, "Origin": world.url},
        "": {},
    }
    schema = schemathesis.openapi.from_dict(document(world.url))
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        who = next(iter(operation.definition.raw.get("security", [{"": []}])[0]))

        await asyncio.to_thread(_try, operation, world.url, headers[who])
        world.clock.forward(1_900)  # failures of one call are no business of the next
        tried += 1
    assert tried == sum(len(methods) for methods in document("")["paths"].values())


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"user": "petr", "notification": {"title": "T"}}, True),
        ({"users": ["petr", "Eva@example.com"], "notification": {"message": "M", "tags": ["a"] * 20}}, True),
        ({"user": "petr", "users": ["eva"], "notification": {"title": "T"}}, False),
        ({"users": [], "notification": {"title": "T"}}, False),
        ({"users": ["petr"] * 1_001, "notification": {"title": "T"}}, False),
        ({"user": "-petr", "notification": {"title": "T"}}, False),
        ({"user": "petr"}, False),
        ({"user": "petr", "notification": {}}, False),
        ({"user": "petr", "notification": {"title": ""}}, False),
        ({"user": "petr", "notification": {"title": "T" * 251}}, False),
        ({"user": "petr", "notification": {"title": "T", "id": ""}}, False),
        ({"user": "petr", "notification": {"title": "T", "tags": ["a" * 65]}}, False),
        ({"user": "petr", "notification": {"title": "T", "priority": "urgent"}}, False),
        ({"user": "petr", "notification": {"title": "T", "chart": {"kind": "bar", "series": [{"y": [1]}]}}}, True),
        ({"user": "petr", "notification": {"title": "T", "chart": {"kind": "bar", "series": []}}}, False),
        ({"user": "petr", "notification": {"title": "T", "chart": {"kind": "pie", "series": [{"y": [1]}]}}}, False),
        ({"user": "petr", "notification": {"title": "T", "run": {"script": "a.py", "exit_code": None}}}, True),
    ],
)
def test_the_document_and_the_gateway_agree_on_what_is_taken(body: dict[str, Any], *, taken: bool) -> None:
    told = document("")
    schema = told["paths"]["/api/dispatch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert jsonschema_rs.validator_for({**schema, "components": told["components"]}).is_valid(body) == taken
    try:
        decode_publication(json.dumps(body).encode())
    except (RequestRefused, TooLarge):
        assert not taken
    else:
        assert taken


async def test_the_document_names_every_call_of_the_api(world: World) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in world.portal.application.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(("/api/", "/.well-known/"))
    }
    told = {(method, path) for path, methods in document("")["paths"].items() for method in methods}
    assert {each for each in served if each[0] != "head"} - told == {("get", "/api/openapi.json")}
    async with world.program() as anyone, anyone.get("/api/openapi.json") as answer:
        assert await answer.json() == document(world.url)


@pytest.mark.parametrize("schema", document("")["components"]["schemas"])
def test_every_named_schema_is_used(schema: str) -> None:
    assert f"#/components/schemas/{schema}" in str(document(""))
