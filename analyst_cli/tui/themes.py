"""Colours: dark, light, high contrast, and the terminal's own sixteen. State is never told by colour alone, so any of them can be changed freely."""

from textual.theme import Theme

__all__ = ["THEMES", "theme_for"]

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
        variables={"footer-key-foreground": "#f0b45a", "cursor-background": "#2b3a4d", "chip-background": "#2b3a4d"},
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
        variables={"footer-key-foreground": "#9a5b00", "cursor-background": "#cfe3f7", "chip-background": "#dbe7f3"},
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
        variables={
            "footer-key-foreground": "#ffff00",
            "cursor-background": "#0000c0",
            "chip-background": "#0000c0",
            "text-muted": "#ffffff",
            "border": "#ffffff",
        },
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
        variables={
            "footer-key-foreground": "ansi_cyan",
            "cursor-background": "ansi_default",
            "chip-background": "ansi_default",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "border": "ansi_blue",
            "border-blurred": "ansi_bright_black",
            "scrollbar-background": "ansi_default",
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
