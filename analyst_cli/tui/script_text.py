"""A script and its runs in words and cells. Pure."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from analyst_cli.client.scripts import KnownScript
from analyst_cli.tui.text import cells, duration, fit, until
from analyst_server.wire.inert import inert_text

__all__ = ["about", "history_text", "script_line"]

_MARKS = {"sent": "✓", "quiet": "·", "cooldown": "z", "waiting": "◐", "": " "}
_BAD = "✗"
_WIDEST_NAME = 40  # cells: what belongs together stays together on a wide screen


def script_line(script: KnownScript, width: int, now: datetime, running_s: float | None) -> Text:
    """Return one line of the list; columns go as it gets narrow: first the next run, then where it is."""
    is_running = running_s is not None or script.outcome == "running"
    mark = "▶" if is_running else _BAD if script.problem or script.is_failing else _MARKS.get(script.outcome, _BAD)
    if running_s is not None:
        state = f"running, {running_s:.0f} s"
    elif is_running:
        state = "running"  # started by somebody else
    elif script.problem:
        state = "cannot run"
    else:
        state = " ".join(filter(None, [script.outcome, script.last_run])) or "has not run yet"
    columns = [f"{mark} ", fit(state, 26)]
    if width >= 66:
        columns.append(fit("on the server" if script.place == "server" else "here", 14))
    if width >= 88:
        columns.append(fit(_next(script, now), 22))
    name = fit(cells(script.stem), min(max(8, width - sum(map(len, columns)) - 2), _WIDEST_NAME))
    style = "bold" if mark == "▶" else ""
    return Text(f"{columns[0]}{name}  {''.join(columns[1:])}", style=style, no_wrap=True, overflow="crop")


def about(script: KnownScript) -> str:
    """Return what is known without asking."""
    lines = [cells(script.stem), ""]
    if script.description:
        lines.append(inert_text(script.description))
    if script.schedule:
        lines.append(f"Schedule: {cells(script.schedule)}")
    if script.problem:
        lines.append(f"It cannot run: {cells(script.problem)}")
    if script.outcome:
        lines.append(
            f"Last run: {script.outcome} {script.last_run}".rstrip()
            + (f" - {cells(script.reason)}" if script.reason else "")
        )
    if script.place == "server":
        lines.append("It is on the server; what it says arrives as a notification.")
    return "\n".join(lines)


def history_text(runs: Sequence[tuple[datetime, str, str, float]]) -> Table:
    """Return the runs as a table, newest first; the words of a run stay in their column."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for at, outcome, words, seconds in runs:
        when = Text(f"{at:%a} {at.day:>2} {at:%b %H:%M}", "bold")
        table.add_row(
            when, f"{_MARKS.get(outcome, _BAD)} {cells(outcome)}", duration(seconds).rjust(9), Text(cells(words))
        )
    return table


def _next(script: KnownScript, now: datetime) -> str:
    if script.next_run_at is None:
        return ""
    return f"next {until(datetime.fromtimestamp(script.next_run_at).astimezone(now.tzinfo), now)}"
