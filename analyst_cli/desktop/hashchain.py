"""Lines of JSON that hold on to each other: each carries `seq` and the hash of the line before, so that a change in the middle shows.

It proves that nobody changed a part without rewriting the rest; it does not stop the owner of the files from rewriting all of it.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["NO_HASH", "ChainFault", "ChainedLines", "verify"]

NO_HASH = "0" * 64


class ChainFault(ValueError):
    """A chain that does not hold; the text names the line."""


class ChainedLines:
    """Append chained lines to an open file; each line is one write."""

    def __init__(self, fd: int, *, seq: int = 0, last_hash: str = NO_HASH) -> None:
        self._fd = fd
        self.seq = seq
        self.last_hash = last_hash

    def append(self, members: dict[str, Any]) -> None:
        """Write one line. Raises OSError, and then the chain goes on from the line before."""
        line = msgspec.json.encode({**members, "seq": self.seq + 1, "prevHash": self.last_hash})
        written = os.write(self._fd, line + b"\n")
        if written != len(line) + 1:
            # ENOSPC: a regular file writes less only when it is full
            raise OSError(28, "the line was written only in part")
        self.seq += 1
        self.last_hash = hashlib.sha256(line).hexdigest()


def verify(lines: Iterable[bytes], *, first_hash: str | None = NO_HASH) -> tuple[int, str]:
    """Check a chain; return the number of lines and the last hash. `first_hash` None: a part of a longer chain. Raises ChainFault."""
    expected, count, seq = first_hash, 0, None
    last = first_hash or NO_HASH
    for count, line in enumerate(lines, start=1):
        stripped = line.rstrip(b"\n")
        try:
            members = json.loads(stripped)
            found_seq, found_hash = members["seq"], members["prevHash"]
        except (ValueError, KeyError, TypeError) as exc:
            raise ChainFault(f"line {count} is damaged") from exc
        if expected is not None and found_hash != expected:
            raise ChainFault(f"line {count} does not follow the line before: something was changed or removed")
        if seq is not None and found_seq != seq + 1:
            raise ChainFault(f"line {count} has the number {found_seq} after {seq}")
        seq = found_seq
        expected = last = hashlib.sha256(stripped).hexdigest()
    return count, last
