"""K21: the command line's exit codes, its output, and the long-lived session, against a host in a process of its own."""

import json
import os
import plistlib
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from analyst_cli.__main__ import main
from analyst_cli.commands.desktop import app
from analyst_cli.desktop.unit_files import LABEL, launchd_plist, systemd_unit
from tests.support.eventually import eventually
from tests.support.fake_desktop_world import REPORT

ANALYST = [sys.executable, "-m", "analyst_cli", "desktop"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "ws"
    folder.mkdir()
    return folder


def start_host(root: Path, *options: str) -> subprocess.Popen[bytes]:
    script = root / "desktop.json"
    script.write_text(json.dumps({**REPORT, "record": str(root / "done.ndjson")}))
    command = [*ANALYST, "serve", "--backend", "fake", "--script", str(script), "--workspace-root", str(root), *options]
    host = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    assert host.stderr is not None
    assert b"desktop host running" in host.stderr.readline()
    return host


def end_host(host: subprocess.Popen[bytes]) -> None:
    if host.poll() is None:
        host.terminate()
    host.communicate(timeout=30)


@pytest.fixture
def host(tmp_path: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a fake desktop; callers may approve themselves."""
    started = start_host(tmp_path, "--confirm", "self", "--allow", "*")
    yield started
    end_host(started)


def run(*words: str, expect: int, given: str | None = None) -> str:
    """Run a command in a process of its own; return what it printed."""
    ended = subprocess.run([*ANALYST, *words], input=given, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == expect, (words, ended.returncode, ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr
    return ended.stdout or ended.stderr


class Here:
    """Run commands in this process, which is ten times as fast; only for what needs no event loop of its own kept open."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str, expect: int) -> str:
        self._monkeypatch.setattr(sys, "argv", ["analyst", "desktop", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = self._capsys.readouterr()
        assert int(ended.value.code or 0) == expect, (words, ended.value.code, shown)
        return shown.out or shown.err


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(capsys, monkeypatch)


def test_without_a_host_everything_exits_10(here: Here, workspace: Path) -> None:
    ws = str(workspace)
    for words in (
        ["ping"],
        ["doctor"],
        ["find", ws],
        ["status"],
        ["panic"],
        ["approvals", "list"],
        ["abort", ws, "x"],
        ["abort-demo", ws],
    ):
        assert "not running" in here(*words, expect=10)


def test_what_cannot_be_meant_exits_64(here: Here, workspace: Path) -> None:
    ws = str(workspace)
    for words in (
        ["bogus"],
        ["find"],
        ["find", "/no/such/folder"],
        ["find", ws, "--limit", "0"],
        ["find", ws, "--by-path", "a,b"],
        ["click", ws, "--title-contains", "Go"],
        ["click", ws, "--ask"],
        ["type-text", ws, "x", "--ask"],
        ["wait-until", ws],
        ["rpc", ws, "--method", "m"],
        ["rpc", ws, "--method", "m", "--params-json", "{"],
        ["rpc", ws, "--method", "m", "--params-json", "[]"],
        ["rpc", ws, "--method", "m", "--params-json", "{}", "--params-file", "x"],
        ["issue-confirm", ws, "--params-json", "{}"],
        ["recipe", "run", ws, "nothing"],
        ["service", "install", "--test", "--backend", "linux"],
    ):
        here(*words, expect=64)


def test_a_host_that_cannot_start_says_why(here: Here, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"apps": 5}')
    assert "cannot be played" in here(
        "serve", "--backend", "fake", "--script", str(tmp_path / "broken.json"), expect=64
    )
    assert "no folder" in here("serve", "--backend", "fake", "--workspace-root", "/no/such", expect=64)
    assert "neither" in here("serve", "--backend", "fake", "--confirm", "maybe", expect=64)
    assert "no rule" in here("serve", "--backend", "fake", "--allow", "everybody", expect=64)
    assert "no backend" in here("serve", "--backend", "amiga", expect=64)


@pytest.mark.parametrize(
    "arguments",
    [
        ("find", "--by-role", ""),
        ("find", "--by-role", "AXButton", "--title-contains", ""),
        ("wait-until", "--value-contains", ""),
        ("click", "--title-contains", "Go", "--app", "", "--ask"),
        ("click", "--title-contains", "Go", "--by-path", "", "--ask"),
    ],
)
def test_an_empty_option_is_refused_and_does_not_widen_what_matches(
    here: Here, workspace: Path, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    assert "is empty" in here(command, str(workspace), *options, expect=64)


def test_the_commands_against_a_host(
    host: subprocess.Popen[bytes], here: Here, workspace: Path, tmp_path: Path
) -> None:
    ws = str(workspace)
    health = json.loads(here("ping", expect=0))
    assert list(health) == ["jsonrpc", "id", "result"]
    assert health["result"]["peer"]["pid"] == os.getpid()
    assert here("ping", "--pretty", expect=0).startswith('{\n  "jsonrpc": "2.0",\n  "id"')
    assert here("ping", "--quiet", expect=0) == ""
    assert json.loads(here("doctor", expect=0))["result"]["healthy"] is True
    observed = json.loads(here("observe", ws, expect=0))["result"]
    assert Path(observed["evidence"]["dir"], "observe.png").stat().st_size > 0
    assert (
        json.loads(here("find", ws, "--by-role", "AXButton", "--title-contains", "Go", expect=0))["result"]["matched"]
        == 1
    )
    assert json.loads(here("find", "/tmp", expect=2))["error"]["code"] == "DESKTOP_WORKSPACE_FORBIDDEN"
    token = json.loads(
        here("issue-confirm", ws, "--method", "desktop.hotkey", "--params-json", '{"keys":["cmd","s"]}', expect=0)
    )["result"]["token"]
    here("hotkey", ws, "cmd+s", "--confirm-token", token, expect=0)
    assert (
        json.loads(here("hotkey", ws, "cmd+s", "--confirm-token", token, expect=2))["error"]["details"]["reason"]
        == "used"
    )
    assert (
        json.loads(here("hotkey", ws, "cmd+s", "--confirm", "CONFIRM", expect=2))["error"]["code"]
        == "DESKTOP_CONFIRM_REQUIRED"
    )
    here("click", ws, "--title-contains", "Go", "--ask", expect=0)
    here("wait-until", ws, "--title-contains", "Gone", expect=0)
    here("wait-until", ws, "--title-contains", "never", "--timeout-ms", "50", expect=2)
    here("highlight", ws, "--title-contains", "Off", expect=0)
    here("list-modals", ws, expect=0)
    here("dismiss-modal", ws, "--ask", expect=0)
    (tmp_path / "text").write_text("from a file")
    here(
        "type-text",
        ws,
        "--text-file",
        str(tmp_path / "text"),
        "--by-role",
        "AXTextField",
        "--title-contains",
        "Name",
        "--ask",
        expect=0,
    )
    assert "PASS" in here("abort-demo", ws, expect=0)
    assert "not_active" in here("abort", ws, "nobody", expect=2)
    assert "running" in here("status", expect=0)
    assert "desktop.hotkey" in here("evidence", "list", ws, expect=0)
    assert "observe.png" in here("evidence", "show", ws, observed["executionId"][:8], expect=0)
    assert "0 with faults" in here("evidence", "verify", ws, expect=0)
    assert here("evidence", "show", ws, "ffffffff", expect=1)
    assert "nobody asks" in here("approvals", "list", expect=0)
    done = [json.loads(line) for line in (tmp_path / "done.ndjson").read_text().splitlines()]
    assert {"type": "name", "text": "from a file"} in done
    assert "panic" in here("panic", expect=0)
    assert json.loads(here("ping", expect=2))["error"]["code"] == "DESKTOP_HOST_STOPPED"


def test_text_comes_from_standard_input(host: subprocess.Popen[bytes], workspace: Path, tmp_path: Path) -> None:
    run(
        "type-text",
        str(workspace),
        "--text-stdin",
        "--by-role",
        "AXTextField",
        "--title-contains",
        "Name",
        "--ask",
        expect=0,
        given="piped",
    )
    assert '"text": "piped"' in (tmp_path / "done.ndjson").read_text()


def test_a_host_whose_terminal_is_closed_ends_and_a_hang_up_before_that_is_a_reload(tmp_path: Path, home: Path) -> None:
    terminal, slave = pty.openpty()
    serve = [*ANALYST, "serve", "--backend", "fake", "--workspace-root", str(tmp_path)]
    host = subprocess.Popen(["setsid", "--ctty", *serve], stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    assert host.stderr is not None
    try:
        assert b"desktop host running" in host.stderr.readline()
        host.send_signal(signal.SIGHUP)
        assert '"state":"running"' in run("status", "--json", expect=0)
        os.close(terminal)
        assert host.wait(timeout=15) == 0
    finally:
        end_host(host)


def test_only_one_process_serves(host: subprocess.Popen[bytes], tmp_path: Path) -> None:
    words = run("serve", "--backend", "fake", "--workspace-root", str(tmp_path), expect=1)
    assert f"already running (pid {host.pid})" in words


def test_an_interrupted_wait_is_stopped_on_the_host(host: subprocess.Popen[bytes], workspace: Path) -> None:
    index = workspace / "artifacts" / "desktop" / "index.ndjson"
    waiting = subprocess.Popen(
        [*ANALYST, "wait-until", str(workspace), "--title-contains", "never"], stdout=subprocess.PIPE
    )
    assert eventually(lambda: list(workspace.glob("artifacts/desktop/*/*/events.ndjson")))
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert eventually(lambda: index.exists() and "DESKTOP_ABORTED" in index.read_text())


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_can_enter_is_refused(here: Here, home: Path, tmp_path: Path, mode: int) -> None:
    (home / ".local/state/analyst/run").mkdir(parents=True)
    (home / ".local/state/analyst/run").chmod(mode)
    assert "open to others" in here("serve", "--backend", "fake", "--workspace-root", str(tmp_path), expect=1)


def test_a_linked_folder_is_refused(here: Here, home: Path, tmp_path: Path) -> None:
    (home / ".local/state/analyst").mkdir(parents=True)
    (home / ".local/state/analyst/run").symlink_to(tmp_path)
    assert "link" in here("serve", "--backend", "fake", "--workspace-root", str(tmp_path), expect=1)


class Session:
    """`analyst desktop session` on pipes."""

    def __init__(self, workspace: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*ANALYST, "session", str(workspace), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send(self, line: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode


def test_a_session_answers_every_line_once_and_an_abort_overtakes(
    host: subprocess.Popen[bytes], workspace: Path
) -> None:
    session = Session(workspace)
    session.send({"id": "a", "method": "desktop.find", "params": {}})
    first = session.receive()
    assert (first["id"], first["exitCode"]) == ("a", 0)
    assert json.loads(first["stdout"])["result"]["matched"] == 12
    for line, said in (("{", "position 1"), ("[]", "object"), ('{"id":"b"}', "method"), ('{"method":"m"}', "id")):
        session.send(line)
        bad = session.receive()
        assert (bad["exitCode"], bad["id"]) == (64, "b" if "b" in line else None)
        assert said in bad["stderr"]
    session.send({"id": "c", "workspacePath": "/tmp", "method": "desktop.find", "params": {}})
    assert "multi-workspace" in session.receive()["stderr"]
    never = {"condition": {"selectorExists": {"titleContains": "never"}}}
    session.send({"id": "w", "method": "desktop.waitUntil", "params": never, "timeoutMs": 9_000})
    session.send({"id": "x", "method": "desktop.abort", "params": {"targetRequestId": "w"}})
    answers = {each["id"]: each for each in (session.receive(), session.receive())}
    assert answers["x"]["exitCode"] == 0
    assert (answers["w"]["exitCode"], json.loads(answers["w"]["stdout"])["error"]["code"]) == (2, "DESKTOP_ABORTED")
    session.send({"id": "last", "method": "desktop.waitUntil", "params": {**never, "timeoutMs": 200}})
    assert session.process.stdin
    session.process.stdin.close()
    assert session.receive()["id"] == "last"
    session.process.wait(10)
    assert session.process.returncode == 0
    for pipe in (session.process.stdout, session.process.stderr):
        assert pipe
        pipe.close()


def test_an_idle_session_ends_with_0(host: subprocess.Popen[bytes], workspace: Path) -> None:
    session = Session(workspace, "--idle-ms", "300")
    session.send({"id": "a", "method": "desktop.health", "params": {}})
    assert session.receive()["exitCode"] == 0
    started = time.monotonic()
    session.process.wait(10)
    assert time.monotonic() - started < 5
    assert session.end() == 0


def test_a_raw_session_speaks_json_rpc(host: subprocess.Popen[bytes], workspace: Path) -> None:
    session = Session(workspace, "--raw")
    session.send({"jsonrpc": "2.0", "id": 5, "method": "desktop.health", "params": {}})
    assert session.receive()["result"]["bridge"] == {"schemaVersion": 1}
    assert session.end() == 0


def test_a_session_survives_a_restart_of_the_host(tmp_path: Path, workspace: Path) -> None:
    first = start_host(tmp_path, "--confirm", "self", "--allow", "*")
    session = Session(workspace)
    session.send({"id": "a", "method": "desktop.health", "params": {}})
    assert session.receive()["exitCode"] == 0
    never = {"condition": {"selectorExists": {"titleContains": "never"}}}
    session.send({"id": "w", "method": "desktop.waitUntil", "params": never, "timeoutMs": 9_000})
    assert eventually(lambda: list(workspace.glob("artifacts/desktop/*/*/events.ndjson")))
    first.kill()
    end_host(first)
    assert session.receive()["exitCode"] == 10
    session.send({"id": "b", "method": "desktop.health", "params": {}})
    assert session.receive()["exitCode"] == 10
    second = start_host(tmp_path, "--confirm", "self", "--allow", "*")
    session.send({"id": "c", "method": "desktop.health", "params": {}})
    assert session.receive()["exitCode"] == 0
    assert session.end() == 0
    end_host(second)


def test_the_launch_agent_is_a_sound_property_list() -> None:
    command = ["/opt/ana lyst/bin/analyst", "desktop", "serve", "--workspace-root", "/Users/me/a & b"]
    agent = plistlib.loads(launchd_plist(command, {"A": "1"}, "/tmp/log"))
    assert (agent["Label"], agent["ProgramArguments"], agent["EnvironmentVariables"]) == (LABEL, command, {"A": "1"})
    assert (agent["RunAtLoad"], agent["Umask"]) == (True, 0o077)


def test_the_systemd_unit_quotes_what_systemd_would_expand() -> None:
    unit = systemd_unit(
        ["/usr/bin/analyst", "desktop", "serve", "--workspace-root", '/a b/100%/$HOME/"x"'], {"K": "v w"}
    )
    assert 'ExecStart=/usr/bin/analyst desktop serve --workspace-root "/a b/100%%/$$HOME/\\"x\\""' in unit
    assert 'Environment="K=v w"' in unit
    assert "Restart=on-failure" in unit


@pytest.mark.real("systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "analyst-desktop.service"
    unit.write_text(systemd_unit(["/bin/true", "a b"], {}))
    checked = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "analyst-desktop" not in checked.stderr, checked.stderr


def test_the_service_file_is_written_once_and_removed(
    here: Here, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    calls = tmp_path / "calls"
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    (tools / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert "not installed" in here("service", "status", expect=1)
    assert here("service", "install", "--backend", "fake", "--test", expect=0).startswith("wrote")
    assert here("service", "install", "--backend", "fake", "--test", expect=0).startswith("unchanged")
    assert "TEST HOOKS" in here("service", "status", expect=0)
    assert here("service", "uninstall", expect=0).startswith("removed")
    assert here("service", "uninstall", expect=0).startswith("not installed")
    assert "--user enable --now analyst-desktop.service" in calls.read_text()


def test_without_a_service_manager_the_file_can_still_be_written_and_removed(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert here("service", "install", "--backend", "fake", expect=1).startswith("wrote")
    assert "not running" in here("service", "status", expect=1)
    assert here("service", "uninstall", expect=0).startswith("removed")


def test_the_help_of_every_command_has_an_example() -> None:
    def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command

    for name, command in commands(typer.main.get_command(app), "analyst desktop"):
        assert name in (command.help or ""), name


def test_an_approval_from_another_terminal_reaches_the_one_who_asked(tmp_path: Path, workspace: Path) -> None:
    """Two pseudo-terminals, as two people's windows: one asks, the other approves."""
    started = start_host(tmp_path)
    try:
        asking = _in_terminal([*ANALYST, "click", str(workspace), "--title-contains", "Go", "--ask"])
        approval_id = _eventually_listed()
        refused = subprocess.run(
            [*ANALYST, "approvals", "approve", approval_id],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        assert (refused.returncode, "terminal" in refused.stderr) == (2, True)
        approving = _in_terminal([*ANALYST, "approvals", "approve", approval_id])
        assert os.waitstatus_to_exitcode(os.waitpid(approving, 0)[1]) == 0
        assert os.waitstatus_to_exitcode(os.waitpid(asking, 0)[1]) == 0
        assert '"press": "go"' in (tmp_path / "done.ndjson").read_text()
    finally:
        end_host(started)


def _in_terminal(command: list[str]) -> int:
    pid, _ = pty.fork()
    if pid == 0:
        os.execv(command[0], command)  # noqa: S606 - the child of a fork becomes the command
    return pid


def _eventually_listed() -> str:
    found: list[str] = []

    def listed() -> bool:
        shown = subprocess.run(
            [*ANALYST, "approvals", "list", "--json"], capture_output=True, text=True, check=False
        ).stdout
        found[:] = [each["approvalId"] for each in json.loads(shown or "[]")]
        return bool(found)

    assert eventually(listed)
    return found[0]


HEAVY = """
import sys
from analyst_cli.__main__ import main
sys.argv = ["analyst", "desktop", "ping", "-q"]
try:
    main()
except SystemExit as ended:
    print(ended.code, [name for name in ("textual", "aiohttp", "PIL", "Xlib", "dbus_fast", "re2") if name in sys.modules])
"""


def test_commands_load_neither_textual_nor_a_desktop(host: subprocess.Popen[bytes]) -> None:
    assert subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True).stdout == "0 []\n"
