"""K18: what an execution leaves behind, in order, chained, and readable after any death."""

import asyncio
import errno
import fcntl
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from analyst_cli.desktop.audit import AuditLog
from analyst_cli.desktop.backends.fake.script import Change, Element
from analyst_cli.desktop.client import HostClient
from analyst_cli.desktop.elements import Handle, Node
from analyst_cli.desktop.hashchain import NO_HASH, ChainedLines, ChainFault, verify
from analyst_cli.desktop.redaction import node_tree
from analyst_cli.desktop.retention import purge
from analyst_cli.desktop.review import index_entries, verdicts
from tests.support.fake_desktop_world import REPORT, World, desktop_world


async def test_observe_writes_what_the_source_document_promises(world: World) -> None:
    done = await world.result("observe")
    folder = Path(done["evidence"]["dir"])
    assert {"executionId", "evidence"} <= set(done)
    assert done["evidence"] == {
        "dir": str(folder),
        "envPath": "env.json",
        "eventsPath": "events.ndjson",
        "screenshotPath": "observe.png",
        "axPath": "ax.json",
    }
    assert folder.parent.parent == world.workspace / "artifacts" / "desktop"
    assert sorted(path.name for path in folder.iterdir()) == [
        "ax.json",
        "env.json",
        "events.ndjson",
        "observe.png",
        "result.json",
    ]
    assert Image.open(io.BytesIO((folder / "observe.png").read_bytes())).size == (1280, 800)
    tree = json.loads((folder / "ax.json").read_text())
    assert tree["tree"]["role"] == "AXApplication"
    assert tree["traversal"]["truncated"] is False
    assert tree["frontmost"] == {"bundleId": "org.example.App", "pid": 4001}


async def test_env_json_has_the_members_of_the_source_document_and_ours(world: World) -> None:
    done = await world.result("observe", meta={"requestId": "r-7"})
    env = json.loads(Path(done["evidence"]["dir"], "env.json").read_text())
    assert env["workspacePath"] == str(world.workspace)
    assert env["host"] == {"pid": os.getpid(), "bundleId": "com.analyst.desktop.bridge", "version": "0.1.0"}
    assert env["permissions"] == {"accessibility": True, "screenRecording": True}
    assert {"pid", "auditTokenDigest", "signingId", "teamId"} <= set(env["peer"])
    assert (env["requestId"], env["method"], env["schemaVersion"], env["backend"]) == (
        "r-7",
        "desktop.observe",
        1,
        "fake",
    )
    assert env["displays"][0]["frame"]["width"] == 1280


@pytest.mark.parametrize("missing", ["accessibility", "screenRecording"])
async def test_a_missing_permission_skips_only_its_artefact(tmp_path: Path, missing: str) -> None:
    async with desktop_world(tmp_path, {**REPORT, "permissions": {missing: False}}) as world:
        done = await world.result("observe")
        assert done["permissionsMissing"] == done["evidence"]["permissionsMissing"] == [missing]
        assert ("axPath" in done["evidence"]) is (missing != "accessibility")
        assert ("screenshotPath" in done["evidence"]) is (missing != "screenRecording")
        assert Path(done["evidence"]["dir"], "observe.png").exists() is (missing != "screenRecording")


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({"includeScreenshot": False}, {"ax.json"}),
        ({"includeAxTree": False}, {"observe.png"}),
        ({"includeScreenshot": False, "includeAxTree": False}, set()),
    ],
)
async def test_observe_honours_its_options(world: World, options: dict[str, Any], files: set[str]) -> None:
    done = await world.result("observe", options=options)
    names = {path.name for path in Path(done["evidence"]["dir"]).iterdir()}
    assert names - {"env.json", "events.ndjson", "result.json"} == files


@pytest.mark.parametrize(("options", "stop"), [({"axMaxDepth": 1}, "max_depth"), ({"axMaxNodes": 3}, "max_nodes")])
async def test_a_cut_tree_says_so(world: World, options: dict[str, Any], stop: str) -> None:
    done = await world.result("observe", options=options)
    ax = json.loads(Path(done["evidence"]["dir"], "ax.json").read_text())
    assert (ax["traversal"]["truncated"], ax["traversal"]["stopReason"]) == (True, stop)
    assert "truncatedChildren" in json.dumps(ax["tree"])


async def test_values_are_left_out_unless_the_operator_wants_them(tmp_path: Path) -> None:
    async with desktop_world(tmp_path) as world:
        ax = Path((await world.result("observe"))["evidence"]["dir"], "ax.json").read_text()
        assert "AXValue" not in ax
        assert '"valueLength":3' in ax
    async with desktop_world(tmp_path, settings={"evidence.includeText": True}) as world:
        ax = Path((await world.result("observe"))["evidence"]["dir"], "ax.json").read_text()
        assert '"AXValue":"old"' in ax
        assert "hunter2" not in ax


async def test_nobody_looks_into_password_managers(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, settings={"evidence.hiddenApps": ["org.example.App"]}) as world:
        done = await world.result("observe")
        picture = Image.open(Path(done["evidence"]["dir"], "observe.png"))
        assert picture.getpixel((20, 20)) == (0, 0, 0)
        assert picture.getpixel((1000, 700)) != (0, 0, 0)
        ax = json.loads(Path(done["evidence"]["dir"], "ax.json").read_text())
        assert ("children" in ax["tree"], ax["tree"]["error"], ax["windows"][0]["title"]) == (False, "hidden_app", None)
        assert (await world.result("find", selector={"byRole": "AXButton"}))["matched"] == 0
        target = {"selector": {"byRole": "AXButton", "titleContains": "Go"}}
        gone = {"selectorGone": target["selector"]}
        assert await world.code("waitUntil", condition=gone, timeoutMs=50) == "DESKTOP_TIMEOUT"
        assert (await world.act("click", target=target))["error"]["code"] == "DESKTOP_ELEMENT_NOT_FOUND"
        assert world.done == []
        assert done["routeResolved"] == {"frontmostBundleId": "org.example.App", "windowTitle": None}
        dialog = Change(add=Element(id="d", role="AXDialog", title="Vault", modal=True), to="window")
        world.desktop.apply([dialog])
        assert (await world.result("listModals"))["modals"] == []


async def test_screenshots_can_be_off_and_always(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, settings={"evidence.screenshots": "off"}) as world:
        assert "screenshotPath" not in (await world.result("observe"))["evidence"]
    async with desktop_world(tmp_path, settings={"evidence.screenshots": "always"}) as world:
        assert "screenshotPath" in (await world.result("observe", options={"includeScreenshot": False}))["evidence"]


async def test_a_click_may_take_pictures_before_and_after(world: World) -> None:
    target = {"selector": {"byRole": "AXButton", "titleContains": "Go"}}
    done = (await world.act("click", target=target, options={"screenshots": True}))["result"]
    assert {"before.png", "after.png"} <= {path.name for path in Path(done["evidence"]["dir"]).iterdir()}


async def test_every_execution_has_one_start_one_end_and_a_line_in_the_index(world: World) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("observe", {}),
        ("find", {"selector": {"byRole": "AXButton"}}),
        ("find", {"selector": {"byPath": [9, 9]}}),
        ("highlight", {"target": {"selector": {"titleContains": "none"}}}),
        ("listModals", {}),
        ("waitUntil", {"condition": {"selectorExists": {"titleContains": "none"}}, "timeoutMs": 1}),
        ("click", {"target": {"selector": {"titleContains": "Go"}}}),
        ("hotkey", {"keys": "a", "confirm": {"token": "bad"}}),
    ]
    for method, params in calls:
        await world.call(method, **params)
    index = world.index()
    assert len(index) == len(calls) == len(world.executions())
    for entry in index:
        assert set(entry) == {
            "ts", "executionId", "requestId", "method", "ok", "errorCode", "evidenceDir", "eventsPath", "durationMs", "peerDigest", "lastHash",
        }  # fmt: skip
        events = world.events(world.workspace / entry["evidenceDir"])
        kinds = [event["type"] for event in events]
        assert kinds[0] == "desktop.start"
        assert kinds[-1] == ("desktop.stop" if entry["ok"] else "desktop.error")
        assert kinds.count("desktop.start") == 1
        assert len({"desktop.stop", "desktop.error"} & set(kinds)) == 1
        assert entry["errorCode"] is None or entry["errorCode"] == events[-1]["error"]["code"]
        assert (world.workspace / entry["evidenceDir"] / "result.json").exists()
    assert [verdict.fault for verdict in verdicts(world.workspace)] == [None] * len(calls)


async def test_a_hundred_executions_at_once_give_a_hundred_whole_lines(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, settings={"limits.queue": 200}) as world:
        replies = await asyncio.gather(*(world.call("find") for _ in range(100)))
        assert all("result" in reply for reply in replies)
        assert len({entry["executionId"] for entry in world.index()}) == 100


async def test_a_changed_event_is_noticed(world: World) -> None:
    await world.result("find")
    [folder] = world.executions()
    path = folder / "events.ndjson"
    path.write_text(path.read_text().replace("desktop.find", "desktop.fynd", 1))
    [verdict] = verdicts(world.workspace)
    assert verdict.fault


async def test_a_change_to_any_file_of_the_evidence_is_noticed(world: World) -> None:
    await world.result("observe")
    [folder] = world.executions()
    index = world.workspace / "artifacts" / "desktop" / "index.ndjson"

    def fault() -> str | None:
        return next(verdicts(world.workspace)).fault

    for path in [*sorted(folder.iterdir()), index]:
        whole = path.read_bytes()
        path.write_bytes(re.sub(rb"\d", lambda digit: b"%d" % (9 - int(digit[0])), whole, count=1))
        assert fault(), path.name
        path.write_bytes(whole)
        if path != index:
            path.unlink()
            assert "events.ndjson cannot be read" in (words := str(fault())) or words == f"{path.name} is gone"
            path.write_bytes(whole)
    (folder / "before.png").write_bytes(b"")
    assert fault() == "before.png was added"
    (folder / "before.png").unlink()
    assert fault() is None


async def test_a_line_of_the_index_that_tells_something_else_than_its_events_is_noticed(world: World) -> None:
    await world.call("find", selector={"byPath": [9, 9]})
    index = world.workspace / "artifacts" / "desktop" / "index.ndjson"
    line = json.loads(index.read_text())
    for member, lie in {
        "ts": "2020-01-01T00:00:00.000Z",
        "requestId": "other",
        "method": "desktop.observe",
        "ok": True,
        "errorCode": None,
        "evidenceDir": "artifacts/desktop/elsewhere",
        "eventsPath": "other.ndjson",
        "durationMs": 1_000_000,
        "peerDigest": "0" * 16,
        "lastHash": NO_HASH,
    }.items():
        index.write_text(json.dumps({**line, member: lie}) + "\n")
        [verdict] = verdicts(world.workspace)
        assert verdict.fault, member
    index.write_text("")
    assert "the index has no line" in str(next(verdicts(world.workspace)).fault)


def test_a_chain_tells_what_was_done_to_it(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chain = ChainedLines(fd)
    for number in range(4):
        chain.append({"n": number})
    os.close(fd)
    lines = path.read_bytes().splitlines(keepends=True)
    assert verify(lines) == (4, chain.last_hash)
    assert verify([]) == (0, NO_HASH)
    for damaged in (
        lines[1:],
        [*lines[:1], *lines[2:]],
        [lines[1], lines[0]],
        [*lines[:3], lines[3].replace(b"3", b"4")][::-1],
        [b"{}\n"],
        [b"x\n"],
    ):
        with pytest.raises(ChainFault):
            verify(damaged)


def test_the_audit_log_goes_on_where_it_was_and_sets_a_damaged_file_aside(tmp_path: Path) -> None:
    for number in range(3):
        log = AuditLog(tmp_path, lambda: 1.0)
        log.write("state", number=number)
        log.close()
    assert verify((tmp_path / "audit.ndjson").read_bytes().splitlines())[0] == 3
    with (tmp_path / "audit.ndjson").open("a") as file:
        file.write('{"torn')
    log = AuditLog(tmp_path, lambda: 1.0)
    log.write("state", number=4)
    log.close()
    assert len(list(tmp_path.glob("audit-damaged-*"))) == 1
    assert verify((tmp_path / "audit.ndjson").read_bytes().splitlines())[0] == 1


def test_old_evidence_goes_and_other_files_stay(tmp_path: Path) -> None:
    base = tmp_path / "ws" / "artifacts" / "desktop"
    names = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002", "mine"]
    for day in ("2026-01-01", "2026-02-01", "holiday"):
        for name in names:
            (base / day / name).mkdir(parents=True)
            (base / day / name / "f").write_bytes(b"x" * 1_000)
    (base / "2026-01-01" / "00000000-0000-0000-0000-000000000003").symlink_to(tmp_path)
    now = 1_770_000_000.0  # 2026-02-02
    assert purge(str(tmp_path), 32, 0, now) == 0  # 32 days ago is 2026-01-01
    assert purge(str(tmp_path), 14, 0, now) == 2
    assert sorted(path.name for path in (base / "2026-01-01").iterdir()) == [
        "00000000-0000-0000-0000-000000000003",
        "mine",
    ]
    assert purge(str(tmp_path), 0, 1_500, now) == 1
    assert (base / "holiday" / names[0] / "f").exists()


async def test_an_index_that_is_a_pipe_swallows_nothing(world: World) -> None:
    base = world.workspace / "artifacts" / "desktop"
    base.mkdir(parents=True)
    os.mkfifo(base / "index.ndjson")
    assert await world.code("find") == "DESKTOP_INTERNAL_ERROR"
    assert [path.name for path in base.iterdir()] == ["index.ndjson"]


async def test_an_execution_that_cannot_be_begun_leaves_no_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ChainedLines, members: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(ChainedLines, "append", full)
        assert await world.code("find") == "DESKTOP_INTERNAL_ERROR"
    assert await world.result("find")
    assert [each.fault for each in verdicts(world.workspace)] == [None]


async def test_a_file_that_cannot_be_written_is_an_error_with_an_end(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, {**REPORT, "delays": {"look": 0.2}}) as world:
        finding = asyncio.create_task(world.call("find"))
        await world.until(lambda: any((folder / "env.json").exists() for folder in world.executions()))
        [folder] = world.executions()
        (folder / ".ax.json.part").touch()  # a full disk would stop it in the same place
        error = (await finding)["error"]
        assert (error["code"], error["details"]["reason"]) == ("DESKTOP_INTERNAL_ERROR", "evidence_unavailable")
        assert world.events(folder)[-1]["error"]["code"] == "DESKTOP_INTERNAL_ERROR"
        assert world.index()[0]["ok"] is False


async def test_an_end_that_cannot_be_written_is_told_and_audited(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, {**REPORT, "delays": {"press": 0.2}}) as world:
        target = {"selector": {"byRole": "AXButton", "titleContains": "Go"}}
        clicking = asyncio.create_task(world.act("click", target=target))
        await world.until(lambda: world.done)
        [folder] = world.executions()
        (folder / ".result.json.part").touch()
        error = (await clicking)["error"]
        assert (error["details"]["reason"], error["details"]["tokenConsumed"]) == ("evidence_unavailable", True)
        [lost] = [entry for entry in world.audit() if entry["type"] == "evidence.lost"]
        assert (lost["executionId"], lost["method"]) == (folder.name, "desktop.click")
        assert lost["facts"]["effect"] == "confirmed"


async def test_the_index_goes_on_after_a_torn_line_and_waits_for_its_lock(world: World) -> None:
    await world.result("find")
    index = world.workspace / "artifacts" / "desktop" / "index.ndjson"
    with index.open("ab") as file:
        file.write(b'{"ts":"2026')  # a host that was killed while it wrote
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        finding = asyncio.create_task(world.result("find"))
        before = index.read_bytes()
        await world.until(
            lambda: sum("desktop.stop" in (f / "events.ndjson").read_text() for f in world.executions()) == 2
        )
        await world.result("health")
        assert index.read_bytes() == before
    await finding
    assert len(index_entries(world.workspace)) == 2
    assert {verdict.fault for verdict in verdicts(world.workspace)} == {None}


def test_a_password_is_left_out_even_where_texts_are_wanted() -> None:
    field = Node(handle=Handle("f"), role="AXTextField", value="hunter2", placeholder="hunter2", secure=True)
    assert "hunter2" not in str(node_tree(field, include_text=True))
    plain = msgspec.structs.replace(field, secure=False)
    assert "hunter2" in str(node_tree(plain, include_text=True))
    assert "hunter2" not in str(node_tree(plain, include_text=False))


async def test_searched_values_are_written_as_lengths(world: World) -> None:
    near = {"anchor": {"valueContains": "plover-1"}}
    await world.call("find", selector={"valueContains": "plover-2", "near": near})
    await world.call(
        "waitUntil", timeoutMs=1, condition={"selectorExists": {"valueContains": "plover-3", "near": near}}
    )
    wanted = {"valueContains": {"selector": {"valueContains": "plover-4", "near": near}, "value": "plover-5"}}
    await world.call("waitUntil", timeoutMs=1, condition=wanted)
    for path in [*world.workspace.rglob("*"), world.host.audit.path]:
        assert path.is_dir() or b"plover" not in path.read_bytes(), path


async def test_what_retention_deleted_is_no_fault_and_what_somebody_took_away_is(world: World) -> None:
    for _ in range(3):
        await world.result("find")
    base = world.workspace / "artifacts" / "desktop"
    [today] = base.glob("????-??-??")
    first, second, third = sorted(today.iterdir())
    (base / "2020-01-01").mkdir()
    first.rename(base / "2020-01-01" / first.name)
    assert purge(str(world.workspace), 14, 0, time.time()) == 1
    assert [each.fault for each in verdicts(world.workspace)] == [None, None]
    shutil.rmtree(second)
    faults = {each.execution_id: each.fault for each in verdicts(world.workspace)}
    assert faults == {second.name: "the index names it, and its folder is gone", third.name: None}


async def test_a_kill_in_the_middle_leaves_files_that_can_be_read(tmp_path: Path, home: Path) -> None:
    (tmp_path / "ws").mkdir()
    script = tmp_path / "d.json"
    script.write_text(json.dumps({**REPORT, "delays": {"key": 0.02}}))
    command = [
        "-m",
        "analyst_cli",
        "desktop",
        "serve",
        "--backend",
        "fake",
        "--script",
        str(script),
        "--workspace-root",
        str(tmp_path),
        "--confirm",
        "self",
        "--allow",
        "*",
    ]
    for _ in range(2):  # the second start finds a stale socket and a lock that nobody holds
        host = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
        assert host.stderr is not None
        async with asyncio.timeout(20):
            assert b"running" in await host.stderr.readline()
        async with await HostClient.connect() as client:
            meta = {"workspacePath": str(tmp_path / "ws")}
            target = {"selector": {"byRole": "AXTextField", "titleContains": "Name"}}
            intent = {"method": "desktop.typeText", "params": {"text": "k" * 500, "target": target}}
            token = (await client.call("desktop.confirm.issue", {"meta": meta, "intent": intent}))["result"]["token"]
            params = {"meta": meta, "text": "k" * 500, "target": target, "confirm": {"token": token}}
            typing = asyncio.create_task(client.call("desktop.typeText", params))
            waited = await client.call(
                "desktop.waitUntil",
                {"meta": meta, "condition": {"valueContains": {"selector": target["selector"], "value": "kk"}}},
            )
            assert "result" in waited
            host.send_signal(signal.SIGKILL)
            await host.wait()
            assert (await asyncio.gather(typing, return_exceptions=True))[0].__class__.__name__ == "HostUnreachable"
    folders = sorted((tmp_path / "ws" / "artifacts" / "desktop").glob("????-??-??/*"))
    assert len(folders) == 4
    for path in [file for folder in folders for file in folder.iterdir()]:
        for line in path.read_text().splitlines() if path.suffix == ".ndjson" else [path.read_text()]:
            json.loads(line)
    faults = [verdict.fault for verdict in verdicts(tmp_path / "ws")]
    assert sorted(fault or "" for fault in faults) == ["", "", *["it did not end: the index has no line for it"] * 2]
