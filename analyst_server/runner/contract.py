"""Read what a script printed (section 1.6 of the protocol) and make the notification of it. No I/O, no clock.

What decides (`notify`, `title`, `message`) has to be right; what decorates (chart, tags, priority, ...) is left out with a warning when it is
wrong, because a broken ornament must never mute an alert.
"""

import json
import re
from itertools import islice
from typing import Any, Literal, NoReturn

import msgspec

from analyst_server.runner.cooldown import duration_s
from analyst_server.wire.messages import Chart, Priority

__all__ = ["BadOutput", "Output", "read_output"]

MAX_TITLE_CHARS, MAX_MESSAGE_BYTES, MAX_DATA_BYTES = (
    250,
    16 * 1024,
    128 * 1024,
)  # section 2.5: 256 KiB for the whole body
MAX_SERIES, MAX_POINTS = 5, 500  # section 2.5
MAX_TAGS, MAX_TAG_CHARS = 20, 64  # as the gateway has it, with the three below
MAX_KEY_CHARS, MAX_URL_CHARS, MAX_ALT_CHARS = 256, 2_048, 1_000
MAX_CANDIDATES = 50  # lines that could begin the object, tried in turn


class BadOutput(ValueError):
    """The output is not what the contract asks for; `line` and `column` count from 1 in the whole of stdout, 0 when they say nothing."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(problem, line, column)
        self.problem = problem
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.problem} (line {self.line}, column {self.column})" if self.line else self.problem


class Output(msgspec.Struct, frozen=True):
    """What a script wants to say; `warnings` are for its author."""

    notify: bool
    title: str = ""
    message: str = ""
    image_path: str | None = None
    image_alt: str | None = None
    cooldown_s: int | None = None  # None: as declared
    data: dict[str, Any] | None = None
    chart: Chart | None = None
    priority: Priority | None = None  # None: as declared
    tags: tuple[str, ...] = ()
    key: str | None = None
    status: Literal["firing", "resolved"] | None = None
    url: str | None = None
    warnings: tuple[str, ...] = ()


def read_output(stdout: bytes) -> Output:
    """Return the one JSON object on stdout. Raises `BadOutput`."""
    text, warnings = _decoded(stdout)
    if not text.strip():
        raise BadOutput('the script printed nothing; it must print one JSON object, at least {"notify": false}')
    members, noise = _object(text)
    if noise:
        warnings.append(
            f"{len(noise)} line(s) before the JSON object were passed over, the first: {noise[0][:120]!r}; print them to stderr"
        )
    return _output(members, text, warnings)


def _decoded(stdout: bytes) -> tuple[str, list[str]]:
    try:
        return stdout.decode("utf-8-sig"), []
    except UnicodeDecodeError as exc:
        return stdout.decode(errors="replace"), [
            f"stdout is not UTF-8 at byte {exc.start}; what cannot be read shows as \ufffd"
        ]


def _object(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the object and the lines before it; an object without "notify" that more text follows is a line of somebody's log."""
    first: BadOutput | None = None
    for begin in islice(re.finditer(r"(?m)^[ \t\r]*\{", text), MAX_CANDIDATES):
        try:
            members, end = _decoded_at(text, begin.end() - 1)
        except BadOutput as exc:
            first = first or exc
            continue
        rest = text[end:].lstrip()
        if not rest:
            return members, text[: begin.start()].splitlines()
        if "notify" in members:
            first = first or BadOutput("text follows the JSON object", *_place(text, len(text) - len(rest)))
            break
    raise first or _no_object(text)


def _decoded_at(text: str, start: int) -> tuple[dict[str, Any], int]:
    """Return the JSON object that begins there, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as exc:
        hint = "; print json.dumps(...), not the dict itself" if re.match(r"\{\s*'", text[start:]) else ""
        raise BadOutput(f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}{hint}", exc.lineno, exc.colno) from exc
    except RecursionError as exc:
        raise BadOutput("the JSON is nested too deep") from exc
    except _NoSuchConstant as exc:
        raise BadOutput(str(exc), *_place_of_constant(text, start)) from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise BadOutput(str(exc)) from exc
    return value, end


def _no_object(text: str) -> BadOutput:
    """Return what is wrong with a text in which no line begins an object, or more follows each."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        return BadOutput(f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}", exc.lineno, exc.colno)
    except (RecursionError, ValueError) as exc:
        return BadOutput(f"one JSON object is wanted, and this is something else ({type(exc).__name__})")
    return BadOutput(f"one JSON object is wanted, this is {_kind(value)}", 1, 1)


class _NoSuchConstant(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    raise _NoSuchConstant(
        f"{name} is not JSON; use null, or json.dumps(..., allow_nan=False) to find where it comes from"
    )


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _place_of_constant(text: str, start: int) -> tuple[int, int]:
    """Return line and column of the first NaN or Infinity that is not in a string: json tells neither."""
    found = re.compile(r'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)').finditer(text, start)
    return next((_place(text, match.start()) for match in found if match[1]), (0, 0))


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _output(members: dict[str, Any], text: str, warnings: list[str]) -> Output:
    if "notify" not in members:
        raise BadOutput('"notify" (true or false) is missing')
    for name, kind in (("notify", bool), ("title", str), ("message", str)):
        if name in members and not isinstance(members[name], kind):
            wanted = "true or false" if kind is bool else "a string"
            raise BadOutput(f'"{name}" must be {wanted}, this is {_kind(members[name])}', *_where(text, name))
    return Output(
        notify=members["notify"],
        title=_title(members.get("title", ""), warnings),
        message=_message(members.get("message", ""), warnings),
        cooldown_s=_cooldown(members, warnings),
        chart=_chart(members.get("chart"), warnings),
        tags=_tags(members.get("tags"), warnings),
        data=_data(members.get("data"), warnings),
        image_path=_optional(members, "image_path", str, warnings),
        image_alt=_short(members, "image_alt", MAX_ALT_CHARS, warnings),
        key=_short(members, "key", MAX_KEY_CHARS, warnings),
        url=_short(members, "url", MAX_URL_CHARS, warnings),
        priority=_optional(members, "priority", Literal["low", "normal", "high", "critical"], warnings),
        status=_optional(members, "status", Literal["firing", "resolved"], warnings),
        warnings=tuple(warnings),
    )


def _title(title: str, warnings: list[str]) -> str:
    line = _sound(" ".join(title.split()))
    if len(line) <= MAX_TITLE_CHARS:
        return line
    warnings.append(f"the title has {len(line)} characters and was cut to {MAX_TITLE_CHARS}")
    return line[: MAX_TITLE_CHARS - 1] + "…"


def _message(message: str, warnings: list[str]) -> str:
    sound = _sound(message)
    encoded = sound.encode()
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return sound
    warnings.append(f"the message has {len(encoded)} bytes and was cut to {MAX_MESSAGE_BYTES}")
    return encoded[: MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"


def _sound(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _cooldown(members: dict[str, Any], warnings: list[str]) -> int | None:
    if members.get("cooldown") is None:
        return None
    try:
        return duration_s(str(members["cooldown"]))
    except ValueError as exc:
        warnings.append(f'"cooldown": {exc}; the declared one is used')
        return None


def _optional(members: dict[str, Any], name: str, kind: Any, warnings: list[str]) -> Any:
    try:
        value = msgspec.convert(members.get(name), kind | None)
    except msgspec.ValidationError as exc:
        warnings.append(f'"{name}" was left out: {exc}')
        return None
    return _sound(value) if isinstance(value, str) else value


def _short(members: dict[str, Any], name: str, most: int, warnings: list[str]) -> str | None:
    text: str | None = _optional(members, name, str, warnings)
    if text is not None and len(text) > most:
        warnings.append(f'"{name}" has {len(text)} characters and was cut to {most}')
    return text and text[:most]


def _tags(value: Any, warnings: list[str]) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        warnings.append('"tags" was left out: it must be a list of strings')
        return ()
    return tuple(_sound(tag)[:MAX_TAG_CHARS] for tag in value[:MAX_TAGS])


def _data(value: Any, warnings: list[str]) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        warnings.append(f'"data" was left out: it must be an object, this is {_kind(value)}')
        return None
    if (size := len(json.dumps(value))) > MAX_DATA_BYTES:
        warnings.append(f'"data" was left out: {size} bytes, more than {MAX_DATA_BYTES}')
        return None
    return value


def _chart(value: Any, warnings: list[str]) -> Chart | None:
    if value is None:
        return None
    try:
        chart = msgspec.convert(value, Chart)
    except msgspec.ValidationError as exc:
        warnings.append(f'"chart" was left out: {exc}')
        return None
    points = sum(len(series.y) for series in chart.series)
    if len(chart.series) > MAX_SERIES or points > MAX_POINTS:
        warnings.append(
            f'"chart" was left out: {len(chart.series)} series and {points} points, more than {MAX_SERIES} or {MAX_POINTS}'
        )
        return None
    return chart


def _where(text: str, name: str) -> tuple[int, int]:
    """Return line and column of a member's name, good enough to find it."""
    at = text.find(f'"{name}"')
    return _place(text, at) if at >= 0 else (0, 0)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
