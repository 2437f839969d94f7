"""The bot: linking, commands, buttons (T6), against the scripted server; the same bot against a foreign emulator in `test_emulator.py`."""

import asyncio
import re
from dataclasses import dataclass, field

from analyst_server.channels.outbox import Outbox
from analyst_server.channels.running import Channels
from analyst_server.channels.telegram_bot import MAX_RUNNING
from analyst_server.channels.telegram_links import CODE_TTL_S, TelegramLinks
from analyst_server.errors import ServerError, StoreUnavailable
from analyst_server.inbox.log import MarkDraft, Marked, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from tests.server.channels.conftest import World


@dataclass(frozen=True)
class Script:
    name: str
    stem: str
    last_run: str | None = "5m ago"


@dataclass
class Scripts:
    """The scripts port: remembers what was run."""

    runs: list[tuple[str, str]] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def list(self, user: str) -> list[Script]:
        return [Script("revenue.py", "revenue"), Script("x" * 70 + ".py", "x" * 70, None)]

    async def run(self, user: str, name: str) -> None:
        self.runs.append((user, name))
        if self.hold is not None:
            await self.hold.wait()
        if name == "broken":
            raise ServerError("it ended with exit code 3")


def links(channels: Channels) -> TelegramLinks:
    assert channels.telegram_links is not None
    return channels.telegram_links


async def code_of(world: World, *, chat: int = 7, person: int | None = None) -> str:
    count = len(world.telegram.messages)
    world.telegram.write("/start", chat=chat, person=person)
    codes = lambda: re.findall(r"<code>(\d{6})</code>", " ".join(world.telegram.texts[count:]))  # noqa: E731
    await world.telegram.until(codes)
    return str(codes()[0])


async def test_a_chat_is_linked_with_a_code_that_works_once(world: World) -> None:
    async with world.channels() as channels:
        code = await code_of(world)
        assert await links(channels).verify("petr", "000000" if code != "000000" else "000001") is None
        link = await links(channels).verify("petr", code)
        assert link is not None
        assert link.chat_id == 7
        assert await links(channels).verify("jana", code) is None
        await world.telegram.until(lambda: "is linked with petr" in world.telegram.texts[-1])
        await world.alert("a1")
        await world.telegram.until(lambda: "<b>a1</b>" in world.telegram.texts)
        world.telegram.write("/whoami")
        await world.telegram.until(lambda: world.telegram.texts[-1] == "This chat is linked with petr.")
        assert links(channels).bot_name == "scripted_bot"


async def test_a_code_ends_after_ten_minutes_and_asking_again_tells_the_same(world: World) -> None:
    clock = [1_000_000.0]
    outbox = Outbox(world.folder / "channels.db")
    table = TelegramLinks(world.folder, outbox, now=lambda: clock[0])
    code = table.new_code(7, 7)
    assert table.new_code(7, 7) == code
    clock[0] += CODE_TTL_S - 1
    renewed = table.new_code(7, 7)
    assert renewed != code
    assert await table.verify("petr", code) is None  # a chat has one code, the latest
    clock[0] += 1
    clock[0] += CODE_TTL_S
    assert await table.verify("petr", renewed) is None
    outbox.close()


async def test_a_chat_belongs_to_the_last_who_linked_it(world: World) -> None:
    async with world.channels() as channels:
        await links(channels).verify("petr", await code_of(world))
        world.link("someone", 99)  # an operator's edit stays
        await asyncio.to_thread(channels.outbox.change, lambda db: db.execute("DELETE FROM codes"))
        await links(channels).verify("jana", await code_of(world))
        assert {user: link.chat_id for user, link in links(channels).all().items()} == {"jana": 7, "someone": 99}


async def test_two_processes_that_link_at_once_lose_no_link(world: World) -> None:
    outbox = Outbox(world.folder / "channels.db")
    tables = [TelegramLinks(world.folder, outbox) for _ in range(2)]  # each with its own lock, as in two processes
    codes = [tables[0].new_code(chat, chat) for chat in range(1, 25)]
    await asyncio.gather(*(tables[number % 2].verify(f"user{number}", code) for number, code in enumerate(codes)))
    assert sorted(link.chat_id for link in tables[0].all().values()) == list(range(1, 25))
    outbox.close()


async def test_help_status_and_a_test_chart(world: World) -> None:
    world.link()
    world.scripts = Scripts()
    async with world.channels():
        for command in ("/help", "/status", "/test", "what?"):
            count = len(world.telegram.messages)
            world.telegram.write(command)
            await world.telegram.until(lambda wanted=count: len(world.telegram.messages) > wanted)
    helped, status, chart, other = world.telegram.messages
    assert "/status" in helped["text"]
    assert status["text"] == f"revenue: last run 5m ago\n{'x' * 70}: last run never"
    assert status["reply_markup"] == {"inline_keyboard": [[{"text": "▶ revenue", "callback_data": "script:revenue"}]]}
    assert chart["photo"]["bytes"].startswith(b"\x89PNG")
    assert other["text"] == helped["text"]
    assert world.telegram.problems == []


async def test_reading_in_the_chat_marks_read_everywhere_and_once(world: World) -> None:
    world.link()
    async with world.channels():
        await world.alert_arrived("a1")
        data = world.telegram.messages[0]["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
        world.telegram.press(data)
        world.telegram.press(data)
        await world.telegram.until(lambda: len(world.telegram.answers()) == 2)
    assert world.telegram.answers() == ["Marked as read everywhere.", "Done already."]
    (stored,) = (await world.log.snapshot(User("petr"))).notifications
    assert stored.state.read
    events = await world.log.read(User("petr"), after=Seq(0), limit=10)
    assert [event.is_notification for event in events] == [True, False]
    assert b'"device":"telegram"' in events[1].body.replace(b" ", b"")
    (edited,) = [fields for method, fields in world.telegram.other if method == "editMessageReplyMarkup"]
    assert [button["text"] for button in edited["reply_markup"]["inline_keyboard"][0]] == ["⏰ Snooze 1h"]


async def test_snoozing_puts_aside_for_an_hour(world: World) -> None:
    world.link()
    async with world.channels():
        await world.alert_arrived("a1")
        world.telegram.press("snooze:1")
        await world.telegram.until(world.telegram.answers)
    assert world.telegram.answers()[0].startswith("Put aside until ")
    (stored,) = (await world.log.snapshot(User("petr"))).notifications
    assert stored.state.snoozed_until is not None


async def test_the_run_button_runs_the_script_once_for_its_user(world: World) -> None:
    world.link()
    world.scripts = Scripts()
    async with world.channels():
        await world.alert_arrived("a1", script="revenue")
        assert world.telegram.messages[0]["reply_markup"]["inline_keyboard"][0][0]["text"] == "▶ Run"
        world.telegram.press("run:1")
        world.telegram.press("run:1")
        await world.telegram.until(lambda: len(world.telegram.answers()) == 2)
        await world.telegram.until(lambda: world.scripts.runs)
    assert world.scripts.runs == [("petr", "revenue")]
    assert world.telegram.answers()[1] == "Done already."


async def test_a_script_that_runs_is_not_started_again_and_a_failure_is_said(world: World) -> None:
    world.link()
    world.scripts = Scripts(hold=asyncio.Event())
    async with world.channels():
        world.telegram.press("script:broken")
        world.telegram.press("script:broken")
        await world.telegram.until(lambda: len(world.telegram.answers()) == 2)
        world.scripts.hold.set()
        await world.telegram.until(lambda: world.telegram.messages)
    assert world.telegram.answers()[1] == "broken is running already."
    assert world.telegram.texts == ["broken could not be run: it ended with exit code 3"]


async def test_a_run_button_that_could_not_act_acts_when_it_can(world: World) -> None:
    """Four scripts run for others already; when they have ended the same button starts the script."""
    world.link()
    world.scripts = Scripts(hold=asyncio.Event())
    async with world.channels():
        await world.alert_arrived("a1", script="revenue")
        for number in range(MAX_RUNNING):
            world.telegram.press(f"script:other{number}")
        world.telegram.press("run:1")
        await world.telegram.until(lambda: len(world.telegram.answers()) == MAX_RUNNING + 1)
        assert world.telegram.answers()[-1] == "Too many scripts are running. Please try again in a minute."
        world.scripts.hold.set()
        while ("petr", "revenue") not in world.scripts.runs:
            count = len(world.telegram.answers())
            world.telegram.press("run:1")
            await world.telegram.until(lambda count=count: len(world.telegram.answers()) > count)
    assert world.scripts.runs.count(("petr", "revenue")) == 1


class StumblingInbox(MemoryInbox):
    """Cannot store the first mark."""

    stumbled = False

    async def mark(self, draft: MarkDraft) -> Marked:
        if not self.stumbled:
            self.stumbled = True
            raise StoreUnavailable("the disk is full")
        return await super().mark(draft)


async def test_a_mark_that_could_not_be_stored_can_be_pressed_again(world: World) -> None:
    world.log = StumblingInbox()
    world.link()
    async with world.channels():
        await world.alert_arrived("a1")
        world.telegram.press("read:1")
        world.telegram.press("read:1")
        await world.telegram.until(lambda: len(world.telegram.answers()) == 2)
    assert world.telegram.answers() == [
        "That did not work just now. Please try again.",
        "Marked as read everywhere.",
    ]


class StoppedInbox(MemoryInbox):
    """Is storing the first mark when the server ends."""

    def __init__(self) -> None:
        super().__init__()
        self.storing = asyncio.Event()

    async def mark(self, draft: MarkDraft) -> Marked:
        if not self.storing.is_set():
            self.storing.set()
            await asyncio.Event().wait()
        return await super().mark(draft)


async def test_a_button_whose_effect_a_stopped_server_has_cut_off_acts_after_the_restart(world: World) -> None:
    world.log = log = StoppedInbox()
    world.link()
    async with world.channels():
        await world.alert_arrived("a1")
        world.telegram.press("read:1")
        await world.telegram.until(log.storing.is_set)
    async with world.channels():
        world.telegram.press("read:1")  # Telegram repeats what was not acknowledged
        await world.telegram.until(world.telegram.answers)
    assert world.telegram.answers() == ["Marked as read everywhere."]


async def test_nobody_else_can_press(world: World) -> None:
    """T6: another person in the group, another chat, made-up ids."""
    world.scripts = Scripts()
    async with world.channels() as channels:
        await links(channels).verify("petr", await code_of(world, chat=-5, person=42))
        world.link("jana", 8)
        await world.alert("a1", script="revenue")
        await world.telegram.until(lambda: "<b>a1</b>" in world.telegram.texts)
        data = world.telegram.messages[-1]["reply_markup"]["inline_keyboard"][0]
        for button in data:
            world.telegram.press(button["callback_data"], chat=-5, person=43)
            world.telegram.press(button["callback_data"], chat=8)
            world.telegram.press(button["callback_data"], chat=9)
        for made_up in ("read:999999", "read:-1", "read:²", "script:", "x", "", "read:" + "9" * 50):
            world.telegram.press(made_up, chat=8)
        await world.telegram.until(lambda: len(world.telegram.answers()) == 16)
        assert {"Marked as read everywhere."}.isdisjoint(world.telegram.answers())
        assert world.scripts.runs == []
        world.telegram.press(data[1]["callback_data"], chat=-5, person=42)
        await world.telegram.until(lambda: "Marked as read everywhere." in world.telegram.answers())


async def test_odd_updates_do_not_end_the_bot(world: World) -> None:
    world.link()
    async with world.channels():
        for content in (
            {"message": {}},
            {"callback_query": {"id": 1}},
            {"edited_message": 5},
            {"message": {"text": "\ud800/start", "chat": {"id": 7}, "from": {"id": 7}}},
        ):
            world.telegram._update(**content)
        world.telegram.write("/whoami")
        await world.telegram.until(lambda: "This chat is linked with petr." in world.telegram.texts)


async def test_after_a_restart_no_update_is_handled_twice(world: World) -> None:
    world.link()
    async with world.channels() as channels:
        world.telegram.write("/whoami")
        await world.telegram.until(lambda: world.telegram.messages)
        await world.telegram.until(lambda: channels.outbox.fact("next update") == "102")
