"""Messages within Telegram's limits, split at sensible places, with nothing of a stranger acting in them."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from analyst_server.channels.telegram_text import (
    MAX_CAPTION_UNITS,
    MAX_TEXT_UNITS,
    html_of_markdown,
    parts_of,
    split_text,
    units,
)
from tests.support.telegram_server import _text_problem


def test_text_and_chart_arrive_in_one_message_where_they_fit() -> None:
    (only,) = parts_of(
        title="Down", message="by **12 %**", priority="critical", url="https://e.org/a?b=1&c=2", has_image=True
    )
    assert only.is_photo
    assert only.text == "<b>🔴 Down</b>\n\nby <b>12 %</b>\n\nhttps://e.org/a?b=1&amp;c=2"


def test_a_caption_of_1025_units_goes_after_the_chart() -> None:
    head = "t\n\n"
    fits = parts_of(title="t", message="m" * (MAX_CAPTION_UNITS - len(head)), has_image=True)
    photo, text = parts_of(title="t", message="m" * (MAX_CAPTION_UNITS - len(head) + 1), has_image=True)
    assert len(fits) == 1
    assert (photo.is_photo, photo.text, text.is_photo) == (True, "<b>t</b>", False)
    assert text.text == "m" * (MAX_CAPTION_UNITS - len(head) + 1)


def test_a_text_of_4097_units_is_split_between_paragraphs() -> None:
    parts = parts_of(title="t", message=("word " * 300 + "\n\n") * 3, has_image=False)
    assert len(parts) == 2
    assert parts[0].text.startswith("<b>t</b>\n\nword")
    assert all(part.text.endswith("word") for part in parts)


def test_no_paragraph_of_the_longest_message_is_left_out() -> None:
    """Paragraphs of a little more than half a message: each becomes a message of its own."""
    message = "\n\n".join(f"{number} " + "x" * 2_098 for number in range(7))
    assert len(message) < 16 * 1024
    parts = parts_of(title="t", message=message, has_image=False)
    assert [number for number in range(7) if any(f"{number} xx" in part.text for part in parts)] == list(range(7))


def test_splitting_prefers_sentences_to_words_and_words_to_anything() -> None:
    assert split_text("One. Two three. Four", first=17, rest=17) == ["One. Two three.", "Four"]
    assert split_text("aaaa bbbb cccc", first=10, rest=10) == ["aaaa bbbb", "cccc"]
    assert split_text("x" * 25, first=10, rest=10) == ["x" * 10, "x" * 10, "x" * 5]
    assert split_text("😀" * 6, first=5, rest=5) == ["😀😀", "😀😀", "😀😀"]


def test_a_little_markdown_is_kept_and_the_rest_is_inert() -> None:
    text = "# Head\n- one\n**b** *i* `c<d>` [l](https://e.org) [bad](javascript:alert(1)) <script> snake_case 2*3*4\n```sql\nSELECT '<'\n```"
    assert html_of_markdown(text) == (
        '<b>Head</b>\n• one\n<b>b</b> <i>i</i> <code>c&lt;d&gt;</code> <a href="https://e.org">l</a> [bad](javascript:alert(1)) '
        "&lt;script&gt; snake_case 2*3*4\n<pre>SELECT '&lt;'</pre>"
    )


def test_an_alert_without_any_text_is_a_message_all_the_same() -> None:
    assert [part.text for part in parts_of(title=" ", message="\n", has_image=False)] == ["<b>(no text)</b>"]
    assert [part.text for part in parts_of(title="", message="", has_image=True)] == [""]


def test_plain_has_no_formatting_at_all() -> None:
    (part,) = parts_of(title="<t>", message="**b**", has_image=False, plain=True)
    assert (part.text, part.is_html) == ("<t>\n\n**b**", False)


def test_control_and_direction_characters_are_made_visible() -> None:
    (part,) = parts_of(title="a\x1b[31m\u202eb", message="c\ud800", has_image=False)
    assert not re.search("[\x00-\x08\x1b\u202e\ud800]", part.text)
    part.text.encode()


MARKED = st.text(alphabet=st.sampled_from("ab*_`[]()<>&#\n -\"'\\😀\u202e\ud800h:/.t"), max_size=300)


@settings(max_examples=300)
@given(MARKED, MARKED, st.booleans(), st.booleans())
def test_telegram_can_read_whatever_an_alert_holds(title: str, message: str, has_image: bool, plain: bool) -> None:
    parts = parts_of(title=title, message=message * 20, has_image=has_image, plain=plain)
    assert parts
    for part in parts:
        limit = MAX_CAPTION_UNITS if part.is_photo else MAX_TEXT_UNITS
        assert _text_problem(part.text, "HTML" if part.is_html else "", limit) == ""


@given(st.text(max_size=2000), st.integers(5, 50))
def test_splitting_loses_nothing_but_blanks(text: str, limit: int) -> None:
    pieces = split_text(text, first=limit, rest=limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(units(piece) <= limit for piece in pieces)
