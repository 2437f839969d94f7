"""The documents name every method, error, setting and command, and the tutorial's commands exist."""

import re
from pathlib import Path

import msgspec
import pytest
import typer

from analyst_cli.commands.desktop import app
from analyst_cli.desktop.chords import KEYS
from analyst_cli.desktop.errors import Code
from analyst_cli.desktop.params import PARAMS
from analyst_cli.desktop.settings import Settings, _flat

DOCS = Path(__file__).parents[2] / "docs" / "desktop"
REFERENCE = (DOCS / "reference.md").read_text()


@pytest.mark.parametrize("name", [*PARAMS, *Code, *_flat(msgspec.to_builtins(Settings()))])
def test_the_reference_names_it(name: str) -> None:
    assert f"`{name}`" in REFERENCE


def test_the_reference_names_every_command() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert re.search(rf"[`\s]{re.escape(name)}\b", REFERENCE), name
        for below in getattr(command, "commands", {}):
            assert below in REFERENCE, f"{name} {below}"


def test_the_reference_names_every_key() -> None:
    for key in KEYS - set("abcdefghijklmnopqrstuvwxyz0123456789") - {f"f{n}" for n in range(2, 20)}:
        assert key in REFERENCE, key


def test_the_tutorial_uses_commands_that_exist() -> None:
    group = typer.main.get_command(app)
    for name in re.findall(r"^\$ analyst desktop ([\w-]+)", (DOCS / "tutorial.md").read_text(), re.MULTILINE):
        assert name in group.commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
