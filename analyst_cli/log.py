"""The log of the client: nothing by default; `ANALYST_LOG=warning|info|debug` writes to stderr, or to the file `ANALYST_LOG_FILE`.

Tokens are blotted out. A line at a time and no handlers: the `logging` module costs 11 ms at every start, and nothing here needs more.
"""

import os
import re
import sys
import time

__all__ = ["debug", "info", "redacted", "warning"]

_LEVELS = ("debug", "info", "warning")
# a JWT, or anything behind the words that introduce a secret
_SECRETS = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]+)?|((?:token|code|secret|bearer|verifier)[\"'=:\s]{1,4})[\w.~+/-]{8,}", re.IGNORECASE
)


def debug(message: str, *values: object) -> None:
    """Log what only a developer wants to know."""
    _write("debug", message, values)


def info(message: str, *values: object) -> None:
    """Log what happened."""
    _write("info", message, values)


def warning(message: str, *values: object) -> None:
    """Log what went wrong without stopping anything."""
    _write("warning", message, values)


def redacted(words: str) -> str:
    """Return the words without tokens and codes."""
    return _SECRETS.sub(lambda match: (match[1] or "") + "<hidden>", words)


def _write(level: str, message: str, values: tuple[object, ...]) -> None:
    wanted = os.environ.get("ANALYST_LOG", "")
    if wanted not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(wanted):
        return
    from analyst_server.wire.inert import inert_line  # noqa: PLC0415

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = f"{stamp} {level} {inert_line(redacted(message % values if values else message))}\n"
    path = os.environ.get("ANALYST_LOG_FILE")
    if not path:
        sys.stderr.write(line)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(line)
