"""`list`, `show`, `search`, `mark`, `snooze`, `badge`, `config` without any network."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from analyst_cli.app import run
from analyst_cli.client.accounts import Account
from analyst_cli.client.badge import Badge, badge_text
from analyst_cli.client.rows import rfc3339
from analyst_cli.client.target import inbox_for
from analyst_cli.commands import lines
from analyst_server.wire.messages import Chart, Cursor, Notification, Run, Series

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m[bold]x[/bold] \u202egnp.exe \u200b日本 👩\u200d👩\u200d👧 " + "x" * 10_000
Run_ = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run_:
    monkeypatch.setenv("ANALYST_WS_URL", "ws://127.0.0.1:9/")  # nobody listens at the port "discard"
    monkeypatch.setenv("ANALYST_TOKEN", "t")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


@pytest.fixture
def filled(cli: Run_) -> None:
    now = time.time()
    alerts = [
        Notification(
            id="aa-1", title="Revenue drop", message="31 % below\nRegion CZ", timestamp=rfc3339(now - 7_200), seq=1, script="revenue.py",
            priority="critical", tags=["finance", "eu"], image_alt="It falls.", chart=Chart("line", [Series([1.0, 2.0])]),
            run=Run("/home/petr/revenue.py", exit_code=0, duration_s=1.5), url="https://example.com/d",
        ),
        Notification(id="ab-2", title="Stale", message="m", timestamp=rfc3339(now - 3_600), seq=2, key="k"),
        Notification(id="ab-3", title="Stale", message="m", timestamp=rfc3339(now - 1_800), seq=3, key="k", status="firing"),
        Notification(id="ac-4", title=HOSTILE, message=HOSTILE, timestamp=rfc3339(now - 60), seq=4, script=HOSTILE[:50], priority="low"),
    ]  # fmt: skip
    with inbox_for(Account("ws://127.0.0.1:9/", "petr")) as inbox:
        inbox.apply(alerts, cursor=Cursor("e", 4))


def ids(out: str) -> list[str]:
    return [line.split("\t")[0] for line in out.splitlines()]


def is_inert(words: str) -> bool:
    return not any(sign in words for sign in "\x1b\x07\x9b\u202e\u200b") and "\x00" not in words


def test_a_pipe_gets_tab_separated_columns_and_nothing_else(cli: Run_, filled: None) -> None:
    code, out, err = cli("list", "--priority", "critical")
    assert (code, err) == (0, "")
    id_, timestamp, state, priority, script, repeats, title = out.rstrip("\n").split("\t")
    assert (id_, state, priority, script, repeats, title) == (
        "aa-1",
        "unread",
        "critical",
        "revenue.py",
        "1",
        "Revenue drop",
    )
    assert timestamp.endswith("Z")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["ac-4", "ab-3", "aa-1"]),
        (["--repeats"], ["ac-4", "ab-3", "ab-2", "aa-1"]),
        (["--limit", "1"], ["ac-4"]),
        (["--script", "revenue.py"], ["aa-1"]),
        (["--tag", "eu"], ["aa-1"]),
        (["--since", "45m"], ["ac-4", "ab-3"]),
        (["--priority", "normal", "--unread"], ["ab-3", "aa-1"]),
        (["--archived"], []),
    ],
)
def test_options_narrow_the_list(cli: Run_, filled: None, options: list[str], expected: list[str]) -> None:
    assert ids(cli("list", *options)[1]) == expected


def test_json_has_the_documented_members(cli: Run_, filled: None) -> None:
    rows = [json.loads(line) for line in cli("list", "--json")[1].splitlines()]
    assert list(rows[0]) == [
        "id", "number", "timestamp", "title", "message", "script", "priority", "tags", "key", "repeats", "status", "read", "archived",
        "acknowledged", "snoozed_until", "has_image", "has_chart",
    ]  # fmt: skip
    assert (rows[1]["repeats"], rows[1]["status"], rows[0]["message"]) == (2, "firing", HOSTILE)
    whole = json.loads(cli("show", "1", "--json")[1])
    assert (whole["chart"]["series"], whole["run"]["duration_s"], whole["url"]) == (
        [{"y": [1.0, 2.0]}],
        1.5,
        "https://example.com/d",
    )


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--plain"],
        ["show", "last"],
        ["show", "last", "--plain"],
        ["search", "x"],
        ["list", "--json"],
        ["badge"],
    ],
)
def test_text_of_strangers_is_inert_wherever_it_is_printed(cli: Run_, filled: None, command: list[str]) -> None:
    code, out, err = cli(*command)
    assert code == 0
    assert is_inert(out + err)


def test_a_terminal_gets_lines_that_fit_its_width(cli: Run_, filled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.cells import cell_len  # noqa: PLC0415

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    for columns in (40, 60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = cli("list")[1].splitlines()
        assert max(map(cell_len, shown)) <= columns
        assert len({line.index("Revenue") for line in shown if "Revenue" in line}) == 1


def test_a_watch_prints_one_line_that_fits_a_terminal_and_is_whole_in_a_pipe(
    cli: Run_, filled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.cells import cell_len  # noqa: PLC0415

    with inbox_for(Account("ws://127.0.0.1:9/", "petr")) as inbox:
        row = inbox.row("ac-4")
    assert row is not None
    now = datetime.now().astimezone()
    assert "x" * 10_000 in lines.watch_line(row, now)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for columns in (40, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        line = lines.watch_line(row, now)
        assert cell_len(line) <= columns
        assert is_inert(line)
        assert "\n" not in line


def test_show_tells_everything(cli: Run_, filled: None) -> None:
    out = cli("show", "aa")[1]
    for words in (
        "Revenue drop",
        "critical priority",
        "31 % below\nRegion CZ",
        "revenue.py",
        "finance, eu",
        "exit code 0, 1.5 s",
        "It falls.",
    ):
        assert words in out


def test_the_inbox_without_a_terminal_prints_the_list_of_the_gateway_that_is_named(
    cli: Run_, filled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("inbox")[1] == cli("list")[1] != ""
    monkeypatch.setenv("ANALYST_WS_URL", "")
    with inbox_for(Account("ws://127.0.0.1:10/", "eva")) as inbox:
        inbox.apply(
            [Notification(id="e-1", title="Eva's", message="m", timestamp="2026-01-30T10:00:00Z", seq=1)],
            cursor=Cursor("e", 1),
        )
    assert ids(cli("inbox", "--ws-url", "ws://127.0.0.1:9/")[1]) == ["ac-4", "ab-3", "aa-1"]
    assert ids(cli("inbox", "--ws-url", "ws://127.0.0.1:10/")[1]) == ["e-1"]


def test_search_finds_words_and_beginnings(cli: Run_, filled: None) -> None:
    assert ids(cli("search", "regi")[1]) == ["aa-1"]
    assert ids(cli("search", "below", "region")[1]) == ["aa-1"]
    code, out, err = cli("search", "nowhere")
    assert (code, out, err) == (0, "", "Nothing matches.\n")


def test_marks_hold_here_at_once_and_say_that_they_wait(cli: Run_, filled: None) -> None:
    code, out, err = cli("mark", "ab-3", "aa")
    assert (code, out) == (0, "")
    assert "3 notifications marked read on this machine." in err  # with the repeat
    assert "connection refused" in err
    assert ids(cli("list", "--unread")[1]) == ["ac-4"]
    assert "already" in cli("mark", "aa-1")[2]
    cli("mark", "--all", "--archived")
    assert cli("list")[1] == ""
    cli("mark", "aa-1", "--unarchived")
    assert ids(cli("list")[1]) == ["aa-1"]


def test_what_came_of_a_mark_can_be_read_by_programs(cli: Run_, filled: None) -> None:
    told = json.loads(cli("mark", "ab-3", "--json")[1])
    assert (told["ids"], told["state"], told["sent"]) == (["ab-3", "ab-2"], "read", False)
    assert "connection refused" in told["problem"]
    assert json.loads(cli("snooze", "aa-1", "--until", "2h", "--json")[1])["ids"] == ["aa-1"]


def test_a_snooze_hides_until_later(cli: Run_, filled: None) -> None:
    assert "snoozed until" in cli("snooze", "last", "--until", "tomorrow 9:00")[2]
    assert ids(cli("list")[1]) == ["ab-3", "aa-1"]
    assert ids(cli("list", "--snoozed")[1]) == ["ac-4"]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["show", "zz"], 1, "no notification 'zz'"),
        (["show", "ab"], 1, "several notifications begin with 'ab'"),
        (["mark"], 2, "nothing to mark"),
        (["mark", "aa-1", "--all"], 2, "cannot both be meant"),
        (["mark", "aa-1", "--read", "--unread"], 2, "cannot both be meant"),
        (["mark", "aa-1", "zz"], 1, "no notification 'zz'"),
        (["snooze", "aa-1", "--until", "yesterday"], 2, "yesterday"),
        (["snooze", "aa-1", "banana"], 1, "a time is given with --until"),
        (["show", "aa-1", "--json", "--image"], 2, "cannot both be meant"),
        (["show", "\udcff"], 2, "no valid Unicode"),
        (["list", "--priority", "urgent"], 2, "'urgent' is no priority"),
        (["list", "--since", "soon"], 2, "--since 'soon'"),
        (["list", "--limit", "0"], 2, "0"),
        (["badge", "--format", "gif"], 2, "'gif' is no format"),
        (["watch", "--server", "not a url"], 2, "is no server address"),
        (["watch", "--ws-url", "http://x"], 2, "is no WebSocket address"),
        (["server", "forget", "https://no.example.com"], 1, "nothing is known of https://no.example.com"),
        (["config", "get", "inbox.them"], 2, "did you mean 'inbox.theme'?"),
        (["config", "set", "list.limit", "many"], 2, "'many' cannot be list.limit"),
        (["config", "set", "list.limit", "-4"], 2, "give 1 to 100000"),
        (["config", "unset", "list.limit"], 2, "is not set"),
        (["completion", "tcsh"], 2, "'tcsh'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_with_the_value(
    cli: Run_, filled: None, command: list[str], code: int, words: str
) -> None:
    got, out, err = cli(*command)
    assert (got, out) == (code, "")
    assert words in err


def test_an_inbox_that_received_nothing_yet_tells_how_to_receive(cli: Run_) -> None:
    with inbox_for(Account("ws://127.0.0.1:9/", "petr")):
        pass
    code, out, err = cli("list")
    assert (code, out) == (0, "")
    assert "analyst watch" in err


def test_an_inbox_whose_filter_leaves_nothing_says_so(cli: Run_, filled: None) -> None:
    assert "Nothing matches." in cli("list", "--tag", "nowhere")[2]


def test_a_wrong_since_is_told_without_words_of_the_language(cli: Run_, filled: None) -> None:
    code, _, err = cli("list", "--since", "foo")
    assert code == 2
    assert "'foo'" in err
    assert "isoformat" not in err


def test_nothing_is_marked_by_halves(cli: Run_, filled: None) -> None:
    cli("mark", "aa-1", "zz")
    assert len(ids(cli("list", "--unread")[1])) == 3


def test_without_any_inbox_a_sign_in_is_asked_for_and_the_badge_is_quiet(cli: Run_) -> None:
    code, out, err = cli("list")
    assert (code, out) == (4, "")
    assert "analyst login" in err
    assert cli("badge")[:2] == (0, "0\n")
    assert cli("badge", "--format", "tmux")[1] == "\n"


def test_badges_are_what_their_programs_read(cli: Run_, filled: None) -> None:
    assert json.loads(cli("badge", "-f", "json")[1])["unread"] == 3
    waybar = json.loads(cli("badge", "-f", "waybar")[1])
    assert (waybar["text"], waybar["class"]) == ("● 3", "unread")
    cli("mark", "ac-4", "ab-3")
    assert cli("badge", "-f", "tmux")[1] == "#[fg=red]● 1 Revenue drop#[default]\n"
    assert cli("badge", "-f", "polybar")[1] == "● 1 Revenue drop\n"
    assert cli("badge", "-f", "xbar")[1] == "● 1\n---\nRevenue drop\n"
    assert cli("badge")[1] == "1 Revenue drop\n"


def test_a_title_is_no_format_of_the_bar_that_shows_it() -> None:
    badge = Badge(2, "50 %{F#f00} #(reboot) #[bg=red] | bash=x <b>a&b</b>")
    assert badge_text(badge, "tmux") == (
        "#[fg=default]● 2 50 %{F##f00} ## (reboot) ##[bg=red] | bash=x <b>a&b</b>#[default]"
    )
    assert badge_text(badge, "polybar") == "● 2 50 % {F#f00} #(reboot) #[bg=red] | bash=x <b>a&b</b>"
    assert badge_text(badge, "xbar").splitlines()[2] == "50 %{F#f00} #(reboot) #[bg=red] ¦ bash=x <b>a&b</b>"
    tooltip = json.loads(badge_text(badge, "waybar"))["tooltip"]
    assert tooltip == "50 %{F#f00} #(reboot) #[bg=red] | bash=x &lt;b&gt;a&amp;b&lt;/b&gt;"


def shell(line: str, **environ: str) -> tuple[int, str, str]:
    """Run a line of bash in which `analyst` is this program."""
    words = f'analyst() {{ "{sys.executable}" -m analyst_cli "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", words],
        capture_output=True,
        encoding="latin-1",
        timeout=30,
        check=False,
        env=os.environ | environ,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["list", "list --json", "badge", "--version", "--help", "__complete ids ''"])
def test_output_that_cannot_be_written_or_is_closed_is_no_fault_of_the_program(filled: None, command: str) -> None:
    assert shell(f"analyst {command} > /dev/full") == (1, "", "analyst: cannot write: No space left on device\n")
    assert shell(f"analyst {command} >&- <&-") == (0, "", "")


def test_a_reader_that_has_seen_enough_ends_it_with_the_code_of_a_closed_pipe(filled: None) -> None:
    for command in (["list"], ["list", "--json"], ["badge"]):
        reading, writing = os.pipe()
        os.close(reading)
        words = [sys.executable, "-m", "analyst_cli", *command]
        environ = os.environ | {"PYTHONUNBUFFERED": "1"}
        done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False, env=environ)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_that_does_not_know_a_character_gets_a_question_mark_and_json_stays_whole(filled: None) -> None:
    code, out, err = shell("analyst show ab-3", PYTHONIOENCODING="latin-1")
    assert (code, err) == (0, "")
    assert " · normal priority · firing" in out  # Latin-1 has it
    assert " ? normal priority ? firing" in shell("analyst show ab-3", PYTHONIOENCODING="ascii")[1]
    code, out, err = shell("analyst show last --json", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == HOSTILE


def test_talk_that_nobody_can_hear_does_not_change_the_outcome(filled: None) -> None:
    assert shell("analyst show zz 2> /dev/full")[0] == 1
    assert shell("analyst show zz 2>&-")[0] == 1
