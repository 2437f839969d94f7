"""Text on a real desktop: it arrives exactly, or the bridge says that it cannot tell; nothing stays pressed and the keyboard is as before."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from desktop_stack import DesktopStack
from desktop_world import COMPONENTS, Halted, Program, Reins, find, look, soon, start_gtk3, windowed
from desktop_x import held_keys, keyboard_table, screen_of
from Xlib import XK, Xatom

from analyst_cli.desktop.backends.base import Backend, Chord, Effect, Focus, Press, Refusal, Refused, TypeText
from analyst_cli.desktop.backends.linux import open_backend
from analyst_cli.desktop.backends.linux.clipboard import Clipboard
from analyst_cli.desktop.backends.linux.keyboard import LEFTOVER

pytestmark = [pytest.mark.xdist_group("desktop"), pytest.mark.real(*COMPONENTS)]

ASCII = "The quick brown fox, 0-9 @#$%^&*()[]{}<>|~`'\"\\ OK!"
ACCENTS = "Grüße façade Ñandú €½ Łódź"
CJK = "你好世界 こんにちは 한국어"
EMOJI = "😀🎉👩‍💻👍🏽"
MIXED = f"a{ACCENTS[:6]}{CJK[:5]}{EMOJI}z"
LONG = "".join(
    chr(0x4E00 + 37 * index) for index in range(60)
)  # 60 different characters: more than there are spare keys


@pytest.fixture
def same_keyboard(stack: DesktopStack) -> Iterator[None]:
    """Check that a test leaves the keyboard as it was."""
    before = keyboard_table(stack)
    yield
    assert keyboard_table(stack) == before
    assert held_keys(stack) == []


TEXTS = (ASCII, ACCENTS, CJK, EMOJI, MIXED, LONG)


@pytest.mark.usefixtures("same_keyboard")
async def test_text_is_set_directly_where_that_works(backend: Backend, program: Program) -> None:
    for text in TEXTS:
        target = await find(backend, "name entry")
        outcome = await backend.perform(TypeText(text=text, target=target, clear_before=True), Reins())
        assert program.last("entry")["text"] == text
        assert (outcome.effect, outcome.method) == (Effect.CONFIRMED, "editable-text")


@pytest.mark.usefixtures("same_keyboard")
async def test_text_is_typed_exactly_where_it_cannot_be_set(backend: Backend, program: Program) -> None:
    # What a password field holds is not known, so it is never set: its text is typed after it.
    typed = ""
    for text in TEXTS:
        outcome = await backend.perform(TypeText(text=text, target=await find(backend, "password entry")), Reins())
        typed += text
        assert program.last("secret")["text"] == typed
        assert (outcome.effect, outcome.method) == (Effect.CONFIRMED, "keys")


@pytest.mark.usefixtures("same_keyboard")
async def test_text_is_typed_exactly_and_blindly_into_what_draws_itself(backend: Backend, program: Program) -> None:
    typed = ""
    for text in (MIXED, CJK, EMOJI):
        outcome = await backend.perform(TypeText(text=text, target=await find(backend, "key pad")), Reins())
        typed += text
        await soon(lambda typed=typed: program.typed() == typed)
        assert (outcome.effect, outcome.method) == (Effect.UNVERIFIED, "keys")


@pytest.mark.usefixtures("same_keyboard")
async def test_text_goes_to_the_end_of_what_is_there_or_replaces_it(backend: Backend, program: Program) -> None:
    entry = await find(backend, "name entry")
    for text, clear, expected in (("one", False, "one"), (" two", False, "one two"), ("three", True, "three")):
        outcome = await backend.perform(TypeText(text=text, target=entry, clear_before=clear), Reins())
        assert (program.last("entry")["text"], outcome.effect) == (expected, Effect.CONFIRMED)


@pytest.mark.usefixtures("same_keyboard")
async def test_typing_does_not_replace_what_a_field_selects_when_it_gets_the_keyboard(
    backend: Backend, program: Program
) -> None:
    entry = await find(backend, "password entry")
    await backend.perform(TypeText(text="first", target=entry), Reins())
    await backend.perform(Focus(target=await find(backend, "notes")), Reins())
    await backend.perform(TypeText(text="+2", target=entry), Reins())
    assert program.last("secret")["text"] == "first+2"


async def test_lines_are_kept_in_a_text_area_and_confirm_in_a_field(backend: Backend, program: Program) -> None:
    outcome = await backend.perform(TypeText(text="one\n\ttwo é", target=await find(backend, "notes")), Reins())
    assert (program.last("notes")["text"], outcome.effect) == ("one\n\ttwo é", Effect.CONFIRMED)
    outcome = await backend.perform(TypeText(text="abc\n", target=await find(backend, "name entry")), Reins())
    await program.logged("entered")
    assert program.last("entry")["text"] == "abc"
    assert outcome.method == "keys"


@pytest.mark.usefixtures("same_keyboard")
async def test_without_a_target_text_goes_where_the_keyboard_is(backend: Backend, program: Program) -> None:
    await backend.perform(Focus(target=await find(backend, "name entry")), Reins())
    outcome = await backend.perform(TypeText(text="here é 你"), Reins())
    assert program.last("entry")["text"] == "here é 你"
    assert outcome.effect is Effect.CONFIRMED


@pytest.mark.usefixtures("same_keyboard")
async def test_what_is_selected_is_replaced_as_by_a_person(backend: Backend, program: Program) -> None:
    for title, event in (("name entry", "entry"), ("password entry", "secret")):
        await backend.perform(TypeText(text="old é text", target=await find(backend, title)), Reins())
        await backend.perform(Chord(modifiers=("control",), key="a"), Reins(deadline_s=0.05))
        outcome = await backend.perform(TypeText(text="new 你"), Reins())
        assert program.last(event)["text"] == "new 你"
        assert outcome.effect is Effect.CONFIRMED


async def test_a_password_field_is_written_but_never_read(backend: Backend, program: Program) -> None:
    field = await find(backend, "password entry")
    outcome = await backend.perform(TypeText(text="Secret1!", target=field, clear_before=True), Reins())
    assert program.last("secret")["text"] == "Secret1!"
    assert (outcome.effect, outcome.verification) == (Effect.CONFIRMED, "the length was read back")
    again = await find(backend, "password entry")
    assert (again.secure, again.value, again.text_length) == (True, None, 8)
    assert "Secret1!" not in repr(await look(backend, hidden=True, windows=True, modals=True))
    assert "●" not in repr(await look(backend, hidden=True))  # not even the bullets, which tell the length of a paste


async def test_what_takes_no_text_is_refused(backend: Backend, program: Program) -> None:
    for title in ("Increment", "count: 0", "Check me"):
        reins = Reins()
        with pytest.raises(Refused) as refused:
            await backend.perform(TypeText(text=" ", target=await find(backend, title)), reins)
        assert refused.value.reason is Refusal.NOT_EDITABLE
        assert not reins.committed
    assert [event["event"] for event in program.events()] == ["ready"]


@pytest.mark.usefixtures("same_keyboard")
async def test_caps_lock_does_not_swap_the_letters(backend: Backend, program: Program, stack: DesktopStack) -> None:
    keyboard = backend._keyboard  # type: ignore[attr-defined]
    with screen_of(stack) as screen:
        caps = keyboard.keymap(screen).caps_lock
        keyboard.chord(screen, [caps.keycode])
        try:
            await backend.perform(TypeText(text="Abc", target=await find(backend, "password entry")), Reins())
        finally:
            keyboard.chord(screen, [caps.keycode])
    assert program.last("secret")["text"] == "Abc"


@pytest.mark.real("setxkbmap")
@pytest.mark.parametrize(("layout", "second"), [("de", False), ("us,ru", True), ("ru,us", False)])
async def test_other_keyboard_layouts_type_the_same_and_stay_as_they_are(
    own_stack: DesktopStack, tmp_path: Path, layout: str, *, second: bool
) -> None:
    setting = ["setxkbmap", "-layout", layout, "-option", "grp:alt_shift_toggle"]
    process = await asyncio.create_subprocess_exec(*setting, env=own_stack.environ)
    assert await process.wait() == 0
    async with open_backend(own_stack.environ) as own:
        program = await windowed(own, start_gtk3(own_stack, tmp_path))
        keyboard = own._keyboard  # type: ignore[attr-defined]
        if second:
            with screen_of(own_stack) as screen:
                keymap = keyboard.keymap(screen)
                keyboard.chord(screen, [keymap.named("option").keycode, keymap.named("shift").keycode])
        before = keyboard_table(own_stack)
        text = f"yYzZ@{ACCENTS}{CJK}"
        outcome = await own.perform(TypeText(text=text, target=await find(own, "password entry")), Reins())
        assert (program.last("secret")["text"], outcome.effect) == (text, Effect.CONFIRMED)
        await own.perform(Chord(modifiers=("control",), key="a"), Reins(deadline_s=0.1))
        await own.perform(TypeText(text="rest"), Reins())
        assert program.last("secret")["text"] == "rest"
        assert keyboard_table(own_stack) == before


@pytest.mark.parametrize("halt_after_checks", [1, 3, 6])
@pytest.mark.usefixtures("same_keyboard")
async def test_an_abort_in_the_middle_leaves_no_key_pressed_and_the_keyboard_as_before(
    backend: Backend, program: Program, halt_after_checks: int
) -> None:
    target = await find(backend, "password entry")
    reins = Reins(halt_after_checks=halt_after_checks)
    with pytest.raises(Halted):
        await backend.perform(TypeText(text=LONG, target=target), reins)
    assert reins.committed
    arrived = [event["text"] for event in program.events("secret")]
    assert all(LONG.startswith(text) for text in arrived)
    assert LONG not in arrived


@pytest.mark.usefixtures("same_keyboard")
async def test_a_cancelled_caller_leaves_the_keyboard_as_before(
    backend: Backend, program: Program, stack: DesktopStack
) -> None:
    before = keyboard_table(stack)
    target = await find(backend, "password entry")
    typing = asyncio.create_task(backend.perform(TypeText(text=LONG, target=target), Reins()))
    await soon(lambda: keyboard_table(stack) != before)
    typing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await typing
    await soon(lambda: keyboard_table(stack) == before)


async def test_held_keys_are_released_from_any_thread(backend: Backend, program: Program, stack: DesktopStack) -> None:
    keyboard = backend._keyboard  # type: ignore[attr-defined]
    with screen_of(stack) as screen:
        keymap = keyboard.keymap(screen)
        for name in ("control", "a"):
            keyboard._press(screen, 2, keymap.named(name).keycode)  # KeyPress
        screen.sync()
    assert len(held_keys(stack)) == 2
    await asyncio.to_thread(backend.release_keys)
    assert held_keys(stack) == []
    backend.release_keys()  # with nothing held it does nothing


async def test_a_table_left_behind_by_a_killed_host_is_put_right(
    backend: Backend, program: Program, stack: DesktopStack
) -> None:
    before = keyboard_table(stack)
    with screen_of(stack) as screen:
        first = screen.display.info.min_keycode
        spare = [index for index, row in enumerate(before) if not any(row)][:3]
        rows = list(before)
        for index in spare:
            rows[index] = (0x01004F60,) * len(rows[0])
        dead = 2**22 + 1  # a process id beyond the kernel's largest
        screen.screen().root.change_property(
            screen.intern_atom(LEFTOVER), Xatom.CARDINAL, 32, [dead, *(first + index for index in spare)]
        )
        screen.change_keyboard_mapping(first, rows)
        screen.sync()
    await backend.perform(Chord(modifiers=(), key="up"), Reins(deadline_s=0.05))
    assert keyboard_table(stack) == before


@pytest.mark.usefixtures("same_keyboard")
async def test_pasting_gives_the_clipboard_back(backend: Backend, program: Program, stack: DesktopStack) -> None:
    own = Clipboard(stack.environ)
    with screen_of(stack) as screen:
        # Without spare keys nothing but the clipboard is left: fill them all.
        before = keyboard_table(stack)
        full = [row if any(row) else (XK.XK_F35,) * len(row) for row in before]
        first = screen.display.info.min_keycode
        async with own.lent("mine"):
            screen.change_keyboard_mapping(first, full)
            screen.sync()
            try:
                target = await find(backend, "password entry")
                with pytest.raises(Refused) as refused:
                    await backend.perform(TypeText(text="né 你", target=target), Reins())
                assert refused.value.reason is Refusal.TEXT_NOT_TYPABLE
                await backend.perform(Focus(target=target), Reins())
                outcome = await backend.perform(TypeText(text="né 你", target=target, paste=True), Reins())
            finally:
                screen.change_keyboard_mapping(first, before)
                screen.sync()
            assert program.last("secret")["text"] == "né 你"
            assert (outcome.effect, outcome.method) == (Effect.CONFIRMED, "paste")
            await backend.perform(Focus(target=await find(backend, "name entry")), Reins())
            await backend.perform(Chord(modifiers=("control",), key="v"), Reins())
            assert [event["text"] for event in await program.logged("entry")] == ["mine"]


async def test_typing_into_a_stale_field_is_refused(backend: Backend, program: Program) -> None:
    field = await find(backend, "name entry")
    await backend.perform(Press(target=await find(backend, "Increment")), Reins())
    renamed = type(field)(handle=field.handle, role=field.role, title="another")
    with pytest.raises(Refused) as refused:
        await backend.perform(TypeText(text="x", target=renamed), Reins())
    assert refused.value.reason is Refusal.STALE
    assert not program.events("entry")
