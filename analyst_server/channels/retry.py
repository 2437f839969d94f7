"""What to do after a delivery failed, and when the next one may go out. No I/O, no clock: `now` is unix seconds.

Limits: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this (1 message a second in a chat, 20 a minute in a group,
30 a second overall).
"""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["FIRST_DELAY_S", "GIVE_UP_AFTER_S", "Failure", "GiveUp", "Pace", "TryAgain", "after_failure"]

FIRST_DELAY_S, MAX_DELAY_S = 1.0, 300.0
MAX_UNCONFIRMED_TRIES = 2  # a doubled message is better than a lost one, a tripled one is not
GIVE_UP_AFTER_S = 24 * 3_600.0  # an alert of yesterday is in the inbox; sending it now helps nobody

CHAT_INTERVAL_S = 1.0
GROUP_COUNT, GROUP_WINDOW_S = 20, 60.0
OVERALL_COUNT, OVERALL_WINDOW_S = 30, 1.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery failed. Neither permanent nor unconfirmed: transient, and nothing was delivered."""

    reason: str
    permanent: bool = False  # this chat or this message will never do
    unconfirmed: bool = False  # it may have been delivered
    retry_after_s: float | None = None  # the other side has told when
    everywhere: bool = False  # it concerns the whole channel: no network, no valid token


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Try again at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never again; `unconfirmed` when it may have been delivered, `too_old` when it was tried for long enough."""

    unconfirmed: bool = False
    too_old: bool = False


def after_failure(
    failure: Failure, *, tries: int, queued_at: float, now: float, first_delay_s: float = FIRST_DELAY_S
) -> TryAgain | GiveUp:
    """Return what follows the failure of try number `tries` (from 1) of a message that is queued since `queued_at`."""
    if failure.permanent:
        return GiveUp()
    if failure.unconfirmed and tries >= MAX_UNCONFIRMED_TRIES:
        return GiveUp(unconfirmed=True)
    if now - queued_at > GIVE_UP_AFTER_S:
        return GiveUp(unconfirmed=failure.unconfirmed, too_old=not failure.unconfirmed)
    if failure.retry_after_s is not None:
        return TryAgain(at=now + failure.retry_after_s)
    return TryAgain(at=now + min(MAX_DELAY_S, first_delay_s * 2.0 ** min(tries - 1, 16)))


@dataclass(slots=True)
class Pace:
    """Who may be sent something when, by the limits of Telegram. Forgets chats that have been quiet."""

    chat_interval_s: float = CHAT_INTERVAL_S
    overall_window_s: float = OVERALL_WINDOW_S
    _overall: deque[float] = field(default_factory=deque)
    _chats: dict[int, deque[float]] = field(default_factory=dict)

    def earliest(self, chat: int, *, now: float) -> float:
        """Return the first time, not before `now`, at which something may go to the chat. Groups have negative ids."""
        earliest = now
        if len(self._overall) >= OVERALL_COUNT:
            earliest = max(earliest, self._overall[-OVERALL_COUNT] + self.overall_window_s)
        sent = self._chats.get(chat)
        if sent:
            earliest = max(earliest, sent[-1] + self.chat_interval_s)
            if chat < 0 and len(sent) >= GROUP_COUNT:
                earliest = max(earliest, sent[-GROUP_COUNT] + GROUP_WINDOW_S)
        return earliest

    def sent(self, chat: int, *, now: float) -> None:
        """Note that something goes to the chat now."""
        self._overall.append(now)
        while len(self._overall) > OVERALL_COUNT:
            self._overall.popleft()
        times = self._chats.setdefault(chat, deque(maxlen=GROUP_COUNT))
        times.append(now)
        if len(self._chats) > 1_000:
            self._chats = {each: sent for each, sent in self._chats.items() if sent[-1] > now - GROUP_WINDOW_S}
