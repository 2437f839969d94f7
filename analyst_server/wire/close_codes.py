"""WebSocket close codes (section 2.4 of the protocol) and what a client does about each."""

import re
from enum import Enum, IntEnum

__all__ = ["MAX_REASON_BYTES", "CloseCode", "Verdict", "close_reason", "retry_delay_s", "verdict_of"]

MAX_RETRY_S = 3_600.0
_RETRY_S = re.compile(r"retry_s\D{0,3}(\d+(?:\.\d+)?)")  # as `close_reason` has it, and as JSON
MAX_REASON_BYTES = 123  # RFC 6455 section 5.5: a control frame has at most 125 bytes, two of them the code


class CloseCode(IntEnum):
    """Codes of RFC 6455 section 7.4 that this protocol uses, and its own."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003  # a binary message
    INVALID_TEXT = 1007  # a text message that is no UTF-8
    RESTARTING = 1012
    MALFORMED = 4400
    TOKEN_REFUSED = 4401
    TIMEOUT = 4408
    SLOW_CONSUMER = 4409
    TOO_LARGE = 4413
    TOO_MANY_CONNECTIONS = 4429
    AT_CAPACITY = 4503


class Verdict(Enum):
    """What a client does after a close."""

    RECONNECT = "reconnect"  # after the usual jittered delay, and the seconds that the reason names
    RECONNECT_LATER = "reconnect later"  # at least 30 s, or the seconds that the reason names
    SIGN_IN = "sign in"  # stop: the token is of no use any more
    STOP = "stop"  # stop: trying again cannot help


_VERDICTS = {
    CloseCode.PROTOCOL_ERROR: Verdict.RECONNECT_LATER,
    CloseCode.UNSUPPORTED_DATA: Verdict.RECONNECT_LATER,
    CloseCode.INVALID_TEXT: Verdict.RECONNECT_LATER,
    CloseCode.MALFORMED: Verdict.RECONNECT_LATER,
    CloseCode.TOKEN_REFUSED: Verdict.SIGN_IN,
    CloseCode.TOO_MANY_CONNECTIONS: Verdict.STOP,
    CloseCode.AT_CAPACITY: Verdict.RECONNECT_LATER,
}


def verdict_of(code: int) -> Verdict:
    """Return what a client does after a close with this code; an unknown code is a lost connection."""
    return (
        _VERDICTS.get(CloseCode(code), Verdict.RECONNECT) if code in CloseCode._value2member_map_ else Verdict.RECONNECT
    )


def close_reason(words: str, *, retry_s: float | None = None) -> str:
    """Return the reason of a close; `retry_s` asks the client to stay away for that long (`Retry-After` of a WebSocket)."""
    hint = "" if retry_s is None else f"; retry_s={retry_s:g}"
    return words.encode()[: MAX_REASON_BYTES - len(hint)].decode(errors="ignore") + hint


def retry_delay_s(reason: str) -> float | None:
    """Return how many seconds a reason asks to stay away, at most an hour; None if it asks nothing."""
    found = _RETRY_S.search(reason)
    return min(float(found[1]), MAX_RETRY_S) if found else None
