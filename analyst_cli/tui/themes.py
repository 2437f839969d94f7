"""Colours: dark, light, high contrast, and the terminal's own sixteen. State is never told by colour alone, so any of them can be changed freely."""

from textual.theme import Theme

__all__ = ["THEMES", "theme_for"]


def _variables(ground: str, thumb: str, active: str, key: str, cursor: str, **more: str) -> dict[str, str]:
    grounds = (
        "scrollbar-background",
        "scrollbar-background-hover",
        "scrollbar-background-active",
        "scrollbar-corner-color",
    )
    return {
        **dict.fromkeys(grounds, ground),
        "scrollbar": thumb,
        "scrollbar-hover": active,
        "scrollbar-active": active,
        "footer-key-foreground": key,
        "cursor-background": cursor,
        "chip-background": cursor,
        **more,
    }


THEMES = (
    Theme(
        name="dark",
        primary="#5aa9e6",
        secondary="#c3a6ff",
        accent="#f0b45a",
        warning="#f0b45a",
        error="#ff6b6b",
        success="#7bc47f",
        foreground="#d6dbe3",
        background="#14171c",
        surface="#14171c",
        panel="#1f242c",
        variables=_variables("#14171c", "#3a4350", "#5aa9e6", "#f0b45a", "#2b3a4d"),
    ),
    Theme(
        name="light",
        dark=False,
        primary="#0b5cad",
        secondary="#6a3fb5",
        accent="#9a5b00",
        warning="#8a5200",
        error="#b3261e",
        success="#1c6e30",
        foreground="#1c2128",
        background="#fbfbf9",
        surface="#fbfbf9",
        panel="#ecece6",
        variables=_variables("#fbfbf9", "#c9c9c0", "#0b5cad", "#9a5b00", "#cfe3f7"),
    ),
    Theme(
        name="contrast",
        primary="#ffff00",
        secondary="#00ffff",
        accent="#ffff00",
        warning="#ffff00",
        error="#ff8080",
        success="#80ff80",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#000000",
        text_alpha=1.0,
        variables=_variables(
            "#000000",
            "#ffffff",
            "#ffff00",
            "#ffff00",
            "#0000c0",
            **{"text-muted": "#ffffff", "foreground-muted": "#ffffff", "border": "#ffffff"},
        ),
    ),
    Theme(
        name="ansi",
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_magenta",
        accent="ansi_cyan",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables=_variables("ansi_default", "ansi_bright_black", "ansi_blue", "ansi_cyan", "ansi_default")
        | {
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_blue",
            "input-selection-foreground": "ansi_white",
            "screen-selection-background": "ansi_blue",
            "screen-selection-foreground": "ansi_white",
            "border": "ansi_blue",
            "border-blurred": "ansi_bright_black",
        },
    ),
)


def theme_for(wanted: str, *, no_color: bool, colorfgbg: str = "") -> str:
    """Return the theme's name: `auto` looks at what the terminal says of its background; without colour only `ansi` makes sense.

    `COLORFGBG` (rxvt, Konsole, iTerm2) ends with the background's number, 7 and 15 are light.
    """
    if no_color:
        return "ansi"
    if wanted != "auto":
        return wanted
    return "light" if colorfgbg.rpartition(";")[2] in {"7", "15"} else "dark"
