"""Announcements outside of the terminal: once, inert, never for what is read, by the way that works here."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from analyst_cli.client.announcing import LONGEST_PAUSE_S, MOMENT_S, Announcer, next_pause, quiet_hours
from analyst_cli.client.events import CaughtUp, NotificationArrived
from analyst_cli.client.native import Notifier, osc_sequence, terminal_way, through_tmux
from analyst_cli.client.preferences import Preferences
from analyst_cli.client.quiet import Announcement, QuietHours, announcement_of, may_announce, summary_of
from analyst_cli.client.rows import Row

NOON = datetime(2026, 1, 30, 12, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07\x9c\u202e;<b>4;1</b>\n& " + "x" * 10_000


def row(number: int, **members: object) -> Row:
    values = {
        "pos": number, "id": f"n-{number}", "repeats": 1, "is_read": False, "archived": False, "acknowledged": False, "snoozed_until": None,
        "level": 1, "at": 0.0, "has_image": False, "has_chart": False, "status": "", "script": "s.py", "key": None, "joined_tags": "",
        "title": f"T{number}", "preview": "p",
    }  # fmt: skip
    return Row(**(values | members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("members", "min_level", "quiet", "allowed"),
    [
        ({}, 0, None, True),
        ({"is_read": True}, 0, None, False),
        ({"archived": True}, 0, None, False),
        ({"snoozed_until": NOON.timestamp() + 1}, 0, None, False),
        ({"snoozed_until": NOON.timestamp() - 1}, 0, None, True),
        ({"level": 1}, 2, None, False),
        ({"level": 2}, 0, QuietHours(time(11), time(13)), False),
        ({"level": 3}, 0, QuietHours(time(11), time(13)), True),
        ({"level": 2}, 0, QuietHours(time(22), time(7)), True),
    ],
)
def test_only_what_a_person_wants_to_be_told_is_announced(
    members: dict[str, object], min_level: int, quiet: QuietHours | None, allowed: bool
) -> None:
    assert may_announce(row(1, **members), min_level=min_level, quiet=quiet, now=NOON) is allowed


def test_quiet_hours_may_pass_midnight_and_end_on_the_minute() -> None:
    night = quiet_hours(Preferences(quiet_from="22:00", quiet_until="07:00"))
    assert night is not None
    assert [night.include(NOON.replace(hour=hour)) for hour in (21, 22, 0, 6, 7)] == [False, True, True, True, False]
    assert quiet_hours(Preferences(quiet_from="22:00")) is None


def test_many_at_once_are_one_and_an_absence_is_one() -> None:
    assert [told.title for told in announcement_of([row(1), row(2)])] == ["T1", "T2"]
    (many,) = announcement_of([row(number, level=3) for number in range(9)])
    assert (many.title, many.body, many.is_urgent) == ("9 new notifications", "T8", True)
    assert summary_of(12, [row(1)])[0].title == "12 new while you were away"
    assert summary_of(0, []) == []


@pytest.mark.parametrize("way", ["osc9", "osc777", "osc99"])
def test_a_sequence_contains_no_control_character_but_its_own(way: str) -> None:
    (told,) = announcement_of([row(1, title=HOSTILE, preview=HOSTILE)])
    for announcement in (told, Announcement(HOSTILE, HOSTILE)):
        sequence = osc_sequence(way, announcement)  # type: ignore[arg-type]
        own = {"osc9": ["\x1b]9;", "\x07"], "osc777": ["\x1b]777;notify;", "\x07"], "osc99": ["\x1b]99;", "\x1b\\"]}[
            way
        ]
        inside = sequence
        for part in own:
            inside = inside.replace(part, "")
        assert inside.isprintable()
        assert not any(sign in inside for sign in "\x07\x1b\x9c\u202e")
    assert len(osc_sequence(way, told)) < 500  # type: ignore[arg-type]


def test_words_that_would_be_syntax_of_a_terminal_are_none() -> None:
    assert osc_sequence("osc9", Announcement("4;1;50", "")) == "\x1b]9;·4;1;50\x07"
    assert osc_sequence("osc777", Announcement("a;b", "c;d")) == "\x1b]777;notify;a,b;c;d\x07"
    assert through_tmux("\x1b]9;x\x07") == "\x1bPtmux;\x1b\x1b]9;x\x07\x1b\\"


@pytest.mark.parametrize(
    ("environ", "way"),
    [
        ({"TERM_PROGRAM": "iTerm.app"}, "osc9"),
        ({"TERM_PROGRAM": "WezTerm"}, "osc777"),
        ({"TERM": "foot"}, "osc777"),
        ({"KITTY_WINDOW_ID": "1"}, "osc99"),
        ({"TERM": "xterm-kitty", "SSH_TTY": "/dev/pts/1"}, "osc99"),
        ({"TERM": "xterm-256color"}, "bell"),
        ({"TMUX": "/nowhere,1,0", "PATH": "", "TERM_PROGRAM": "iTerm.app"}, "bell"),
    ],
)
def test_each_terminal_is_spoken_to_in_its_own_way(environ: dict[str, str], way: str) -> None:
    assert terminal_way(environ) == way


def test_ways_that_fail_are_given_up_for_the_next() -> None:
    written: list[str] = []
    environ = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent", "TERM_PROGRAM": "WezTerm"}
    notifier = Notifier(via="auto", write=written.append, environ=environ)
    assert notifier.way == "desktop"
    assert notifier.show(Announcement("T", "B")) == "osc777"
    assert written == ["\x1b]777;notify;T;B\x07"]

    def closed(_: str) -> None:
        raise OSError

    assert Notifier(via="bell", write=closed, environ={}).show(Announcement("T", "B")) == "off"
    assert Notifier(via="off", write=written.append, environ={}).show(Announcement("T", "B")) == "off"
    assert Notifier(via="auto", write=None, environ={"SSH_TTY": "x", "DBUS_SESSION_BUS_ADDRESS": "x"}).way == "off"


class Shown:
    def __init__(self, rows: dict[str, Row], **settings: object) -> None:
        self.written: list[str] = []
        self.rows = rows
        self.is_focused = False
        notifier = Notifier(via="osc", write=self.written.append, environ={"TERM_PROGRAM": "WezTerm"})
        self.announcer = Announcer(
            notifier,
            Preferences(**settings),
            row_now=self.rows.get,
            is_focused=lambda: self.is_focused,
            now=lambda: NOON,
        )  # type: ignore[arg-type]


async def test_a_burst_is_announced_together_and_what_was_read_meanwhile_is_not() -> None:
    shown = Shown({f"n-{number}": row(number) for number in range(3)})
    for number in range(3):
        shown.announcer.take(NotificationArrived(row(number)))
    shown.rows["n-1"] = row(1, is_read=True)  # on another device, within the moment
    assert shown.written == []
    await shown.announcer.close()
    assert [sequence.split(";")[2] for sequence in shown.written] == ["T0", "T2"]


def test_a_flood_is_announced_ever_more_seldom_and_the_first_after_a_calm_at_once() -> None:
    pauses = [MOMENT_S]
    for _ in range(5):
        pauses.append(next_pause(pauses[-1], calm_s=0.005))
    assert pauses == [0.4, 0.8, 1.6, 3.0, 3.0, 3.0]
    assert next_pause(LONGEST_PAUSE_S, calm_s=7) == MOMENT_S
    assert next_pause(MOMENT_S, calm_s=float("inf")) == MOMENT_S


async def test_nothing_is_announced_to_who_looks_at_it_and_an_absence_is_one() -> None:
    shown = Shown({"n-1": row(1)})
    shown.is_focused = True
    shown.announcer.take(NotificationArrived(row(1)))
    await asyncio.sleep(0)
    await shown.announcer.close()
    shown.is_focused = False
    shown.announcer.take(CaughtUp(12, (row(1), row(2))))
    shown.announcer.take(CaughtUp(0, ()))
    await shown.announcer.close()
    assert shown.written == ["\x1b]777;notify;12 new while you were away;T2\x07"]
    assert MOMENT_S < 1


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    command = ["dbus-daemon", "--session", f"--address=unix:path={tmp_path}/bus", "--nofork", "--print-address"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    yield daemon.stdout.readline().strip()
    daemon.terminate()
    daemon.wait(10)
    daemon.stdout.close()


@pytest.mark.real("dbus-daemon")
@pytest.mark.skipif(sys.platform != "linux", reason="D-Bus")
def test_a_desktop_gets_the_words_and_no_markup(bus: str) -> None:
    """A real bus, and a notification service on it that remembers what it is told."""
    from jeepney import HeaderFields, new_method_return  # noqa: PLC0415
    from jeepney.bus_messages import message_bus  # noqa: PLC0415
    from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415

    told: list[tuple[object, ...]] = []
    service = open_dbus_connection(bus=bus)
    service.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"), timeout=10)

    def serve() -> None:
        message = service.receive(timeout=10)
        while message.header.fields.get(HeaderFields.member) != "Notify":  # signals of the bus come before
            message = service.receive(timeout=10)
        told.append(message.body)
        service.send(new_method_return(message, "u", (7,)))

    thread = threading.Thread(target=serve)
    thread.start()
    notifier = Notifier(via="auto", write=None, environ={"DBUS_SESSION_BUS_ADDRESS": bus})
    assert (
        notifier.show(Announcement("Revenue <b>drop</b>\x1b[2J", "31 % <i>below</i> & \x07more", is_urgent=True))
        == "desktop"
    )
    thread.join(10)
    service.close()
    name, _, _, title, body, actions, hints, _ = told[0]
    assert (name, title, body) == ("analyst", "Revenue <b>drop</b>␛[2J", "31 % &lt;i&gt;below&lt;/i&gt; &amp; ␇more")
    assert (actions, hints["urgency"]) == ([], ("y", 2))  # type: ignore[index]
