"""A small inbox with everything in it, and the program on it with a clock that stands."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from analyst_cli.client.accounts import Account
from analyst_cli.client.inbox import Inbox
from analyst_cli.client.preferences import Preferences
from analyst_cli.client.rows import rfc3339
from analyst_cli.tui.app import Follow, InboxApp
from analyst_cli.tui.charts.detect import Abilities
from analyst_cli.tui.desk import Desk
from analyst_cli.tui.keys import keymap_file
from analyst_server.wire.messages import Chart, Cursor, Notification, Run, Series

NOW = 1_795_257_000.0  # 2026-11-21 10:30:00 UTC, a Saturday
DAY = 86_400.0
HOSTILE = (
    "\x1b[31mRED\x1b[0m [bold]markup[/] \u202eevil \u200b👨\u200d👩\u200d👧 日本語 e\u0301\u0301\u0301\u0301 "
    + "x" * 10_000
)

CHART = Chart(
    kind="line",
    title="Daily revenue, EU",
    x=[f"2026-{9 + day // 30:02}-{1 + day % 30:02}" for day in range(60)],
    series=[
        Series(name="revenue", y=[100 + 10 * math.sin(day / 7) - (30 if day > 56 else 0) for day in range(60)]),
        Series(name="target", y=[105.0] * 60),
    ],
    mark=58,
)
MESSAGE = """Revenue in **EU** fell *23 %* against the median of four weeks.

| region | expected | got |
|---|---:|---:|
| EU | 105.2 | 71.4 |

- checkout errors since 08:55
- see `orders.payments`
"""


def notification(id_: str, title: str, *, at: float, message: str = "All good.", **more: object) -> Notification:
    """Make a notification as a server sends it."""
    return Notification(id=id_, title=title, message=message, timestamp=rfc3339(at), **more)  # type: ignore[arg-type]


SAMPLE = [
    notification("n-01", "Unemployment above forecast", at=NOW - 9 * DAY, script="unemployment"),
    notification("n-02", HOSTILE, at=NOW - 4 * DAY, message=HOSTILE + "\n\n&#8238;&#27;[31m <b>x</b>", script="\x1b]2;evil\x07", priority="low"),
    notification("n-03", "Orders are stale since 06:10", at=NOW - 3 * DAY, key="fresh", script="freshness", status="firing", priority="high"),
    notification("n-04", "Weekly signups", at=NOW - 1 * DAY, script="signups", tags=["weekly"]),
    notification("n-05", "Orders are stale since 06:10", at=NOW - 7_000, key="fresh", script="freshness", status="firing", priority="high"),
    notification("n-06", "Orders are fresh again", at=NOW - 4_000, script="freshness", status="resolved", priority="low"),
    notification(
        "n-07", "Revenue dropped 23 % in EU", at=NOW - 1_500, message=MESSAGE, script="revenue_drop", status="firing", priority="critical",
        chart=CHART, tags=["eu", "revenue"], url="https://data.example.com/d/42", data={"rows": 1234},
        run=Run(script="~/user/notifications/revenue_drop.py", hash="9f3a77bc" * 8, exit_code=0, duration_s=1.234),
    ),
    notification("n-08", "Signups above the usual", at=NOW - 120, script="signups", tags=["weekly"]),
]  # fmt: skip


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every clock on the wall be in one zone."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("TMUX", raising=False)  # the developer's own is left alone
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Path:
    """A store with the sample in it; two of them are read."""
    path = tmp_path / "inbox.db"
    with Inbox(path, clock=clock) as inbox:
        receive(inbox, SAMPLE)
        inbox.mark(["n-01", "n-06"], "read")
    return path


def receive(inbox: Inbox, notifications: Sequence[Notification], *, seq: int = 100) -> None:
    """Store notifications as a connection does."""
    inbox.apply(notifications, cursor=Cursor("epoch", seq))


def use_keys(content: str) -> None:
    """Write the person's own keys."""
    keymap_file().parent.mkdir(parents=True)
    keymap_file().write_text(content)


@pytest.fixture
def inbox_app(store: Path, clock: Clock) -> Iterator[Callable[..., InboxApp]]:
    """Make the program on the sample store."""
    desks = []

    def make(follow: Follow | None = None, **preferences: object) -> InboxApp:
        desks.append(Desk(store, Account("https://data.example.com", "petr"), clock=clock))
        wanted = Preferences(**{"theme": "dark", **preferences})  # type: ignore[arg-type]
        return InboxApp(desks[-1], follow=follow, preferences=wanted, abilities=Abilities())

    yield make
    for desk in desks:
        desk.close()


async def until(pilot: Pilot[None], holds: Callable[[], bool], limit_s: float = 30) -> None:
    """Wait until something holds; fail with what the status bar says when it does not in time."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, f"it never came; the bar says {pilot.app.said!r}"
        await pilot.pause(0.02)
