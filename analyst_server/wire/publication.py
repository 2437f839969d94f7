"""What a publisher sends to `POST /dispatch`: decoded, checked against the limits of section 2.5, and made the body that is stored.

Pure: the caller passes the time and the random bits. Unknown members are dropped. Raises `RequestRefused` and `TooLarge`, whose texts name the
member, the value and the limit.
"""

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec

from analyst_server.errors import RequestRefused, TooLarge
from analyst_server.wire.inert import inert_line
from analyst_server.wire.messages import Chart, Priority, Run

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_TITLE_CHARS",
    "MAX_USERS",
    "USER_NAME_RULE",
    "Publication",
    "Submission",
    "decode_publication",
    "new_notification_id",
    "stored_body",
]

MAX_BODY_BYTES = 256 * 1024  # protocol 2.5, as the four below
MAX_TITLE_CHARS = 250
MAX_MESSAGE_BYTES = 16 * 1024
MAX_USERS = 1_000
MAX_CHART_SERIES, MAX_CHART_POINTS = 5, 500
MAX_ID_CHARS = 128  # a UUID has 36; ids are keys of an index
MAX_TAGS, MAX_TAG_CHARS = 20, 64  # a line of tags in a list
MAX_SHORT_CHARS = 256  # script names, grouping keys, series names
MAX_URL_CHARS = 2_048  # what every browser takes
MAX_ALT_CHARS = 1_000  # a sentence, generously
MAX_DATA_DEPTH = 20  # far below the recursion limit of any reader

_TEXT_LIMITS = (
    ("id", MAX_ID_CHARS),
    ("script", MAX_SHORT_CHARS),
    ("key", MAX_SHORT_CHARS),
    ("url", MAX_URL_CHARS),
    ("image_url", MAX_URL_CHARS),
    ("image_alt", MAX_ALT_CHARS),
)

USER_NAME_RULE = "1 to 128 letters, digits or . _ @ + -, the first a letter, digit or _"
_USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}", re.ASCII)
_SHOWN_CHARS = 60  # of a bad value in an error's text


class Submission(msgspec.Struct, omit_defaults=True):
    """A notification as a publisher sends it: the members of the wire, and `image_path`, which becomes `image_url`."""

    id: str | None = None
    title: str = ""
    message: str = ""
    timestamp: str | None = None
    image_url: str | None = None
    script: str | None = None
    priority: Priority = "normal"
    tags: list[str] = []
    key: str | None = None
    status: Literal["firing", "resolved"] | None = None
    url: str | None = None
    image_alt: str | None = None
    chart: Chart | None = None
    run: Run | None = None
    data: dict[str, Any] | None = None
    image_path: str | None = None


class _Request(msgspec.Struct):
    user: Any = None
    users: Any = None
    notification: msgspec.Raw = msgspec.Raw()  # as it was sent; empty: it was not


class Publication(msgspec.Struct, frozen=True):
    """A checked request: to whom, and what."""

    users: tuple[str, ...]
    to_many: bool  # asked with `users`: the answer has a line for each
    submission: Submission
    fingerprint: bytes  # of what was sent, before anything is filled in
    timestamp: str | None  # as UTC with Z; None: the publisher named none


_CHOICES = {
    "priority": "it is low, normal, high or critical",
    "status": "it is firing or resolved",
    "chart.kind": "it is line or bar",
}
_request_decoder = msgspec.json.Decoder(_Request)
_submission_decoder = msgspec.json.Decoder(Submission)
_encoder = msgspec.json.Encoder(order="deterministic")


def decode_publication(body: bytes) -> Publication:
    """Return what a request asks for. Raises `RequestRefused`, `TooLarge`."""
    request = _decode_request(body)
    users, to_many = _recipients(request)
    submission = _decode_submission(request.notification)
    _check_limits(submission)
    fingerprint = sha256(_encoder.encode(submission)).digest() if submission.id else b""
    timestamp = _zulu(submission.timestamp) if submission.timestamp is not None else None
    return Publication(users, to_many, submission, fingerprint, timestamp)


def stored_body(publication: Publication, *, notification_id: str, now: datetime) -> bytes:
    """Return the JSON object to store: the members of protocol 1 first, what is missing filled in."""
    submission = publication.submission
    submission.id = notification_id
    submission.timestamp = publication.timestamp or _rfc3339(now)
    submission.image_path = None
    return msgspec.json.encode(submission) if submission.title and submission.message else _with_empty_texts(submission)


def new_notification_id(now: datetime, random_bits: bytes) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) from the time and 10 random bytes: ids sort by time."""
    milliseconds = int(now.timestamp() * 1000)
    value = milliseconds << 80 | int.from_bytes(random_bits[:10])
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _decode_request(body: bytes) -> _Request:
    try:
        return _request_decoder.decode(body)
    except msgspec.ValidationError:  # valid JSON, but no object
        raise RequestRefused("Missing 'user' or 'notification'") from None
    except (ValueError, RecursionError):
        raise RequestRefused("Invalid JSON") from None


def _recipients(request: _Request) -> tuple[tuple[str, ...], bool]:
    """Return the users, and whether they were given as a list. The first text is that of the source system."""
    if bytes(request.notification) in (b"", b"null", b"{}") or (request.users is None and not request.user):
        raise RequestRefused("Missing 'user' or 'notification'")
    if request.users is None:
        return (_checked_user(request.user),), False
    if request.user is not None or not isinstance(request.users, list):
        raise RequestRefused("'users' is a list of names, and excludes 'user'")
    if not request.users:
        raise RequestRefused("'users' is empty")
    if len(request.users) > MAX_USERS:
        raise TooLarge(f"{len(request.users)} users, more than {MAX_USERS}")
    return tuple(dict.fromkeys(_checked_user(name) for name in request.users)), True


def _checked_user(name: object) -> str:
    if isinstance(name, str) and _USER_NAME.fullmatch(name):
        return name
    raise RequestRefused(f"the user name {_shown(name)} is not {USER_NAME_RULE}")


def _decode_submission(raw: msgspec.Raw) -> Submission:
    try:
        return _submission_decoder.decode(raw)
    except msgspec.ValidationError as exc:
        words = _in_words(exc)
        raise RequestRefused(f"notification: {words}", _CHOICES.get(words.rpartition(" in ")[2], "")) from None
    except (ValueError, RecursionError):
        raise RequestRefused("Invalid JSON") from None


def _check_limits(each: Submission) -> None:
    if not each.title and not each.message:
        raise RequestRefused("notification: it has no title and no message")
    _at_most("title", len(each.title), MAX_TITLE_CHARS)
    if len(each.message) * 4 > MAX_MESSAGE_BYTES:  # a character has at most 4 bytes
        _at_most("message", len(each.message.encode()), MAX_MESSAGE_BYTES, "bytes")
    for name, limit in _TEXT_LIMITS:
        value: str | None = getattr(each, name)
        if value is not None and len(value) > limit:
            _at_most(name, len(value), limit)
    if each.id is not None and (not each.id or not each.id.isprintable()):
        raise RequestRefused(f"notification: the id {_shown(each.id)} is not 1 to {MAX_ID_CHARS} printable characters")
    if each.tags:
        _at_most("tags", len(each.tags), MAX_TAGS, "tags")
        _at_most("tags", max(map(len, each.tags)), MAX_TAG_CHARS, "characters in one")
    if each.data is not None and not _within_depth(each.data, MAX_DATA_DEPTH):
        raise RequestRefused(f"notification: data is nested deeper than {MAX_DATA_DEPTH} levels")
    if each.chart is not None:
        _check_chart(each.chart)


def _check_chart(chart: Chart) -> None:
    lengths = [len(series.y) for series in chart.series]
    _at_most("chart", len(lengths), MAX_CHART_SERIES, "series")
    _at_most("chart", sum(lengths), MAX_CHART_POINTS, "points")
    if not lengths or not max(lengths):
        raise RequestRefused("notification: the chart has no points")
    if chart.x and len(chart.x) != max(lengths):
        raise RequestRefused(f"notification: the chart has {len(chart.x)} values of x for {max(lengths)} points")
    if chart.mark is not None and not 0 <= chart.mark < max(lengths):
        raise RequestRefused(f"notification: the chart's mark {chart.mark} is no index of its {max(lengths)} points")


def _within_depth(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_within_depth(each, levels - 1) for each in inner if isinstance(each, dict | list))


def _at_most(name: str, size: int, limit: int, unit: str = "characters") -> None:
    if size > limit:
        way_out = "shorten it" if unit in ("characters", "bytes") else "send fewer"
        raise TooLarge(f"notification: {name} has {size} {unit}, more than {limit}", way_out)


_ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


def _zulu(timestamp: str) -> str:
    """Return a time as the wire has it, UTC with Z; one that has this form already stays as it was sent."""
    try:
        parsed = msgspec.convert(timestamp, datetime)
        if _ZULU.fullmatch(timestamp):
            return timestamp
        return _rfc3339(parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC))
    except (msgspec.ValidationError, OverflowError):
        raise RequestRefused(f"notification: the timestamp {_shown(timestamp)} is no RFC 3339 time") from None


def _rfc3339(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds").replace("+00:00", "Z")


def _with_empty_texts(submission: Submission) -> bytes:
    """Return the body with `title` and `message` even where they are empty: protocol 1 has both always."""
    members: dict[str, Any] = {"id": submission.id, "title": submission.title, "message": submission.message}
    return msgspec.json.encode(members | msgspec.to_builtins(submission))


def _in_words(exc: msgspec.ValidationError) -> str:
    text = str(exc)
    return text.replace("`", "").replace(" - at $.", " in ").replace(" - at $", "")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    short = inert_line(text)
    return repr(short if len(short) <= _SHOWN_CHARS else short[: _SHOWN_CHARS - 1] + "…")
