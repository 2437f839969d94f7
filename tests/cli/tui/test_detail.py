"""The message in full: what is shown of it, and that nothing in it can act."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.widgets import Static

from analyst_cli.client.inbox import Inbox
from analyst_cli.client.rows import Row
from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.detail_text import alternative_text, facts, origin_line, share_text, state_line, when_line
from analyst_cli.tui.markdown import message_text
from analyst_cli.tui.outside import opener, safe_url
from tests.cli.tui.conftest import HOSTILE, MESSAGE, NOW, SAMPLE, notification, receive, until

NOW_UTC = datetime.fromtimestamp(NOW, UTC)
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def row(**changes: object) -> Row:
    plain = Row(
        7,
        "n-07",
        1,
        False,
        False,
        False,
        None,
        3,
        NOW - 1_500,
        False,
        True,
        "firing",
        "revenue_drop",
        None,
        "",
        "Title",
        "",
    )
    return plain._replace(**changes)


def test_markdown_is_laid_out_and_does_nothing() -> None:
    shown = message_text(
        MESSAGE + "\n[a link](https://evil.example/x) <b>html</b> ![p](https://evil.example/p.png)", 60
    )
    assert "Revenue in EU fell 23 %" in shown.plain
    assert "EU         105.2  71.4" in shown.plain
    assert "(https://evil.example/x)" in shown.plain
    assert "<b>html</b>" in shown.plain
    assert not any(span.style and getattr(span.style, "link", None) for span in shown.spans)
    assert not any(span.style and getattr(span.style, "color", None) for span in shown.spans)


def test_lines_of_a_script_stay_lines() -> None:
    assert message_text("one\ntwo\n\nthree", 60).plain.split("\n") == ["one", "two", "", "three"]


@pytest.mark.parametrize(
    "message",
    ["> " * 4000 + "x", "1. " * 3000, "`" * 9000, "[" * 9000, "- a\n" * 3000, "|a|b|\n|-|-|\n" + "|x|y|\n" * 500],
)
def test_what_markdown_cannot_lay_out_is_shown_as_it_is(message: str) -> None:
    assert message_text(message, 60).plain.strip()


@settings(max_examples=60)
@given(
    st.text(alphabet=st.characters(), max_size=200) | st.text(alphabet="#*_`[]()<>!|-\n\x1b&;12 ", max_size=80),
    st.integers(8, 60),
)
def test_no_message_brings_a_control_character_or_a_line_that_is_too_long(message: str, width: int) -> None:
    shown = message_text(message, width).plain
    assert not HARMFUL.search(shown)
    assert max(map(cell_len, shown.split("\n"))) <= width + 2


def test_entities_cannot_smuggle_control_characters_in() -> None:
    assert not HARMFUL.search(message_text("&#27;[31m &#8238;evil &#x9b;", 60).plain)


def test_time_state_and_origin_are_told_in_words() -> None:
    assert when_line(row(), NOW_UTC) == "25m ago · Sat 21 Nov 2026, 10:05:00 UTC"
    assert state_line(row(), NOW_UTC) == "critical priority · ▲ firing · ● unread"
    later = row(is_read=True, archived=True, acknowledged=True, snoozed_until=NOW + 3600, repeats=4, level=1, status="")
    assert state_line(later, NOW_UTC) == "read · ◆ acknowledged · archived · snoozed until 11:30 · ×4"
    assert origin_line(SAMPLE[6]) == "script revenue_drop · exit 0 · ran 1.2 s"


def test_facts_name_tags_link_data_and_earlier_repeats() -> None:
    earlier = [row(at=NOW - 3600 * hours) for hours in range(1, 9)]
    found = dict(facts(SAMPLE[6], earlier, NOW_UTC))
    assert found["tags"] == "eu, revenue"
    assert found["link"] == "https://data.example.com/d/42"
    assert found["before"] == "09:30, 08:30, 07:30, 06:30, 05:30, 04:30 and 2 others"
    assert found["rows"] == "1234"
    assert found["version"] == "9f3a77bc"
    assert found["id"] == "n-07"


def test_a_chart_is_always_told_in_words() -> None:
    assert alternative_text(SAMPLE[6]).startswith(
        "Line chart “Daily revenue, EU” of 60 points from 2026-09-01 to 2026-10-30."
    )
    assert alternative_text(SAMPLE[7]) == ""


def test_a_shared_block_is_plain_text_and_inert() -> None:
    block = share_text(SAMPLE[6], row(), NOW_UTC)
    assert block.startswith("Revenue dropped 23 % in EU\nSat 21 Nov 2026, 10:05:00 UTC · script revenue_drop")
    assert block.endswith("https://data.example.com/d/42\n\nid n-07")
    assert not HARMFUL.search(share_text(SAMPLE[1], row(), NOW_UTC).replace("\n", ""))
    assert HARMFUL.search(HOSTILE)


async def test_a_title_of_blanks_is_told_in_words_in_list_detail_and_share_text(
    inbox_app: Callable[..., InboxApp], store: Path
) -> None:
    blank = notification("n-09", " \u00a0\t ", at=NOW - 60)
    with Inbox(store) as inbox:
        receive(inbox, [blank], seq=200)
    assert share_text(blank, row(title=blank.title), NOW_UTC).startswith("(no title)\n")
    app = inbox_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: "(no title)" in str(app.screen.query_one("#title", Static).render()))
        lines = [strip.text for strip in app.screen._compositor.render_strips(app.size)]
        assert sum(line.count("(no title)") for line in lines) == 2


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ssh://x",
        "https://",
        "-oProxyCommand=x",
        "https://a b",
        "https://a\x1b",
        "http://[::",
        "",
    ],
)
def test_only_addresses_of_the_web_are_opened(url: str) -> None:
    assert not safe_url(url)
    assert safe_url("https://data.example.com/d/42?x=1#y")


def test_there_is_an_opener_only_where_there_is_a_desktop() -> None:
    assert opener({}, "linux") is None
    assert opener({"DISPLAY": ":0"}, "linux") == ["xdg-open"]
    assert opener({}, "darwin") == ["open"]
