"""The title of the terminal's window: what it says, and that strangers cannot speak through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.tui.title import set_title


@pytest.mark.parametrize(
    ("unread", "newest", "title"),
    [(0, "", "analyst"), (2, "Revenue drop", "(2) Revenue drop - analyst"), (1, "a\nb", "(1) a b - analyst")],
)
def test_it_tells_how_much_is_unread_and_the_newest(unread: int, newest: str, title: str) -> None:
    assert set_title(unread, newest) == f"\x1b]2;{title}\x1b\\"


@given(st.text(max_size=200))
def test_no_title_of_a_stranger_ends_the_sequence_or_grows(newest: str) -> None:
    words = set_title(1, newest).removeprefix("\x1b]2;").removesuffix("\x1b\\")
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in words)
    assert len(words) <= 400
