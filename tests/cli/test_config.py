"""Settings: flag over environment over file over default; every mistake is named."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyst_cli import config
from analyst_cli.app import run
from analyst_cli.errors import SettingsProblem

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture
def file(home: Path) -> Path:
    path = home / ".config/analyst/config.toml"
    path.parent.mkdir(parents=True)
    return path


def held(key: str, flag: config.Value | None = None) -> tuple[config.Value, str]:
    flags = None if flag is None else {key: flag}
    found = next(one for one in config.held_settings(flags) if one.setting.key == key)
    return found.value, found.origin


def test_the_nearer_source_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held("list.limit") == (50, "default")
    file.write_text("[list]\nlimit = 7\n")
    assert held("list.limit") == (7, str(file))
    monkeypatch.setenv("ANALYST_LIST_LIMIT", "8")
    assert held("list.limit") == (8, "ANALYST_LIST_LIMIT")
    assert held("list.limit", flag=9) == (9, "flag")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[inbox]\nthem = 'dark'", "did you mean 'inbox.theme'?"),
        ("[qqq]\nzzz = 1", "unknown setting 'qqq.zzz'"),
        ("theme = 'dark'", "unknown setting 'theme'"),
        ("[list]\nlimit = 'many'", "give 1 to 100000"),
        ("[list]\nlimit = true", "give 1 to 100000"),
        ("[list]\nlimit = 0", "give 1 to 100000"),
        ("[inbox]\ntheme = 'pink'", "one of auto, dark"),
        ("[notifications]\nquiet_from = '25:00'", "HH:MM"),
        ("[notifications]\ntime_zone = 'Mars/Olympus'", "Europe/Prague"),
        ('[investigate]\nagent = "codex \'x"', "with its quotes closed"),
        ("[inbox", "is no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(file: Path, content: str, words: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsProblem) as raised:
        config.load()
    assert words in str(raised.value)
    assert str(file) in str(raised.value)


def test_set_keeps_comments_and_order_and_says_what_wins(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("# mine\n[notifications]\nbell = true  # loud\n")
    assert run(["config", "set", "notifications.minimum_priority", "high"]) == 0
    assert file.read_text() == '# mine\n[notifications]\nbell = true  # loud\nminimum_priority = "high"\n'
    monkeypatch.setenv("ANALYST_NOTIFICATIONS_MINIMUM_PRIORITY", "low")
    run(["config", "set", "notifications.minimum_priority", "critical"])
    assert "does not hold yet: ANALYST_NOTIFICATIONS_MINIMUM_PRIORITY" in capsys.readouterr().err
    run(["config", "unset", "notifications.minimum_priority"])
    assert file.read_text() == "# mine\n[notifications]\nbell = true  # loud\n"


def test_a_linked_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    file.symlink_to(real)
    run(["config", "set", "list.limit", "9"])
    assert file.is_symlink()
    assert "limit = 9" in real.read_text()


def test_list_shows_every_setting_with_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    run(["config", "list", "--show-origin"])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [setting.key for setting in config.SETTINGS]
    assert {row[2] for row in rows} == {"default"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    content=st.text(max_size=60)
    | st.sampled_from([setting.key for setting in config.SETTINGS]).map(lambda key: f"{key} = [[]]")
)
def test_no_file_breaks_the_loader(file: Path, content: str) -> None:
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    with suppress(SettingsProblem):
        config.load()


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_is_documented(setting: config.Setting) -> None:
    text = DOCUMENT.read_text()
    assert f"`{setting.key}`" in text
    assert f"`{setting.variable}`" in text


def test_quiet_hours_with_one_end_only_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gap = "Careful: there are no quiet hours as long as notifications.quiet_{} is empty."
    for arguments, missing in [
        (["set", "notifications.quiet_from", "22:00"], "until"),
        (["set", "notifications.quiet_until", "07:00"], ""),
        (["unset", "notifications.quiet_from"], "from"),
        (["unset", "notifications.quiet_until"], ""),
    ]:
        assert run(["config", *arguments]) == 0
        said = capsys.readouterr().err
        assert (gap.format(missing) in said) if missing else ("Careful" not in said)
