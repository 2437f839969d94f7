"""Turn a `Filter` into SQL over the local inbox. No I/O."""

import re
from typing import NamedTuple

from analyst_cli.client.rows import Filter, Row

__all__ = ["COLUMNS", "Query", "match_expression", "query_of", "row_of"]

COLUMNS = (
    "n.pos, n.id, n.repeats, n.is_read, n.archived, n.acknowledged, n.snoozed_until, n.level, n.at, n.has_image, n.has_chart,"
    " n.status, n.script, n.key, n.tags, n.title, substr(n.message, 1, 200)"
)
_WORD = re.compile(r"[^\s\"]+")


class Query(NamedTuple):
    """`FROM ... WHERE ...` with its parameters; `pos` names the column to page by."""

    source: str
    params: tuple[object, ...]
    pos: str


def query_of(wanted: Filter, *, now: float) -> Query:
    """Return the query for a filter; whether something is snoozed depends on `now`."""
    source, pos, clauses, params = _driven_by(wanted)
    if wanted.collapsed:
        clauses.append("n.head = 1")
    if wanted.archived is not None:
        clauses.append(f"n.archived = {int(wanted.archived)}")
    if wanted.snoozed is not None:
        clauses.append("n.snoozed_until > ?" if wanted.snoozed else "(n.snoozed_until IS NULL OR n.snoozed_until <= ?)")
        params.append(now)
    if wanted.unread:
        clauses.append("n.is_read = 0")
    if wanted.script is not None:
        clauses.append("n.script = ?")
        params.append(wanted.script)
    if wanted.min_level > 1:  # as words, so that the index of the rare ones can be used
        clauses.append(f"n.level > 1 AND n.level >= {wanted.min_level:d}")
    elif wanted.min_level:
        clauses.append("n.level >= 1")
    if wanted.since is not None:
        clauses.append("n.at >= ?")
        params.append(wanted.since)
    return Query(f"{source} WHERE {' AND '.join(clauses) or '1'}", tuple(params), pos)


def _driven_by(wanted: Filter) -> tuple[str, str, list[str], list[object]]:
    """Choose what is walked: the matches of a search, the notifications of a tag, or all; each gives its rows newest first."""
    expression = match_expression(wanted.search)
    if wanted.search.strip() and not expression:
        return "notification n", "n.pos", ["0"], []  # only signs, no word: nothing can match
    if not expression and wanted.tag is None:
        return "notification n", "n.pos", [], []
    if not expression:
        return "tag t JOIN notification n ON n.pos = t.pos", "t.pos", ["t.tag = ?"], [wanted.tag]
    clauses, params = ["s.search MATCH ?"], [expression]
    if wanted.tag is not None:
        clauses.append("EXISTS (SELECT 1 FROM tag t WHERE t.tag = ? AND t.pos = n.pos)")
        params.append(wanted.tag)
    return "search s JOIN notification n ON n.pos = s.rowid", "s.rowid", clauses, [*params]


def match_expression(typed: str) -> str:
    """Quote what a person types for FTS5 (a bare `-` or `:` is its syntax); the last word is a prefix, unless a space follows it."""
    words = [word for word in _WORD.findall(typed) if any(map(str.isalnum, word))]
    if not words:
        return ""
    quoted = [f'"{word}"' for word in words]
    if typed[-1:].strip():
        quoted[-1] += "*"
    return " ".join(quoted)


def row_of(columns: tuple[object, ...]) -> Row:
    """Make a row of what `COLUMNS` selected."""
    pos, id_, repeats, is_read, archived, acknowledged, snoozed_until, level, at, has_image, has_chart, *words = columns
    flags = (bool(is_read), bool(archived), bool(acknowledged))
    return Row._make((pos, id_, repeats, *flags, snoozed_until, level, at, bool(has_image), bool(has_chart), *words))
