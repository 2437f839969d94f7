"""K3: evidence goes to allowed workspaces and nowhere else."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from analyst_cli.desktop.errors import DesktopProblem
from analyst_cli.desktop.workspace import make_folders, open_roots, open_workspace
from tests.support.fake_desktop_world import World, desktop_world

FORBIDDEN = "DESKTOP_WORKSPACE_FORBIDDEN"


@pytest.mark.parametrize(
    "where",
    ["relative", "", "/", "/etc", "{root}-evil", "{root}/ws/../../out", "{root}/missing", "{root}/file", "/x\0y"],
)
async def test_paths_outside_the_roots_are_refused(tmp_path: Path, where: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "out"
    for folder in (root, outside, tmp_path / "root-evil"):
        folder.mkdir()
    (root / "file").touch()
    async with desktop_world(root) as world:
        assert await world.code("find", meta={"workspacePath": where.format(root=root)}) == FORBIDDEN
        assert list(outside.iterdir()) == list((tmp_path / "root-evil").iterdir()) == []
        assert world.audit()[-1]["code"] == FORBIDDEN


async def test_a_link_that_leads_outside_is_refused_and_one_that_stays_inside_is_followed(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    (tmp_path / "in").symlink_to(world.workspace)
    assert await world.code("find", meta={"workspacePath": str(tmp_path / "out")}) == FORBIDDEN
    found = await world.result("find", meta={"workspacePath": str(tmp_path / "in")})
    assert found["evidence"]["dir"].startswith(f"{world.workspace}/")


@pytest.mark.parametrize("link", ["artifacts", "artifacts/desktop"])
async def test_a_linked_folder_on_the_way_is_refused(world: World, tmp_path: Path, link: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = world.workspace / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    assert await world.code("find") == FORBIDDEN
    assert list(elsewhere.iterdir()) == []


async def test_a_workspace_swapped_during_the_call_redirects_nothing(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world.desktop.script.delays.look = 0.2
    call = world.client.call("desktop.find", {"meta": world.meta()})
    waiting = asyncio.create_task(call)
    await world.until(world.executions)
    moved = tmp_path / "moved"
    world.workspace.rename(moved)
    world.workspace.symlink_to(elsewhere)
    assert "result" in await waiting
    assert list(elsewhere.iterdir()) == []
    assert (moved / "artifacts" / "desktop" / "index.ndjson").read_text().count("\n") == 1


async def test_files_are_private(world: World) -> None:
    found = await world.result("observe")
    folder = Path(found["evidence"]["dir"])
    for path in (folder, folder.parent, folder.parent.parent, world.workspace / "artifacts"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_workspace_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesktopProblem) as caught:
        open_workspace(str(tmp_path), open_roots([tmp_path]), own_uid=os.geteuid() + 1)
    assert caught.value.details["reason"] == "foreign_owner"


def test_no_roots_refuse_everything(tmp_path: Path) -> None:
    with pytest.raises(DesktopProblem) as caught:
        open_workspace(str(tmp_path), (), own_uid=os.geteuid())
    assert caught.value.details["reason"] == "no_root"


def test_folders_are_made_below_an_open_handle(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with make_folders(fd, "a", "b") as inner:
        os.close(os.open("c", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=inner))
    os.close(fd)
    assert (tmp_path / "a" / "b" / "c").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 KiB; only root may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.real("root")
async def test_a_full_disk_is_told_before_anything_is_done_and_freed_space_is_used(small_disk: Path) -> None:
    async with desktop_world(small_disk) as world:
        token = await world.token("hotkey", keys=["cmd", "s"])
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 512)
        error = await world.error("hotkey", keys=["cmd", "s"], confirm={"token": token})
        assert error["code"] == "DESKTOP_INTERNAL_ERROR"
        assert error["details"]["reason"] == "evidence_unavailable"
        assert world.done == []
        filler.unlink()
        assert "result" in await world.act("hotkey", keys=["cmd", "s"])
