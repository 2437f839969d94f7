"""When to try again, when to give up, and how fast to go."""

from hypothesis import given
from hypothesis import strategies as st

from analyst_server.channels.retry import Failure, GiveUp, Pace, TryAgain, after_failure

NOW = 1_000_000.0


def follows(failure: Failure, *, tries: int = 1, queued_s_ago: float = 0) -> TryAgain | GiveUp:
    return after_failure(failure, tries=tries, queued_at=NOW - queued_s_ago, now=NOW)


def test_what_can_never_do_is_given_up_at_once() -> None:
    assert follows(Failure("blocked", permanent=True)) == GiveUp()


def test_we_wait_as_long_as_we_are_told() -> None:
    assert follows(Failure("429", retry_after_s=37), tries=9) == TryAgain(NOW + 37)


def test_transient_failures_are_tried_ever_more_rarely_for_a_day() -> None:
    assert [follows(Failure("x"), tries=tries) for tries in (1, 2, 3, 50)] == [
        TryAgain(NOW + delay) for delay in (1, 2, 4, 300)
    ]
    assert follows(Failure("x"), tries=3, queued_s_ago=86_399) == TryAgain(NOW + 4)
    assert follows(Failure("x"), tries=3, queued_s_ago=86_401) == GiveUp(too_old=True)


def test_an_unknown_outcome_is_tried_once_more_and_then_said_to_be_unknown() -> None:
    assert follows(Failure("timeout", unconfirmed=True)) == TryAgain(NOW + 1)
    assert follows(Failure("timeout", unconfirmed=True), tries=2) == GiveUp(unconfirmed=True)


def paced(chats: list[int], *, seconds: float) -> list[tuple[float, int]]:
    """Send as fast as the pace allows, chat after chat, for a simulated time."""
    pace, now, sent = Pace(), NOW, []
    while now < NOW + seconds:
        at, chat = min((pace.earliest(chat, now=now), chat) for chat in chats)
        if at > now:
            now = at
            continue
        pace.sent(chat, now=now)
        sent.append((now, chat))
    return sent


def test_a_chat_gets_one_a_second() -> None:
    assert len(paced([7], seconds=60)) == 60


def test_whoever_has_just_been_written_to_is_remembered_among_a_thousand_others() -> None:
    pace = Pace(overall_window_s=0.0)
    for chat in range(1, 1_102):
        pace.sent(chat, now=NOW)
        assert pace.earliest(chat, now=NOW) == NOW + 1


def test_a_group_gets_twenty_a_minute() -> None:
    assert len(paced([-7], seconds=60)) == 20
    assert len(paced([-7], seconds=180)) == 60


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=60, unique=True))
def test_no_limit_is_passed_whoever_is_written_to(chats: list[int]) -> None:
    sent = paced(chats, seconds=5)
    for at, chat in sent:
        assert sum(1 for other, _ in sent if at <= other < at + 0.999) <= 30
        assert sum(1 for other, to in sent if to == chat and at <= other < at + 0.999) == 1
