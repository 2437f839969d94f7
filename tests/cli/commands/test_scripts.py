"""`analyst scripts` and `analyst runner` as a person types them: real processes, a real socket."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyst_server.runner.flight import Flight
from analyst_server.runner.history import History
from analyst_server.runner.loop import Reports, run_once
from analyst_server.runner.scripts import sample_names
from analyst_server.runner.settings import RunnerSettings
from tests.support.gateway_socket import GatewaySocket

Analyst = Callable[..., subprocess.CompletedProcess[str]]

QUIET = "print('{\"notify\": false}')\n"
LOUD = 'print(\'{"notify": true, "title": "Down \\\\u001b[31m", "message": "by 12 %", "tags": "x"}\')\n'


@pytest.fixture
def scripts(home: Path) -> Path:
    folder = home / "user" / "notifications"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def gateway(home: Path) -> Iterator[GatewaySocket]:
    with GatewaySocket(home / "ws.sock") as running:
        yield running


@pytest.fixture
def analyst(home: Path, monkeypatch: pytest.MonkeyPatch) -> Analyst:
    monkeypatch.setenv("WS_DISPATCH_SOCKET", str(home / "ws.sock"))
    monkeypatch.setenv("ANALYST_SCRIPT_PYTHON", sys.executable)
    monkeypatch.setenv("ANALYST_USER", "petr")

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "analyst_cli", *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=50, check=False, env=os.environ | environment
        )

    return run


def test_from_nothing_to_a_first_alert_and_its_explanation(analyst: Analyst, gateway: GatewaySocket) -> None:
    made = analyst("scripts", "new", "disk")
    assert (made.returncode, Path(made.stdout.strip()).name) == (0, "disk.py")
    tried = analyst("scripts", "test", "disk")
    assert tried.stdout.startswith("disk would send (")
    assert gateway.received == []
    ran = analyst("runner", "once")
    assert ran.stdout.startswith("disk: sent - ")
    assert gateway.received[0]["user"] == "petr"
    again = analyst("runner", "once")
    assert again.stdout.startswith("disk: cooldown - in its cooldown until ")
    explained = analyst("scripts", "explain", "disk").stdout
    for words in (
        "It last ran",
        "Nothing was sent (cooldown): in its cooldown until",
        "1 held back",
        "The last alert that was sent:",
        "It runs next at",
    ):
        assert words in explained
    by_hand = analyst("scripts", "run", "disk.py", "--json")
    assert json.loads(by_hand.stdout)["outcome"] == "sent"
    listed = analyst("scripts", "list", "--json")
    assert json.loads(listed.stdout)["last_outcome"] == "sent"
    heard = analyst("scripts", "list", "--plain").stdout
    assert re.fullmatch(r"script disk, last run \d+s ago, outcome sent, next \w+ \d\d:\d\d\.\n", heard)
    past = [json.loads(line)["outcome"] for line in analyst("scripts", "history", "disk", "--json").stdout.splitlines()]
    assert past == ["sent", "cooldown", "sent"]


def test_a_script_that_did_not_run_when_it_should_have_is_listed_and_told_once(
    analyst: Analyst, gateway: GatewaySocket, scripts: Path, home: Path
) -> None:
    nothing_late = analyst("runner", "overdue")
    assert (nothing_late.returncode, nothing_late.stdout) == (0, "")
    (scripts / "report.py").write_text('# /// analyst\n# schedule = "0 7 * * *"\n# timezone = "UTC"\n# ///\n' + QUIET)
    settings = replace(RunnerSettings.of_this_user(home=home), user="petr")
    history = History(settings.history_file)
    two_days_ago = time.time() - 2 * 86_400
    run_once(Flight(settings, history, now=lambda: two_days_ago), Reports())
    history.close()
    for _ in range(2):
        late = analyst("runner", "overdue", "--tell")
        assert late.returncode == 1
        assert late.stdout.startswith("report\t")
    (body,) = gateway.received
    assert body["notification"]["title"] == "Script report has not run when it should have"


def test_what_a_script_says_is_inert_where_it_is_shown(analyst: Analyst, gateway: GatewaySocket, scripts: Path) -> None:
    (scripts / "loud.py").write_text(LOUD)
    for words in (("test", "loud"), ("run", "loud"), ("explain", "loud"), ("history",)):
        shown = analyst("scripts", *words)
        assert "\x1b" not in shown.stdout + shown.stderr
        assert "Down ␛[31m" in shown.stdout
    assert '"tags" was left out: it must be a list of strings' in analyst("scripts", "test", "loud").stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("scripts", "explain", "nothere"), 1, "there is no script 'nothere' in"),
        (("scripts", "run", "../../etc/passwd"), 1, "there is no script '../../etc/passwd'"),
        (("scripts", "new", "a/b"), 1, "'a/b' cannot be a script's name; use letters, digits, - and _"),
        (("scripts", "new", "quiet"), 1, "is there already; choose another name, or delete it first"),
        (("scripts", "new", "x", "--from", "nothere"), 1, "there is no sample 'nothere'; there are: employment_report"),
        (("scripts", "edit", "quiet"), 1, "the editor 'no-such-editor' is not installed"),
        (
            ("scripts", "history", "--state", "/proc/nowhere"),
            1,
            "the history /proc/nowhere/history.db cannot be opened",
        ),
        (("runner", "install", "--with", "at"), 2, "unknown kind 'at'; choose one of cron, systemd, launchd"),
        (("runner", "install", "--with", "systemd"), 2, "nobody can be asked here; add --yes to install what is shown"),
    ],
)
def test_mistakes_are_one_sentence(
    analyst: Analyst, scripts: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    (scripts / "quiet.py").write_text(QUIET)
    done = analyst(*words, EDITOR="no-such-editor", VISUAL="")
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_that_fails_is_an_exit_code_and_its_words(
    analyst: Analyst, gateway: GatewaySocket, scripts: Path
) -> None:
    (scripts / "broken.py").write_text("import sys; sys.exit('no such table: orders')")
    done = analyst("scripts", "test", "broken")
    assert (done.returncode, "would send nothing: it ended with exit code 1" in done.stdout) == (1, True)
    assert "no such table: orders" in done.stderr
    assert analyst("scripts", "run", "broken").returncode == 1


def test_editing_checks_the_block_afterwards(analyst: Analyst, scripts: Path) -> None:
    (scripts / "a.py").write_text(QUIET)
    done = analyst(
        "scripts",
        "edit",
        "a",
        VISUAL="",
        EDITOR=f"{sys.executable} -c \"import sys; open(sys.argv[1], 'w').write('# /// analyst\\n# x = 1\\n# ///\\n')\"",
    )
    assert done.returncode == 2
    assert "line 2: unknown key 'x'" in done.stderr


def test_the_timer_is_shown_written_and_taken_away(
    analyst: Analyst, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = home / "bin"
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {home}/systemctl.log\n')
    systemctl.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    done = analyst("runner", "install", "--with", "systemd", "--yes", "--user", "100% $petr", PATH=path)
    assert done.returncode == 0
    service = home / ".config" / "systemd" / "user" / "analyst-runner.service"
    assert service.read_text() in done.stdout
    assert '"--user" "100%% $$petr"' in service.read_text()
    assert (home / "systemctl.log").read_text() == "--user daemon-reload\n--user enable --now analyst-runner.timer\n"
    assert "removed" in analyst("runner", "install", "--with", "systemd", "--remove", PATH=path).stderr
    assert not service.exists()
    assert "nothing to remove" in analyst("runner", "install", "--with", "systemd", "--remove", PATH=path).stderr


@pytest.mark.real("python:duckdb", "python:matplotlib", "python:vega_datasets")
def test_the_samples_say_something_different_as_time_goes_on(
    analyst: Analyst, gateway: GatewaySocket, scripts: Path
) -> None:
    for name in sample_names():
        assert analyst("scripts", "new", name, "--from", name).returncode == 0
    for step in ("9", "12"):
        done = analyst("runner", "once", "--now", "--no-cooldown", ANALYST_SAMPLE_STEP=step, MPLBACKEND="Agg")
        assert done.returncode == 0, done.stderr
    titles = [notification["title"] for notification in gateway.notifications]
    assert len(titles) == 2 * len(sample_names())
    assert len({title for title in titles if "disk" not in title}) == 6
    with_charts = [notification for notification in gateway.notifications if "chart" in notification]
    assert len(with_charts) == len(gateway.images) == 4
    assert all(image.startswith(b"\x89PNG") for image in gateway.images)
    assert all(notification["image_alt"] for notification in with_charts)


def test_a_sample_without_its_libraries_says_what_to_install(analyst: Analyst, home: Path) -> None:
    analyst("scripts", "new", "revenue_drop", "--from", "revenue_drop")
    bare = home / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    done = analyst("scripts", "test", "revenue_drop", "--python", str(bare))
    assert "this sample needs: python -m pip install duckdb matplotlib pandas vega-datasets" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_history_of_a_misspelt_script_is_no_empty_list(analyst: Analyst, scripts: Path) -> None:
    (scripts / "load.py").write_text(QUIET)
    misspelt, fresh, all_of_them = (analyst("scripts", "history", *name) for name in (["laod"], ["load"], []))
    assert (misspelt.returncode, "there are: load" in misspelt.stderr) == (1, True)
    assert (fresh.returncode, fresh.stdout, fresh.stderr) == (0, "", "load has never run here\n")
    assert (all_of_them.returncode, all_of_them.stderr) == (0, "no run is remembered here\n")


def test_what_is_installed_finds_what_the_environment_names_here(analyst: Analyst, home: Path) -> None:
    shown = analyst("runner", "install", "--with", "cron", "--user", "jana", ANALYST_SCRIPTS_DIR="/srv/scripts")
    line = shown.stdout.splitlines()[1]
    assert (
        f"once --quiet --scripts /srv/scripts --socket {home}/ws.sock --user jana --python {sys.executable} #" in line
    )


def test_a_folder_without_scripts_is_told(analyst: Analyst) -> None:
    empty = analyst("runner", "once")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "there are no scripts in" in empty.stderr
    assert "analyst scripts new" in empty.stderr


def test_a_gateway_that_is_away_is_a_failure_for_who_waits_and_none_for_cron(analyst: Analyst, scripts: Path) -> None:
    (scripts / "loud.py").write_text(LOUD)
    by_hand = analyst("scripts", "run", "loud")
    assert (by_hand.returncode, "loud: waiting - no gateway answers" in by_hand.stdout) == (1, True)
    cron = analyst("runner", "once", "--quiet")
    assert (cron.returncode, cron.stdout, cron.stderr) == (0, "", "")


def test_exec_as_answers_in_json_and_fails_where_it_refuses(analyst: Analyst) -> None:
    refused = analyst("runner", "exec-as", "list", "--group", "no-such-group")
    answer = json.loads(refused.stdout)
    assert (refused.returncode, answer["ok"], bool(answer["error"])) == (1, False, True)
