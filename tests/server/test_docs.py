"""What an administrator can set, measure and meet is on a page of the documentation."""

from pathlib import Path

import pytest

from analyst_server.config import setting_rows
from analyst_server.gateway.metrics import Gauges, Metrics, exposition

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gateway.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "row",
    [row for row in setting_rows() if row.key.startswith(("gateway.", "store.", "identity."))],
    ids=lambda row: row.key,
)
def test_the_table_of_settings_is_the_one_of_the_program(row: object) -> None:
    key, variable, default, words, _ = row
    shown = f"`{default}`" if default else ""
    assert f"| `{key}` | `{variable}` | {shown} | {words} |" in PAGE


def test_every_metric_is_described() -> None:
    text = exposition(Metrics(), lambda: Gauges(0, 0, 0, 0)).decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert len(names) > 15
    assert not [name for name in names if f"`{name}" not in PAGE]
