"""Channels by apprise, with the real library and a real HTTP server that takes its messages."""

import asyncio
import base64
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from analyst_server.channels.apprise_channel import AppriseChannel, check_installed
from analyst_server.channels.base import DeliveryFailed, Item, Undelivered
from analyst_server.channels.running import ChannelSettings, open_channels
from analyst_server.errors import ConfigProblem, StoreUnavailable
from tests.server.channels.conftest import PNG, World

pytestmark = [
    pytest.mark.real("python:apprise"),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """Serve what `json://` URLs of apprise talk to; yield the URL, what arrived, and the answers to come (200 when there are none)."""
    arrived: list[dict[str, Any]] = []
    answers: list[int] = []

    async def take(request: web.Request) -> web.Response:
        status = answers.pop(0) if answers else 200
        if status == 200:
            arrived.append(await request.json())
        return web.Response(status=status)

    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post("/{tail:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"json://127.0.0.1:{runner.addresses[0][1]}/secret", arrived, answers
    finally:
        await runner.cleanup()


@asynccontextmanager
async def apprise(world: World, urls: dict[str, list[str]]) -> AsyncIterator[Any]:
    (world.folder / "channel_urls.json").write_text(json.dumps(urls))
    async with open_channels(
        ChannelSettings(world.folder, first_delay_s=0.05), world.log, world.read_image
    ) as channels:
        for user in urls:
            while channels.outbox.cursor("apprise", user) is None:
                await asyncio.sleep(0.01)
        yield channels


async def test_an_alert_goes_to_every_url_of_its_user_with_its_chart(world: World) -> None:
    world.images["abc.png"] = PNG
    async with receiver() as (url, arrived, _), apprise(world, {"petr": [url, url + "/2"], "jana": [url + "/3"]}):
        await world.alert(
            "a1", title="Down", message="by 12 %", priority="critical", image_url="/api/notifications/images/abc.png"
        )
        await world.telegram.until(lambda: len(arrived) == 2)
    assert {(message["title"], message["message"], message["type"]) for message in arrived} == {
        ("Down", "by 12 %", "failure")
    }
    assert base64.b64decode(arrived[0]["attachments"][0]["base64"]) == PNG


async def test_slack_gets_its_own_markdown_a_link_and_nothing_that_acts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.slack import NotifySlack  # noqa: PLC0415

    async with receiver() as (url, arrived, _):
        monkeypatch.setattr(NotifySlack, "webhook_url", url.replace("json", "http", 1))
        slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"
        async with apprise(world, {"petr": [slack]}):
            await world.alert(
                "a1", title="Down <!channel>", message="**84** <!here> <b>x</b> @everyone", url="https://e.org/x"
            )
            await world.telegram.until(lambda: len(arrived) == 1)
    (attachment,) = arrived[0]["attachments"]
    assert attachment["text"].startswith("*84* ")
    assert attachment["text"].rstrip().endswith("https://e.org/x")
    assert not re.search(r"<[!b/]|&lt;[!b/]|@everyone", attachment["text"] + attachment["title"])


async def test_a_failing_receiver_is_tried_again_and_no_secret_is_written_down(world: World) -> None:
    async with receiver() as (url, arrived, answers), apprise(world, {"petr": [url]}) as channels:
        answers += [500]
        await world.alert("a1", title="Down")
        await world.telegram.until(lambda: arrived)
        await world.telegram.until(lambda: channels.outbox.counts("apprise") == {"sent": 1})
        assert "secret" not in json.dumps(channels.outbox.latest("apprise", limit=5))
    assert len(arrived) == 1


async def test_a_url_that_apprise_cannot_read_is_given_up_and_said(world: World) -> None:
    async with apprise(world, {"petr": ["nonsense"]}) as channels:
        await world.alert("a1")
        await world.telegram.until(lambda: channels.outbox.counts("apprise") == {"failed": 1})
        assert channels.outbox.latest("apprise", limit=1)[0]["note"] == "apprise cannot read the URL"


async def test_a_file_of_another_shape_is_one_sentence(world: World) -> None:
    from analyst_server.channels.apprise_channel import AppriseChannel  # noqa: PLC0415

    (world.folder / "channel_urls.json").write_text('["x"]')
    with pytest.raises(StoreUnavailable, match="is not of the shape"):
        AppriseChannel(world.folder, world.read_image).users()


async def test_a_service_that_does_not_answer_leaves_the_outcome_unknown(world: World) -> None:
    asked, done = asyncio.Event(), asyncio.Event()

    async def keep_waiting(_request: web.Request) -> web.Response:
        asked.set()
        await done.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{tail:.*}", keep_waiting)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"json://127.0.0.1:{runner.addresses[0][1]}/"
    (world.folder / "channel_urls.json").write_text(json.dumps({"petr": [url]}))
    channel = AppriseChannel(world.folder, world.read_image, timeout_s=0.3)
    (address,) = channel.addresses("petr")
    item = Item(1, "apprise", address, "petr", {"id": "a1", "title": "t"}, 0.0, 0, Undelivered())
    with pytest.raises(DeliveryFailed) as caught:
        await channel.deliver(item)
    assert (caught.value.failure.unconfirmed, caught.value.failure.permanent) == (True, False)
    await asyncio.wait_for(asked.wait(), 10)
    done.set()
    channel.close()
    await runner.cleanup()


def test_urls_without_apprise_are_said_at_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # as if the extra were not installed
    check_installed(world.folder)
    (world.folder / "channel_urls.json").write_text("{}")
    with pytest.raises(ConfigProblem, match="needs apprise, which is not installed"):
        check_installed(world.folder)
