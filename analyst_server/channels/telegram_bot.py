"""The bot: answers commands and buttons, read by long polling. What it changes goes through the inbox log, so it is changed everywhere.

A button acts once, and only for the person whose chat it is. An update is forgotten after it has been handled, so a crash repeats it. That a button
has acted is noted after a mark, which may be made twice, and before a script is started, which may not.
"""

import asyncio
import contextlib
import html
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from analyst_server.channels.base import DeliveryFailed, Item, Undelivered
from analyst_server.channels.demo_chart import demo_chart
from analyst_server.channels.outbox import Outbox, Pressed
from analyst_server.channels.telegram_api import POLL_S, BotApi
from analyst_server.channels.telegram_channel import TelegramChannel, buttons
from analyst_server.channels.telegram_links import TelegramLinks
from analyst_server.errors import ServerError
from analyst_server.inbox.log import InboxLog, MarkDraft, User
from analyst_server.wire.inert import inert_line

__all__ = ["Bot", "ScriptOfUser", "UserScripts"]

SNOOZE = timedelta(hours=1)
QUICK_POLL_S = 0.3  # between polls that were answered at once with nothing
MIN_WAIT_S, MAX_WAIT_S = 1.0, 60.0  # after a failed poll
MAX_RUNNING = 4  # scripts started from chats at the same time
MAX_SCRIPT_BUTTONS = 30

HELP = """\
I bring the alerts of your data team into this chat.

/start - link this chat with your account
/whoami - tell whose chat this is
/status - your scripts, each with a run button
/test - send a test message with a chart
/help - this text"""

_log = logging.getLogger(__name__)


class ScriptOfUser(Protocol):
    """A script as it is shown."""

    @property
    def name(self) -> str:
        """File name."""

    @property
    def stem(self) -> str:
        """Name for people."""

    @property
    def last_run(self) -> str | None:
        """When it last ran, for people."""


class UserScripts(Protocol):
    """The scripts of users; the portal has the same port."""

    async def list(self, user: str) -> Sequence[ScriptOfUser]:
        """Return the user's scripts. Raises `ServerError`."""

    async def run(self, user: str, name: str) -> None:
        """Run one and dispatch what it says. Raises `ServerError`."""


class Bot:
    """See the module."""

    def __init__(
        self,
        api: BotApi,
        channel: TelegramChannel,
        links: TelegramLinks,
        outbox: Outbox,
        log: InboxLog,
        *,
        scripts: UserScripts | None = None,
        now: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
    ) -> None:
        self._api = api
        self._channel = channel
        self._links = links
        self._outbox = outbox
        self._inbox = log
        self._scripts = scripts
        self._now = now
        self._poll_s = poll_s
        self._running: set[tuple[str, str]] = set()  # user and script

    async def run(self) -> None:
        """Poll and answer until cancelled."""
        wait_s = MIN_WAIT_S
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._poll(group)
                    wait_s = MIN_WAIT_S
                except (DeliveryFailed, ServerError) as exc:
                    _log.warning("the Telegram bot waits %.0f s: %s", wait_s, exc)
                    await asyncio.sleep(wait_s)
                    wait_s = min(MAX_WAIT_S, wait_s * 2)

    async def _poll(self, group: asyncio.TaskGroup) -> None:
        if not await asyncio.to_thread(self._outbox.fact, "bot name"):
            await asyncio.to_thread(self._outbox.set_fact, "bot name", await self._api.get_me())
        offset = int(await asyncio.to_thread(self._outbox.fact, "next update") or 0)
        began = asyncio.get_running_loop().time()
        updates = await self._api.get_updates(offset, poll_s=self._poll_s)
        for update in updates:
            await self._handle(update, group)
            offset = max(offset, int(update.get("update_id", 0)) + 1)
            await asyncio.to_thread(self._outbox.set_fact, "next update", str(offset))
        if not updates and asyncio.get_running_loop().time() - began < QUICK_POLL_S:
            await asyncio.sleep(QUICK_POLL_S)  # a server that does not hold the poll open

    async def _handle(self, update: dict[str, Any], group: asyncio.TaskGroup) -> None:
        """Answer one update. Whatever a stranger sends may not end the bot."""
        try:
            match update:
                case {"message": {"text": str(text), "chat": {"id": int(chat)}, "from": {"id": int(person)}}}:
                    await self._command(text, chat, person)
                case {
                    "callback_query": {
                        "id": callback,
                        "data": str(data),
                        "from": {"id": int(person)},
                        "message": {"message_id": int(message), "chat": {"id": int(chat)}},
                    }
                }:
                    word = await self._button(data, chat, person, message, group)
                    await self._api.answer_callback(str(callback), word)
        except DeliveryFailed as exc:
            _log.info("an answer could not be sent: %s", exc)
        except ServerError as exc:
            _log.warning("an update could not be handled: %s", exc)
        except Exception:  # noqa: BLE001 - per-update handler: a defect is logged, the next update is read
            _log.exception("an update could not be handled")

    async def _command(self, text: str, chat: int, person: int) -> None:
        command = text.split(maxsplit=1)[0].partition("@")[0].lower() if text.strip() else ""
        match command:
            case "/start":
                await self._start(chat, person)
            case "/whoami":
                user = await asyncio.to_thread(self._links.user_of, chat)
                await self._channel.say(
                    chat, f"This chat is linked with {user}." if user else "This chat is not linked. Send /start."
                )
            case "/status":
                await self._status(chat)
            case "/test":
                caption = "A test: text and chart arrive together."
                await self._channel.show(chat, await asyncio.to_thread(demo_chart), caption=caption)
            case _ if command.startswith("/") or chat > 0:
                await self._channel.say(chat, HELP)

    async def _start(self, chat: int, person: int) -> None:
        code = await asyncio.to_thread(self._links.new_code, chat, person)
        user = await asyncio.to_thread(self._links.user_of, chat)
        linked = f"This chat is linked with {html.escape(user)}. To link it anew, enter" if user else "Enter"
        await self._channel.say(
            chat, f"{linked} this code on the dashboard within 10 minutes:\n\n<code>{code}</code>", parse_mode="HTML"
        )

    async def _status(self, chat: int) -> None:
        user = await asyncio.to_thread(self._links.user_of, chat)
        if user is None:
            await self._channel.say(chat, "This chat is not linked. Send /start.")
            return
        if self._scripts is None:
            await self._channel.say(chat, "This server runs no scripts.")
            return
        scripts = await self._scripts.list(user)
        lines = [f"{inert_line(script.stem)}: last run {script.last_run or 'never'}" for script in scripts]
        rows = [
            [{"text": f"▶ {inert_line(script.stem)}", "callback_data": data}]
            for script in scripts[:MAX_SCRIPT_BUTTONS]
            if len((data := f"script:{script.stem}").encode()) <= 64  # the Bot API's limit
        ]
        await self._channel.say(
            chat,
            "\n".join(lines)[:4000] or "You have no scripts.",
            keyboard={"inline_keyboard": rows} if rows else None,
        )

    async def _button(self, data: str, chat: int, person: int, message: int, group: asyncio.TaskGroup) -> str:
        """Do what a button says and return the word that its presser sees."""
        action, _, subject = data.partition(":")
        user = await asyncio.to_thread(self._links.user_of, chat)
        if user is None or not await asyncio.to_thread(self._links.may_press, chat, person):
            return "This is not your chat."
        if action == "script":
            return self._run_script(user, subject, chat, group)
        useless = "This button is of no use any more."
        if action not in {"run", "read", "snooze"} or not subject.isdecimal() or len(subject) > 18:
            return useless
        delivery = int(subject)
        pressed = await asyncio.to_thread(self._outbox.pressed, delivery, action, user=user, address=str(chat))
        if pressed is None:
            return useless
        return await self._alert_button(action, pressed, delivery, message, group)

    async def _alert_button(
        self, action: str, pressed: Pressed, delivery: int, message: int, group: asyncio.TaskGroup
    ) -> str:
        if not pressed.first:
            return "Done already."
        if action == "run":
            script = str(pressed.notification.get("script", ""))
            if why_not := self._why_not_run(pressed.user, script):  # then the button has not acted
                return why_not
            await self._note_pressed(delivery, action)
            return self._run_script(pressed.user, script, int(pressed.address), group)
        return await self._mark(pressed, delivery, "read" if action == "read" else "snoozed", message)

    async def _mark(self, pressed: Pressed, delivery: int, state: Literal["read", "snoozed"], message: int) -> str:
        now = datetime.fromtimestamp(self._now(), UTC)
        until = _rfc3339(now + SNOOZE) if state == "snoozed" else None
        draft = MarkDraft(
            User(pressed.user), [str(pressed.notification["id"])], state, _rfc3339(now), device="telegram", until=until
        )
        action = "read" if state == "read" else "snooze"
        try:
            marked = await self._inbox.mark(draft)
        except ServerError as exc:
            _log.warning("a button could not act: %s", exc)
            return "That did not work just now. Please try again."
        await self._note_pressed(delivery, action)
        item = Item(delivery, "telegram", pressed.address, pressed.user, pressed.notification, 0, 0, Undelivered())
        with contextlib.suppress(DeliveryFailed):  # the button stays; pressing it says "Done already"
            await self._api.edit_keyboard(
                int(pressed.address), message, buttons(item, scripts_run=self._scripts is not None, without=action)
            )
        if marked.unknown:
            return "It is not in the inbox any more."
        return "Marked as read everywhere." if state == "read" else f"Put aside until {now + SNOOZE:%H:%M} UTC."

    async def _note_pressed(self, delivery: int, action: str) -> None:
        await asyncio.to_thread(self._outbox.note_pressed, delivery, action, now=self._now())

    def _why_not_run(self, user: str, name: str) -> str:
        if self._scripts is None or not name:
            return "This server runs no scripts."
        if (user, name) in self._running:
            return f"{name} is running already."
        if len(self._running) >= MAX_RUNNING:
            return "Too many scripts are running. Please try again in a minute."
        return ""

    def _run_script(self, user: str, name: str, chat: int, group: asyncio.TaskGroup) -> str:
        if (why_not := self._why_not_run(user, name)) or self._scripts is None:
            return why_not
        self._running.add((user, name))
        group.create_task(self._run_and_tell(self._scripts, user, name, chat))
        return f"{name} is running; what it says arrives here."

    async def _run_and_tell(self, scripts: UserScripts, user: str, name: str, chat: int) -> None:
        try:
            await scripts.run(user, name)
        except ServerError as exc:
            with contextlib.suppress(DeliveryFailed):
                await self._channel.say(chat, f"{inert_line(name)} could not be run: {inert_line(exc.problem)}"[:4000])
        finally:
            self._running.discard((user, name))


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
