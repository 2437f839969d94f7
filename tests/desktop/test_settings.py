"""K19, K20: test hooks have two gates; settings merge deeply, and a workspace cannot widen anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from analyst_cli.desktop.configuration import read_configuration, settings_path, workspace_preferences
from analyst_cli.desktop.serve import HOOKS_VARIABLE
from analyst_cli.desktop.settings import Settings, changes_between, merged, settings_of
from analyst_cli.errors import SettingsProblem
from tests.support.fake_desktop_world import World, desktop_world

MODALS = {"mockModals": [{"role": "AXDialog", "pid": 7, "title": "Injected"}]}
NEVER = {"condition": {"selectorExists": {"titleContains": "never"}}, "timeoutMs": 200}


@pytest.fixture
async def hooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(HOOKS_VARIABLE, "1")
    async with desktop_world(tmp_path) as world:
        yield world


async def inject(world: World, test_mode: Any = True, **params: Any) -> dict[str, Any]:
    return await world.client.call(
        "desktop._test.injectModalDetector", {"meta": {"_testMode": test_mode}, **(params or MODALS)}
    )


async def test_both_gates_open_the_hooks(hooked: World) -> None:
    assert (await hooked.error("waitUntil", **NEVER))["code"] == "DESKTOP_TIMEOUT"
    assert (await inject(hooked))["result"] == {"injected": True, "mockModalsCount": 1}
    error = await hooked.error("waitUntil", **NEVER)
    assert (error["code"], error["message"]) == (
        "DESKTOP_MODAL_BLOCKING",
        "Modal blocking: role=AXDialog, title=Injected",
    )
    async with hooked.another_client() as client:
        assert (await hooked.call("waitUntil", client=client, **NEVER))["error"]["code"] == "DESKTOP_TIMEOUT"
    cleared = await hooked.client.call("desktop._test.clearModalDetector", {"meta": {"_testMode": True}})
    assert cleared["result"] == {"cleared": True}
    assert (await hooked.error("waitUntil", **NEVER))["code"] == "DESKTOP_TIMEOUT"
    doctor = await hooked.result("doctor")
    assert not next(check for check in doctor["checks"] if check["id"] == "hooks.off")["ok"]


@pytest.mark.parametrize("test_mode", [False, 1, "true", None])
async def test_one_gate_alone_looks_like_an_unknown_method(hooked: World, test_mode: Any) -> None:
    unknown = (await hooked.client.call("desktop._test.nothing", {}))["error"]
    refused = (await inject(hooked, test_mode))["error"]
    assert refused["message"] == unknown["message"].replace("nothing", "injectModalDetector")
    assert {**refused, "message": ""} == {**unknown, "message": ""}


async def test_the_request_alone_opens_nothing(world: World) -> None:
    assert (await inject(world))["error"]["message"].startswith("Unknown method")


@pytest.mark.parametrize(
    "modal",
    [{"role": "AXDialog"}, {"pid": 1}, {"role": "AXDialog", "pid": "1"}, {"role": "AXDialog", "pid": 1, "x": 1}],
)
async def test_bad_entries_are_errors(hooked: World, modal: Any) -> None:
    assert (await inject(hooked, mockModals=[modal]))["error"]["code"] == "DESKTOP_INVALID_REQUEST"


def test_nested_tables_dotted_keys_and_the_old_prefix_mean_the_same() -> None:
    forms: list[dict[str, Any]] = [
        {"confirm": {"mode": "self"}, "menubar": {"shortcuts": {"doctor": "x"}}},
        {"confirm.mode": "self", "menubar.shortcuts.doctor": "x"},
        {"desktop": {"confirm": {"mode": "self"}}, "desktop.menubar.shortcuts.doctor": "x"},
    ]
    for form in forms:
        settings, warnings = settings_of(form)
        assert (settings.confirm.mode, settings.menubar.shortcuts.doctor, settings.menubar.shortcuts.observe) == (
            "self",
            "x",
            "o",
        )
        assert warnings == ()


def test_layers_merge_member_by_member() -> None:
    settings, _ = settings_of(
        merged({"menubar": {"shortcuts": {"doctor": "a", "observe": "b"}}}, {"menubar.shortcuts.observe": "c"})
    )
    assert (settings.menubar.shortcuts.doctor, settings.menubar.shortcuts.observe, settings.menubar.enabled) == (
        "a",
        "c",
        True,
    )


def test_unknown_members_warn_and_wrong_ones_name_their_place() -> None:
    assert settings_of({"evidence": {"maxAge": 3}})[1] == ("nobody knows the setting evidence.maxAge",)
    for members, place in (
        ({"evidence": {"maxAgeDays": -1}}, "evidence.maxAgeDays"),
        ({"confirm.mode": "none"}, "confirm.mode"),
        ({"hotkey.deny": ["nope"]}, "hotkey.deny"),
    ):
        with pytest.raises(ValueError, match=place):
            settings_of(members)


def test_a_reload_tells_what_changed() -> None:
    changed, _ = settings_of({"confirm.mode": "self", "workspace.roots": ["/x"]})
    changes = changes_between(Settings(), changed)
    assert set(changes.members) == {"confirm.mode", "workspace.roots"}
    assert changes.needs_restart == ("workspace.roots",)


def _operator_file(text: str, mode: int = 0o600) -> Path:
    path = settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "mode"), [("= broken", 0o600), ("confirm.mode = 5", 0o600), ("", 0o666), ("\x00", 0o600)]
)
def test_a_settings_file_that_cannot_be_used_is_named(text: str, mode: int) -> None:
    path = _operator_file(text, mode)
    with pytest.raises(SettingsProblem, match=str(path)):
        read_configuration({})


def test_flags_win_over_the_file_and_the_file_over_defaults() -> None:
    _operator_file('[confirm]\nmode = "self"\nallowPhrase = true\n')
    configuration = read_configuration({"confirm": {"mode": "operator"}})
    assert (configuration.settings.confirm.mode, configuration.settings.confirm.allow_phrase) == ("operator", True)


async def test_a_broken_reload_keeps_what_was_and_shows_in_doctor(tmp_path: Path) -> None:
    path = _operator_file('[confirm]\napprover = "anyone"\n')
    async with desktop_world(tmp_path) as world, world.operator() as operator:
        token = await world.token("hotkey", keys="a")
        path.write_text("= broken")
        assert "old settings stay" in (await operator.call("operator.reload", {}))["error"]["message"]
        doctor = await world.result("doctor")
        assert not doctor["healthy"]
        path.write_text('[confirm]\napprover = "anyone"\n[evidence]\nincludeText = true\n')
        assert (await operator.call("operator.reload", {}))["result"]["changed"] == ["evidence.includeText"]
        assert (await world.result("doctor"))["healthy"]
        assert (await world.error("hotkey", keys="a", confirm={"token": token}))["details"]["reason"] == "invalid"


def test_a_workspace_sets_preferences_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / ".analyst"
    folder.mkdir()
    (folder / "desktop.toml").write_text(
        'confirm.mode = "self"\nworkspace.roots = ["/"]\n[menubar.shortcuts]\ndoctor = "q"\n'
    )
    preferences, warnings = workspace_preferences(tmp_path, Settings())
    assert (preferences.shortcuts.doctor, preferences.shortcuts.observe) == ("q", "o")
    assert sorted(warnings) == [
        "a workspace cannot set confirm: that is the operator's",
        "a workspace cannot set workspace: that is the operator's",
    ]
    (folder / "desktop.toml").write_text("= broken")
    assert workspace_preferences(tmp_path, Settings())[0] == Settings().menubar


async def test_doctor_is_the_source_documents_and_more(world: World) -> None:
    doctor = await world.result("doctor")
    assert doctor["permissions"]["accessibility"] == {
        "granted": True,
        "required": True,
        "purpose": "AX observe/find/action",
    }
    assert doctor["permissions"]["screenRecording"] == {
        "granted": True,
        "required": True,
        "purpose": "Screenshot capture",
    }
    assert (doctor["healthy"], doctor["issues"]) == (True, [])
    ids = {check["id"] for check in doctor["checks"]}
    assert {
        "workspace.root",
        "evidence.writable",
        "allowlist.parses",
        "allowlist.wildcard",
        "hooks.off",
        "confirm.phrase",
        "confirm.mode",
        "socket.modes",
        "backend",
    } <= ids
    loud = next(check for check in doctor["checks"] if check["id"] == "confirm.mode")
    assert "CONFIRM MODE IS SELF" in loud["message"]


async def test_denied_permissions_are_issues_in_the_original_words(tmp_path: Path) -> None:
    script = {
        "permissions": {"accessibility": False, "screenRecording": False},
        "remedies": {"accessibility": "do this"},
    }
    async with desktop_world(tmp_path, script) as world:
        doctor = await world.result("doctor")
        assert doctor["issues"] == ["Accessibility permission denied", "Screen Recording permission denied"]
        assert doctor["healthy"] is False
        health = await world.result("health")
        assert health["permissions"] == {"accessibility": "denied", "screenRecording": "denied"}
        assert list(health)[:4] == ["hostVersion", "macos", "permissions", "bridge"]
        assert json.dumps(health["bridge"]) == '{"schemaVersion": 1}'
