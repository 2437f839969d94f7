"""`analyst gateway serve` as a process, and the commands that talk to its socket."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from system import PROGRAM, System, running_system
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from analyst_cli.commands.dispatch import ask_gateway
from analyst_cli.errors import ServerRefused
from tests.support.gateway_world import Client
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with running_system() as system:
        yield system


async def signed_in(system: System, user: str = "petr", **more: object) -> ClientConnection:
    token = (await asyncio.to_thread(system.run, "token", "issue", user)).stdout.strip()
    socket = await connect(system.ws_url, proxy=None)
    await socket.send(json.dumps({"type": "auth", "token": token} | more))
    assert json.loads(await socket.recv())["type"] == "auth_ok"
    return socket


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 1012), (signal.SIGINT, 1001)])
async def test_the_end_tells_clients_whether_to_come_back_soon_and_leaves_no_socket(
    system: System, number: int, code: int
) -> None:
    if system.gateway is None:
        await asyncio.to_thread(system.start)
    client = Client(await signed_in(system))
    ended = asyncio.ensure_future(client.end())
    assert await asyncio.to_thread(system.stop, number) == 0
    assert (await ended)[0] == code
    assert not system.socket.exists()
    assert "Traceback" not in system.log.read_text()


async def test_a_crash_leaves_a_stale_socket_that_the_next_start_replaces_and_nothing_accepted_is_lost(
    system: System,
) -> None:
    if system.gateway is None:
        system.start()
    first = system.run("dispatch", "-u", "petr", "-t", "kept", "--json", "-", stdin='{"id":"kept-1","message":"m"}')
    assert first.stdout == "kept-1\n"
    assert "no device of 'petr' is known here: check the name" in first.stderr
    system.stop(signal.SIGKILL)
    assert system.socket.exists()
    system.start()
    done = system.run("dispatch", "-u", "petr", "-t", "kept", "-m", "m", "--id", "kept-1")
    assert done.stdout == "kept-1\n"
    assert "stored before under this id" in done.stderr


async def test_waiting_for_devices_ends_when_each_has_acknowledged(system: System) -> None:
    if system.gateway is None:
        system.start()
    socket = await signed_in(system, "jana", protocol=2, device="desk")

    async def acknowledge() -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "notification":
                await socket.send(json.dumps({"type": "ack", "seq": message["seq"]}))

    device = asyncio.ensure_future(acknowledge())
    done = await asyncio.to_thread(system.run, "dispatch", "-u", "jana", "-t", "t", "--wait", "--wait-timeout", "10")
    assert "jana on desk: acknowledged\nthe one device has it" in done.stderr
    status = await asyncio.to_thread(system.run, "status", done.stdout.strip())
    rows = [line.split("\t") for line in status.stdout.splitlines()]
    assert [row[:3] for row in rows] == [["jana", "", "stored"], ["jana", "desk", "acknowledged"]]
    await socket.close()
    await asyncio.gather(device, return_exceptions=True)
    late = await asyncio.to_thread(
        system.run, "dispatch", "-u", "jana", "-t", "t2", "--wait", "--wait-timeout", "0.3", check=False
    )
    assert late.returncode == 1
    assert "jana on desk: waiting\n" in late.stderr
    assert "not every device has it after 0.3 s: desk; look later: analyst status" in late.stderr


async def test_of_several_users_each_who_has_no_device_is_named_though_another_is_connected(system: System) -> None:
    if system.gateway is None:
        system.start()
    socket = await signed_in(system, "jola", protocol=2, device="desk")
    asked = ("dispatch", "-u", "jola", "-u", "jlo", "-t", "t", "--wait", "--wait-timeout", "0.3")
    done = await asyncio.to_thread(system.run, *asked, check=False)
    await socket.close()
    assert "1 live connection got it\nno device of 'jlo' is known here" in done.stderr
    assert "jola on desk: sent\n" in done.stderr
    assert "not every device has it after 0.3 s: no device of jlo is known yet, desk; look later" in done.stderr


async def test_waiting_for_devices_outlasts_a_restart(system: System) -> None:
    if system.gateway is None:
        system.start()
    socket = await signed_in(system, "rosa", protocol=2, device="desk")
    waiting = await asyncio.create_subprocess_exec(
        *PROGRAM, "dispatch", "-u", "rosa", "-t", "t", "--wait", env=system.environment, stderr=asyncio.subprocess.PIPE
    )
    stored = await Client(socket).hear_all(until="notification")
    assert waiting.stderr is not None
    assert await waiting.stderr.readline() == b"stored; 1 live connection got it\n"
    await asyncio.to_thread(system.stop, signal.SIGKILL)
    await socket.close()
    await asyncio.to_thread(system.start)
    socket = await signed_in(system, "rosa", protocol=2, device="desk")
    await socket.send(json.dumps({"type": "ack", "seq": stored[-1]["seq"]}))
    said = await waiting.stderr.read()  # the command ends by itself: it waits 30 s at most
    await waiting.wait()
    await socket.close()
    assert said == b"rosa on desk: acknowledged\nthe one device has it\n"


async def test_health_and_settings_are_told_to_people_and_programs(system: System) -> None:
    if system.gateway is None:
        system.start()
    socket = await signed_in(system)
    people = await asyncio.to_thread(system.run, "gateway", "health")
    assert people.stdout.splitlines() == ["ok: 1 connection of 1 user", "petr\t1"]
    programs = await asyncio.to_thread(system.run, "gateway", "health", "--json")
    assert json.loads(programs.stdout) == {"status": "ok", "connections": 1, "users": {"petr": 1}}
    await socket.close()
    rows = [
        json.loads(line)
        for line in system.run(
            "gateway", "settings", "--json", MAX_CONNECTIONS_PER_USER="9", DESKTOP_JWT_SECRET="s" * 32
        ).stdout.splitlines()
    ]
    settings = {row["setting"]: row for row in rows}
    assert settings["gateway.connections_per_user"] | {"meaning": ""} == {
        "setting": "gateway.connections_per_user",
        "value": "9",
        "from": "MAX_CONNECTIONS_PER_USER",
        "variable": "MAX_CONNECTIONS_PER_USER",
        "meaning": "",
    }
    assert settings["identity.secret"]["value"] == "(set)"


def test_metrics_are_served_on_a_port_of_their_own_when_asked(system: System) -> None:
    port = free_port()
    if system.gateway is not None:
        system.stop()
    system.environment["ANALYST_GATEWAY_METRICS_PORT"] = str(port)
    try:
        system.start()
    finally:
        del system.environment["ANALYST_GATEWAY_METRICS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"analyst_connections 0.0" in answer.read()
    refused = urllib.request.Request(f"http://127.0.0.1:{port}/dispatch", data=b"")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(refused)  # noqa: S310 - our own http URL
    system.stop()


def test_the_limits_of_a_user_are_settings(system: System, tmp_path: Path) -> None:
    if system.gateway is not None:
        system.stop()
    Image.new("RGB", (4, 4)).save(tmp_path / "chart.png")
    limits = {"RATE": "2", "DAY_BYTES": "1000", "DAY_IMAGES": "1"}  # a rate of two has room for another one after 5 s
    system.environment |= {f"ANALYST_GATEWAY_USER_{name}": most for name, most in limits.items()}
    try:
        system.start()
    finally:
        for name in limits:
            del system.environment[f"ANALYST_GATEWAY_USER_{name}"]
    socket = Path(system.environment["WS_DISPATCH_SOCKET"])

    def dispatch(user: str, **notification: str) -> None:
        ask_gateway(
            "POST", "/dispatch", socket=socket, body={"user": user, "notification": {"title": "t"} | notification}
        )

    dispatch("eva", image_path=str(tmp_path / "chart.png"))
    with pytest.raises(ServerRefused, match=r"more than 1 pictures in a day for eva.*gateway\.user_day_images"):
        dispatch("eva", image_path=str(tmp_path / "chart.png"))
    with pytest.raises(ServerRefused, match=r"more than 1000 bytes in a day for ivan.*gateway\.user_day_bytes"):
        dispatch("ivan", message="m" * 1_000)
    for _ in range(2):
        dispatch("jan")
    with pytest.raises(ServerRefused, match=r"more than 2 notifications in 10 s for jan.*gateway\.user_rate"):
        dispatch("jan")
    system.stop()


async def test_a_wrong_token_ends_with_4401(system: System) -> None:
    if system.gateway is None:
        system.start()
    async with connect(system.ws_url, proxy=None) as socket:
        await socket.send('{"type":"auth","token":"e30.e30.e30"}')
        assert json.loads(await socket.recv()) == {"type": "auth_error", "message": "Invalid token"}
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4401


def test_nothing_to_send_and_nobody_to_send_it_to_are_a_sentence(system: System) -> None:
    nothing = system.run("dispatch", "-u", "petr", check=False)
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "analyst: there is nothing to send; give it words: --title, --message, or a file: --json\n",
    )
    too_much = system.run("dispatch", "-u", "petr", "--json", "-", stdin='"' + "x" * 262_144, check=False)
    assert (too_much.returncode, too_much.stderr) == (
        2,
        "analyst: standard input has more than 262144 bytes; a notification is smaller: shorten it\n",
    )
    nobody = system.run("dispatch", "-t", "t", check=False)
    assert (nobody.returncode, nobody.stderr) == (2, "analyst: nobody is named; name a user: --user petr\n")


@pytest.mark.parametrize("command", [["dispatch"], ["status"], ["gateway", "health"]])
def test_small_commands_load_neither_the_server_nor_an_http_library(command: list[str]) -> None:
    given = {"dispatch": ["-u", "a", "-t", "t"], "status": ["x"], "gateway": []}[command[0]]
    code = (
        "import sys; from analyst_cli.app import run\n"
        f"run({[*command, '--socket', '/nowhere/x.sock', *given]!r})\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "('aiohttp', 'textual', 'httptools', 'msgspec') or name.startswith(('analyst_server.gateway', 'analyst_server.app'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == ""
    assert "no dispatch socket at /nowhere/x.sock" in done.stderr
