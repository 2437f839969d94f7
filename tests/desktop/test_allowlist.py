"""K4: the workspace's list keeps the source document's rules, the operator's list decides classes, and both must allow."""

import json
import os
from typing import Any

import msgspec
import pytest

from analyst_cli.desktop import allowlist as a
from analyst_cli.desktop.configuration import allowlist_path
from analyst_cli.desktop.methods.registry import METHODS
from analyst_cli.errors import SettingsProblem
from tests.support.fake_desktop_world import EVERYBODY, World, desktop_world

ME = a.Caller(pid=42, uid=1000, start_time=99, exe_path="/usr/bin/python3", exe_sha256="a" * 64)
REFUSED = "DESKTOP_CALLER_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (None, True),
        ('{"callers": []}', False),
        ('{"callers": ["*"]}', True),
        ('{"callers": ["pid:42"]}', True),
        ('{"callers": ["pid:43"]}', False),
        ('{"callers": ["pid:43", "pid:42"]}', True),
        ('{"callers": ["uid:1000"]}', True),
        ('{"callers": ["uid:1"]}', False),
        ('{"callers": ["exe:/usr/bin/python3"]}', True),
        ('{"callers": ["exe:/usr/bin/python"]}', False),
        ('{"callers": ["exe:/usr/bin/python3#sha256=' + "a" * 64 + '"]}', True),
        ('{"callers": ["exe:/usr/bin/python3#sha256=' + "b" * 64 + '"]}', False),
        ('{"callers": ["signingId:com.example"]}', False),
        ('{"callers": ["teamId:X"]}', False),
        ('{"callers": ["*", 5]}', False),
        ('{"callers": ["*", "nonsense"]}', False),
        ('{"callers": "*"}', False),
        ("{}", False),
        ("[]", False),
        ("", False),
        ("// comment\n{}", False),
        ("[" * 100_000, False),
    ],
)
def test_the_workspace_list_decides_as_the_source_document_says(text: str | None, allowed: bool) -> None:
    assert a.workspace_allows(text, ME)[0] is allowed


@pytest.mark.parametrize(
    ("entry", "method", "allowed"),
    [
        ("*", "desktop.click", True),
        ("uid:1000", "desktop.click", True),
        ("pid:42@99", "desktop.click", True),
        ("pid:42@98", "desktop.click", False),
        ({"rule": "*", "classes": ["read"]}, "desktop.find", True),
        ({"rule": "*", "classes": ["read"]}, "desktop.click", False),
        ({"rule": "*", "classes": ["read"]}, "desktop.confirm.issue", False),
        ({"rule": "*", "methods": ["desktop.click"]}, "desktop.click", True),
        ({"rule": "*", "methods": ["desktop.click"]}, "desktop.hotkey", False),
    ],
)
def test_the_operators_list_decides_classes_and_methods(entry: Any, method: str, allowed: bool) -> None:
    rules = a.host_rules_of(json.dumps({"callers": [entry]}))
    assert a.host_allows(rules, ME, method) is allowed


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "pid:42",
        "pid:x",
        "exe:relative",
        "exe:/x#sha256=12",
        "who:me",
        7,
        {},
        {"rule": "*", "class": "read"},
        {"rule": "*", "classes": ["all"]},
    ],
)
def test_malformed_entries_are_refused_at_load(entry: Any) -> None:
    with pytest.raises(a.PolicyProblem):
        a.host_rules_of(json.dumps({"callers": [entry]}))


def test_every_method_has_a_class_and_actions_are_actions() -> None:
    for name, method in METHODS.items():
        assert (a.class_of(name) is a.MethodClass.UI) == method.confirmed, name


async def test_a_workspace_list_refuses_and_leaves_nothing(world: World) -> None:
    (world.workspace / "allowlist.json").write_text('{"callers": []}')
    for method, params in {"observe": {}, "find": {}, "health": {}, "hotkey": {"keys": "a", "confirm": {}}}.items():
        assert await world.code(method, **params) == REFUSED
    assert world.executions() == []
    (world.workspace / "allowlist.json").write_text(json.dumps({"callers": [f"pid:{os.getpid()}"]}))
    assert "result" in await world.call("find")


async def test_a_linked_workspace_list_allows_nobody(world: World, tmp_path: Any) -> None:
    (world.workspace / "allowlist.json").symlink_to(tmp_path / "missing")
    assert await world.code("find") == REFUSED


async def test_without_an_operators_list_one_reads_and_asks_and_acts_only_with_a_persons_approval(
    tmp_path: Any,
) -> None:
    async with desktop_world(tmp_path, mode="self", allowed=()) as world:
        assert "result" in await world.call("find")
        assert "token" in (
            await world.result("confirm.issue", intent={"method": "desktop.hotkey", "params": {"keys": "a"}})
        )
        assert (await world.error("hotkey", keys="a", confirm={"token": "x"}))["details"]["reason"] == "host_allowlist"
    async with desktop_world(tmp_path, mode="operator", allowed=()) as world:
        assert await world.code("hotkey", keys="a", confirm={"token": "x"}) == "DESKTOP_CONFIRM_REQUIRED"


async def test_the_operators_file_is_loaded_and_a_broken_reload_keeps_the_old_policy(tmp_path: Any) -> None:
    path = allowlist_path()
    path.parent.mkdir(parents=True)
    path.write_text('{"callers": [{"rule": "*", "classes": ["read"]}]}')
    path.chmod(0o600)
    async with desktop_world(tmp_path, allowed=()) as world:
        assert "result" in await world.call("find")
        assert (
            await world.code("confirm.issue", intent={"method": "desktop.hotkey", "params": {"keys": "a"}}) == REFUSED
        )
        path.write_text("{")
        async with world.operator() as operator:
            world.host.settings = _anyone(world)
            assert "error" in await operator.call("operator.reload", {})
            assert "result" in await world.call("find")
            doctor = await world.result("doctor")
            assert any(check["id"] == "settings.parses" and not check["ok"] for check in doctor["checks"])
            path.write_text('{"callers": []}')
            assert (await operator.call("operator.reload", {}))["result"]["policyChanged"] is True
        assert await world.code("find") == REFUSED


async def test_a_policy_that_others_can_write_is_refused(tmp_path: Any) -> None:
    path = allowlist_path()
    path.parent.mkdir(parents=True)
    path.write_text('{"callers": ["*"]}')
    path.chmod(0o666)
    with pytest.raises(SettingsProblem, match="written by others"):
        async with desktop_world(tmp_path, allowed=()):
            pass


async def test_doctor_warns_of_a_list_that_lets_everybody_in(world: World) -> None:
    assert world.host.rules == EVERYBODY
    doctor = await world.result("doctor")
    assert not next(check for check in doctor["checks"] if check["id"] == "allowlist.wildcard")["ok"]
    assert doctor["healthy"] is True


def _anyone(world: World) -> Any:
    settings = world.host.settings
    return msgspec.structs.replace(settings, confirm=msgspec.structs.replace(settings.confirm, approver="anyone"))
