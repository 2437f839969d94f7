"""One run of one script, with a real Python and a real socket: what is sent, what is not, and why."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from analyst_server.runner.flight import Busy
from analyst_server.runner.history import KEPT_RUNS, History
from analyst_server.runner.landing import run_script
from analyst_server.runner.locks import single_flight
from analyst_server.runner.notices import MAX_LOG_BYTES
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.runner.overview import known_runs
from analyst_server.runner.scripts import load
from tests.server.runner.conftest import Bench
from tests.support.eventually import eventually, is_gone

ALERT = """
import json
print(json.dumps({"notify": True, "title": "Revenue down", "message": "by 12 %", "cooldown": "1h"}))
"""


def test_an_alert_reaches_the_gateway_in_the_words_of_the_protocol(bench: Bench) -> None:
    bench.write("revenue", ALERT, 'tags = ["money"]\npriority = "high"')
    record = bench.run("revenue")
    assert (record.outcome, record.exit_code) == (Outcome.SENT, 0)
    (body,) = bench.gateway.received
    assert body["user"] == "petr"
    sent = body["notification"]
    assert sent | {"run": None} == {
        "id": f"revenue-{record.id}",
        "title": "Revenue down",
        "message": "by 12 %",
        "script": "revenue",
        "timestamp": "2027-01-15T08:00:00Z",
        "priority": "high",
        "tags": ["money"],
        "run": None,
    }
    assert sent["run"]["exit_code"] == 0
    assert len(sent["run"]["hash"]) == 64


def test_the_chart_is_there_while_the_gateway_reads_it_and_gone_afterwards(bench: Bench) -> None:
    bench.write("chart", """
        import json, os
        path = os.path.join(os.environ["ANALYST_RUN_DIR"], "a.png")
        open(path, "wb").write(b"PNG")
        print(json.dumps({"notify": True, "title": "x", "image_path": path}))
        """)  # fmt: skip
    accept, modes = bench.gateway.answer, []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        modes.append(Path(body["notification"]["image_path"]).parent.stat().st_mode & 0o777)
        return accept(body)

    bench.gateway.answer = answer
    assert bench.run("chart").outcome is Outcome.SENT
    assert bench.gateway.images == [b"PNG"]
    assert modes == [
        0o711
    ]  # the gateway may be another user: it opens the file by name, and nobody can list the folder
    assert not Path(bench.gateway.notifications[0]["image_path"]).parent.exists()


def test_the_cooldown_holds_the_second_alert_back_and_says_until_when(bench: Bench) -> None:
    bench.write("revenue", ALERT)
    bench.run("revenue")
    assert json.loads(bench.settings.cooldown_file("revenue").read_text()) == {"last_sent": 1_800_000_000.0}
    bench.pass_time(3599)
    held = bench.run("revenue")
    assert (held.outcome, held.cooldown_until) == (Outcome.COOLDOWN, 1_800_003_600.0)
    assert "09:00" in held.reason
    bench.pass_time(1)
    assert bench.run("revenue").outcome is Outcome.SENT
    assert bench.gateway.notifications[1]["data"] == {"held_back": 1}
    assert "data" not in bench.gateway.notifications[0]


def test_a_thousand_identical_alerts_are_one_with_a_counter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """X2. The script's process is the slow part, so it is run twice and its output a thousand times."""
    bench.write("noisy", ALERT)
    first = bench.run("noisy")
    held = bench.run("noisy")
    script = load(bench.settings.scripts_dir / "noisy.py")
    landed = run_script(bench.settings, script, first, folder=bench.settings.home)
    for _ in range(998):
        held = bench.flight._concluded(script, landed)
    assert len(bench.gateway.received) == 1
    assert "999 held back" in held.reason


def test_a_quiet_script_sends_nothing(bench: Bench) -> None:
    bench.write("quiet", 'print(\'{"notify": false, "message": "all well"}\')')
    record = bench.run("quiet")
    assert (record.outcome, record.reason, record.message) == (
        Outcome.QUIET,
        "the script said notify: false",
        "all well",
    )
    assert bench.gateway.received == []


def test_resolved_after_firing_is_not_held_back(bench: Bench) -> None:
    source = 'print(\'{"notify": true, "title": "t", "status": "STATUS"}\')'
    outcomes = []
    for status in ("firing", "firing", "resolved", "resolved", "firing"):
        bench.write("fresh", source.replace("STATUS", status))
        outcomes.append(bench.run("fresh").outcome.value)
    assert outcomes == ["sent", "cooldown", "sent", "cooldown", "sent"]


def test_a_person_is_not_held_back_and_mutes_nothing(bench: Bench) -> None:
    bench.write("revenue", ALERT)
    assert bench.run("revenue", Trigger.PERSON).outcome is Outcome.SENT
    assert bench.run("revenue").outcome is Outcome.SENT
    assert bench.run("revenue", Trigger.PERSON).outcome is Outcome.SENT


@pytest.mark.parametrize(
    ("source", "outcome", "reason"),
    [
        ("raise SystemExit(3)", Outcome.FAILED, "exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", Outcome.FAILED, "signal SIGSEGV"),
        ("import os; os.kill(os.getpid(), 40)", Outcome.FAILED, "signal 40"),
        ("print('hello')", Outcome.BAD_OUTPUT, "not JSON: expecting value (line 1, column 1)"),
        ("pass", Outcome.BAD_OUTPUT, "printed nothing"),
        ("print('x' * 2_000_000)", Outcome.BAD_OUTPUT, "more than 1 MiB"),
    ],
)
def test_a_script_that_fails_says_how_and_its_owner_hears_it(
    bench: Bench, source: str, outcome: Outcome, reason: str
) -> None:
    bench.write("broken", source)
    record = bench.run("broken")
    assert record.outcome is outcome
    assert reason in record.reason
    (notice,) = bench.gateway.notifications
    assert notice["title"] == f"Script broken fails: {outcome.value}"
    assert reason in notice["message"]


def test_the_time_limit_is_the_declared_one(bench: Bench) -> None:
    bench.write("slow", "import time; time.sleep(600)", 'timeout = "1s"')
    record = bench.run("slow")
    assert (record.outcome, record.reason) == (Outcome.TIMED_OUT, "it ran longer than its limit of 1 s and was ended")
    assert record.duration_s < 15


def test_a_block_that_cannot_be_used_keeps_the_script_from_running(bench: Bench, tmp_path: Path) -> None:
    bench.write("typo", f"open({str(tmp_path / 'ran')!r}, 'w')", 'shedule = "* * * * *"')
    record = bench.run("typo")
    assert record.outcome is Outcome.BAD_BLOCK
    assert "line 2: unknown key 'shedule'" in record.reason
    assert not (tmp_path / "ran").exists()


def test_a_script_sees_its_home_and_no_secrets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DESKTOP_JWT_SECRET", "DESKTOP_JWT_SECRET_PREVIOUS", "TELEGRAM_BOT_TOKEN", "ANALYST_TOKEN"):
        monkeypatch.setenv(name, "s" * 64)
    bench.write("env", """
        import json, os
        print(json.dumps({"notify": False, "message": os.getcwd() + str([n for n in os.environ if "SECRET" in n or "TOKEN" in n])}))
        """)  # fmt: skip
    assert bench.run("env").message == f"{bench.settings.home}[]"


def test_the_interpreter_of_the_home_folder_is_preferred(bench: Bench, with_settings: Callable[..., Bench]) -> None:
    with_settings(python=None)
    own = bench.settings.home / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\necho from-venv >&2\nexec {sys.executable} "$@"\n')
    own.chmod(0o755)
    bench.write("revenue", ALERT)
    assert bench.run("revenue").stderr_tail == "from-venv\n"


def test_a_missing_interpreter_is_one_sentence(bench: Bench, with_settings: Callable[..., Bench]) -> None:
    with_settings(python=Path("/nowhere/python"))
    bench.write("revenue", ALERT)
    record = bench.run("revenue")
    assert record.outcome is Outcome.FAILED
    assert record.reason == "/nowhere/python cannot be started (No such file or directory); name a Python with --python"


def test_an_image_that_is_not_there_does_not_mute_the_alert(bench: Bench) -> None:
    bench.write("lost", 'print(\'{"notify": true, "title": "t", "image_path": "/nowhere/a.png"}\')')
    record = bench.run("lost")
    assert record.outcome is Outcome.SENT
    assert "image_path '/nowhere/a.png' was left out" in record.warnings[0]


def test_the_first_failure_and_the_recovery_are_told_and_nothing_between(bench: Bench) -> None:
    for source in ("raise SystemExit(1)", "raise SystemExit(2)", ALERT, ALERT):
        bench.write("flaky", source)
        bench.run("flaky")
        bench.pass_time(60)
    assert [notice["title"] for notice in bench.gateway.notifications] == [
        "Script flaky fails: failed",
        "Revenue down",
        "Script flaky works again",
    ]
    assert [notice.get("status") for notice in bench.gateway.notifications] == ["firing", None, "resolved"]


def test_a_flapping_script_is_told_of_at_most_every_six_hours(bench: Bench) -> None:
    for number in range(10):
        bench.write("flapping", "raise SystemExit(1)" if number % 2 == 0 else "print('{\"notify\": false}')")
        bench.run("flapping")
        bench.pass_time(3600)
    assert [notice["title"].partition("flapping ")[2] for notice in bench.gateway.notifications] == [
        "fails: failed", "works again", "fails: failed", "works again"]  # fmt: skip


def test_the_owner_is_told_not_the_user_and_not_at_all_where_it_is_switched_off(
    bench: Bench, with_settings: Callable[..., Bench]
) -> None:
    bench.write("a", "raise SystemExit(1)", 'owner = "jana"')
    bench.write("b", "raise SystemExit(1)", "failure_alerts = false")
    bench.run("a")
    bench.run("b")
    assert [body["user"] for body in bench.gateway.received] == ["jana"]
    with_settings(failure_alerts=False)
    bench.write("c", "raise SystemExit(1)")
    bench.run("c")
    assert len(bench.gateway.received) == 1


def test_an_owner_whom_the_gateway_refuses_is_stood_in_for_by_the_user(bench: Bench) -> None:
    accept = bench.gateway.answer
    bench.gateway.answer = lambda body: (400, {"error": "no user name"}) if body["user"] != "petr" else accept(body)
    bench.write("broken", "raise SystemExit(1)", 'owner = "jana doe"')
    bench.run("broken")
    assert [body["user"] for body in bench.gateway.received] == ["jana doe", "petr"]
    assert bench.gateway.notifications[1]["message"].endswith(
        "This is for its owner 'jana doe', but the gateway refused it: no user name."
    )
    bench.run("broken")
    assert len(bench.gateway.received) == 2


def test_a_failure_that_could_not_be_told_is_told_after_the_next_run(bench: Bench) -> None:
    accept = bench.gateway.answer
    bench.gateway.answer = lambda _: (503, {"error": "away"})
    bench.write("broken", "raise SystemExit(1)")
    bench.run("broken")
    bench.gateway.answer = accept
    bench.run("broken")
    assert len(bench.gateway.received) == 2


def test_the_same_script_started_twice_flies_once(bench: Bench, tmp_path: Path) -> None:
    """X3."""
    bench.write("slow", f"""
        import json, pathlib, time
        deadline = time.monotonic() + 10
        while not pathlib.Path({str(tmp_path / "go")!r}).exists() and time.monotonic() < deadline: time.sleep(0.01)
        print(json.dumps({{"notify": False}}))
        """)  # fmt: skip
    began, outcomes = Barrier(2), []

    def first() -> None:
        with single_flight(bench.settings.lock_file("other")):
            began.wait(10)
        outcomes.append(bench.run("slow").outcome)

    thread = Thread(target=first)
    thread.start()
    began.wait(10)
    assert eventually(lambda: bench.history.runs("slow"))
    with pytest.raises(Busy):
        bench.run("slow")
    assert known_runs(bench.settings, bench.history, limit=1)[0].outcome is Outcome.RUNNING
    (tmp_path / "go").touch()
    thread.join(20)
    assert outcomes == [Outcome.QUIET]
    assert bench.run("slow").outcome is Outcome.QUIET


def test_what_a_killed_runner_left_behind_is_ended_and_said(bench: Bench, tmp_path: Path) -> None:
    """A real runner is killed with SIGKILL in the middle of a run."""
    bench.write("hangs", f"""
        import os, pathlib, time
        pathlib.Path({str(tmp_path / "folder")!r}).write_text(os.environ["ANALYST_RUN_DIR"])
        pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
        time.sleep(600)
        """)  # fmt: skip
    runner = subprocess.Popen([sys.executable, "-m", "analyst_cli", "runner", "once", "--scripts", str(bench.settings.scripts_dir), "--state",
        str(bench.settings.state_dir), "--socket", str(bench.settings.socket), "--user", "petr", "--python", sys.executable])  # fmt: skip
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    left_behind = int((tmp_path / "pid").read_text())
    runner.kill()
    runner.wait()
    os.kill(left_behind, 0)
    (seen,) = known_runs(bench.settings, bench.history, "hangs", limit=9)
    assert (seen.outcome, seen.reason) == (Outcome.INTERRUPTED, "the runner ended in the middle of it")
    bench.write("hangs", "print('{\"notify\": false}')")
    bench.run("hangs")
    assert eventually(lambda: is_gone(left_behind))
    assert not Path((tmp_path / "folder").read_text()).exists()
    assert [run.outcome for run in bench.history.runs("hangs")] == [Outcome.QUIET, Outcome.INTERRUPTED]


def test_history_is_private_and_survives_being_opened_twice(bench: Bench) -> None:
    assert bench.settings.history_file.stat().st_mode & 0o777 == 0o600
    bench.write("revenue", ALERT)
    bench.run("revenue")
    again = History(bench.settings.history_file)
    assert [run.outcome for run in again.runs()] == [Outcome.SENT]
    again.close()


def test_a_process_that_got_the_number_of_one_left_behind_is_left_alone(bench: Bench) -> None:
    bench.write("revenue", ALERT)
    lock = bench.settings.lock_file("revenue")
    lock.parent.mkdir(parents=True)
    innocent = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        lock.write_text(json.dumps({"pid": innocent.pid, "born": "1", "folder": "/etc"}))
        assert bench.run("revenue").outcome is Outcome.SENT
        assert (innocent.poll(), Path("/etc").is_dir()) == (None, True)
    finally:
        innocent.kill()
        innocent.wait()


def test_a_log_that_has_grown_long_begins_anew_and_one_old_one_is_kept(bench: Bench) -> None:
    bench.write("quiet", "print('{\"notify\": false}')")
    log = bench.settings.log_file("quiet")
    log.parent.mkdir(parents=True)
    log.write_text("x" * (MAX_LOG_BYTES + 1))
    bench.run("quiet")
    assert len(log.read_text().splitlines()) == 1
    assert log.with_suffix(".log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_the_history_keeps_the_latest_runs_of_each_script(bench: Bench) -> None:
    other = RunRecord("other", "other", "/other.py", Trigger.ONCE, started_at=0.0)
    bench.history.put(other)
    for number in range(KEPT_RUNS + 3):
        bench.history.put(RunRecord(str(number), "a", "/a.py", Trigger.ONCE, started_at=float(number)))
    kept = bench.history.runs("a", limit=2 * KEPT_RUNS)
    assert (kept[0].started_at, len(kept)) == (KEPT_RUNS + 2, KEPT_RUNS + 1)
    assert bench.history.runs("other") == [other]


def test_the_log_of_a_script_tells_each_run(bench: Bench) -> None:
    bench.write("broken", "import sys; print('oh \\x1b[31mno', file=sys.stderr); sys.exit(1)")
    bench.run("broken")
    log = bench.settings.log_file("broken").read_text()
    assert (
        log
        == f"2027-01-15T08:00:00Z failed in {bench.history.runs()[0].duration_s:.1f} s: it ended with exit code 1\n  stderr: oh ␛[31mno\n"
    )


@pytest.mark.parametrize(
    "path", ["relative.png", "/" + "x" * 5000, "/etc/\0.png", "/root/../etc", "/proc/1/root/x/y.png"]
)
def test_no_image_path_however_odd_mutes_the_alert(bench: Bench, path: str) -> None:
    bench.write("odd", f"import json; print(json.dumps({{'notify': True, 'title': 't', 'image_path': {path!r}}}))")
    record = bench.run("odd")
    assert record.outcome is Outcome.SENT
    assert "image_path" in record.warnings[0]
