"""Hand a sign-in URL from the operating system to the `analyst login` that waits for it.

The operating system starts `analyst callback URL` when a browser follows a `keboola-analyst://` link. Any web page can send such a link, with
anything in it, so this passes on only what has the right shape, only to a sign-in that waits now; what the URL says is judged there.
Standard library only: a person waits in front of the browser.
"""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from analyst_cli.paths import runtime_dir

__all__ = ["MAX_URL_BYTES", "deliver", "socket_path"]

MAX_URL_BYTES = 8_192  # a token is below 1 KB, a code below 100 bytes
ANSWER_TIMEOUT_S = 10.0
NOBODY_WAITS = "no sign-in waits for this link; start one with: analyst login"


def socket_path() -> Path:
    """Where a waiting `analyst login` listens: in a folder that only this person may enter."""
    return runtime_dir() / "sign-in.sock"


def deliver(arguments: Sequence[str]) -> int:
    """Pass the URL to the waiting sign-in and tell the person its answer; return the exit code (0 done, 1 refused, 2 not such a URL)."""
    if (
        len(arguments) != 1
        or len(arguments[0].encode(errors="replace")) > MAX_URL_BYTES
        or not arguments[0].isprintable()
        or "://" not in arguments[0]
    ):
        return _tell(
            2,
            f"analyst callback takes one link of at most {MAX_URL_BYTES} bytes, as the browser gives it after a sign-in",
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(str(socket_path()))
            connection.sendall(arguments[0].encode() + b"\n")
            answer = connection.makefile("r", encoding="utf-8").readline(4_096).strip()
    except OSError:
        return _tell(1, NOBODY_WAITS)
    return _tell(0, "") if answer == "ok" else _tell(1, answer or NOBODY_WAITS)


def _tell(code: int, words: str) -> int:
    if words:
        sys.stderr.write(f"analyst: {words}\n")
    return code
