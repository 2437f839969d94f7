"""How notifications look as text: a table, a sentence, a JSON object. Text of strangers is made inert here or by `output`."""

import shutil
from collections.abc import Iterable
from datetime import datetime

from analyst_cli import output
from analyst_cli.client import moments
from analyst_cli.client.rows import PRIORITIES, Row, rfc3339, titled
from analyst_server.wire.inert import inert_line

__all__ = ["as_object", "cut", "exact", "print_table", "sentence", "state_words", "watch_line"]

_MARKS = {0: "", 1: "", 2: "!", 3: "!!"}


def as_object(row: Row, message: str) -> dict[str, object]:
    """Return a notification as `--json` shows it. Names are stable: members may be added, none renamed or removed."""
    return {
        "id": row.id,
        "number": row.pos,
        "timestamp": rfc3339(row.at),
        "title": row.title,
        "message": message,
        "script": row.script or None,
        "priority": row.priority,
        "tags": list(row.tags),
        "key": row.key,
        "repeats": row.repeats,
        "status": row.status or None,
        "read": row.is_read,
        "archived": row.archived,
        "acknowledged": row.acknowledged,
        "snoozed_until": None if row.snoozed_until is None else rfc3339(row.snoozed_until),
        "has_image": row.has_image,
        "has_chart": row.has_chart,
    }


def print_table(rows: Iterable[Row], now: datetime) -> None:
    """Print lines of a list: aligned and cut to the width on a terminal, tab-separated and whole in a pipe.

    The columns in a pipe are id, timestamp, read or unread, priority, script, repeats, title.
    """
    if not output.is_terminal():
        output.table(
            ("ID", "TIME", "STATE", "PRIORITY", "SCRIPT", "REPEATS", "TITLE"),
            (
                (row.id, rfc3339(row.at), _read(row), row.priority, row.script, str(row.repeats), row.title)
                for row in rows
            ),
        )
        return
    shown = list(rows)
    width = max(shutil.get_terminal_size().columns, 40)
    when = [moments.ago(row.at, now.timestamp()) for row in shown]
    used = max((len(str(row.pos)) for row in shown), default=1) + 1 + max([4, *map(len, when)]) + 2 + 5 * 2
    scripts = min(max([6, *(len(row.script) for row in shown)]), 24, max(width // 4, 8))
    output.table(
        ("#", "", "WHEN", "!", "SCRIPT", "TITLE"),
        [
            (
                str(row.pos),
                "●" if not row.is_read else " ",
                ago,
                _MARKS[row.level],
                cut(row.script, scripts),
                cut(_title(row), max(width - used - scripts, 10)),
            )
            for row, ago in zip(shown, when, strict=True)
        ],
        row_styles=[_styles(row) for row in shown],
    )


def sentence(row: Row, now: datetime) -> str:
    """Return a notification as a sentence for people who listen."""
    words = [_read(row)]
    if row.level != 1:
        words.append(f"{row.priority} priority")
    words += state_words(row)
    words.append(_spoken_ago(row.at, now.timestamp()))
    if row.script:
        words.append(f"from {row.script}")
    if row.repeats > 1:
        words.append(f"{row.repeats} times")
    return inert_line(f"{titled(row.title)}. {', '.join(words).capitalize()}. Number {row.pos}.")


def watch_line(row: Row, now: datetime) -> str:
    """Return the line that `watch` prints: clock, priority, script, title, and the beginning of the message; cut to the width of a terminal."""
    clock = datetime.fromtimestamp(row.at, now.tzinfo)
    stamp = f"{clock:%H:%M:%S}" if clock.date() == now.date() else f"{clock:%Y-%m-%d %H:%M}"
    mark = f"{_MARKS[row.level]} " if row.level > 1 else ""
    script = f"[{row.script}] " if row.script else ""
    line = inert_line(f"{stamp} {mark}{script}{_title(row)}{f' - {row.preview}' if row.preview.strip() else ''}")
    return cut(line, shutil.get_terminal_size().columns) if output.is_terminal() else line


def state_words(row: Row) -> list[str]:
    """Return what is to be said of a notification's state, besides read or not."""
    words = [row.status] if row.status else []
    words += ["archived"] if row.archived else []
    words += ["acknowledged"] if row.acknowledged else []
    words += [f"snoozed until {exact(row.snoozed_until)}"] if row.snoozed_until is not None else []
    return words


def exact(seconds: float) -> str:
    """Return a moment in this machine's zone, for people."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def cut(words: str, width: int) -> str:
    """Return one inert line of at most so many cells, with an ellipsis where something is missing."""
    line = inert_line(words[: width * 4 + 16])  # what stands further cannot be seen, even if all before has no width
    if line.isascii():
        return line if len(line) <= width and len(words) <= len(line) else line[: width - 1] + "…"
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - only wide characters need it

    if cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1).rstrip() + "…"


def _styles(row: Row) -> tuple[str, ...]:
    """Colour says nothing that the signs do not say."""
    if row.is_read:
        return ("dim",)
    return ("bold", "red") if row.level == PRIORITIES.index("critical") else ("bold",)


def _title(row: Row) -> str:
    resolved = "resolved: " if row.status == "resolved" else ""
    return f"{resolved}{titled(row.title)}{f' ×{row.repeats}' if row.repeats > 1 else ''}"


def _read(row: Row) -> str:
    return "read" if row.is_read else "unread"


def _spoken_ago(then: float, now: float) -> str:
    import humanize  # noqa: PLC0415 - 7 ms, for sentences alone

    return humanize.naturaltime(now - then)
