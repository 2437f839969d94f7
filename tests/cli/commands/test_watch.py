"""`analyst watch`, as a process against the real gateway and the old one: lines, summary, signals, closed pipes."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from PIL import Image

from tests.support.eventually import eventually
from tests.support.old_gateway import old_gateway
from tests.support.system import PROGRAM, System, running_system

SECRET = "s" * 32


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with running_system() as running:
        running.sign_in("petr")
        yield running


class Watch:
    """A watch whose output is read under deadlines."""

    def __init__(self, environment: dict[str, str], *flags: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "watch", *flags], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def line(self, *, error: bool = False) -> str:
        """Return the next line of stdout, or of stderr."""
        stream = self.process.stderr if error else self.process.stdout
        assert stream is not None
        line, end = b"", time.monotonic() + 30
        while not line.endswith(b"\n"):
            assert select.select([stream], [], [], max(end - time.monotonic(), 0))[0], f"nothing came, only {line!r}"
            byte = os.read(stream.fileno(), 1)
            assert byte, f"it has ended: {line!r}"
            line += byte
        return line.decode()

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


def dispatch(system: System, title: str, **options: str) -> None:
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    system.run("dispatch", "--user", "petr", "--title", title, "--message", "m", *flags)


def test_a_line_a_notification_and_ctrl_c_ends_with_130(system: System) -> None:
    watch = Watch(system.environment)
    assert watch.line(error=True) == f"Connected to {system.portal_url} as petr.\n"
    dispatch(system, "Revenue\x1b[2J drop", script="rev.py", priority="critical")
    assert watch.line()[9:] == "!! [rev.py] Revenue␛[2J drop - m\n"
    assert watch.end() == 130


def test_a_program_gets_what_came_while_it_was_away_as_lines_too(system: System) -> None:
    system.receive(len(system.inbox()))
    for number in range(3):
        system.run("dispatch", "--user", "petr", "--title", f"Missed {number}", "--message", "m")
    watch = Watch(system.environment, "--json")
    assert [json.loads(watch.line())["title"] for _ in range(3)] == ["Missed 0", "Missed 1", "Missed 2"]
    system.run("dispatch", "--user", "petr", "--title", "Live", "--message", "m")
    assert json.loads(watch.line())["title"] == "Live"
    watch.end()


def test_json_lines_are_for_programs_and_filters_apply(system: System) -> None:
    watch = Watch(system.environment, "--json", "--priority", "high")
    watch.line(error=True)
    dispatch(system, "Small", priority="low")
    dispatch(system, "Great", priority="high")
    told = json.loads(watch.line())
    assert (told["title"], told["priority"], told["message"]) == ("Great", "high", "m")
    watch.end()


def test_it_begins_in_the_past_and_ends_after_as_many_as_are_asked_for(system: System) -> None:
    dispatch(system, "Before 1", script="since.py")
    dispatch(system, "Before 2", script="since.py")
    watch = Watch(system.environment, "--since", "today", "--script", "since.py", "--limit", "3")
    assert ["Before 1" in watch.line(), "Before 2" in watch.line()] == [True, True]
    dispatch(system, "Not asked for", script="another.py")
    dispatch(system, "Third", script="since.py")
    assert "Third" in watch.line()
    assert watch.ended() == 0
    watch = Watch(system.environment, "--tag", "eu", "--limit", "1")
    watch.line(error=True)
    dispatch(system, "Without a tag")
    dispatch(system, "Of a tag", tag="eu")
    assert "Of a tag" in watch.line()
    assert watch.ended() == 0


def test_what_came_meanwhile_is_one_summary(system: System) -> None:
    first = Watch(system.environment)
    first.line(error=True)
    first.end()
    for number in range(3):
        dispatch(system, f"Missed {number}")
    watch = Watch(system.environment)
    watch.line(error=True)
    assert watch.line(error=True).startswith("3 new while you were away, the newest: Missed 2.")
    dispatch(system, "Live")
    assert "Live" in watch.line()
    watch.end()


def test_two_watches_and_a_quiet_one_share_the_inbox_and_each_tells_once(system: System) -> None:
    watches = [Watch(system.environment, "--json") for _ in range(2)]
    quiet = Watch(system.environment, "--quiet")
    for watch in watches:
        watch.line(error=True)
    for number in range(5):
        dispatch(system, f"Both {number}")
    for watch in watches:
        assert [json.loads(watch.line())["title"] for _ in range(5)] == [f"Both {number}" for number in range(5)]
    for watch in [*watches, quiet]:
        watch.end()
    assert len([row for row in system.inbox() if row["title"].startswith("Both")]) == 5


def test_it_ends_when_the_reader_of_its_output_ends(system: System) -> None:
    watch = Watch(system.environment)
    watch.line(error=True)
    assert watch.process.stdout is not None
    watch.process.stdout.close()
    assert watch.process.wait(30) in {0, 141}
    assert watch.process.stderr is not None
    assert watch.process.stderr.read() == b""
    watch.process.stderr.close()


def test_marks_reach_the_server_from_a_command_and_wait_while_it_is_away(system: System) -> None:
    dispatch(system, "To be marked")
    system.receive(1)
    marked = system.run("mark", "last", "--archived")
    assert marked.stderr == "1 notification marked archived.\n"
    system.stop()
    marked = system.run("mark", "last", "--read")
    assert "on this machine" in marked.stderr
    assert "connection refused" in marked.stderr
    system.start()
    system.run("mark", "last", "--unread")
    assert "already" in system.run("mark", "last", "--unread").stderr


def test_a_restart_of_the_server_is_said_once_and_nothing_is_lost(system: System) -> None:
    watch = Watch(system.environment)
    watch.line(error=True)
    system.stop()
    assert watch.line(error=True).startswith("Not connected: ")
    system.start()
    dispatch(system, "After the restart")
    assert watch.line(error=True) == "Connected again.\n"
    assert eventually(lambda: system.inbox()[0]["title"] == "After the restart")
    watch.end()


async def test_the_old_gateway_is_watched_and_its_limits_are_said(tmp_path: Path, home: Path) -> None:
    import asyncio  # noqa: PLC0415

    token = jwt.encode({"sub": "petr"}, SECRET, algorithm="HS256")
    async with old_gateway(SECRET, dispatch_socket=tmp_path / "ws.sock") as old:
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "ANALYST_WS_URL": old.url, "ANALYST_TOKEN": token}
        watch = Watch(environment)
        assert "keeps nothing" in await asyncio.to_thread(watch.line, error=True)
        await old.send(
            "petr",
            {
                "id": "uuid",
                "title": "Revenue Drop",
                "message": "...",
                "timestamp": "2026-01-30T10:00:00Z",
                "script": "rev",
            },
        )
        assert (await asyncio.to_thread(watch.line)).endswith("[rev] Revenue Drop - ...\n")
        marked = await asyncio.to_thread(
            subprocess.run,
            [*PROGRAM, "mark", "uuid"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert marked.stderr == "1 notification marked read.\n"
        assert await asyncio.to_thread(watch.end, signal.SIGINT) == 130
        assert old.unknown == []


def test_a_wrong_token_ends_with_4_and_nobody_listening_goes_on(home: Path) -> None:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "ANALYST_SERVER": "http://127.0.0.1:9"}
    without = subprocess.run(
        [sys.executable, "-m", "analyst_cli", "watch"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (without.returncode, without.stdout) == (4, "")
    assert "analyst login --server http://127.0.0.1:9" in without.stderr
    watch = Watch(environment | {"ANALYST_TOKEN": "t"})
    assert "connection refused" in watch.line(error=True)
    assert watch.end() == 130


@pytest.mark.parametrize(
    ("terminal", "sign"),
    [
        ({"TERM": "xterm-kitty"}, b"\x1b_Ga=T,f=100"),
        ({"TERM": "xterm-256color", "ANALYST_IMAGES": "sixel"}, b"\x1bP0;1;0q"),
        ({"TERM": "xterm-256color", "ANALYST_IMAGES": "half"}, "▀".encode()),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "ANALYST_IMAGES": "half"}, b"chart: It falls"),
    ],
)
def test_a_chart_is_fetched_with_the_token_and_drawn_as_the_terminal_can(
    system: System, terminal: dict[str, str], sign: bytes
) -> None:
    picture = system.home / "chart.png"
    if not picture.exists():
        Image.linear_gradient("L").save(picture)
        dispatch(system, "Picture", id="picture", image=str(picture), **{"image-alt": "It falls"})
        system.receive(len(system.inbox()) + 1)
    command = " ".join([*PROGRAM, "show", "picture", "--image"])
    shown = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        env=system.environment | terminal,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert sign in shown.stdout
    assert b"chart: It falls" in shown.stdout


def test_a_token_that_ends_soon_is_renewed_on_the_way(system: System) -> None:
    token = system.run("token", "issue", "petr", "--days", "2").stdout
    system.run("login", "--token-stdin", "--insecure-storage", "--server", system.portal_url, stdin=token)
    watch = Watch(system.environment)
    watch.line(error=True)
    watch.end()
    stored = json.loads((system.home / ".config/analyst/tokens.json").read_text())[system.portal_url]
    assert stored != token.strip()
    assert jwt.decode(stored, options={"verify_signature": False})["exp"] > time.time() + 20 * 86_400


def test_a_revoked_person_is_told_to_sign_in(system: System) -> None:
    token = system.run("token", "issue", "eva").stdout.strip()
    watch = Watch(system.environment | {"ANALYST_TOKEN": token})
    watch.line(error=True)
    system.run("gateway", "revoke", "--user", "eva")
    assert "does not accept the token" in watch.line(error=True)
    assert watch.ended() == 4
