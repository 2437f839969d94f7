"""The cooldown: an hour means an hour, also when the clock is set."""

import pytest

from analyst_server.runner.cooldown import decide, duration_s, last_sent_of, state_text

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("2h", 7200), ("1d", 86400), ("0m", 0), (" 5m ", 300)])
def test_durations(text: str, seconds: int) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "30s", "m", "-1h", "1.5h", "1h30m", "9999999999d", "400d", "１h" * 3])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"no duration|longer than a year"):
        duration_s(text)


def test_nothing_holds_back_the_first_alert() -> None:
    assert decide(last_sent=None, cooldown_s=3600, now=NOW).may_send


def test_it_ends_exactly_when_it_says() -> None:
    held = decide(last_sent=NOW, cooldown_s=3600, now=NOW + 3599)
    assert held.until == NOW + 3600
    assert decide(last_sent=NOW, cooldown_s=3600, now=NOW + 3600).may_send


def test_a_clock_set_back_by_an_hour_does_not_silence_the_script() -> None:
    assert decide(last_sent=NOW, cooldown_s=60, now=NOW - 3600).may_send
    assert not decide(last_sent=NOW, cooldown_s=60, now=NOW - 1).may_send


def test_the_state_is_that_of_the_source_system() -> None:
    assert state_text(NOW) == '{"last_sent": 1800000000.0}'
    assert last_sent_of(b'{"last_sent": 1769767200}') == 1769767200.0
    assert last_sent_of(b'{"last_sent": null}') is None


@pytest.mark.parametrize(
    "state",
    [b"", b"{", b"[]", b'{"last_sent": "x"}', b'{"last_sent": true}', b'{"last_sent": NaN}', b"[" * 10_000, b"\xff"],
)
def test_a_damaged_state_is_recognised(state: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        last_sent_of(state)
