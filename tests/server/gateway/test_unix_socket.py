"""S12: mode, owner, stale sockets, symbolic links, races."""

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analyst_server.errors import ListenProblem
from analyst_server.gateway import unix_socket
from analyst_server.gateway.unix_socket import BoundSocket, bind_unix_socket


def left_behind(path: Path) -> None:
    """Leave the file of a socket on which nobody answers."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()


def closed(bound: BoundSocket) -> None:
    bound.socket.close()


def test_the_group_may_use_it_and_others_may_not(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        bound = bind_unix_socket(tmp_path / "ws.sock")
        assert os.umask(0o022) == 0o022  # as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE(bound.path.stat().st_mode) == 0o770
    closed(bound)


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    left_behind(tmp_path / "ws.sock")
    bound = bind_unix_socket(tmp_path / "ws.sock")
    bound.socket.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(bound.path))
    client.close()
    closed(bound)


@pytest.mark.real("root")
def test_the_owner_of_the_stale_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    left_behind(path)
    os.chown(path, 12_345, 54_321)
    bound = bind_unix_socket(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12_345, 54_321)
    closed(bound)


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    first = bind_unix_socket(tmp_path / "ws.sock")
    first.socket.listen()
    with pytest.raises(ListenProblem, match=r"another gateway answers on .*ws\.sock; stop it"):
        bind_unix_socket(first.path)
    assert unix_socket._identity(first.path) == first.identity
    closed(first)


@pytest.mark.parametrize("kind", ["file", "folder", "link to a socket", "dangling link"])
def test_whatever_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, elsewhere = tmp_path / "ws.sock", tmp_path / "elsewhere"
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case "link to a socket":
            left_behind(elsewhere)
            path.symlink_to(elsewhere)
        case _:
            path.symlink_to(elsewhere)
    with pytest.raises(ListenProblem, match="is in the way: it is no socket"):
        bind_unix_socket(path)
    assert path.is_symlink() or path.exists()
    assert elsewhere.exists() is (kind == "link to a socket")


def test_a_missing_folder_and_a_long_path_tell_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ListenProblem, match=r"install -d .*--socket"):
        bind_unix_socket(tmp_path / "missing" / "ws.sock")
    with pytest.raises(ListenProblem, match="has more than 107 bytes"):
        bind_unix_socket(tmp_path / ("x" * 120))


def test_the_end_removes_only_its_own_file(tmp_path: Path) -> None:
    first = bind_unix_socket(tmp_path / "ws.sock")
    closed(first)
    second = bind_unix_socket(first.path)
    first.remove_file()
    assert second.path.exists()
    second.remove_file()
    assert not second.path.exists()
    second.remove_file()  # once more is harmless
    closed(second)


def test_of_many_that_start_together_on_a_stale_socket_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ws.sock"
    left_behind(path)
    # the umask is the process's: no threads there
    monkeypatch.setattr(unix_socket, "_with_umask", lambda _mask, act: act())

    def start(_: int) -> BoundSocket | None:
        try:
            bound = bind_unix_socket(path)
        except ListenProblem:
            return None
        bound.socket.listen()
        return bound

    with ThreadPoolExecutor(8) as threads:
        started = [bound for bound in threads.map(start, range(8)) if bound is not None]
    alive = [bound for bound in started if unix_socket._identity(path) == bound.identity]
    assert len(alive) == 1
    for bound in started:
        closed(bound)
