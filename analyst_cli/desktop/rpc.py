"""JSON-RPC 2.0 lines: bytes to a request, results and problems to bytes. Pure.

One compact JSON object per line, UTF-8, at most 1 MiB (R-TR-2). Duplicate keys, NaN, infinities, lone surrogates, notifications and batches are
refused. Replies carry the caller's id with its type; where no id could be read, null.
"""

import json
from typing import Any, NoReturn

import msgspec

from analyst_cli.desktop.errors import DesktopProblem, invalid

__all__ = ["MAX_LINE_BYTES", "BadLine", "Request", "RequestId", "encode", "failure", "parse", "request_line", "success"]

MAX_LINE_BYTES = 1024 * 1024
MAX_ID_CHARS = 128
MAX_NESTING = 100  # deeper than any request; keeps Python's recursion limit out of the picture

RequestId = str | int


class Request(msgspec.Struct, frozen=True):
    """A well-formed envelope; nothing is known about `params` but that it is an object."""

    id: RequestId
    method: str
    params: dict[str, Any]


class BadLine(Exception):
    """A line that is no request. `id` is the caller's where it could be read; `fatal` asks to close the connection."""

    def __init__(self, problem: DesktopProblem, request_id: RequestId | None = None, *, fatal: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.id = request_id
        self.fatal = fatal


def parse(line: bytes) -> Request:
    """Read one line without its newline. Raises BadLine."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(invalid(f"the line is longer than {MAX_LINE_BYTES} bytes", rpc_code=-32600), fatal=True)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as exc:
        problem = invalid(f"the line is not UTF-8 (byte {exc.start})", rpc_code=-32700)
        raise BadLine(problem, fatal=True) from exc
    return _request(_json(text))


def _json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in text:  # an escape may stand for half a character
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise BadLine(invalid("a string holds half of a surrogate pair", rpc_code=-32700)) from exc
    except RecursionError as exc:
        raise BadLine(invalid("the request is nested too deep", rpc_code=-32700)) from exc
    except ValueError as exc:  # JSONDecodeError and what the hooks raise
        raise BadLine(invalid(f"the line is not JSON: {_reason(exc)}", rpc_code=-32700)) from exc
    if _depth(value) > MAX_NESTING:
        raise BadLine(invalid("the request is nested too deep", rpc_code=-32600))
    return value


def _request(value: Any) -> Request:
    if isinstance(value, list):
        raise BadLine(invalid("batches are not supported: send one request per line", rpc_code=-32600))
    if not isinstance(value, dict):
        raise BadLine(invalid("a request is a JSON object", rpc_code=-32600))
    request_id = _id(value)
    if value.get("jsonrpc") != "2.0":
        _refuse(request_id, 'the member jsonrpc must be "2.0"')
    if request_id is None:
        _refuse(
            request_id,
            f"the member id must be a string of 1 to {MAX_ID_CHARS} characters or an integer; notifications are not supported",
        )
    method, params = value.get("method"), value.get("params", {})
    if not isinstance(method, str) or not method:
        _refuse(request_id, "the member method must be a string")
    if not isinstance(params, dict):
        _refuse(request_id, "the member params must be an object")
    return Request(request_id, method, params)


def _refuse(request_id: RequestId | None, words: str) -> NoReturn:
    raise BadLine(invalid(words, rpc_code=-32600), request_id)


def _id(value: dict[str, Any]) -> RequestId | None:
    match value.get("id"):
        case bool():
            return None
        case int(number) if -(2**63) <= number < 2**63:
            return number
        case str(words) if 1 <= len(words) <= MAX_ID_CHARS:
            return words
        case _:
            return None


def success(request_id: RequestId | None, result: Any) -> bytes:
    """Encode a reply, with its newline."""
    return encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def failure(request_id: RequestId | None, problem: DesktopProblem) -> bytes:
    """Encode an error reply, with its newline."""
    return encode({"jsonrpc": "2.0", "id": request_id, "error": problem.reply()})


def request_line(request_id: RequestId, method: str, params: dict[str, Any]) -> bytes:
    """Encode a request, with its newline, for clients."""
    return encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def encode(value: Any) -> bytes:
    """Encode any value of records, dicts and plain types as one compact line, with its newline."""
    return msgspec.json.encode(value) + b"\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:40]!r} appears twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _reason(exc: ValueError) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"{exc.msg} at position {exc.pos}"
    return "a number has too many digits" if "digits" in str(exc) else str(exc)


def _depth(value: Any) -> int:
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        deepest = max(deepest, level)
        if deepest > MAX_NESTING:
            break
        if isinstance(item, dict):
            todo.extend((member, level + 1) for member in item.values())
        elif isinstance(item, list):
            todo.extend((member, level + 1) for member in item)
    return deepest
