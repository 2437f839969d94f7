"""Random histories of dispatches, marks, listeners, restarts and retention: the model in memory and the file agree after every step.

The second machine has two gateways on one file: every step goes through one of them, and what it did must show through either.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
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

    gateways = 1

    def __init__(self) -> None:
        super().__init__()
        self.turns = itertools.count()
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
        """Do something through the model and through one of the gateways, each in its turn."""
        expected, found = self.run(work(self.model)), self.run(work(self.files[next(self.turns) % self.gateways]))
        assert found == expected
        return found

    @initialize()
    def open(self) -> None:
        async def opened() -> list[SqliteInbox]:
            self.stack = AsyncExitStack()
            return [
                await self.stack.enter_async_context(
                    open_sqlite_inbox(
                        self.folder / "inbox.db",
                        settings=WriterSettings(fold_when_busy=6 + number, poll_s=0.002),
                        clock=lambda: self.now,
                    )
                )
                for number in range(self.gateways)
            ]

        self.files: list[SqliteInbox] = self.loop.run_until_complete(opened())

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
        self.settled()  # a listener may be told what another gateway stored a moment before it came
        file = self.files[next(self.turns) % self.gateways]
        device.ends = [
            log.subscribe(user, device.heard[name].append) for name, log in (("model", self.model), ("file", file))
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
            if isinstance(log, SqliteInbox):
                await log._notes.write()  # it would within a second; the other gateway knows only what is written

        self.both(deliver)

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.run(self.model.close())
        self.devices.clear()
        epoch = self.files[0].epoch
        self.open()
        assert all(file.epoch == epoch for file in self.files)

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
            recent = [(each.user, each.seq, each.stored_at, each.read, set(each.devices)) for each in traces]
            return sorted(recent, key=lambda each: each[1])

        self.both(seen)

    @invariant()
    def both_say_the_same(self) -> None:
        for user in (User("petr"), User("eva")):
            self.both(lambda log, user=user: log.snapshot(user))
            for name in ("one.png", "two.png"):
                self.both(lambda log, user=user, name=name: log.may_read(user, name))
        self.both(lambda log: log.referenced(["one.png", "two.png"]))
        self.settled()
        for device in self.devices:
            assert device.heard["file"] == device.heard["model"]

    def settled(self) -> None:
        """Wait until each gateway has heard what the other has stored."""

        def quiet() -> bool:
            told = {file._writer._writer._told for file in self.files}
            return len(told) == 1 and all(len(each.heard["file"]) >= len(each.heard["model"]) for each in self.devices)

        async def heard() -> None:
            with suppress(TimeoutError):  # then what is compared next tells the difference
                async with asyncio.timeout(5):
                    while not quiet():
                        await asyncio.sleep(0.002)

        self.loop.run_until_complete(heard())

    def teardown(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)


LogMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_model_and_file_agree = LogMachine.TestCase


class TwoGateways(LogMachine):
    """The same through two processes' worth of writers on one file."""

    gateways = 2


TwoGateways.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_model_and_two_gateways_agree = TwoGateways.TestCase
