"""Open a link or a picture in the program that the desktop has for it, without waiting, and only what is safe to open."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from analyst_cli.tui.text import cells

__all__ = ["copy_in_tmux", "open_outside", "opener", "safe_url"]


_TMUX_LIMIT_S = 2.0  # it answers in milliseconds


def open_outside(url: str | None, picture: Path | None) -> str:
    """Open the link, else the picture; return what has happened in words."""
    if url and not safe_url(url):
        return f"not opened: {cells(url)} is no web address"
    goal = url or (str(picture) if picture else None)
    if goal is None:
        return "this notification has neither a link nor a picture"
    program = opener(os.environ, sys.platform)
    if program is None:
        return f"there is no desktop here; the {'link' if url else 'picture'} is {cells(goal)}"
    try:
        subprocess.Popen(
            [*program, goal],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"{program[0]} cannot be started ({error.strerror}); the address is {cells(goal)}"
    return f"opening {cells(goal)}"


def copy_in_tmux(text: str) -> None:
    """Give tmux the text, which passes it on to the terminal around it: as it is set up, it takes no OSC 52 from the programs in it."""
    if not os.environ.get("TMUX"):
        return
    with suppress(OSError, subprocess.SubprocessError):  # the escape sequence has been sent anyway
        subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TMUX_LIMIT_S,
            check=False,
        )


def safe_url(url: str) -> bool:
    """Tell whether an address of a stranger may be opened: the web and nothing else, so that no program is started with its words."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url


def opener(environ: Mapping[str, str], platform: str) -> list[str] | None:
    """Return the command that opens things here; None where there is no desktop."""
    if environ.get("ANALYST_OPENER"):
        return [environ["ANALYST_OPENER"]]
    if platform == "darwin":
        return ["open"]
    if platform == "win32":
        return ["explorer"]
    return ["xdg-open"] if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") else None
