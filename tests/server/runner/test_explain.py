"""Why did I not get it? In words, for every reason there is."""

import pytest

from analyst_server.runner.cooldown_file import begin_cooldown
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.runner.overview import explained
from analyst_server.runner.scripts import load
from tests.server.runner.conftest import Bench

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC


def record(bench: Bench, outcome: Outcome, **members: object) -> None:
    fields = {"reason": "the reason", "duration_s": 1.25, "started_at": NOW - 60, "trigger": Trigger.SCHEDULE} | members
    bench.history.put(
        RunRecord(id=f"{outcome}-{fields['started_at']}", stem="a", script="/a.py", outcome=outcome, **fields)
    )  # type: ignore[arg-type]


def sentences(bench: Bench, block: str = 'schedule = "30 7 * * *"\ntimezone = "Europe/Prague"') -> list[str]:
    return explained(bench.settings, load(bench.write("a", "", block)), bench.history, now=NOW)


def test_a_script_that_never_ran_and_no_runner(bench: Bench) -> None:
    assert sentences(bench) == [
        "It has never run here.",
        "No cooldown holds it back: what it says next is sent.",
        "It runs next at 2027-01-16 06:30 UTC (`30 7 * * *`).",
        "But no runner has ever run here: start one with `analyst runner serve`, or see `analyst runner install --help`.",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.SENT, "It was sent as a-1. (the reason)"),
        (Outcome.DUPLICATE, "The gateway had it already, so it was not shown again."),
        (Outcome.HANDED_OVER, "It was handed to whoever asked for the run."),
        (Outcome.RUNNING, "Nothing was sent (interrupted): the runner ended in the middle of it."),
        *(
            (outcome, f"Nothing was sent ({outcome.value}): the reason.")
            for outcome in Outcome
            if outcome not in {Outcome.SENT, Outcome.DUPLICATE, Outcome.HANDED_OVER, Outcome.RUNNING}
        ),
    ],
)
def test_every_outcome_has_its_sentence(bench: Bench, outcome: Outcome, words: str) -> None:
    record(bench, outcome, notification_id="a-1")
    said = sentences(bench)
    assert said[0] == "It last ran 1m ago, at 2027-01-15 07:59 UTC, started by its schedule; 1.2 s."
    assert said[1] == words


def test_what_it_said_what_it_warned_of_and_its_last_words(bench: Bench) -> None:
    record(bench, Outcome.SENT, started_at=NOW - 7200, title="Down", notification_id="a-0")
    record(
        bench,
        Outcome.FAILED,
        title="T",
        message="first\nsecond",
        warnings=("odd",),
        stderr_tail="x\nlast\n",
        exit_code=3,
        due_at=NOW - 4000,
        missed=2,
        trigger=Trigger.ONCE,
    )
    bench.history.beat("once", now=NOW - 901)
    assert sentences(bench)[:-1] == [
        "It last ran 1m ago, at 2027-01-15 07:59 UTC, started by `analyst runner once`; 1.2 s, exit code 3.",
        "That was a catch-up run: it was due at 2027-01-15 06:53 UTC, and stood for 2 earlier missed runs.",
        "It said: T - first",
        "Nothing was sent (failed): the reason.",
        "Warning: odd",
        "Its last words on stderr: last",
        "The last alert that was sent: Down, 2h ago, at 2027-01-15 06:00 UTC.",
        "No cooldown holds it back: what it says next is sent.",
        "It runs next at 2027-01-16 06:30 UTC (`30 7 * * *`).",
    ]
    assert sentences(bench)[-1].startswith("But the runner has shown no sign of life since 2027-01-15 07:44 UTC")


def test_the_cooldown_is_that_of_the_file_whoever_wrote_it(bench: Bench) -> None:
    file = bench.settings.cooldown_file("a")
    begin_cooldown(file, now=NOW - 600)
    held = "nothing is sent before, unless its status changes or a person runs it."
    assert f"Its cooldown lasts until 2027-01-15 08:50 UTC; {held}" in sentences(bench)
    record(bench, Outcome.SENT, started_at=NOW - 610, cooldown_until=NOW - 600 + 7200)  # its output said 2h
    assert f"Its cooldown lasts until 2027-01-15 09:50 UTC; {held}" in sentences(bench)
    file.unlink()
    assert "No cooldown holds it back: what it says next is sent." in sentences(bench)


def test_a_script_that_cannot_run_or_is_switched_off_says_so_and_promises_nothing(bench: Bench) -> None:
    assert sentences(bench, 'schedule = "x"') == [
        (
            "It cannot run: the block at its top cannot be used: line 2: schedule 'x' has not five fields "
            "(minute hour day month weekday), nor is it `every <n>m`."
        ),
        "It has never run here.",
        "It does not run before that is mended: analyst scripts edit a",
    ]
    off = sentences(bench, "enabled = false")
    assert off[0] == "It is switched off by `enabled = false` in the block at its top."
    assert off[-1] == "It does not run by itself."


def test_since_when_it_fails_and_whether_its_owner_knows(bench: Bench) -> None:
    bench.write("a", "raise SystemExit(1)")
    bench.run("a")
    assert "It has been failing since 2027-01-15 08:00 UTC (0s ago); its owner was told at 2027-01-15 08:00 UTC." in (
        explained(bench.settings, load(bench.settings.scripts_dir / "a.py"), bench.history, now=NOW)
    )
