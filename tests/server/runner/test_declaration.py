"""The block at the top of a script."""

import contextlib
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_server.runner.declaration import BadDeclaration, Declaration, read_declaration
from analyst_server.runner.scripts import (
    ScriptNotFound,
    find_script,
    find_scripts,
    load,
    sample_names,
    sample_source,
)


def block(text: str) -> str:
    lines = textwrap.dedent(text).strip("\n").splitlines()
    return (
        "#!/usr/bin/env python3\n# /// analyst\n"
        + "".join(f"# {line}\n" if line else "#\n" for line in lines)
        + "# ///\nprint(1)\n"
    )


def test_a_script_without_a_block_has_the_defaults() -> None:
    assert read_declaration("import os\n# /// script\n# dependencies = []\n# ///\n") == Declaration()


def test_everything_that_can_be_declared() -> None:
    declared = read_declaration(
        block("""
        schedule = "30 7 * * MON-FRI"
        timezone = "Europe/Prague"

        timeout = "90s"
        cooldown = "2h"
        priority = "high"
        tags = ["revenue"]
        owner = "jana"
        jitter = "2m"
        failure_alerts = false
        enabled = false
        """)
    )
    assert (declared.schedule, declared.timezone, declared.timeout_s, declared.jitter_s) == (
        "30 7 * * MON-FRI",
        "Europe/Prague",
        90,
        120,
    )
    assert (declared.owner, declared.tags, declared.failure_alerts, declared.enabled) == (
        "jana",
        ["revenue"],
        False,
        False,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('schedul = "x"', "line 3: unknown key 'schedul'; known are schedule"),
        ('owner = "a"\ncooldown = 5', "line 4: cooldown: must be a text in quotes"),
        ('owner = "a"\n\ncooldown = "soon"', "line 5: cooldown: 'soon' is no duration"),
        ("enabled = 1", "line 3: enabled: must be true or false"),
        ('tags = "a"', "line 3: tags: must be a list of texts"),
        ("tags = [1]", "line 3: tags: must be a list of texts"),
        ('priority = "urgent"', "line 3: priority: must be one of low, normal, high, critical"),
        ('timeout = "2h"', "line 3: timeout: '2h' is not within 1s and 1h"),
        ('owner = "a"\nschedule = ', "line 4: not TOML: Invalid value"),
    ],
)
def test_a_mistake_is_named_with_its_line_in_the_file(text: str, words: str) -> None:
    with pytest.raises(BadDeclaration) as caught:
        read_declaration(block(text))
    assert str(caught.value).startswith(words)


def test_a_block_that_is_not_closed_is_no_silent_default() -> None:
    with pytest.raises(BadDeclaration, match="line 1: the block is not closed"):
        read_declaration('# /// analyst\n# schedule = "* * * * *"\nprint(1)\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('owner = "a"\nschedule = "61 7 * * *"', "line 4: schedule '61 7 * * *': bad minute"),
        ('schedule = "0 7 * * *"\ntimezone = "Europe/Pragu"', "line 4: timezone 'Europe/Pragu' is not known"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.py").write_text(block(text))
    assert load(tmp_path / "a.py").problem.startswith(f"the block at its top cannot be used: {words}")


def test_a_byte_order_mark_hides_no_block(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xef\xbb\xbf" + b'# /// analyst\r\n# schedule = "0 7 * * *"\r\n# ///\r\n')
    assert load(tmp_path / "a.py").schedule.text == "0 7 * * *"


def test_every_script_that_is_listed_can_be_named_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in ("-dash", "with space", "plain", "_private", ".hidden"):
        (folder / f"{name}.py").touch()
    (tmp_path / "outside.py").touch()
    assert [find_script(folder, script.path.name).stem for script in find_scripts(folder)] == [
        "-dash", "plain", "with space"]  # fmt: skip
    for name in ("_private", ".hidden", "../outside", "", "plain.py.py"):
        with pytest.raises(ScriptNotFound):
            find_script(folder, name)


def test_two_blocks_are_one_too_many() -> None:
    with pytest.raises(BadDeclaration, match="second block"):
        read_declaration(block("") + block(""))


@given(st.text())
def test_no_block_makes_the_reader_fail_otherwise(text: str) -> None:
    for source in (text, "# /// analyst\n# " + text.replace("\n", "\n# ") + "\n# ///\n"):
        with contextlib.suppress(BadDeclaration):
            read_declaration(source)


@pytest.mark.parametrize("name", sample_names())
def test_the_samples_declare_themselves(name: str) -> None:
    assert read_declaration(sample_source(name)).description
