"""Recipes: what a file must be, what its references mean, and the plan of it (§8). Pure but for reading the file.

The whole file is checked before the first step: operations, params, references, names (R-RE-1).
"""

import json
import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from analyst_cli.desktop.allowlist import UI_METHODS
from analyst_cli.desktop.confirm import digest_of
from analyst_cli.desktop.errors import Code, DesktopProblem
from analyst_cli.desktop.params import normalized, params_of
from analyst_cli.errors import LocalProblem

__all__ = [
    "ExpectError",
    "Recipe",
    "RecipeProblem",
    "Retry",
    "Step",
    "bundled_names",
    "load_recipe",
    "plan",
    "substituted",
]

OPS = (
    "observe",
    "find",
    "highlight",
    "click",
    "typeText",
    "hotkey",
    "waitUntil",
    "listModals",
    "dismissModal",
    "confirm.issue",
    "abort",
)
READ_ONLY_OPS = {"observe", "find", "highlight", "waitUntil", "listModals"}
BUNDLED = "bundled_recipes"


class RecipeProblem(LocalProblem):
    """A recipe that cannot be run as it is written."""

    exit_code = 64


class ExpectError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The step must fail like this; a step that succeeds instead has failed (R-RE-4)."""

    code: Code | None = None
    reason: str | None = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Try a read-only step again when its error is retryable (R-RE-5)."""

    max: Annotated[int, Meta(ge=1, le=3)] = 1
    delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 500


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One call. `as_` (written `as`) names its answer for later steps."""

    op: str
    params: dict[str, Any] = {}
    description: str = ""
    expect_error: ExpectError | None = None
    as_: str | None = msgspec.field(default=None, name="as")
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 30_000
    retry: Retry | None = None
    continue_on_error: bool = False

    @property
    def method(self) -> str:
        """The method of the host."""
        return f"desktop.{self.op.removeprefix('desktop.')}"

    @property
    def auto_confirmed(self) -> bool:
        """Whether a confirmation is asked for exactly this step (R-RE-3)."""
        return self.params.get("confirm") == "auto"


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A file."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    name: str
    description: str
    steps: Annotated[list[Step], Meta(min_length=1, max_length=200)]
    version: str | int = ""
    author: str = ""
    workspace_path: str = ""  # kept for old files; the command line decides
    prerequisites: list[str] = []
    approve: Literal["step", "run"] = "step"  # Q15


def bundled_names() -> list[str]:
    """Return the recipes that ship with the product."""
    return sorted(
        path.name.removesuffix(".json") for path in resources.files("analyst_cli.desktop").joinpath(BUNDLED).iterdir()
    )


def load_recipe(name: str) -> tuple[Recipe, bytes]:
    """Read and check a recipe, by path or by the name of a bundled one. Raises RecipeProblem."""
    try:
        path = Path(name)
        if not path.exists() and name in bundled_names():
            content = resources.files("analyst_cli.desktop").joinpath(BUNDLED, f"{name}.json").read_bytes()
        else:
            content = path.read_bytes()
    except OSError as exc:
        raise RecipeProblem(
            f"the recipe {name} cannot be read", f"bundled ones are {', '.join(bundled_names())}"
        ) from exc
    try:
        recipe = msgspec.convert(json.loads(content), Recipe)
    except (
        ValueError,
        RecursionError,
    ) as exc:  # UnicodeDecodeError, JSONDecodeError and ValidationError are ValueErrors
        raise RecipeProblem(f"the recipe {name} is not sound: {exc}") from exc
    _check(recipe)
    return recipe, content


def plan(recipe: Recipe, workspace: str) -> list[dict[str, Any]]:
    """Return what would be sent, step by step, without texts that are typed (R-RE-8).

    `digest` is what a confirmation would bind to in that workspace; None where none is needed, or where it hangs on what an earlier step answers.
    """
    planned = []
    for number, step in enumerate(recipe.steps, start=1):
        params = {name: value for name, value in step.params.items() if name != "text"}
        if "text" in step.params:
            params["textLength"] = len(str(step.params["text"]))
        planned.append(
            {
                "step": number,
                "method": step.method,
                "params": params,
                "digest": _digest(step, workspace),
                "expectError": msgspec.to_builtins(step.expect_error),
            }
        )
    return planned


def substituted(value: Any, known: dict[str, Any]) -> Any:
    """Replace references by what earlier steps answered. Raises RecipeProblem for one that nothing answers (R-RE-2)."""
    match value:
        case str() if value.startswith("$"):
            return _referred(value, known)
        case dict() if "tokenRef" in value:
            return {"token": _referred(str(value["tokenRef"]), known)}
        case dict():
            return {name: substituted(item, known) for name, item in value.items()}
        case list():
            return [substituted(item, known) for item in value]
        case _:
            return value


def _digest(step: Step, workspace: str) -> str | None:
    intent = {"method": step.method, "params": step.params} if step.method in UI_METHODS else step.params.get("intent")
    if not isinstance(intent, dict):
        return None
    params = {name: value for name, value in intent["params"].items() if name not in {"confirm", "meta"}}
    if _references(params):
        return None
    method = str(intent["method"])
    return digest_of(normalized(method, params_of(method, params)), os.path.realpath(workspace))


def _check(recipe: Recipe) -> None:
    names: set[str] = set()
    for number, step in enumerate(recipe.steps, start=1):
        where = f"step {number} ({step.op})"
        if step.method.removeprefix("desktop.") not in OPS:
            raise RecipeProblem(f"{where}: there is no such operation", f"operations are {', '.join(OPS)}")
        if step.retry is not None and step.method.removeprefix("desktop.") not in READ_ONLY_OPS:
            raise RecipeProblem(f"{where}: only steps that change nothing may be tried again")
        if step.method in UI_METHODS and "confirm" not in step.params:
            raise RecipeProblem(f'{where}: it needs confirm, such as "auto" or {{"tokenRef": "$lastToken"}}')
        known = dict.fromkeys(names, _ANY)
        for reference in _references(step.params):
            if reference.split("[")[0].split(".")[0] not in {"$lastToken", "$token", "$find"} or _unknown(
                reference, known
            ):
                raise RecipeProblem(f"{where}: nothing before it is called {reference}")
        _check_params(step, where)
        names |= _given(step)


_ANY = object()


def _check_params(step: Step, where: str) -> None:
    """Check the params against the method's own schema; references stand for values that fit."""
    params = {name: value for name, value in step.params.items() if name not in {"confirm", "meta"}}
    wanted = (
        [params]
        if step.op.removeprefix("desktop.") != "confirm.issue"
        else [{**params, "intent": params.get("intent")}]
    )
    try:
        for each in wanted:
            params_of(step.method, _standing_in(each))
            intent = each.get("intent")
            if isinstance(intent, dict) and isinstance(intent.get("params"), dict):
                method = str(intent.get("method"))
                if method not in UI_METHODS:
                    raise RecipeProblem(f"{where}: {method} needs no confirmation")
                normalized(method, params_of(method, _standing_in(intent["params"])))
    except DesktopProblem as exc:
        raise RecipeProblem(f"{where}: {exc.message}") from exc


def _standing_in(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("$find."):
        return {"elementId": "e:reference:1"}
    if isinstance(value, dict):
        return {name: _standing_in(item) for name, item in value.items()}
    return [_standing_in(item) for item in value] if isinstance(value, list) else value


def _references(value: Any) -> list[str]:
    match value:
        case str() if value.startswith(("$lastToken", "$token.", "$find.")):
            return [value]
        case dict():
            return [found for item in value.values() for found in _references(item)]
        case list():
            return [found for item in value for found in _references(item)]
        case _:
            return []


def _given(step: Step) -> set[str]:
    """Return the references that later steps may use."""
    op = step.op.removeprefix("desktop.")
    if op == "confirm.issue":
        return {"$lastToken", *([f"$token.{step.as_}"] if step.as_ else [])}
    return {f"$find.{step.as_}"} if op == "find" and step.as_ else set()


def _unknown(reference: str, known: dict[str, Any]) -> bool:
    return not any(reference == name or reference.startswith(name + ".") for name in known)


def _referred(reference: str, known: dict[str, Any]) -> Any:
    name, _, rest = reference.partition(".elementRefs[")
    if name not in known:
        raise RecipeProblem(f"nothing before this step is called {reference}")
    if not rest:
        return known[name]
    index, bracket, _ = rest.partition("]")
    refs = known[name].get("elementRefs", [])
    if not bracket or not index.isdigit() or int(index) >= len(refs):
        raise RecipeProblem(f"{reference} does not lead to an element ({len(refs)} were found)")
    return refs[int(index)]
