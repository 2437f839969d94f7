"""The real program on a real pseudo-terminal, as a person starts it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analyst_cli.client.accounts import Account, inbox_path, remember
from analyst_cli.client.inbox import Inbox
from tests.cli.tui.conftest import HOSTILE, SAMPLE, notification, receive

pytestmark = pytest.mark.xdist_group("terminal")
SERVER = "http://127.0.0.1:9"
COMMAND = [sys.executable, "-m", "analyst_cli", "inbox"]


@pytest.fixture
def account() -> Account:
    """An account that was connected before, with the sample in its inbox; its server is down."""
    found = Account(SERVER, "petr")
    remember(found)
    with Inbox(inbox_path(found)) as inbox:
        receive(inbox, SAMPLE)
    return found


class Terminal:
    """A program on a terminal of its own; `seen` is everything it has written."""

    def __init__(self, argv: list[str], *, columns: int = 80, lines: int = 24, **environ: str) -> None:
        self.seen = b""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "TMUX", "COLORTERM", "DISPLAY"}
        }
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, kept | {"TERM": "xterm-256color", "ANALYST_SERVER": SERVER} | environ)  # noqa: S606
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, words: str, limit_s: float = 30) -> None:
        """Read until the words have been written since the last call."""
        end, begin = time.monotonic() + limit_s, len(self.seen)
        while words.encode() not in self.seen[begin:]:
            assert time.monotonic() < end, f"{words!r} never came; the end of what came: {self.seen[-1500:]!r}"
            self._read(0.2)

    def wait_for_end(self, limit_s: float = 30) -> int:
        """Read until the program has ended; return its exit code."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it does not end; the end of what came: {self.seen[-1500:]!r}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, wait_s: float) -> None:
        if select.select([self.fd], [], [], wait_s)[0]:
            try:
                self.seen += os.read(self.fd, 65536)
            except OSError:  # the other end is closed
                time.sleep(0.01)


@contextmanager
def terminal(argv: list[str] = COMMAND, **more: object) -> Iterator[Terminal]:
    opened = Terminal(argv, **more)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.close()


def test_a_person_reads_marks_and_quits_and_the_terminal_is_as_it_was(account: Account) -> None:
    with terminal([*COMMAND, "--offline"]) as it:
        before = termios.tcgetattr(it.fd)
        it.wait_for("Signups above the usual")
        it.press("j")
        it.press("\r")
        it.wait_for("Daily revenue, EU")
        it.press("\x1b")
        it.wait_for("Today")
        it.press("q")
        assert it.wait_for_end() == 0
        assert termios.tcgetattr(it.fd) == before
        assert b"\x1b[?1049l" in it.seen, "the screen of before is back"
        assert b"\x1b[?1000l" in it.seen, "the mouse is the terminal's again"
    with Inbox(inbox_path(account)) as inbox:
        assert inbox.row("n-07").is_read


def test_without_a_server_it_says_so_and_everything_is_readable(account: Account) -> None:
    with terminal(ANALYST_TOKEN="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwZXRyIn0.x") as it:
        it.wait_for("reconnecting")
        it.press("/")
        it.press("signups")
        it.wait_for("2 notifications")
        it.press("\x1b")
        it.wait_for("Revenue dropped")
        it.press("q")
        assert it.wait_for_end() == 0


def test_signed_out_it_says_so_and_shows_what_is_here(account: Account) -> None:
    with terminal(PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring") as it:
        it.wait_for("not signed in to http://127.0.0.1:9;")
        it.press("jq")
        assert it.wait_for_end() == 0


def test_no_byte_of_a_stranger_reaches_the_terminal(account: Account) -> None:
    with terminal([*COMMAND, "--offline"]) as it:
        it.wait_for("Signups")
        it.press("G")
        it.press("k")
        it.press("\r")
        it.wait_for("low priority")
        it.press("h")
        it.wait_for("Signups")
        it.press("s")
        it.wait_for("Scripts")
        it.press("q")
        it.wait_for_end()
    assert b"\x1b[31mRED" not in it.seen
    assert b"\x1b]2;evil" not in it.seen
    assert "\u202e".encode() not in it.seen
    assert "\x1b[31mRED" in HOSTILE


def test_without_colour_no_colour_is_written(account: Account) -> None:
    with terminal([*COMMAND, "--offline"], NO_COLOR="1") as it:
        it.wait_for("Revenue dropped")
        it.press("j")
        it.press("\r")
        it.wait_for("Daily revenue")
        it.press("qq")
        it.wait_for_end()
    parameters = {part for codes in re.findall(rb"\x1b\[([\d;]*)m", it.seen) for part in re.split(rb";(?=\d)", codes)}
    coloured = {part for part in parameters if part[:1] in b"34" and len(part) == 2 and part not in {b"39", b"49"}}
    assert not coloured


def test_an_empty_no_color_means_nothing(account: Account) -> None:
    with terminal([*COMMAND, "--offline"], NO_COLOR="", COLORTERM="truecolor") as it:
        it.wait_for("Revenue dropped")
        it.press("q")
        it.wait_for_end()
    assert re.search(rb"\x1b\[[\d;]*38;2;", it.seen)


def test_it_survives_every_size_and_shows_everything_again(account: Account) -> None:
    with terminal([*COMMAND, "--offline"]) as it:
        it.wait_for("Revenue dropped")
        for size in ((1, 1), (3, 2), (200, 50), (1, 40), (60, 1)):
            it.resize(*size)
            it.press("j")
        it.resize(80, 24)
        it.wait_for("Unemployment above forecast")
        it.press("q")
        assert it.wait_for_end() == 0


def test_suspended_and_resumed_it_is_as_before(account: Account) -> None:
    with terminal([*COMMAND, "--offline"]) as it:
        it.wait_for("Revenue dropped")
        os.kill(it.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(it.pid, os.WUNTRACED)[1])
        with Inbox(inbox_path(account)) as inbox:
            receive(inbox, [notification("n-09", "While you slept", at=time.time())], seq=101)
        os.kill(it.pid, signal.SIGCONT)
        it.wait_for("While you slept")
        it.press("q")
        assert it.wait_for_end() == 0


@pytest.mark.real("tmux", "bash")
@pytest.mark.parametrize("started_by", ["{}", 'sh -c "{}; true"'], ids=["the shell", "another program"])
def test_ctrl_z_leads_to_the_shell_and_fg_back(account: Account, tmp_path: Path, started_by: str) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]

    def pane() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout

    def wait_for(words: str) -> None:
        end = time.monotonic() + 30
        while words not in pane():
            assert time.monotonic() < end, f"{words!r} never came:\n{pane()}"
            time.sleep(0.05)  # tmux has no way to tell of a change

    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", "bash --norc -i"], check=True)
    try:
        command = f"PS1='shell> ' ANALYST_SERVER={SERVER} {started_by.format(' '.join([*COMMAND, '--offline']))}"
        for keys, words in [
            (command, "Signups above"),
            ("C-z", "Stopped"),
            ("echo from the $((40+2))nd shell", "from the 42nd shell"),
            ("fg", "Signups above"),
            ("j", "▌        ●!!▲ Revenue dropped"),
        ]:
            subprocess.run(
                [*tmux, "send-keys", keys, *(["Enter"] if len(keys) > 3 or keys == "fg" else [])], check=True
            )
            wait_for(words)
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        wait_for("fg")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


@pytest.mark.real("tmux")
def test_inside_of_tmux_what_is_copied_is_there_to_be_pasted(tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    copying = f"{sys.executable} -c \"from analyst_cli.tui.outside import copy_in_tmux; copy_in_tmux('n-07 é')\""
    subprocess.run([*tmux, "new-session", "-d", f"{copying}; tmux wait-for -S copied; cat"], check=True)
    try:
        subprocess.run([*tmux, "wait-for", "copied"], check=True, timeout=30)
        shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, check=True).stdout
        assert shown == "n-07 é"
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def test_a_closed_terminal_ends_it(account: Account) -> None:
    it = Terminal([*COMMAND, "--offline"])
    it.wait_for("Revenue dropped")
    os.close(it.fd)
    end = time.monotonic() + 30
    while not os.waitpid(it.pid, os.WNOHANG)[0]:
        assert time.monotonic() < end, "it goes on without a terminal"
        time.sleep(0.02)


def test_a_closed_terminal_ends_it_also_when_only_the_program_that_has_started_it_is_told(account: Account) -> None:
    """The system tells the first program on the terminal alone; `make` waits for the others then, and a Python without this would turn in a loop."""
    script = f"trap : HUP; {' '.join([*COMMAND, '--offline'])}; exit 7"
    it = Terminal(["/bin/sh", "-c", script])
    it.wait_for("Revenue dropped")
    os.close(it.fd)
    ended, end = (0, 0), time.monotonic() + 30
    try:
        while not ended[0]:
            assert time.monotonic() < end, "it goes on without a terminal"
            time.sleep(0.02)
            ended = os.waitpid(it.pid, os.WNOHANG)
    finally:
        if not ended[0]:
            os.killpg(it.pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(ended[1]) == 7


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_without_a_terminal_the_list_is_printed(account: Account, closed: str) -> None:
    ran = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 7
    assert "Revenue dropped 23 % in EU" in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr


def test_on_a_terminal_that_can_do_nothing_the_list_is_printed(account: Account) -> None:
    with terminal(TERM="dumb") as it:
        it.wait_for("Revenue dropped 23 % in EU")
        assert it.wait_for_end() == 0
    assert b"\x1b" not in it.seen


def test_without_an_inbox_and_a_terminal_the_way_to_one_is_told() -> None:
    ran = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 4
    assert "sign in with: analyst login" in ran.stderr


def test_a_fault_of_our_own_is_one_sentence_and_a_file(account: Account, home: Path) -> None:
    script = (
        "import sys, analyst_cli.tui.screens.inbox as screen\n"
        "def broken(self): raise RuntimeError('eyJhbGciOi.secret.token')\n"
        "screen.InboxScreen.action_archive = broken\n"
        "from analyst_cli.app import run\n"
        "sys.exit(run(['inbox', '--offline']))\n"
    )
    with terminal([sys.executable, "-c", script]) as it:
        it.wait_for("Revenue dropped")
        it.press("a")
        assert it.wait_for_end() == 1
    assert b"the inbox has met a fault of its own (RuntimeError)" in it.seen
    assert b"Traceback" not in it.seen
    kept = next(home.rglob("inbox-crash.txt")).read_text()
    assert "RuntimeError" in kept
    assert "secret" not in kept
