"""The runner as a whole: a simulated day, `serve` as a real process, the dead man's switch."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analyst_server.runner.failures import Health
from analyst_server.runner.loop import Reports, Stop, Timetable, _Service, run_once, serve
from analyst_server.runner.outcomes import Outcome, RunRecord
from analyst_server.runner.overdue import find_overdue, tell
from analyst_server.runner.overview import explained
from analyst_server.runner.scripts import find_scripts, load
from tests.server.runner.conftest import Bench
from tests.support.eventually import eventually, is_gone

SAYS = 'print(\'{"notify": true, "title": "NAME", "cooldown": "3h"}\')'
PRAGUE = 'timezone = "Europe/Prague"'


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def words(record: RunRecord) -> str:
    return f"{datetime.fromtimestamp(record.started_at, UTC):%d %H:%M} {record.stem} {record.outcome.value}" + (
        f" +{record.missed}" if record.missed else ""
    )


def test_a_day_with_the_change_of_clocks_cooldowns_and_a_sleep(bench: Bench) -> None:
    """The night in which Prague goes from UTC+1 to UTC+2 (01:00 UTC), in steps of five minutes, with real scripts."""
    bench.write("report", SAYS.replace("NAME", "report"), f'schedule = "30 7 * * *"\n{PRAGUE}')
    bench.write("nightly", SAYS.replace("NAME", "nightly"), f'schedule = "30 2 * * *"\n{PRAGUE}')
    bench.write("hourly", SAYS.replace("NAME", "hourly"), 'schedule = "0 * * * *"\ntimezone = "UTC"')
    records: list[RunRecord] = []
    bench.clock[0] = at("2026-03-28 22:58")
    while bench.clock[0] < at("2026-03-29 16:00"):
        asleep = at("2026-03-29 08:03") < bench.clock[0] < at("2026-03-29 12:10")
        if not asleep:
            records += sorted(run_once(bench.flight, Reports()), key=lambda record: record.stem)
        bench.pass_time(300)
    assert [words(record) for record in records] == [
        "28 23:03 hourly sent",
        "29 00:03 hourly cooldown",
        "29 01:03 hourly cooldown",
        "29 01:03 nightly sent",  # 02:30 was skipped: right after it
        "29 02:03 hourly sent",
        "29 03:03 hourly cooldown",
        "29 04:03 hourly cooldown",
        "29 05:03 hourly sent",
        "29 05:33 report sent",  # 07:30 in the new time
        "29 06:03 hourly cooldown",
        "29 07:03 hourly cooldown",
        "29 08:03 hourly sent",
        "29 12:13 hourly sent +3",  # slept through four: one catch-up run
        "29 13:03 hourly cooldown",
        "29 14:03 hourly cooldown",
        "29 15:03 hourly cooldown",
    ]
    told = [notice for notice in bench.gateway.notifications if "runner" in notice.get("tags", [])]
    assert told == []  # 13 minutes late is within the grace
    text = "\n".join(
        explained(
            bench.settings,
            load(bench.settings.scripts_dir / "hourly.py"),
            bench.history,
            now=at("2026-03-29 15:05"),
        )
    )
    assert "Its cooldown lasts until 2026-03-29 15:13 UTC" in text
    assert "It runs next at 2026-03-29 16:00 UTC (`0 * * * *`)." in text


def test_without_a_schedule_it_runs_at_every_once_and_every_five_minutes_when_served(bench: Bench) -> None:
    bench.write("plain", "print('{\"notify\": false}')")
    assert len(run_once(bench.flight, Reports())) == 1
    bench.pass_time(10)
    assert len(run_once(bench.flight, Reports())) == 1
    assert Timetable(bench.flight).due(bench.clock[0]) == []
    assert Timetable(bench.flight).next_due(bench.clock[0]) == 1_800_000_300.0
    bench.pass_time(300)
    assert [script.stem for script, _ in Timetable(bench.flight).due(bench.clock[0])] == ["plain"]


def test_a_script_that_is_switched_off_does_not_run(bench: Bench) -> None:
    bench.write("off", "raise SystemExit(1)", "enabled = false")
    assert run_once(bench.flight, Reports()) == []


def test_a_clock_that_was_years_ahead_silences_no_script(bench: Bench) -> None:
    """R14. Set back by an hour, what ran does not run again; after a battery's death the script runs at the next due time."""
    bench.write("plain", SAYS, 'schedule = "every 5m"')
    for ahead_s in (3_000, 5 * 365 * 86_400):
        bench.pass_time(ahead_s)
        run_once(bench.flight, Reports())
        bench.pass_time(-ahead_s)
        assert Timetable(bench.flight).due(bench.clock[0]) == []
    bench.pass_time(300)
    assert [script.stem for script, _ in Timetable(bench.flight).due(bench.clock[0])] == ["plain"]


def test_what_came_too_late_is_told_once(bench: Bench) -> None:
    bench.write("report", SAYS, 'schedule = "0 7 * * *"\ntimezone = "UTC"')
    run_once(bench.flight, Reports())  # 08:00: seen for the first time, nothing is due
    bench.pass_time(2 * 86_400)
    run_once(bench.flight, Reports())
    overdue, alert = bench.gateway.notifications
    assert overdue["title"] == "Script report has not run when it should have"
    assert overdue["message"].startswith(
        "It was due at 2027-01-17 07:00 UTC. The runner was not running then; the script runs now, once."
    )
    assert alert["title"] == "NAME"
    run_once(bench.flight, Reports())
    assert len(bench.gateway.received) == 2


def test_the_dead_mans_switch_speaks_when_no_runner_does(bench: Bench) -> None:
    bench.write("report", SAYS, 'schedule = "0 7 * * *"\ntimezone = "UTC"\nowner = "jana"')
    run_once(bench.flight, Reports())
    bench.pass_time(86_400 - 3600 + 899)
    assert find_overdue(bench.settings, bench.history, now=bench.clock[0]) == []
    bench.pass_time(1)
    (late,) = find_overdue(bench.settings, bench.history, now=bench.clock[0])
    for _ in range(2):
        tell(bench.settings, bench.history, late)
    (body,) = bench.gateway.received
    assert body["user"] == "jana"
    assert "The runner last showed a sign of life at 2027-01-15 08:00 UTC." in body["notification"]["message"]


def test_nobody_hears_of_a_script_that_is_switched_off_or_whose_alerts_are(
    bench: Bench, with_settings: Callable[..., Bench]
) -> None:
    daily = 'schedule = "0 7 * * *"\ntimezone = "UTC"\n'
    bench.write("off", SAYS, daily + "enabled = false")
    bench.write("silent", SAYS, daily + "failure_alerts = false")
    bench.write("loud", SAYS, daily)
    for script in find_scripts(bench.settings.scripts_dir):
        bench.history.considered_until(script.stem, now=bench.clock[0])
    bench.pass_time(86_400)
    late = find_overdue(bench.settings, bench.history, now=bench.clock[0])
    assert [each.script.stem for each in late] == ["loud", "silent"]
    for each in late:
        tell(with_settings(failure_alerts=False).settings, bench.history, each)
    assert bench.gateway.received == []
    for each in late:
        tell(with_settings(failure_alerts=True).settings, bench.history, each)
    assert [notice["script"] for notice in bench.gateway.notifications] == ["loud"]


def test_a_script_that_is_due_every_minute_is_told_of_once_in_six_hours(bench: Bench) -> None:
    bench.write("often", SAYS, 'schedule = "* * * * *"\ntimezone = "UTC"')
    run_once(bench.flight, Reports())
    told = []
    for _ in range(27):  # every 15 minutes for 6 h 45 min
        bench.pass_time(900)
        for late in find_overdue(bench.settings, bench.history, now=bench.clock[0]):
            tell(bench.settings, bench.history, late)
        told.append(len(bench.gateway.received))
    assert [told.index(1), told.index(2), told[-1]] == [1, 25, 2]


def test_one_script_that_cannot_be_recorded_holds_up_nobody(bench: Bench) -> None:
    bench.write("a", "print('{\"notify\": false}')")
    bench.write("b", "print('{\"notify\": false}')")
    bench.settings.lock_file("a").mkdir(parents=True)  # its lock cannot be taken
    problems: list[str] = []
    records = run_once(bench.flight, Reports(problem=problems.append))
    assert [record.stem for record in records] == ["b"]
    assert problems[0].startswith("a: ")


def test_served_scripts_run_side_by_side_and_end_with_the_runner(bench: Bench, tmp_path: Path) -> None:
    """In process: a hanging script does not hold up the others; the stop ends it, and it is caught up at the next start."""
    bench.write("hangs", f"open({str(tmp_path / 'began')!r}, 'w'); import time; time.sleep(600)")
    bench.write("quick", SAYS)
    for stem in ("hangs", "quick"):
        bench.history.consider(stem, until=bench.clock[0] - 400)
    stop, records = Stop(), []

    def ran(record: RunRecord) -> None:
        records.append(record)
        assert eventually((tmp_path / "began").exists)
        stop.set()

    from dataclasses import replace  # noqa: PLC0415

    serve(replace(bench.flight, stop_fd=stop.readable), Reports(ran=ran), stop)
    stop.close()
    assert {(record.stem, record.outcome) for record in records} == {
        ("quick", Outcome.SENT),
        ("hangs", Outcome.INTERRUPTED),
    }
    assert [script.stem for script, _ in Timetable(bench.flight).due(bench.clock[0])] == ["hangs"]
    assert bench.history.health("hangs") == Health()


@pytest.mark.parametrize("command", [["runner", "once"], ["scripts", "run", "hangs"], ["scripts", "test", "hangs"]])
def test_a_command_that_is_asked_to_end_leaves_no_script_behind(
    bench: Bench, tmp_path: Path, command: list[str]
) -> None:
    bench.write("hangs", f"""
        import os, time
        open({str(tmp_path / "pid.new")!r}, "w").write(str(os.getpid()))
        os.rename({str(tmp_path / "pid.new")!r}, {str(tmp_path / "pid")!r})
        time.sleep(600)
        """)  # fmt: skip
    where = ["--scripts", str(bench.settings.scripts_dir), "--python", sys.executable]
    if command[1] != "test":
        where += ["--state", str(bench.settings.state_dir), "--socket", str(bench.settings.socket), "--user", "petr"]
    words = [sys.executable, "-m", "analyst_cli", *command, *where]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert eventually((tmp_path / "pid").exists, within_s=30)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert "the runner was stopped in the middle of it" in out
    assert (running.returncode, "Traceback" in err) == (130 if command[1] == "once" else 1, False)
    assert eventually(lambda: is_gone(int((tmp_path / "pid").read_text())))


def test_a_script_under_way_is_left_alone_by_the_next_look(bench: Bench, tmp_path: Path) -> None:
    bench.write("slow", f"""
        import pathlib, time
        while not pathlib.Path({str(tmp_path / "go")!r}).exists(): time.sleep(0.01)
        print('{{"notify": false}}')
        """)  # fmt: skip
    bench.history.consider("slow", until=bench.clock[0] - 400)
    problems: list[str] = []
    service = _Service(bench.flight, Reports(problem=problems.append))
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            service.tick(pool, bench.clock[0])
            assert eventually(lambda: bench.history.runs("slow"))
        (tmp_path / "go").touch()
    assert ([run.outcome for run in bench.history.runs("slow")], problems) == ([Outcome.QUIET], [])


def test_the_real_process_serves_until_sigterm(bench: Bench, tmp_path: Path) -> None:
    import time  # noqa: PLC0415

    bench.write("quick", SAYS)
    bench.history.consider("quick", until=time.time() - 400)
    runner = subprocess.Popen(
        [sys.executable, "-m", "analyst_cli", "runner", "serve", "--scripts", str(bench.settings.scripts_dir),
         "--state", str(bench.settings.state_dir),
         "--socket", str(bench.settings.socket), "--user", "petr", "--python", sys.executable],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert eventually(lambda: any(run.outcome is Outcome.SENT for run in bench.history.runs("quick")), within_s=30)
    runner.send_signal(signal.SIGTERM)
    out, err = runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert re.match(r"quick: sent( \(and for 1 that was missed\))? - NAME\n", out)  # two times were due, or one
    assert "Traceback" not in err
