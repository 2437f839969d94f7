"""The unread count for status bars: read from the local store in milliseconds, without Typer, without a network.

`analyst badge` is called every few seconds by tmux, waybar, polybar and xbar, so it is answered before anything else is loaded; see `__main__`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_cli.errors import AnalystError, SignInNeeded
from analyst_server.wire.inert import inert_line

__all__ = ["FORMATS", "Badge", "badge_text", "quick_badge", "read_badge"]

FORMATS = ("plain", "json", "tmux", "waybar", "xbar", "polybar")
_TITLE_CHARS = 60
_CRITICAL = 3  # index in PRIORITIES


@dataclass(frozen=True, slots=True)
class Badge:
    """What a status bar shows; `problem` when the store cannot be read."""

    unread: int = 0
    title: str = ""  # of the newest unread one, inert
    is_critical: bool = False
    problem: str = ""


def read_badge(server: str | None = None) -> Badge:
    """Read the local store; without any inbox there is nothing unread."""
    from analyst_cli.client.target import local_inbox  # noqa: PLC0415 - sqlite3

    try:
        with local_inbox(server) as inbox:
            unread = inbox.unread_count()
            newest = inbox.newest() if unread else None
    except SignInNeeded:
        return Badge()
    except AnalystError as problem:
        return Badge(problem=str(problem))
    if newest is None:
        return Badge(unread)
    title = inert_line(newest.title.strip()[: _TITLE_CHARS + 1])
    return Badge(
        unread, title if len(title) <= _TITLE_CHARS else title[: _TITLE_CHARS - 1] + "…", newest.level == _CRITICAL
    )


def badge_text(badge: Badge, form: str) -> str:
    """Return what a program expects to read, without a newline at its end."""
    kind = "problem" if badge.problem else "critical" if badge.is_critical else "unread" if badge.unread else "none"
    if form == "json":
        return _json(
            {
                "unread": badge.unread,
                "title": badge.title or None,
                "critical": badge.is_critical,
                "problem": badge.problem or None,
            }
        )
    if form == "waybar":  # https://man.archlinux.org/man/waybar-custom.5: tooltips are Pango markup
        tooltip = badge.problem or badge.title or "nothing unread"
        return _json({"text": _count(badge), "tooltip": _pango(tooltip), "class": kind, "alt": kind})
    if form == "tmux":  # `#` begins a format there, and `#(` a command, also where a configuration expands twice
        color = {"problem": "yellow", "critical": "red", "unread": "default", "none": "default"}[kind]
        words = _words(badge).replace("#(", "# (").replace("#", "##")
        return f"#[fg={color}]{words}#[default]" if words else ""
    if form == "xbar":  # https://github.com/matryer/xbar-plugins: a title line, then the menu; `|` begins parameters
        menu = badge.problem or badge.title
        return f"{_count(badge) or '○'}\n---\n{menu.replace('|', '¦') or 'Nothing unread'}"
    if form == "polybar":  # `%{` begins a format tag
        return _words(badge).replace("%{", "% {")
    return badge.problem or " ".join(filter(None, [str(badge.unread), badge.title]))


def quick_badge(argv: Sequence[str]) -> bool:
    """Answer `analyst badge [--format FORMAT]` if it is written so plainly; tell whether that was done."""
    match list(argv):
        case []:
            form = "plain"
        case ["--format" | "-f", given] if given in FORMATS:
            form = given
        case _:
            return False
    sys.stdout.write(badge_text(read_badge(), form) + "\n")
    return True


def _count(badge: Badge) -> str:
    if badge.problem:
        return "● ?"
    return f"● {badge.unread}" if badge.unread else ""


def _words(badge: Badge) -> str:
    return " ".join(filter(None, [_count(badge), badge.title]))


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=True)  # a status bar gets no control character of any kind


def _pango(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
