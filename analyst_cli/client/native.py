"""Show an announcement outside of the program: the desktop's notifications, else the terminal's (OSC 9, 777, 99), else its bell.

    notifier = Notifier(via="auto", write=sys.stderr.write, ...)
    notifier.show(Announcement("Revenue drop", "31 % below ..."))

Ways that do not work here are given up silently, one after the other; `way` tells which one is used. Text is inert: a terminal gets no byte
that could end its sequence, a desktop no markup. Nothing here raises.
"""

import os
import sys
from collections.abc import Callable, Mapping
from html import escape
from typing import Literal

from analyst_cli import log
from analyst_cli.client.quiet import Announcement
from analyst_server.wire.inert import inert_line

__all__ = ["Notifier", "Way", "bell", "desktop_way", "osc_sequence", "terminal_way", "through_tmux"]

Way = Literal["desktop", "osc9", "osc777", "osc99", "bell", "off"]

_DBUS_TIMEOUT_S = 3.0
_TMUX_TIMEOUT_S = 1.0
_TERMINALS: tuple[tuple[str, Way], ...] = (
    # https://iterm2.com/documentation-escape-codes.html, https://sw.kovidgoyal.net/kitty/desktop-notifications/, and for OSC 777
    # the documentation of WezTerm, Ghostty, foot, urxvt and Warp; looked for in the names that terminals give themselves
    ("iterm", "osc9"),
    ("kitty", "osc99"),
    ("wezterm", "osc777"),
    ("ghostty", "osc777"),
    ("warp", "osc777"),
    ("foot", "osc777"),
    ("rxvt", "osc777"),
)


class Notifier:
    """Shows announcements by the first way that works, and goes on to the next when one fails."""

    def __init__(
        self,
        *,
        via: str = "auto",
        ring: bool = False,
        write: Callable[[str], object] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`via` as the setting `notifications.via`; `write` sends bytes to the terminal, None where there is none."""
        self._write = write
        self._environ = environ
        self._ring = ring
        self._ways = _ways(via, environ, has_terminal=write is not None)

    @property
    def way(self) -> Way:
        """How the next announcement is shown."""
        return self._ways[0]

    def show(self, announcement: Announcement) -> Way:
        """Show it; return how that was done. The desktop may take seconds to answer: see `show_on_desktop`."""
        while self.way != "off" and not self._shown(self.way, announcement):
            self._ways.pop(0)
        self.ring(announcement)
        return self.way

    def show_on_desktop(self, announcement: Announcement) -> bool:
        """Show it on the desktop, if that is the way; tell whether it was. Writes nothing to the terminal: it may be called in a thread."""
        if self.way != "desktop":
            return False
        if _show_on_desktop(announcement, self._environ):
            return True
        self._ways.pop(0)
        return False

    def ring(self, announcement: Announcement) -> None:
        """Ring the terminal's bell where that is wanted, and is not the way already."""
        if self._ring and self._write is not None and self.way not in {"bell", "off"}:
            self._write(bell(announcement))

    def _shown(self, way: Way, announcement: Announcement) -> bool:
        if way == "desktop":
            return _show_on_desktop(announcement, self._environ)
        if self._write is None:
            return False
        sequence = bell(announcement) if way == "bell" else osc_sequence(way, announcement)
        if way != "bell" and self._environ.get("TMUX"):
            sequence = through_tmux(sequence)
        try:
            self._write(sequence)
        except (OSError, ValueError):  # the terminal is gone
            return False
        return True


def desktop_way(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether the desktop of this session may be asked: not over SSH, where it would be somebody else's screen."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    if platform == "linux":
        return bool(environ.get("DBUS_SESSION_BUS_ADDRESS"))
    return platform in {"darwin", "win32"}


def terminal_way(environ: Mapping[str, str]) -> Way:
    """Return the sequence that the terminal of this environment shows as a notification, else the bell."""
    if environ.get("TMUX"):
        passes, names = _asked_of_tmux(environ)
        return _way_of(f"{names} {environ.get('LC_TERMINAL', '')}") if passes else "bell"
    if environ.get("KITTY_WINDOW_ID"):
        return "osc99"
    return _way_of(f"{environ.get('TERM_PROGRAM', '')} {environ.get('LC_TERMINAL', '')} {environ.get('TERM', '')}")


def osc_sequence(way: Way, announcement: Announcement) -> str:
    """Return the escape sequence for an announcement; its text is inert and cannot end the sequence or begin another."""
    title, body = inert_line(announcement.title), inert_line(announcement.body)
    match way:
        case "osc9":  # a text that begins with `4;` would be a progress bar in Windows Terminal and ConEmu
            words = ": ".join(filter(None, [title, body]))
            return f"\x1b]9;{'·' if words[:2] == '4;' else ''}{words}\x07"
        case "osc777":  # the title ends at the first semicolon
            return f"\x1b]777;notify;{title.replace(';', ',')};{body}\x07"
        case _:  # kitty's protocol 99: https://sw.kovidgoyal.net/kitty/desktop-notifications/
            urgency = 2 if announcement.is_urgent else 1
            return f"\x1b]99;i=analyst:d=0:u={urgency};{title}\x1b\\\x1b]99;i=analyst:d=1:p=body;{body}\x1b\\"


def through_tmux(sequence: str) -> str:
    """Wrap a sequence so that tmux hands it to the outer terminal (`allow-passthrough on`)."""
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"


def bell(_: Announcement) -> str:
    """Return what rings; tmux and most terminals mark the window."""
    return "\x07"


def _ways(via: str, environ: Mapping[str, str], *, has_terminal: bool) -> list[Way]:
    terminal = terminal_way(environ) if has_terminal else "off"
    match via:
        case "off":
            return ["off"]
        case "desktop":
            return ["desktop", "off"]
        case "osc":
            return ["osc9" if terminal == "bell" else terminal, "off"]
        case "bell":
            return ["bell", "off"] if has_terminal else ["off"]
        case _:
            ways: list[Way] = ["desktop"] if desktop_way(environ) else []
            return [*ways, *dict.fromkeys([terminal, "bell" if has_terminal else "off", "off"])]  # type: ignore[list-item]


def _way_of(names: str) -> Way:
    return next((way for part, way in _TERMINALS if part in names.lower()), "bell")


def _asked_of_tmux(environ: Mapping[str, str]) -> tuple[bool, str]:
    """Ask tmux whether it passes sequences on (`allow-passthrough`), and what the terminal around it calls itself."""
    import subprocess  # noqa: PLC0415

    questions = [
        "show-options",
        "-Apv",
        "allow-passthrough",
        ";",
        "display-message",
        "-p",
        "#{client_termtype} #{client_termname}",
    ]
    try:
        asked = subprocess.run(
            ["tmux", *questions],
            capture_output=True,
            text=True,
            timeout=_TMUX_TIMEOUT_S,
            env=dict(environ),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False, ""
    passes, _, names = asked.stdout.partition("\n")
    return passes.strip() in {"on", "all"}, names.strip()


def _show_on_desktop(announcement: Announcement, environ: Mapping[str, str]) -> bool:
    platform: str = sys.platform
    try:
        return _show_by_dbus(announcement, environ) if platform == "linux" else _show_by_desktop_notifier(announcement)
    except Exception as exc:  # noqa: BLE001 - whatever the desktop's services answer; the next way is tried, and the person still has the list
        log.info("the desktop shows no notifications: %s", exc)
        return False


def _show_by_dbus(announcement: Announcement, environ: Mapping[str, str]) -> bool:
    """Call `org.freedesktop.Notifications` (Desktop Notifications Specification 1.2); the body is markup there, so it is escaped."""
    from jeepney import DBusAddress, MessageType, new_method_call  # noqa: PLC0415 - 17 ms
    from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415

    address = DBusAddress(
        "/org/freedesktop/Notifications",
        bus_name="org.freedesktop.Notifications",
        interface="org.freedesktop.Notifications",
    )
    hints = {"urgency": ("y", 2 if announcement.is_urgent else 1), "desktop-entry": ("s", "keboola-analyst")}
    body = escape(inert_line(announcement.body), quote=False)
    values: tuple[object, ...] = ("analyst", 0, "", inert_line(announcement.title), body, [], hints, -1)
    with open_dbus_connection(bus=environ.get("DBUS_SESSION_BUS_ADDRESS", "SESSION")) as connection:
        reply = connection.send_and_get_reply(
            new_method_call(address, "Notify", "susssasa{sv}i", values), timeout=_DBUS_TIMEOUT_S
        )
    return reply.header.message_type is MessageType.method_return  # errors come back as ordinary messages


def _show_by_desktop_notifier(announcement: Announcement) -> bool:
    import asyncio  # noqa: PLC0415

    from desktop_notifier import DesktopNotifierSync, Urgency  # noqa: PLC0415 - the extra `native`

    asyncio.set_event_loop(asyncio.new_event_loop())  # it wants one of its own thread
    notifier = DesktopNotifierSync(app_name="analyst")
    urgency = Urgency.Critical if announcement.is_urgent else Urgency.Normal
    notifier.send(title=inert_line(announcement.title), message=inert_line(announcement.body), urgency=urgency)
    return True
