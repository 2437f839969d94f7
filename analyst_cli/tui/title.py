"""The title of the terminal's window: how much is unread, and what came last. Pure; the app writes it.

OSC 2 sets the title, CSI 22/23 t keep and bring back the one before (xterm control sequences, "Operating System Commands" and "Window manipulation").
The newest title is a stranger's text: it is made inert and short, so it can neither end the sequence nor hide in it.
"""

from analyst_cli.tui.text import cells, fit

__all__ = ["BRING_BACK", "KEEP", "set_title"]

KEEP = "\x1b[22;2t"
BRING_BACK = "\x1b[23;2t"
_WIDEST = 60  # cells; a taskbar shows fewer


def set_title(unread: int, newest: str) -> str:
    """Return the sequence that sets the title."""
    words = f"({unread}) {fit(cells(newest), _WIDEST).rstrip()} - analyst" if unread and newest else "analyst"
    return f"\x1b]2;{words}\x1b\\"
