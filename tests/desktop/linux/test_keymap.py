"""The decisions about keys and offsets, without a display."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st
from Xlib import XK

from analyst_cli.desktop.backends.linux.accessible import handle_of, parse_handle
from analyst_cli.desktop.backends.linux.details import press_action_index
from analyst_cli.desktop.backends.linux.keymap import Keymap, Segment, keysym_of
from analyst_cli.desktop.backends.linux.pressing import chord_codes
from analyst_cli.desktop.backends.linux.roles import Role
from analyst_cli.desktop.backends.linux.text_field import character_index, unit_index
from analyst_cli.desktop.chords import normalized_chord

FIRST = 8
WIDTH = 4
NAMED_KEYS = [
    "Return",
    "Tab",
    "Escape",
    "BackSpace",
    "Delete",
    "Up",
    "Down",
    "Left",
    "Right",
    "Home",
    "End",
    "Prior",
    "Next",
    "Shift_L",
    "Control_L",
    "Alt_L",
    "Super_L",
    "Caps_Lock",
] + [f"F{number}" for number in range(1, 13)]


def american(spares: int) -> Keymap:
    """Make a keyboard with letters, digits and named keys, and some keys that mean nothing."""
    rows: list[tuple[int, ...]] = []
    pairs = [
        *zip(string.ascii_lowercase, string.ascii_uppercase, strict=True),
        *zip("1234567890", "!@#$%^&*()", strict=True),
    ]
    pairs += [*zip("-=[];'`\\,./ ", '_+{}:"~|<>? ', strict=True)]
    for plain, shifted in pairs:
        rows.append((ord(plain), ord(shifted), 0, 0))
    rows.extend((XK.string_to_keysym(name), 0, 0, 0) for name in NAMED_KEYS)
    for number in range(spares):
        rows.insert((7 * number) % len(rows), (0,) * WIDTH)
    return Keymap(FIRST, rows)


def struck(keymap: Keymap, segment: Segment) -> list[int]:
    """Play the strokes on the table that the segment installs."""
    rows = [list(row) for row in keymap.rows]
    if segment.added:
        first, changed = keymap.change(segment.added)
        rows[first - FIRST : first - FIRST + len(changed)] = [list(row) for row in changed]
    return [rows[stroke.keycode - FIRST][1 if stroke.shifted else 0] for stroke in segment.strokes]


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=80).filter(lambda text: not set(text) & set(map(chr, range(32))) - set("\n\t")),
    spares=st.integers(1, 19),
)
def test_any_text_is_cut_into_segments_that_type_it_exactly(text: str, spares: int) -> None:
    keymap = american(spares)
    segments = keymap.segments(text)
    assert segments is not None
    assert "".join(segment.text for segment in segments) == text
    for segment in segments:
        assert len(segment.added) <= spares
        assert set(segment.added) <= set(keymap.spare)
        assert struck(keymap, segment) == [keysym_of(character) for character in segment.text]


@settings(max_examples=100, deadline=None)
@given(text=st.text(min_size=1, max_size=40, alphabet="你好世界éñ😀"), spares=st.integers(1, 19))
def test_a_change_and_its_undoing_leave_the_table_as_it_was_and_touch_only_spare_keys(text: str, spares: int) -> None:
    keymap = american(spares)
    before = [list(row) for row in keymap.rows]
    rows = [list(row) for row in keymap.rows]
    for segment in keymap.segments(text) or []:
        for undo in (False, True):
            first, changed = keymap.change(segment.added, undo=undo)
            rows[first - FIRST : first - FIRST + len(changed)] = [list(row) for row in changed]
            differing = {FIRST + index for index, row in enumerate(rows) if row != before[index]}
            assert differing <= set(segment.added)
    assert rows == before


def test_without_a_spare_key_only_what_is_on_the_keyboard_can_be_typed() -> None:
    keymap = american(0)
    assert keymap.segments("Only ASCII, 100 %") is not None
    assert keymap.segments("naïve") is None


def test_with_another_layout_active_every_character_gets_a_key_of_its_own() -> None:
    plain = american(9)
    other = Keymap(FIRST, plain.rows, group=1)
    [segment] = other.segments("abba") or []
    assert set(segment.added.values()) == {ord("a"), ord("b")}
    assert not any(stroke.shifted for stroke in segment.strokes)


def test_every_name_of_the_contract_has_a_key_on_an_ordinary_keyboard() -> None:
    keymap = american(1)
    names = [
        "enter",
        "tab",
        "space",
        "escape",
        "backspace",
        "delete",
        "forwarddelete",
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "pageup",
        "pagedown",
        "minus",
        "equal",
        "comma",
    ]
    names += [
        "period",
        "slash",
        "backslash",
        "semicolon",
        "quote",
        "grave",
        "leftbracket",
        "rightbracket",
        "plus",
        "cmd",
        "shift",
        "option",
        "control",
        "a",
        "z",
        "0",
        "9",
        "f1",
        "f12",
    ]
    assert [name for name in names if keymap.named(name) is None] == []
    assert keymap.named("f20") is None


def test_a_key_that_needs_shift_brings_it_along_once() -> None:
    keymap = american(1)
    for chord in (["control", "plus"], ["control", "shift", "plus"]):
        strokes = [stroke for name in normalized_chord(chord) if (stroke := keymap.named(name)) is not None]
        codes = chord_codes(strokes, keymap.named("shift"))
        shift, plus = keymap.named("shift"), keymap.named("plus")
        assert shift is not None
        assert plus is not None
        assert codes.count(shift.keycode) == 1
        assert codes[-1] == plus.keycode


@given(text=st.text(max_size=30), data=st.data())
def test_offsets_of_toolkits_go_there_and_back(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text)))
    for length in {len(text), len(text.encode("utf-16-le")) // 2}:
        offset = unit_index(text, index, length)
        assert 0 <= offset <= length
        assert character_index(text, offset, length) == index


@given(
    generation=st.integers(1, 10**6),
    name=st.from_regex(r":1\.[0-9]{1,5}", fullmatch=True),
    path=st.from_regex(r"(/[A-Za-z0-9_]+)+", fullmatch=True),
)
def test_a_handle_is_taken_apart_as_it_was_made(generation: int, name: str, path: str) -> None:
    assert parse_handle(handle_of(generation, name, path)) == (generation, name, path)


@given(st.text(max_size=40))
def test_any_other_handle_is_refused_and_no_crash(text: str) -> None:
    parsed = parse_handle(text)  # type: ignore[arg-type]
    assert parsed is None or handle_of(*parsed) == text or text[0] == "0" or not text.isascii()


def test_the_press_action_is_chosen_by_what_it_does() -> None:
    assert press_action_index(Role.BUTTON, ("click",)) == 0
    assert press_action_index(Role.BUTTON, ("SetFocus", "Press")) == 1
    assert press_action_index(Role.CHECK_BOX, ("Toggle", "SetFocus")) == 0
    assert press_action_index(Role.BUTTON, ("",)) == 0  # browsers name none
    assert press_action_index(Role.ENTRY, ("activate",)) is None  # that is its Enter key
    assert press_action_index(Role.LABEL, ()) is None
