"""Completion in the real shells: what a person types at a prompt, and what TAB makes of it."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyst_cli.app import COMMANDS
from analyst_cli.client.accounts import Account
from analyst_cli.client.servers import KnownServer, remember
from analyst_cli.client.target import inbox_for
from analyst_cli.client.words import words_of
from analyst_server.wire.messages import Cursor, Notification

ROOT = Path(__file__).parents[3]
FILES = {"bash": "analyst.bash", "zsh": "_analyst", "fish": "analyst.fish"}
AT = "2026-01-30T10:00:00Z"
_PROMPT = "READY:"
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>()][0-9A-B]?)")


@pytest.fixture
def store() -> None:
    alerts = [
        Notification(
            id="01aa-first", title="T", message="m", timestamp=AT, seq=1, script="revenue.py", tags=["finance"]
        ),
        Notification(id="01bb-second", title="\x1b[31mT", message="m", timestamp=AT, seq=2),
        Notification(id="01bb x;rm -rf", title="T", message="m", timestamp=AT, seq=3, script="$(touch evil)"),
    ]
    remember(KnownServer("http://127.0.0.1:8766", "petr"))
    with inbox_for(Account("http://127.0.0.1:8766", "petr")) as inbox:
        inbox.apply(alerts, cursor=Cursor("e", 3))


class Shell:
    """An interactive shell in a pseudo-terminal."""

    def __init__(self, command: list[str], home: Path) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environ = {"HOME": str(home), "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}
        self._master, slave = pty.openpty()
        with_terminal = ["setsid", "--ctty", "--wait", *command]  # shells want a controlling terminal
        self._process = subprocess.Popen(with_terminal, stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=home)
        os.close(slave)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, wanted: str, within_s: float = 30.0) -> str:
        """Return what was printed until `wanted` appears, without escape sequences."""
        seen, end = "", time.monotonic() + within_s
        while wanted not in (plain := _ESCAPES.sub("", seen)):
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} is not in {plain!r}"
            if select.select([self._master], [], [], left)[0]:
                seen += os.read(self._master, 65_536).decode(errors="replace").replace("\0", "")
        return plain

    def close(self) -> None:
        os.close(self._master)  # hangs up
        self._process.wait(timeout=10)


@pytest.fixture
def shell(request: pytest.FixtureRequest, home: Path, store: None) -> Iterator[Shell]:
    script = ROOT / "completions" / FILES[request.param]
    commands = {
        "bash": ["bash", "--norc", "--noprofile", "-i"],
        "zsh": ["zsh", "-f", "-i"],
        "fish": ["fish", "--no-config", "--private", "-i"],
    }
    set_up = {
        "bash": f"bind 'set enable-bracketed-paste off'; source {script}; PS1=REA''DY:\n",
        "zsh": f"autoload -Uz compinit; compinit -u -D; source {script}; unset zle_bracketed_paste; PS1=REA''DY:\n",
        "fish": f"source {script}; function fish_prompt; echo -n REA''DY:; end\n",
    }
    started = Shell(commands[request.param], home)
    try:
        started.send(set_up[request.param])
        started.until(_PROMPT)
        yield started
    finally:
        started.close()


@pytest.mark.parametrize("shell", [pytest.param(name, marks=pytest.mark.real(name)) for name in FILES], indirect=True)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("analyst bad", "analyst badge "),
        ("analyst list --unr", "analyst list --unread "),
        ("analyst list --script rev", "analyst list --script revenue.py "),
        ("analyst mark --archived 01aa-first 01bb-", "analyst mark --archived 01aa-first 01bb-second "),
        ("analyst config get notifications.mini", "analyst config get notifications.minimum_priority "),
        ("analyst config set inbox.th", "analyst config set inbox.theme "),
        ("analyst config set inbox.theme dar", "analyst config set inbox.theme dark "),
        ("analyst config set inbox.mark_read_when_opened f", "analyst config set inbox.mark_read_when_opened false "),
        ("analyst list --tag=fin", "analyst list --tag=finance "),
        ("analyst dispatch --user pet", "analyst dispatch --user petr "),
        ("analyst server use http", "analyst server use http://127.0.0.1:8766 "),
        ("analyst inbox --theme con", "analyst inbox --theme contrast "),
    ],
)
def test_a_tab_completes_it(shell: Shell, typed: str, completed: str, home: Path) -> None:
    shell.send(typed + "\t")
    assert completed in shell.until(completed)
    assert not (home / "evil").exists()


def analyst(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-m", "analyst_cli", *arguments],
        capture_output=True,
        text=True,
        env=environ,
        check=True,
        timeout=30,
    )


@pytest.mark.parametrize(("name", "file"), [*FILES.items(), ("man", "analyst.1")])
def test_the_committed_files_are_those_that_the_command_prints(name: str, file: str, home: Path) -> None:
    is_same = analyst(home, "completion", name).stdout == (ROOT / "completions" / file).read_text()
    assert is_same, "a command or an option has changed; run: make completions"


def test_words_with_blanks_are_not_offered_and_escapes_are_inert(store: None, home: Path) -> None:
    assert analyst(home, "__complete", "ids", "01").stdout == "01bb-second\t␛[31mT\n01aa-first\tT\n"


@pytest.mark.parametrize(
    ("key", "typed", "offered"),
    [
        ("inbox.mark_read_when_opened", "", ["true", "false"]),
        ("inbox.theme", "a", ["auto", "ansi"]),
        ("list.limit", "", []),
        ("no.such", "", []),
    ],
)
def test_a_value_is_completed_with_what_its_setting_can_be(key: str, typed: str, offered: list[str]) -> None:
    assert [word for word, _ in words_of("assignments", typed, key)] == offered


@pytest.mark.parametrize("arguments", [[], ["ids"], ["nonsense", "x"], ["servers", "x"]])
def test_nothing_to_complete_is_no_error(arguments: list[str], home: Path) -> None:
    asked = analyst(home, "__complete", *arguments)
    assert (asked.stdout, asked.stderr) == ("", "")


@pytest.mark.real("groff")
def test_the_manual_page_has_every_command_and_no_mistake_of_groff(home: Path) -> None:
    page = analyst(home, "completion", "man").stdout
    for name, entry in COMMANDS.items():
        assert f".SS analyst {name}" in page, entry
    checked = subprocess.run(
        ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z"],
        input=page,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert checked.stderr == ""
