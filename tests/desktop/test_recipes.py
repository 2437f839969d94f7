"""K22: recipes are checked whole before the first step, and stop where they do not go as written."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from analyst_cli.desktop.recipe_run import RecipeRun, StepOutcome
from analyst_cli.desktop.recipes import Recipe, RecipeProblem, bundled_names, load_recipe, plan
from tests.support.fake_desktop_world import World, button, desktop_of, desktop_world

HOTKEY = {"op": "hotkey", "params": {"keys": ["a"], "confirm": "auto"}}
FIND = {"op": "find", "params": {"selector": {"titleContains": "Go"}}, "as": "go"}


def written(tmp_path: Path, *steps: dict[str, Any], **members: Any) -> str:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"id": "r", "name": "R", "description": "d", "steps": list(steps), **members}))
    return str(path)


async def ran(world: World, name: str) -> tuple[bool, list[StepOutcome]]:
    recipe, content = load_recipe(name)
    told: list[StepOutcome] = []
    run = RecipeRun(recipe, content, str(world.workspace), world.client, told.append)
    return await run.run(), run.outcomes


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_recipes_are_sound(name: str) -> None:
    assert plan(load_recipe(name)[0], "/ws")


async def test_the_token_recipe_passes_on_any_desktop(world: World) -> None:
    passed, outcomes = await ran(world, "token_test_v0")
    assert passed, outcomes
    [record] = (world.workspace / "artifacts" / "desktop").glob("*/recipe-run-*.json")
    assert [step["ok"] for step in json.loads(record.read_text())["steps"]] == [True] * 4


async def test_the_terminal_recipe_passes_where_a_text_area_is(tmp_path: Path) -> None:
    area = {"id": "t", "role": "AXTextArea", "title": "Terminal", "value": "", "editable": True, "frame": [0, 0, 9, 9]}
    async with desktop_world(tmp_path, desktop_of(area)) as world:
        assert (await ran(world, "terminal_echo_v0"))[0]
        [record] = (world.workspace / "artifacts" / "desktop").glob("*/recipe-run-*.json")
        assert "T11_OK" not in record.read_text()


async def test_the_search_recipe_passes_where_a_search_field_is(tmp_path: Path) -> None:
    field = {"id": "s", "role": "AXTextField", "title": "Search", "value": "", "editable": True, "frame": [0, 0, 9, 9]}
    async with desktop_world(tmp_path, desktop_of(field)) as world:
        assert (await ran(world, "finder_search_v0"))[0]


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "dance"}],
        [{"op": "hotkey", "params": {"keys": ["a"]}}],
        [{"op": "hotkey", "params": {"keys": ["nope"], "confirm": "auto"}}],
        [{"op": "hotkey", "params": {"keys": ["a"], "confirm": {"tokenRef": "$lastToken"}}}],
        [{"op": "click", "params": {"target": {"elementRef": "$find.go.elementRefs[0]"}, "confirm": "auto"}}],
        [
            {**FIND, "as": "other"},
            {"op": "click", "params": {"target": {"elementRef": "$find.go.elementRefs[0]"}, "confirm": "auto"}},
        ],
        [{"op": "find", "params": {"selector": {"byLabel": "x"}}}],
        [{"op": "find", "params": {"limit": 1}}],
        [{**HOTKEY, "retry": {"max": 2}}],
        [{"op": "find", "retry": {"max": 9}}],
        [{"op": "find", "unknown": 1}],
        [{"op": "find", "expectError": {"code": "NOPE"}}],
        [{"op": "confirm.issue", "params": {"intent": {"method": "desktop.observe", "params": {}}}}],
        [],
    ],
)
def test_a_recipe_with_a_fault_anywhere_does_not_begin(tmp_path: Path, steps: list[dict[str, Any]]) -> None:
    good = [FIND] if steps else []
    with pytest.raises(RecipeProblem):
        load_recipe(
            written(tmp_path, *good, *steps) if not (steps and "go" in json.dumps(steps)) else written(tmp_path, *steps)
        )


async def test_a_found_element_is_clicked(world: World, tmp_path: Path) -> None:
    steps = [
        {"op": "find", "params": {"selector": {"byRole": "AXButton", "titleContains": "Go"}}, "as": "go"},
        {"op": "click", "params": {"target": {"elementRef": "$find.go.elementRefs[0]"}, "confirm": "auto"}},
        {"op": "waitUntil", "params": {"condition": {"selectorExists": {"titleContains": "Gone"}}}},
    ]
    assert (await ran(world, written(tmp_path, *steps)))[0]
    assert world.done == [{"press": "go"}]


async def test_a_reference_that_leads_nowhere_sends_nothing(world: World, tmp_path: Path) -> None:
    steps = [
        {"op": "find", "params": {"selector": {"titleContains": "nothing like it"}}, "as": "go"},
        {"op": "click", "params": {"target": {"elementRef": "$find.go.elementRefs[0]"}, "confirm": "auto"}},
    ]
    passed, outcomes = await ran(world, written(tmp_path, *steps))
    assert not passed
    assert "0 were found" in outcomes[-1].why


@pytest.mark.parametrize(
    ("step", "passes"),
    [
        ({"op": "find", "expectError": {"code": "DESKTOP_TIMEOUT"}}, False),
        (
            {"op": "find", "params": {"selector": {"byPath": [9]}}, "expectError": {"code": "DESKTOP_PATH_NOT_FOUND"}},
            True,
        ),
        ({"op": "find", "params": {"selector": {"byPath": [9]}}, "expectError": {"code": "DESKTOP_TIMEOUT"}}, False),
        ({"op": "find", "params": {"selector": {"byPath": [9]}}}, False),
        ({"op": "observe"}, True),
    ],
)
async def test_an_expected_error_must_come_and_no_other(
    world: World, tmp_path: Path, step: dict[str, Any], passes: bool
) -> None:
    passed, outcomes = await ran(world, written(tmp_path, step, HOTKEY))
    assert passed is passes
    assert len(outcomes) == (2 if passes else 1)


async def test_a_step_may_be_tried_again_and_a_failure_may_be_passed_over(world: World, tmp_path: Path) -> None:
    missing = {
        "op": "find",
        "params": {"selector": {"byPath": [9]}},
        "retry": {"max": 2, "delayMs": 1},
        "continueOnError": True,
    }
    passed, outcomes = await ran(world, written(tmp_path, missing, HOTKEY))
    assert not passed
    assert [outcome.ok for outcome in outcomes] == [False, True]
    assert len(world.index()) == 4


def test_a_plan_shows_no_text(tmp_path: Path) -> None:
    step = {
        "op": "typeText",
        "params": {"text": "plover", "target": {"selector": {"titleContains": "x"}}, "confirm": "auto"},
    }
    shown = plan(load_recipe(written(tmp_path, step))[0], "/ws")
    assert "plover" not in json.dumps(shown)
    assert shown[0]["params"]["textLength"] == 6


async def test_the_plan_names_the_digest_that_a_confirmation_is_bound_to(tmp_path: Path) -> None:
    async with desktop_world(
        tmp_path, desktop_of(button("go", "Go")), mode="operator", settings={"confirm.approver": "anyone"}
    ) as world:
        recipe = load_recipe(written(tmp_path, {"op": "observe"}, HOTKEY))[0]
        looked, pressed = plan(recipe, str(world.workspace))
        intent = {"method": "desktop.hotkey", "params": {"keys": HOTKEY["params"]["keys"]}}
        await world.result("confirm.issue", intent=intent)
        [approval] = world.host.book.pending(world.host.monotonic())
        assert [looked["digest"], pressed["digest"]] == [None, approval.scopes[0].digest]


async def test_one_approval_is_asked_for_a_whole_run(tmp_path: Path) -> None:
    async with desktop_world(
        tmp_path, desktop_of(button("go", "Go")), mode="operator", settings={"confirm.approver": "anyone"}
    ) as world:
        path = written(tmp_path, HOTKEY, {"op": "observe"}, HOTKEY, approve="run")
        recipe, content = load_recipe(path)
        assert isinstance(recipe, Recipe)
        assert msgspec.to_builtins(recipe)["approve"] == "run"
        running = asyncio.create_task(
            RecipeRun(recipe, content, str(world.workspace), world.client, lambda _: None).run()
        )
        async with world.operator() as operator:
            await world.until(lambda: world.host.book.pending(world.host.monotonic()))
            [approval] = world.host.book.pending(world.host.monotonic())
            assert len(approval.scopes) == 2
            await operator.call("operator.approve", {"approvalId": approval.id})
        assert await running
        assert [entry["chord"] for entry in world.done if "chord" in entry] == ["a", "a"]
