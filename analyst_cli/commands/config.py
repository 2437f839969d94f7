"""`analyst config`: show and change settings."""

from typing import Annotated

import typer

from analyst_cli import config, output, paths

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Show and change settings.")


Key = Annotated[str, typer.Argument(help="A key from `analyst config list`.")]


@app.command("list")
def list_(
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Tell where each value was said.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print every setting and what it is now.

    \b
    Examples:
      analyst config list
      analyst config list --show-origin
    """
    held = config.held_settings()
    if as_json:
        for setting, value, origin in held:
            output.json_line(
                {
                    "key": setting.key,
                    "value": value,
                    "origin": origin,
                    "default": setting.default,
                    "variable": setting.variable,
                }
            )
    elif show_origin:
        output.table(("KEY", "VALUE", "SAID BY"), [(one.setting.key, _shown(one.value), one.origin) for one in held])
    else:
        output.table(
            ("KEY", "VALUE", "WHAT IT DOES"), [(one.setting.key, _shown(one.value), one.setting.help) for one in held]
        )


@app.command("get")
def get(key: Key) -> None:
    """Print what one setting is now.

    \b
    Example:
      analyst config get notifications.minimum_priority
    """
    setting = config.setting_named(key)
    output.line(_shown(next(one.value for one in config.held_settings() if one.setting == setting)))


@app.command("set", context_settings={"ignore_unknown_options": True})  # or -4 would be no value, but an option
def set_(key: Key, value: Annotated[str, typer.Argument(help="What it shall be.")]) -> None:
    """Change one setting in the file; comments and order stay.

    \b
    Examples:
      analyst config set notifications.minimum_priority high
      analyst config set notifications.quiet_from 22:00
    """
    setting = config.setting_named(key)
    parsed = config.parsed(setting, value, "the value given")
    path = config.changed(key, parsed)
    held = next(one for one in config.held_settings() if one.setting == setting)
    output.note(f"{key} is {_shown(parsed) or 'empty'} now, in {path}.")
    if held.origin != str(path):
        output.note(f"It does not hold yet: {held.origin} says {_shown(held.value)!r}, and wins over the file.")
    _note_quiet_hours_gap(key)


@app.command("unset")
def unset(key: Key) -> None:
    """Remove one setting from the file, so that its default holds.

    \b
    Example:
      analyst config unset notifications.minimum_priority
    """
    setting = config.setting_named(key)
    path = config.changed(key, None)
    output.note(f"{key} is no longer set in {path}; its default is {_shown(setting.default) or 'empty'}.")
    _note_quiet_hours_gap(key)


@app.command("path")
def path_() -> None:
    """Print the path of the settings file, whether it exists or not.

    \b
    Example:
      $EDITOR "$(analyst config path)"
    """
    output.line(str(paths.config_file()))


def _shown(value: config.Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _note_quiet_hours_gap(key: str) -> None:
    if key.startswith("notifications.quiet_") and (gap := config.quiet_hours_gap(config.load())):
        output.note(f"Careful: {gap}.")
