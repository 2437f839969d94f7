"""The guarantee as a person has it: `analyst watch` and the local inbox over kills of the gateway, and marks made elsewhere."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.harness import DEADLINE_S, ROOT, Gateway, World
from tests.delivery.restarts import Stubborn, all_accepted

pytestmark = [pytest.mark.xdist_group("delivery-client"), pytest.mark.timeout(120)]


class Watch:
    """`analyst watch --json` of one user, in a home folder that survives it."""

    def __init__(self, gateway: Gateway, user: str, home: Path) -> None:
        self.printed: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._gateway = gateway
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONDONTWRITEBYTECODE")},
            "HOME": str(home),
            "ANALYST_TOKEN": gateway.token(user),
            "ANALYST_WS_URL": gateway.url,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await self._start("watch", "--json")
        assert process.stdout is not None
        assert process.stderr is not None
        readers = asyncio.gather(self._read(process.stdout), self._hear(process.stderr))
        try:
            yield
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), DEADLINE_S)
            await readers

    @property
    def summed_up(self) -> int:
        """How many were told of in a summary, because they came while the line was down."""
        return sum(int(line.split()[0]) for line in self.said if "new while you were away" in line)

    async def list_(self) -> list[dict[str, Any]]:
        """Return what the local inbox holds, newest first."""
        process = await self._start("list", "--json", "--limit", "1000")
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert process.returncode == 0, err
        return [json.loads(line) for line in out.splitlines()]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.02)

    async def _start(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "analyst_cli", *words, stdout=PIPE, stderr=PIPE, env=self._environment, cwd=ROOT
        )

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.printed.append(json.loads(line))

    async def _hear(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.said.append(line.decode())


async def test_watch_prints_each_accepted_alert_once_and_in_order_over_kills(world: World) -> None:
    async with world.own_gateway() as gateway:
        user, home = world.name("watch"), world.own_folder()
        watch, publisher = Watch(gateway, user, home), Stubborn(world, gateway, user, pause_s=0.01)
        async with watch.running():
            await watch.until(lambda: watch.said)  # that it is connected
            async with asyncio.TaskGroup() as group:
                under_way = group.create_task(publisher.run())
                for _ in range(3):
                    await asyncio.sleep(0.3 + world.rng.random() * 0.3)
                    await asyncio.to_thread(gateway.kill)
                    await asyncio.to_thread(gateway.start)
                accepted = await all_accepted([publisher], [under_way])
            await watch.until(lambda: len(watch.printed) >= len(accepted))
        listed = [each["id"] for each in reversed(await watch.list_())]
    printed = [each["id"] for each in watch.printed]
    in_order = sorted(accepted, key=lambda name: accepted[name])
    assert len(listed) == len(set(listed))
    assert [name for name in listed if name in accepted] == in_order[-len(listed) :]
    assert printed == listed, "printed twice, in another order, or not at all"
    assert not any("Traceback" in line for line in watch.said)


async def test_what_was_read_elsewhere_meanwhile_does_not_pop_up(world: World) -> None:
    gateway, user = world.gateway, world.name("r13")
    watch, phone = Watch(gateway, user, world.own_folder()), gateway.subscriber(user, "phone")
    async with gateway.publisher() as publisher:
        async with watch.running():
            await watch.until(lambda: watch.said)
            first = (await publisher.accepted(user))["id"]
            await watch.until(lambda: watch.printed)
        read_elsewhere = (await publisher.accepted(user, title="Read on the phone"))["id"]
        unread = (await publisher.accepted(user, title="Nobody has seen it"))["id"]
        await phone.catch_up()
        await phone.send({"type": "mark", "ref": "1", "ids": [read_elsewhere], "state": "read"})
        while not phone.answers:
            await phone.receive()
        await phone.close()
        watch.said.clear()
        async with watch.running():
            await watch.until(lambda: watch.summed_up)
            later = (await publisher.accepted(user))["id"]
            await watch.until(lambda: any(each["id"] == later for each in watch.printed))
        listed = {each["id"]: each for each in await watch.list_()}
    assert [each["id"] for each in watch.printed] == [first, unread, later]
    assert watch.summed_up == 1
    assert any("Nobody has seen it" in line for line in watch.said)
    assert set(listed) == {first, read_elsewhere, unread, later}
    assert not any("Read on the phone" in line for line in watch.said)
