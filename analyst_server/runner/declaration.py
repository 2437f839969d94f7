"""What a script says about itself in the block at its top. No I/O.

    # /// analyst
    # schedule = "30 7 * * MON-FRI"
    # timezone = "Europe/Prague"
    # ///

The shape is that of inline script metadata (https://peps.python.org/pep-0723/), the content is TOML. A script without a block is none the worse.
"""

import re
import tomllib
from typing import Any, Literal

import msgspec

from analyst_server.runner.cooldown import DEFAULT_COOLDOWN, duration_s

__all__ = ["DEFAULT_TIMEOUT_S", "BadDeclaration", "Declaration", "line_of_key", "read_declaration"]

DEFAULT_TIMEOUT_S = 60.0  # section 1.6 of the protocol
MAX_TIMEOUT_S = 3_600.0

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)[ \t]*\r?$\n(?P<content>(^#(| .*)\r?$\n)*)^# ///[ \t]*\r?$")


class BadDeclaration(ValueError):
    """The block at the top of a script cannot be used; `line` is where, counted from 1 in the file."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem, line)
        self.problem = problem
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a script wants to be run; every member may be left out."""

    schedule: str = ""  # five cron fields or `every 10m`; empty: at every `once`, every 5 minutes under `serve`
    timezone: str = ""  # IANA name; empty: the machine's
    jitter: str = "0m"  # spread over this time, the same for every run of this script
    timeout: str = ""  # `90s`, `5m`; empty: 60 s
    cooldown: str = DEFAULT_COOLDOWN  # when the output names none
    priority: Literal["low", "normal", "high", "critical"] = "normal"
    tags: list[str] = []
    owner: str = ""  # who hears of failures; empty: the user whose script it is
    description: str = ""
    failure_alerts: bool = True
    enabled: bool = True

    @property
    def timeout_s(self) -> float:
        """Return the time limit of a run in seconds."""
        return duration_s(self.timeout, units="smh") if self.timeout else DEFAULT_TIMEOUT_S

    @property
    def jitter_s(self) -> int:
        """Return the width of the spread in seconds."""
        return duration_s(self.jitter, units="smh")


def read_declaration(source: str) -> Declaration:
    """Return what the block in a script's source says; defaults without a block. Raises `BadDeclaration`."""
    blocks = [match for match in _BLOCK.finditer(source) if match["type"] == "analyst"]
    if not blocks:
        opening = re.search(r"(?m)^#\s*///\s*analyst\b.*$", source)
        if opening is not None:
            raise BadDeclaration(
                "the block is not closed by a line `# ///`, or not all its lines begin with `# `",
                _line_of(source, opening.start()),
            )
        return Declaration()
    if len(blocks) > 1:
        raise BadDeclaration("a second block; one is enough", _line_of(source, blocks[1].start()))
    first_line = _line_of(source, blocks[0].start("content"))
    content = _uncommented(blocks[0]["content"])
    return _checked(_toml(content, first_line), content, first_line)


def line_of_key(source: str, key: str) -> int:
    """Return in which line of a script its block, which can be read, names a key."""
    block = next(match for match in _BLOCK.finditer(source) if match["type"] == "analyst")
    first_line = _line_of(source, block.start("content"))
    return _line_of_key(_uncommented(block["content"]), key, first_line)


def _uncommented(content: str) -> str:
    return "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in content.splitlines())


def _toml(content: str, first_line: int) -> dict[str, Any]:
    try:
        return tomllib.loads(content + "\n")
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(exc))
        line = first_line + (int(found[1]) - 1 if found else 0)
        raise BadDeclaration(f"not TOML: {str(exc).split(' (at ')[0]}", line) from exc


def _checked(table: dict[str, Any], content: str, first_line: int) -> Declaration:
    for key in table:
        if key not in Declaration.__struct_fields__:
            known = ", ".join(Declaration.__struct_fields__)
            raise BadDeclaration(f"unknown key {key!r}; known are {known}", _line_of_key(content, key, first_line))
    try:
        declared = msgspec.convert(table, Declaration)
    except msgspec.ValidationError as exc:
        key = str(exc).rpartition("$.")[2].partition("`")[0].partition("[")[0]
        raise BadDeclaration(f"{key}: {_wanted(key)}", _line_of_key(content, key, first_line)) from exc
    for key, units in (("timeout", "smh"), ("jitter", "smh"), ("cooldown", "mhd")):
        value = getattr(declared, key)
        try:
            seconds = duration_s(value, units=units) if value else 0
        except ValueError as exc:
            raise BadDeclaration(f"{key}: {exc}", _line_of_key(content, key, first_line)) from exc
        if key == "timeout" and value and not 1 <= seconds <= MAX_TIMEOUT_S:
            raise BadDeclaration(f"timeout: {value!r} is not within 1s and 1h", _line_of_key(content, key, first_line))
    return declared


def _wanted(key: str) -> str:
    match key:
        case "tags":
            return 'must be a list of texts, as in ["a", "b"]'
        case "priority":
            return "must be one of low, normal, high, critical, in quotes"
        case "failure_alerts" | "enabled":
            return "must be true or false"
    return "must be a text in quotes"


def _line_of(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1


def _line_of_key(content: str, key: str, first_line: int) -> int:
    found = re.search(rf"(?m)^[ \t]*[\"']?{re.escape(key)}[\"']?\s*=", content)
    return first_line + (content.count("\n", 0, found.start()) if found else 0)
