"""The command palette: everything that keys do here, and the themes, to be found by typing."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from analyst_cli.tui.screens.choice import Choice, ChoiceScreen
from analyst_cli.tui.themes import THEMES

if TYPE_CHECKING:
    from textual.screen import Screen

    from analyst_cli.tui.app import InboxApp

__all__ = ["commands_of", "palette_of"]

Command = Callable[[], object]
_WAYS_ABOUT = ("move", "page", "scroll", "first", "last", "back", "neighbour", "palette")
"""Actions that nobody looks for by name."""


def palette_of(app: "InboxApp") -> ChoiceScreen[Command]:
    """Return the palette for the screen that is on top now."""
    return ChoiceScreen("Commands", commands_of(app, app.screen), placeholder="what do you want to do?")


def commands_of(app: "InboxApp", screen: "Screen[object]") -> list[Choice[Command]]:
    """Return what the keys of a screen do, each with its key, then the themes."""
    found: dict[str, Choice[Command]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        words = binding.tooltip or binding.description
        is_offered = binding.id and not binding.action.rpartition(".")[2].startswith(_WAYS_ABOUT)
        if is_offered and words not in found:
            run = partial(app.run_action, binding.action, active.node)
            found[words] = Choice(words, run, app.get_key_display(binding))
    themes: list[Choice[Command]] = [
        Choice(f"Theme: {theme.name}", partial(app.use_theme, theme.name), "for this session") for theme in THEMES
    ]
    return [*found.values(), *themes]
