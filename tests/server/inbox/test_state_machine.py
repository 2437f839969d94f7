"""Random histories of dispatches, marks, listeners, restarts and retention: the model in memory and the file agree after every step."""

import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from analyst_server.errors import Conflict, CursorLost
from analyst_server.inbox.log import START, Event, MarkDraft, NotificationDraft, Seq, User
from analyst_server.inbox.memory import MemoryInbox
from analyst_server.inbox.retention import Retention
from analyst_server.inbox.sqlite import SqliteInbox, WriterSettings, open_sqlite_inbox

USERS = st.sampled_from([User("petr"), User("eva")])
IDS = st.sampled_from([f"n{i}" for i in range(12)])
DEVICES = st.sampled_from(["laptop", "phone"])
STATES = st.sampled_from(["read", "unread", "archived", "unarchived", "acknowledged", "snoozed"])


class Device:
    """A listener that keeps what it heard; made of two, one on the model and one on the file."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.heard: dict[str, list[Event]] = {"model": [], "file": []}
        self.ends: list[Any] = []


class LogMachine(RuleBasedStateMachine):
    """The model takes every step too; numbers are the same, because both count over all users."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_800_000_000.0
        self.model = MemoryInbox(clock=lambda: self.now)
        self.devices: list[Device] = []
        self.sent: defaultdict[tuple[User, str], Seq] = defaultdict(lambda: START)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def outcome() -> Any:
            try:
                return await work
            except (Conflict, CursorLost) as exc:
                return str(exc)

        return self.loop.run_until_complete(outcome())

    def both(self, work: Any) -> Any:
        expected, found = self.run(work(self.model)), self.run(work(self.file))
        assert found == expected
        return found

    @initialize()
    def open(self) -> None:
        async def opened() -> SqliteInbox:
            self.stack = AsyncExitStack()
            return await self.stack.enter_async_context(
                open_sqlite_inbox(
                    self.folder / "inbox.db", settings=WriterSettings(fold_when_busy=6), clock=lambda: self.now
                )
            )

        self.file: SqliteInbox = self.loop.run_until_complete(opened())

    @rule(user=USERS, name=IDS, text=st.integers(0, 1), image=st.sampled_from([None, "one.png", "two.png"]))
    def dispatch(self, user: User, name: str, text: int, image: str | None) -> None:
        self.both(lambda log: log.append(NotificationDraft(user, name, b'{"t":%d}' % text, image)))

    @rule(user=USERS, names=st.lists(IDS, max_size=40))
    def dispatch_at_once(self, user: User, names: list[str]) -> None:
        async def burst(log: Any) -> list[Any]:
            drafts = [NotificationDraft(user, name, b"{}") for name in names]
            answers = await asyncio.gather(*(log.append(draft) for draft in drafts), return_exceptions=True)
            return [str(answer) for answer in answers]

        self.both(burst)

    @rule(user=USERS, names=st.lists(IDS, min_size=1, max_size=5), state=STATES, device=DEVICES)
    def mark(self, user: User, names: list[str], state: Any, device: str) -> None:
        until = "2027-01-01T00:00:00Z" if state == "snoozed" else None
        at = f"t{self.now}"
        self.both(lambda log: log.mark(MarkDraft(user, names, state, at, device=device, until=until)))

    @rule(user=USERS)
    def connect(self, user: User) -> None:
        device = Device(user)
        device.ends = [
            log.subscribe(user, device.heard[name].append) for name, log in (("model", self.model), ("file", self.file))
        ]
        self.devices.append(device)

    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        if self.devices:
            device = self.devices.pop(data.draw(st.integers(0, len(self.devices) - 1)))
            for end in device.ends:
                end()

    @rule(user=USERS, device=DEVICES, gap=st.integers(0, 3), length=st.integers(0, 20), acknowledged=st.booleans())
    def deliver(self, user: User, device: str, gap: int, length: int, acknowledged: bool) -> None:
        after = Seq(self.sent[user, device] + gap)
        upto = self.sent[user, device] = Seq(after + length)

        async def deliver(log: Any) -> None:
            log.note_sent(user, device, after=after, upto=upto)
            if acknowledged:
                log.note_acknowledged(user, device, upto)

        self.both(deliver)

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.run(self.model.close())
        self.devices.clear()
        epoch = self.file.epoch
        self.open()
        assert self.file.epoch == epoch

    @rule(seconds=st.sampled_from([1, 60, 3600]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(age=st.sampled_from([30, 90, 10**6]), count=st.integers(1, 10))
    def retain(self, age: int, count: int) -> None:
        self.both(lambda log: log.retain(Retention(max_age_s=age, max_notifications=count)))

    @rule(user=USERS, after=st.integers(-2, 80), limit=st.integers(1, 10))
    def read(self, user: User, after: int, limit: int) -> None:
        async def page(log: Any) -> list[Event]:
            return list(await log.read(user, after=Seq(after), limit=limit))

        self.both(page)

    @rule(user=st.one_of(st.none(), USERS), name=IDS)
    def trace(self, user: User | None, name: str) -> None:
        async def seen(log: Any) -> list[Any]:
            traces = await log.trace(name, user=user)
            # A device that was not seen for as long as events are kept is forgotten by the file; the model remembers all.
            recent = [
                (t.user, t.seq, t.stored_at, t.read, {d for d in t.devices if d.seen_at > self.now - 30})
                for t in traces
            ]
            return sorted(recent, key=lambda each: each[1])

        self.both(seen)

    @invariant()
    def both_say_the_same(self) -> None:
        for user in (User("petr"), User("eva")):
            self.both(lambda log, user=user: log.snapshot(user))
            for name in ("one.png", "two.png"):
                self.both(lambda log, user=user, name=name: log.may_read(user, name))
        self.both(lambda log: log.referenced(["one.png", "two.png"]))
        for device in self.devices:
            assert device.heard["file"] == device.heard["model"]

    def teardown(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)


LogMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_model_and_file_agree = LogMachine.TestCase
