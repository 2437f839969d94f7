"""What people type into the search box, as a `Filter`, and a filter as chips that can be taken off one by one. Pure.

Words search titles and messages; `is:unread`, `is:archived`, `is:snoozed`, `is:all`, `script:NAME`, `tag:NAME`, `priority:high` (and above) and
`since:2h|3d|today|2026-11-01` narrow the list.
"""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from analyst_cli.client.moments import earlier
from analyst_cli.client.rows import PRIORITIES, Filter
from analyst_cli.tui.text import cells, fit

__all__ = ["Chip", "Typed", "chips", "read_typed"]

_LONGEST_CHIP = 24  # cells of a value


class Typed(NamedTuple):
    """A filter, and the words that were meant as one but cannot be (they are told, not searched for)."""

    filter: Filter
    problems: tuple[str, ...]


class Chip(NamedTuple):
    """One condition of a filter, and the filter without it."""

    label: str
    without: Filter


def read_typed(typed: str, now: datetime, base: Filter | None = None) -> Typed:
    """Return the filter that the text means on top of `base`; `now` is naive local time."""
    wanted, words, problems = base or Filter(), [], []
    for word in typed.split():
        name, colon, value = word.partition(":")
        if not colon or not value or name.lower() not in _READERS:
            words.append(word)
            continue
        narrowed = _READERS[name.lower()](wanted, value, now)
        if narrowed is None:
            problems.append(word)
        else:
            wanted = narrowed
    search = " ".join(words)
    if search and typed[-1:].isspace():
        search += " "  # the last word is finished: it is no prefix any more
    return Typed(replace(wanted, search=search), tuple(problems))


def chips(wanted: Filter, now: datetime) -> list[Chip]:
    """Return the conditions of a filter that differ from the inbox as it opens."""
    found = []
    if wanted.archived is None and wanted.snoozed is None:
        found.append(Chip("everything", replace(wanted, archived=False, snoozed=False)))
    elif wanted.archived:
        found.append(Chip("archived", replace(wanted, archived=False, snoozed=False)))
    elif wanted.snoozed:
        found.append(Chip("snoozed", replace(wanted, snoozed=False)))
    if wanted.unread:
        found.append(Chip("unread", replace(wanted, unread=False)))
    if wanted.min_level:
        above = "" if wanted.min_level == len(PRIORITIES) - 1 else " and above"
        found.append(Chip(f"{PRIORITIES[wanted.min_level]}{above}", replace(wanted, min_level=0)))
    if wanted.script is not None:
        found.append(Chip(f"script {_value(wanted.script)}", replace(wanted, script=None)))
    if wanted.tag is not None:
        found.append(Chip(f"tag {_value(wanted.tag)}", replace(wanted, tag=None)))
    if wanted.since is not None:
        since = datetime.fromtimestamp(wanted.since)  # noqa: DTZ006 - the person's clock
        day = "" if since.date() == now.date() else f"{since.day} {since:%b} "
        found.append(Chip(f"since {day}{since:%H:%M}", replace(wanted, since=None)))
    if wanted.search.strip():
        found.append(Chip(f"“{_value(wanted.search.strip())}”", replace(wanted, search="")))
    if not wanted.collapsed:
        found.append(Chip("repeats shown", replace(wanted, collapsed=True)))
    return found


def _value(words: str) -> str:
    return fit(cells(words), _LONGEST_CHIP).rstrip()


def _state(wanted: Filter, value: str, _: datetime) -> Filter | None:
    match value.lower():
        case "unread":
            return replace(wanted, unread=True)
        case "archived":
            return replace(wanted, archived=True, snoozed=None)
        case "snoozed":
            return replace(wanted, snoozed=True)
        case "all":
            return replace(wanted, archived=None, snoozed=None)
        case _:
            return None


def _priority(wanted: Filter, value: str, _: datetime) -> Filter | None:
    levels = [level for level, name in enumerate(PRIORITIES) if name.startswith(value.lower())]
    return replace(wanted, min_level=levels[0]) if levels else None


def _script(wanted: Filter, value: str, _: datetime) -> Filter:
    return replace(wanted, script=value)


def _tag(wanted: Filter, value: str, _: datetime) -> Filter:
    return replace(wanted, tag=value)


def _since(wanted: Filter, value: str, now: datetime) -> Filter | None:
    try:
        return replace(wanted, since=earlier(value, now).timestamp())
    except (ValueError, OverflowError):
        return None


_READERS = {"is": _state, "priority": _priority, "prio": _priority, "script": _script, "tag": _tag, "since": _since}
