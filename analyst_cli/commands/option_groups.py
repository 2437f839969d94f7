"""Options that belong together, declared once: a parameter whose type is a `Group` stands for all the options in it.

    class Places(Group):
        scripts: Path | None = SCRIPTS
        state: Path | None = STATE

    @app.command()
    @with_groups
    def once(*, places: Places, now: bool = ...) -> None: ...

Typer sees `--scripts`, `--state` and `--now`; the function gets a `Places`.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["Group", "with_groups"]


class Group:
    """Values of options that belong together; a subclass annotates each, with its Typer option as the default."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command as Typer has to see it: each group as the options in it, in the place of the group."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Group]] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, Group):
            groups[parameter.name] = parameter.annotation
            parameters += _options(parameter.annotation)
        else:
            parameters.append(parameter)

    @wraps(command)
    def gathered(*arguments: Any, **values: Any) -> Any:
        for name, group in groups.items():
            values[name] = group(**{option: values.pop(option) for option in inspect.get_annotations(group)})
        return command(*arguments, **values)

    signature = inspect.Signature(parameters)
    gathered.__signature__ = signature  # type: ignore[attr-defined]
    gathered.__annotations__ = {one.name: one.annotation for one in parameters}
    return gathered


def _options(group: type[Group]) -> list[inspect.Parameter]:
    annotations = inspect.get_annotations(group, eval_str=True)
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=annotation)
        for name, annotation in annotations.items()
    ]
