"""K5: who is at the other end, told by the kernel, also after a fork, an exec, a death, and with a number that is used again."""

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from analyst_cli.desktop.endpoint import client_socket_path
from analyst_cli.desktop.operator import may_decide
from analyst_cli.desktop.peer import Ancestor, Peer, peer_of
from tests.support.eventually import eventually
from tests.support.fake_desktop_world import World

CONNECT = "import socket,sys,os,time; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "


@pytest.fixture
def listener(home: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(home / "s"))
    listening.listen()
    yield listening
    listening.close()


def connected(listener: socket.socket, code: str) -> tuple[subprocess.Popen[bytes], socket.socket, Peer]:
    child = subprocess.Popen(
        [sys.executable, "-c", CONNECT + code, listener.getsockname()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    connection, _ = listener.accept()
    return child, connection, peer_of(connection, "c")


def end(child: subprocess.Popen[bytes], connection: socket.socket, peer: Peer) -> None:
    peer.close()
    connection.close()
    child.communicate(timeout=30)


def test_a_living_peer_is_known(listener: socket.socket) -> None:
    child, connection, peer = connected(listener, "sys.stdin.read()")
    assert (peer.pid, peer.uid, peer.gid) == (child.pid, os.geteuid(), os.getegid())
    assert peer.exe_path == os.path.realpath(sys.executable)
    assert peer.reason_gone() is None
    assert peer.lineage[1].pid == os.getpid()
    end(child, connection, peer)


def test_the_identity_is_the_one_of_the_contract(listener: socket.socket) -> None:
    child, connection, peer = connected(listener, "sys.stdin.read()")
    facts = peer.json()
    named = f"{facts['uid']}|{facts['pid']}|{facts['startTime']}|{facts['exeSha256']}"
    assert facts["identityDigest"] == hashlib.sha256(named.encode()).hexdigest()[:16]
    assert facts["startTime"] == int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    assert facts["exeSha256"] == hashlib.sha256(Path(os.path.realpath(sys.executable)).read_bytes()).hexdigest()
    end(child, connection, peer)


def test_a_dead_peer_is_told_although_its_child_keeps_the_socket(listener: socket.socket) -> None:
    child, connection, peer = connected(listener, "os.fork() and os._exit(0); os.setsid(); sys.stdin.read()")
    assert eventually(lambda: peer.reason_gone() == "peer_gone")
    end(child, connection, peer)


def test_an_exec_is_told(listener: socket.socket) -> None:
    child, connection, peer = connected(
        listener, "s.set_inheritable(True); os.read(0, 1); os.execv('/bin/cat', ['cat'])"
    )
    assert peer.reason_gone() is None
    assert child.stdin
    child.stdin.write(b"x")
    child.stdin.flush()
    assert eventually(lambda: peer.reason_gone() == "peer_changed")
    end(child, connection, peer)


def test_a_number_that_is_used_again_is_another_identity(listener: socket.socket) -> None:
    child, connection, peer = connected(listener, "sys.stdin.read()")
    again = Peer(pid=child.pid, uid=peer.uid, gid=peer.gid, connection_id="d")
    assert again.identity_digest == peer.identity_digest
    peer.start_time = (peer.start_time or 0) - 1  # as if the process behind the number had started at another time
    assert peer.reason_gone() == "peer_gone"
    end(child, connection, peer)


async def test_the_digest_is_stable_in_a_connection_and_the_connection_is_told_apart(world: World) -> None:
    first, second = [(await world.result("health"))["peer"] for _ in range(2)]
    assert first == second
    async with world.another_client() as client:
        third = (await client.call("desktop.health", {}))["result"]["peer"]
    assert third["identityDigest"] == first["identityDigest"]
    assert third["connectionId"] != first["connectionId"]
    assert set(first) >= {
        "pid",
        "auditTokenDigest",
        "signingId",
        "teamId",
        "uid",
        "gid",
        "startTime",
        "exePath",
        "exeSha256",
    }


async def test_a_process_that_became_another_is_refused(world: World) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": "1", "method": "desktop.health", "params": {}})
    first = f"s.sendall({line.encode() + b'%n'!r}.replace(b'%n', bytes([10]))); assert b'result' in s.recv(65536); "
    shell = "printf '%s\\n' " + f"'{line}'; head -n 1 >&2"
    then = f"s.set_inheritable(True); os.dup2(s.fileno(), 0); os.dup2(s.fileno(), 1); os.execv('/bin/sh', ['sh', '-c', {shell!r}])"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CONNECT + first + then, str(client_socket_path()), stderr=subprocess.PIPE
    )
    _, answered = await asyncio.wait_for(child.communicate(), 30)
    error = json.loads(answered)["error"]
    assert error["code"] == "DESKTOP_CALLER_NOT_ALLOWED"
    assert error["details"]["reason"] == "peer_changed"


@pytest.mark.real("root")
async def test_another_user_is_refused(world: World) -> None:
    path = client_socket_path()
    for folder in (path, *path.parents):  # as if an operator had opened everything by mistake
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o777)
    code = "os.setuid(65534); " + CONNECT.removeprefix("import socket,sys,os,time; ") + "print(s.makefile().readline())"
    child = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-c", "import socket,sys,os,time; " + code, str(path), stdout=subprocess.PIPE
    )
    answered, _ = await asyncio.wait_for(child.communicate(), 30)
    error = json.loads(answered)["error"]
    assert error["code"] == "DESKTOP_CALLER_NOT_ALLOWED"
    assert error["details"]["reason"] == "uid"


class _Process:
    def __init__(self, *lineage: Ancestor) -> None:
        self.lineage = lineage


AGENT = (Ancestor(30, 3, 20), Ancestor(20, 2, 20), Ancestor(10, 1, 10))  # an agent, its shell, the terminal program


def test_the_terminal_session_that_asked_cannot_approve_whoever_started_the_program() -> None:
    orphan = Ancestor(30, 3, 20)  # what started it has ended
    neighbour = (Ancestor(40, 4, 20), Ancestor(20, 2, 20))
    assert may_decide(_Process(orphan), _Process(*neighbour))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("decider", "may"),
    [
        (
            (Ancestor(50, 5, 40), Ancestor(40, 4, 40), Ancestor(10, 1, 10)),
            True,
        ),  # another tab of the same terminal program
        ((Ancestor(31, 6, 20), Ancestor(20, 2, 20), Ancestor(10, 1, 10)), False),  # the same shell
        (
            (Ancestor(32, 6, 32), Ancestor(30, 3, 20), Ancestor(20, 2, 20)),
            False,
        ),  # a session of its own, started by the agent
        ((Ancestor(33, 6, 33),), True),  # an orphan: only its terminal tells, see the threat model
    ],
)
def test_the_program_that_asks_cannot_approve(decider: tuple[Ancestor, ...], may: bool) -> None:
    assert (may_decide(_Process(*AGENT), _Process(*decider)) is None) is may  # type: ignore[arg-type]
