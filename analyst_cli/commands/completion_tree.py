"""The command tree as plain records: what a shell has to know to complete a command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analyst_cli.client.badge import FORMATS
from analyst_cli.client.rows import PRIORITIES
from analyst_cli.config import THEMES

__all__ = ["Node", "Option", "Values", "tree_of"]

_BY_NAME = {
    "id_": "ids", "ids": "ids", "id": "ids", "script": "scripts", "user": "users", "users": "users", "tag": "tags", "server": "servers",
}  # fmt: skip
_FILES = {"FILE", "PATH", "DIR", "FOLDER", "FILE|-"}
_FIXED = {
    "priority": PRIORITIES,
    "form": FORMATS,
    "color": ("auto", "always", "never"),
    "shell": ("bash", "zsh", "fish", "man"),
    "theme": tuple(THEMES.split()),
    "place": ("here", "tmux", "window"),
}
_SERVER_SIDE = {
    "gateway",
    "dispatch",
    "status",
    "runner",
    "token",
    "telegram",
}  # their ids and scripts are not those of the local inbox
_HELP_CHARS = 70


@dataclass(frozen=True, slots=True)
class Values:
    """What can stand for a value: words of a `kind` that the local store knows, fixed `words`, `files`, or nothing that could be told."""

    kind: str = ""
    words: tuple[str, ...] = ()
    files: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its spellings; `values` is None for a flag."""

    names: tuple[str, ...]
    help: str
    values: Values | None


@dataclass(frozen=True, slots=True)
class Node:
    """A command: its path (`config set`), options, what its arguments can be, and the commands below it."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    argument: Values | None  # None: it takes none
    children: tuple["Node", ...]

    def walk(self) -> Iterator["Node"]:
        """Yield this command and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def tree_of(root: Any) -> Node:
    """Read the tree from the root command of Typer; this imports every command's module."""
    return _node(root, ())


def _node(command: Any, path: tuple[str, ...], parent: Any = None) -> Node:
    context = command.make_context("analyst", [], parent=parent, resilient_parsing=True)
    real = context.command  # a lazy command hands over to the one it stands for
    children = [
        _node(child, (*path, name), context)
        for name, child in sorted(getattr(real, "commands", {}).items())
        if not child.hidden
    ]
    arguments, options = [], []
    for parameter in real.get_params(context):
        if parameter.param_type_name == "argument":
            arguments.append(_values(parameter, path))
        elif not parameter.hidden:
            options.append(_option(parameter, path))
    return Node(
        path, _brief(real.get_short_help_str(200)), tuple(options), arguments[0] if arguments else None, tuple(children)
    )


def _option(parameter: Any, path: tuple[str, ...]) -> Option:
    names = tuple(
        sorted({*parameter.opts, *parameter.secondary_opts}, key=lambda name: (not name.startswith("--"), name))
    )
    takes_value = not (parameter.is_flag or parameter.count)
    return Option(names, _brief(parameter.help or ""), _values(parameter, path) if takes_value else None)


def _values(parameter: Any, path: tuple[str, ...]) -> Values:
    if choices := getattr(parameter.type, "choices", None):
        return Values(words=tuple(str(getattr(choice, "value", choice)) for choice in choices))
    if parameter.name in _FIXED:
        return Values(words=tuple(_FIXED[parameter.name]))
    if path[:1] == ("config",) and parameter.name == "key":
        return Values(kind="assignments" if path[-1] == "set" else "settings")
    kind = _BY_NAME.get(parameter.name or "", "")
    if path[:1] == ("scripts",) and parameter.name == "name":
        kind = "scripts"
    if path[:1] == ("server",) and parameter.name == "url":
        kind = "servers"
    if kind and not (path[:1] and path[0] in _SERVER_SIDE and kind not in {"users", "servers"}):
        return Values(kind=kind)
    is_file = parameter.type.name in {"path", "file", "directory"} or (parameter.metavar or "") in _FILES
    return Values(files=is_file)


def _brief(help_: str) -> str:
    """Return the first sentence of a help text, without what shells would take for syntax."""
    line = " ".join(help_.split())
    sentence = line.partition(". ")[0].rstrip(".")
    plain = "".join(" " if sign in '[]\\`$"' else sign for sign in sentence).replace("'", "’").replace(":", " -")
    plain = " ".join(plain.split())
    return plain if len(plain) <= _HELP_CHARS else plain[: _HELP_CHARS - 1].rstrip() + "…"
