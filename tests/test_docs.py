"""The documents and the program say the same."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from analyst_cli.app import COMMANDS, app
from analyst_server.config import setting_rows
from analyst_server.runner.outcomes import RunRecord
from analyst_server.wire import messages
from analyst_server.wire.close_codes import CloseCode

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERYTHING = "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_documents_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    open_pages = [ROOT / "docs" / "index.md"]
    while open_pages:
        page = open_pages.pop()
        seen.add(page)
        links = re.findall(r"\]\((?!https?://|#)([^)#\s]+\.md)", page.read_text())
        open_pages += [
            target for link in links if (target := (page.parent / link).resolve()) not in seen and target.exists()
        ]
    assert {page for page in PAGES if "docs" in page.parts} - seen == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"analyst {name}" in EVERYTHING


def test_every_member_of_a_script_s_run_is_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert [one.name for one in fields(RunRecord) if f"`{one.name}`" not in page] == []


def known(command: Any, parent: Any = None) -> tuple[set[str], dict[str, Any]]:
    """Return a command's options, and the same of each command below it."""
    context = command.make_context("analyst", [], parent=parent, resilient_parsing=True)
    options = {name for one in context.command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
    below = getattr(context.command, "commands", {})
    return options, {name: known(child, context) for name, child in below.items()}


def typed(page: str) -> set[str]:
    """Return the command lines of `analyst` in blocks and in backticks."""
    blocks = re.findall(r"```\w*\n(.*?)```", page, re.DOTALL)
    code = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    code += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    return {
        words.partition(" #")[0] for line in code for words in re.findall(r"(?<![\w/.@-])analyst ([^|;&,)\"`]*)", line)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_in_the_documents_is_one_that_can_be_typed(page: Path) -> None:
    everything = known(typer.main.get_command(app))
    for line in typed(page.read_text()):
        (options, below), words = everything, line.split()
        while words and words[0] in below:
            options, below = below[words.pop(0)]
        assert not (below and words and not words[0].startswith("-")), f"there is no command: analyst {line}"
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= options, f"analyst {line}"


def test_every_setting_of_the_gateway_is_documented() -> None:
    assert [row.key for row in setting_rows() if row.key not in EVERYTHING] == []


def test_every_message_and_close_code_is_documented() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    structs = (getattr(messages, name) for name in messages.__all__)
    tags = [
        kind.__struct_config__.tag for kind in structs if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    ]
    assert [tag for tag in tags if tag and f'"type":"{tag}"' not in protocol] == []
    assert [code for code in CloseCode if str(int(code)) not in protocol] == []
