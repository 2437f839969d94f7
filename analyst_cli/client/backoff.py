"""How long to wait before connecting again. Pure: takes the randomness."""

__all__ = ["LONGEST_S", "MALFORMED_WAIT_S", "delay_s"]

SHORTEST_S = 1.0
LONGEST_S = 30.0  # protocol 1.1
MALFORMED_WAIT_S = 30.0  # protocol 2.4: a malformed message is a bug, and would only be repeated
_ATTEMPTS_TO_LONGEST = 5


def delay_s(attempt: int, chance: float) -> float:
    """Return the wait before an attempt (1 is the first) for a `chance` in 0..1: full jitter below 1, 2, 4, ... 30 s.

    Full jitter spreads the return of many clients best:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    exponent = min(max(attempt, 1), _ATTEMPTS_TO_LONGEST + 1) - 1
    return chance * min(LONGEST_S, SHORTEST_S * 2.0**exponent)
