"""WebSocket close codes (section 2.4 of the protocol) and what a client does about each."""

from enum import Enum, IntEnum

__all__ = ["CloseCode", "Verdict", "verdict_of"]


class CloseCode(IntEnum):
    """Codes of RFC 6455 section 7.4 that this protocol uses, and its own."""

    GOING_AWAY = 1001
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

    RECONNECT = "reconnect"  # after the usual jittered delay
    RECONNECT_LATER = "reconnect later"  # at least 30 s, or the seconds that the reason names
    SIGN_IN = "sign in"  # stop: the token is of no use any more
    STOP = "stop"  # stop: trying again cannot help


_VERDICTS = {
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
