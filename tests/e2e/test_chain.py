"""The main job, end to end: a script looks at real data and its alert is in the analyst's inbox. Real processes, real sockets, a real terminal."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import websockets
from eventually import eventually
from system import PROGRAM, System, running_system

SAMPLE = pytest.mark.real("python:duckdb", "python:matplotlib", "python:vega_datasets")


@pytest.fixture
def system() -> Iterator[System]:
    with running_system() as started:
        started.sign_in("petr")
        yield started


@pytest.fixture(scope="module")
def unharmed_system() -> Iterator[System]:
    """One system for all tests that must leave it as it was."""
    with running_system() as started:
        started.sign_in("petr")
        yield started


@SAMPLE
@pytest.mark.real("tmux")
@pytest.mark.xdist_group("terminal")
def test_a_script_looks_at_data_and_its_alert_with_its_chart_is_in_the_inbox_of_a_terminal(system: System) -> None:
    system.run("scripts", "new", "revenue_drop", "--from", "revenue_drop")
    system.run("runner", "once", "--now", "--user", "petr", ANALYST_SAMPLE_STEP="9")
    assert "sent" in system.run("scripts", "explain", "revenue_drop").stdout.lower()
    tmux = ["tmux", "-S", str(system.home / "tmux"), "-f", "/dev/null"]
    command = " ".join(PROGRAM) + " inbox"
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "120", "-y", "40", "-s", "s", command],
        env={**system.environment, "TERM": "xterm-256color"},
        check=True,
    )

    def screen() -> str:
        return subprocess.run(
            [*tmux, "capture-pane", "-p", "-t", "s"], capture_output=True, text=True, check=False
        ).stdout

    try:
        assert eventually(lambda: "Revenue of IBM down 18.9" in screen()), screen()
        assert eventually(lambda: "● live" in screen()), screen()
        subprocess.run([*tmux, "send-keys", "-t", "s", "Enter"], check=True)
        # the chart, drawn with braille dots
        assert eventually(lambda: re.search("[\u2800-\u28ff]", screen())), screen()
        system.run("dispatch", "--user", "petr", "--title", "Live arrival", "--message", "now")
        subprocess.run([*tmux, "send-keys", "-t", "s", "Escape"], check=True)
        assert eventually(lambda: "Live arrival" in screen()), screen()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


@SAMPLE
def test_the_demo_runs_the_chain_once_and_prints_the_inbox_without_a_terminal(home: object) -> None:
    done = subprocess.run(
        [*PROGRAM, "demo"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stderr
    for title in ("Revenue of", "Employment in", "Temperatures are"):
        assert title in done.stdout


def test_what_was_accepted_survives_kill_9_and_reaches_who_was_away_in_order_and_once(system: System) -> None:
    system.run("dispatch", "--user", "petr", "--title", "alert 0", "--message", "m", "--id", "n0")
    assert len(system.receive(1)) == 1
    for number in range(1, 6):
        system.run("dispatch", "--user", "petr", "--title", f"alert {number}", "--message", "m", "--id", f"n{number}")
        system.stop(signal.SIGKILL)
        system.start()
    assert [row["id"] for row in system.receive(6)] == ["n5", "n4", "n3", "n2", "n1", "n0"]
    assert [row["id"] for row in system.receive(6)] == ["n5", "n4", "n3", "n2", "n1", "n0"]


def test_a_read_mark_made_offline_reaches_the_gateway_later(system: System) -> None:
    system.run("dispatch", "--user", "petr", "--title", "a", "--message", "m", "--id", "n1")
    system.receive(1)
    system.stop()
    system.run("mark", "n1", "--read")
    assert [row["id"] for row in map(json.loads, system.run("list", "--unread", "--json").stdout.splitlines())] == []
    system.start()
    with system.watching("--quiet"):
        assert eventually(lambda: '"read_at":null' not in system.run("status", "n1", "--json").stdout.replace(" ", ""))


@pytest.mark.real("curl")
async def test_an_administrator_with_curl_and_a_hand_written_client_of_protocol_1(system: System) -> None:
    token = system.run("token", "issue", "petr").stdout.strip()

    def curl(*arguments: str) -> object:
        done = subprocess.run(
            ["curl", "-s", "--unix-socket", str(system.socket), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return json.loads(done.stdout)

    assert await asyncio.to_thread(curl, "http://localhost/health") == {"status": "ok", "connections": 0, "users": {}}
    async with websockets.connect(system.ws_url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert json.loads(await socket.recv()) == {"type": "auth_ok", "username": "petr"}
        assert await asyncio.to_thread(curl, "http://localhost/health") == {
            "status": "ok",
            "connections": 1,
            "users": {"petr": 1},
        }
        body = (
            '{"user":"petr","notification":{"id":"test-1","title":"Test Alert","message":"This is a test notification.",'
            '"timestamp":"2026-01-30T12:00:00Z"}}'
        )
        answer = await asyncio.to_thread(
            curl, "-X", "POST", "http://localhost/dispatch", "-H", "Content-Type: application/json", "-d", body
        )
        assert isinstance(answer, dict)
        assert answer["sent"] == 1
        assert json.loads(await socket.recv()) == {
            "type": "notification",
            "id": "test-1",
            "title": "Test Alert",
            "message": "This is a test notification.",
            "timestamp": "2026-01-30T12:00:00Z",
        }
        assert await asyncio.to_thread(curl, "-X", "POST", "http://localhost/dispatch", "-d", "{") == {
            "error": "Invalid JSON"
        }
        assert await asyncio.to_thread(curl, "-X", "POST", "http://localhost/dispatch", "-d", "{}") == {
            "error": "Missing 'user' or 'notification'"
        }


def test_the_gateway_ends_cleanly_and_leaves_no_socket(system: System) -> None:
    assert system.socket.stat().st_mode & 0o777 == 0o770
    assert system.stop() == 0
    assert not system.socket.exists()


@pytest.mark.xdist_group("bad input")
@pytest.mark.parametrize(
    ("arguments", "more", "words", "code"),
    [
        (
            ["gateway", "serve", "--host", "0.0.0.0", "--port", "0", "--portal-port", "0"],
            {},
            ["DESKTOP_JWT_SECRET"],
            2,
        ),
        (
            [
                "gateway",
                "serve",
                "--port",
                "{ws_port}",
                "--portal-port",
                "0",
                "--socket",
                "{home}/b.sock",
                "--data",
                "{home}/b",
            ],
            {},
            ["{ws_port}"],
            1,
        ),
        (
            [
                "gateway",
                "serve",
                "--port",
                "0",
                "--portal-port",
                "0",
                "--data",
                "{home}/b",
                "--socket",
                "{home}/missing/ws.sock",
            ],
            {},
            ["{home}/missing"],
            1,
        ),
        (["gateway", "serve", "--set", "gateway.colour=red"], {}, ["colour"], 2),
        (["gateway", "serve"], {"DESKTOP_JWT_SECRET": "short"}, ["DESKTOP_JWT_SECRET", "32"], 2),
        (["dispatch", "--user", "../etc", "--title", "t", "--message", "m"], {}, ["../etc"], 1),
        (["dispatch", "--user", "petr", "--title", "t" * 251, "--message", "m"], {}, ["250"], 1),
        (
            ["dispatch", "--user", "petr", "--title", "t", "--message", "m", "--image", "{home}/gateway.log"],
            {},
            ["gateway.log"],
            1,
        ),
        (
            ["dispatch", "--user", "petr", "--title", "t", "--message", "m", "--image", "{home}/none.png"],
            {},
            ["none.png"],
            1,
        ),
        (
            ["dispatch", "--user", "petr", "--title", "t", "--message", "m", "--socket", "/nowhere/ws.sock"],
            {},
            ["/nowhere/ws.sock"],
            1,
        ),
        (["whoami"], {"ANALYST_TOKEN": "no.token.atall"}, ["ANALYST_TOKEN"], 4),
        (["watch"], {"ANALYST_TOKEN": "e30.eyJzdWIiOiJwZXRyIn0.c2ln"}, ["ANALYST_TOKEN"], 4),
        (["login", "--server", "http://127.0.0.1:1"], {}, ["http://127.0.0.1:1"], 1),
        (["config", "set", "colour", "red"], {}, ["colour"], 2),
        (["show", "no-such-id"], {}, ["no-such-id"], 1),
        (["scripts", "explain", "no_such_script"], {}, ["no_such_script"], 1),
    ],
)
def test_bad_input_is_one_sentence_with_the_value_and_a_fitting_exit_code(
    unharmed_system: System, arguments: list[str], more: dict[str, str], words: list[str], code: int
) -> None:
    known = {"ws_port": str(unharmed_system.ports[0]), "home": str(unharmed_system.home)}
    done = unharmed_system.run(*(argument.format(**known) for argument in arguments), check=False, **more)
    assert done.returncode == code, done.stderr
    assert all(word.format(**known) in done.stderr for word in words), done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert sys.executable not in done.stderr
