"""The person's own keys: `keys.toml` in the settings folder, one line an action.

    [keys]
    "inbox.archive" = "e"
    "list.down" = "down,j,t"

Every action has its id in the bindings; `bound_actions` reads them from there, so a new key needs no entry anywhere else.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual.binding import Binding

from analyst_cli.errors import SettingsProblem
from analyst_cli.paths import config_dir

if TYPE_CHECKING:
    from textual.dom import DOMNode

__all__ = ["HELP", "Action", "bound_actions", "freed", "keymap_file", "read_keymap"]

HELP = Binding("question_mark", "app.help", "Help", key_display="?", id="app.help")
"""First in every screen's bindings, so that a narrow footer has it."""

Action = tuple[str, str, str]
"""Id, keys, what they do."""


def keymap_file() -> Path:
    """Return where the person's keys are."""
    return config_dir() / "keys.toml"


def bound_actions(classes: Iterable["type[DOMNode]"]) -> list[Action]:
    """Return the actions that these screens and widgets bind keys to, in the order of the code."""
    return [
        (binding.id, binding.key, binding.tooltip or binding.description)
        for node in classes
        for binding in node.__dict__.get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id
    ]


def read_keymap(known: Iterable[str], path: Path | None = None) -> dict[str, str]:
    """Return the keys of the file by action; no file, no keys. Raises `SettingsProblem` naming the line that cannot be meant."""
    path = path or keymap_file()
    if not path.exists():
        return {}
    import tomllib  # noqa: PLC0415 - only people with their own keys pay for it

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsProblem(
            f"{path} cannot be read ({error})", "check its rights, and that it is UTF-8 text"
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsProblem(f"{path} is no TOML: {error}", "correct it, or move it away") from error
    keys = content.get("keys", {})
    if not isinstance(keys, dict) or set(content) - {"keys"}:
        raise SettingsProblem(
            f"{path} has other things than [keys]", 'write [keys] and lines like "inbox.archive" = "e"'
        )
    return _checked(keys, set(known), path)


def freed(keymap: Mapping[str, str], actions: Iterable[Action]) -> dict[str, str]:
    """Return the keymap with keys of the inbox taken from the list and the message in it, which would answer before it.

    An action of theirs that the person has given keys to, or that would have none left, keeps what it has.
    """
    given = {
        key.strip()
        for action, keys in keymap.items()
        if action.startswith(("inbox.", "app.")) and action != "inbox.back"  # means the same in the message
        for key in keys.split(",")
    }
    left = {
        action: [key for key in keys.split(",") if key not in given]
        for action, keys, _ in actions
        if action.startswith(("list.", "detail.")) and given.intersection(keys.split(","))
    }
    return {**{action: ",".join(keys) for action, keys in left.items() if keys}, **keymap}


def _checked(keys: Mapping[str, object], known: set[str], path: Path) -> dict[str, str]:
    taken: dict[str, str] = {}
    for action, written in keys.items():
        if action not in known:
            raise SettingsProblem(
                f"{path} gives keys to {action!r}, which does not exist", "see the actions in docs/themes-and-keys.md"
            )
        if not isinstance(written, str) or not all(key.strip() for key in written.split(",")):
            raise SettingsProblem(
                f"{path}: the keys of {action!r} are {written!r}", 'write them like "e" or "e,ctrl+e"'
            )
        for key in written.split(","):
            other = taken.setdefault(f"{action.partition('.')[0]} {key.strip()}", action)
            if other != action:
                raise SettingsProblem(
                    f"{path} gives {key.strip()!r} to {other!r} and to {action!r}", "give it to one of them"
                )
    return {action: str(written) for action, written in keys.items()}
