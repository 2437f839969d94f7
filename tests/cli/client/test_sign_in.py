"""What may end a sign-in, and what may not."""

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from analyst_cli.client import callback, pending_sign_in, receivers, sign_in
from analyst_cli.client.login_flow import Talk, Way, await_device_code, choose_way, through_browser
from analyst_cli.client.portal import DeviceCode, open_portal
from analyst_cli.client.sign_in import CallbackRefused, Code, OldServerToken
from analyst_cli.errors import UsageProblem

STATE = "s" * 43
ATTEMPT = sign_in.Attempt(state=STATE, verifier="v" * 43, redirect_uri=None)
LOOPBACK = sign_in.Attempt(state=STATE, verifier="v" * 43, redirect_uri="http://127.0.0.1:5000/callback")


@pytest.mark.parametrize(
    ("attempt", "url", "answer"),
    [
        (ATTEMPT, f"keboola-analyst://auth?code=abc&state={STATE}", Code("abc")),
        (ATTEMPT, f"keboola-analyst://auth/?code=abc&state={STATE}&iss=https%3A%2F%2Fx", Code("abc")),
        (ATTEMPT, "keboola-analyst://auth?token=a.b.c", OldServerToken("a.b.c")),
        (LOOPBACK, f"http://127.0.0.1:5000/callback?code=abc&state={STATE}", Code("abc")),
    ],
)
def test_the_answer_that_was_asked_for_is_taken(attempt: sign_in.Attempt, url: str, answer: object) -> None:
    assert sign_in.read_callback(attempt, url) == answer


@pytest.mark.parametrize(
    "url",
    [
        "keboola-analyst://auth?code=abc&state=another",
        f"keboola-analyst://auth?code=abc&state={STATE}&state={STATE}",
        f"keboola-analyst://auth?code=abc&state={STATE}&token=a.b.c",
        f"keboola-analyst://auth?code=&state={STATE}",
        "keboola-analyst://auth?code=abc",
        f"keboola-analyst://evil?code=abc&state={STATE}",
        f"keboola-analyst://auth/../x?code=abc&state={STATE}",
        f"keboola-analyst://auth?code=abc&state={STATE}#fragment",
        f"https://auth?code=abc&state={STATE}",
        f"keboola-analyst://auth@evil?code=abc&state={STATE}",
        "keboola-analyst://auth?code=$(reboot)",
        "keboola-analyst://auth?" + "&".join(f"a{n}=1" for n in range(100)),
        f"keboola-analyst://auth?error=access_denied&state={STATE}",
        "javascript:alert(1)",
        "keboola-analyst://[auth?code=a",
        "",
    ],
)
def test_every_other_link_is_refused(url: str) -> None:
    with pytest.raises(CallbackRefused):
        sign_in.read_callback(ATTEMPT, url)


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:5001/callback", "http://127.0.0.1:5000/", "https://127.0.0.1:5000/callback", "x://auth"]
)
def test_a_loopback_sign_in_ends_at_its_own_address_alone(place: str) -> None:
    with pytest.raises(CallbackRefused, match="no link of the form http://127"):
        sign_in.read_callback(LOOPBACK, f"{place}?code=abc&state={STATE}")


def test_the_words_of_a_stranger_are_not_shown_as_the_servers() -> None:
    with pytest.raises(CallbackRefused, match="belongs to another sign-in"):
        sign_in.read_callback(ATTEMPT, "keboola-analyst://auth?error=call+us+at+555&state=another")


def test_a_token_never_comes_through_a_loopback_page() -> None:
    with pytest.raises(CallbackRefused):
        sign_in.read_callback(LOOPBACK, "http://127.0.0.1:5000/callback?token=a.b.c")


@given(st.text(max_size=300))
def test_no_text_is_taken_for_an_answer_or_crashes(text: str) -> None:
    for url in (text, f"keboola-analyst://auth?{text}"):
        with suppress(CallbackRefused):
            assert isinstance(sign_in.read_callback(ATTEMPT, url), OldServerToken)  # the state cannot be guessed


def test_the_page_carries_challenge_and_state_but_never_the_verifier() -> None:
    attempt = sign_in.begin(redirect_uri="http://127.0.0.1:5000/callback")
    url = attempt.link_url("https://a.example", "laptop & more")
    query = parse_qs(urlsplit(url).query)
    assert query["device"] == ["laptop & more"]
    assert query["state"] == [attempt.state]
    assert query["code_challenge"] == [attempt.challenge]
    assert attempt.verifier not in url


@pytest.mark.parametrize(
    ("environment", "handler_installed", "has_desktop", "way"),
    [
        ({}, True, True, Way.CUSTOM_URL),
        ({}, False, True, Way.LOOPBACK),
        ({}, True, False, Way.DEVICE),
        ({"SSH_TTY": "/dev/pts/1"}, True, True, Way.DEVICE),
        ({"BROWSER": "w3m"}, False, False, Way.LOOPBACK),
    ],
)
def test_the_way_fits_the_place(
    environment: dict[str, str], handler_installed: bool, has_desktop: bool, way: Way
) -> None:
    assert choose_way(environment, handler_installed=handler_installed, has_desktop=has_desktop) is way


def run_callback(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "analyst_cli", "callback", *arguments], stderr=subprocess.PIPE, text=True
    )


async def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = await asyncio.to_thread(process.communicate, None, 20)
    return process.returncode, stderr


async def test_the_handler_hands_the_link_to_the_waiting_sign_in_and_a_hostile_one_does_not_end_it(
    tmp_path: Path,
) -> None:
    arrival = receivers.Arrival(lambda url: sign_in.read_callback(ATTEMPT, url))
    async with receivers.handler_socket(arrival):
        assert callback.socket_path().stat().st_mode & 0o777 == 0o600
        assert callback.socket_path().parent.stat().st_mode & 0o777 == 0o700
        code, stderr = await finished(run_callback("keboola-analyst://auth?code=evil&state=guess"))
        assert (code, "state differs" in stderr) == (1, True)
        assert await finished(run_callback(f"keboola-analyst://auth?code=abc&state={STATE}")) == (0, "")
        assert await arrival.wait(5) == Code("abc")
    assert not callback.socket_path().exists()


@pytest.mark.parametrize(
    ("is_old_server", "words"), [(False, "which this server never sends"), (True, "the account was not confirmed")]
)
async def test_a_token_in_a_link_is_taken_of_an_old_server_alone_and_after_the_person_has_said_yes(
    monkeypatch: pytest.MonkeyPatch, *, is_old_server: bool, words: str
) -> None:
    monkeypatch.setenv("BROWSER", "no-such-browser")
    listening = asyncio.Event()
    talk = Talk(tell=lambda line: listening.set() if line.startswith("Waiting") else None, confirm=lambda _: False)
    async with open_portal("https://a.example") as portal, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(
            through_browser(
                *(portal, "https://a.example"),
                way=Way.CUSTOM_URL,
                device="laptop",
                scheme="keboola-analyst",
                talk=talk,
                is_old_server=is_old_server,
            )
        )
        async with asyncio.timeout(30):
            await listening.wait()
        code, stderr = await finished(run_callback("keboola-analyst://auth?token=e30.eyJzdWIiOiJtYWxsb3J5In0.x"))
        assert (code, words in stderr) == (1, True)
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["keboola-analyst://auth?code=a&state=b"], 1),
        (["keboola-analyst://auth?code=a&state=b", "--extra"], 2),
        (["keboola-analyst://auth?code=" + "a" * 1_000_000], 2),
        (["keboola-analyst://auth?code=a\nb"], 2),
        (["not a link"], 2),
        ([], 2),
    ],
)
def test_a_link_that_nobody_asked_for_is_told_so(
    arguments: list[str], exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    if any(len(argument) > 100_000 for argument in arguments):  # longer than an argument of a process may be
        assert callback.deliver(arguments) == exit_code
    else:
        process = run_callback(*arguments)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == exit_code
        assert stderr.startswith("analyst: ")
        assert "Traceback" not in stderr


async def test_a_stale_socket_is_replaced_and_a_live_one_is_not() -> None:
    path = callback.socket_path()
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    arrival = receivers.Arrival(lambda url: url)
    async with receivers.handler_socket(arrival):
        with pytest.raises(Exception, match="another analyst login"):
            async with receivers.handler_socket(arrival):
                pass


async def test_the_loopback_page_takes_one_answer_and_says_how_it_went() -> None:
    arrivals: list[receivers.Arrival[Code | OldServerToken]] = []
    async with (
        receivers.loopback(lambda url: arrivals[0].offer(url)) as redirect_uri,  # noqa: PLW0108 - filled below
        aiohttp.ClientSession() as session,
    ):
        attempt = sign_in.begin(redirect_uri=redirect_uri)
        arrivals.append(receivers.Arrival(lambda url: sign_in.read_callback(attempt, url)))
        for query, status in (
            ("?code=x&state=wrong", 400),
            (f"?code=x&state={attempt.state}", 200),
            (f"?code=y&state={attempt.state}", 400),
        ):
            async with session.get(redirect_uri + query) as answer:
                assert answer.status == status
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with session.get(redirect_uri.replace("/callback", "/<script>")) as answer:
            assert answer.status == 404
        assert await arrivals[0].wait(1) == Code("x")


async def test_a_server_that_restarts_while_the_person_types_is_asked_again() -> None:
    asked: list[int] = []

    async def token(request: web.Request) -> web.StreamResponse:
        asked.append(len(asked))
        if len(asked) == 1 and request.transport is not None:
            request.transport.abort()
        answer = {"error": "slow_down"} if len(asked) == 2 else {"token": "a.b.c"}
        return web.json_response(answer, status=400 if "error" in answer else 200)

    application = web.Application()
    application.add_routes([web.post("/api/desktop/token", token)])
    async with TestServer(application) as server, open_portal(str(server.make_url("")).rstrip("/")) as portal:
        waits: list[float] = []

        async def waited(seconds: float) -> None:
            waits.append(seconds)

        code = DeviceCode("secret", "BCDF-GHJK", "https://a.example/desktop/device", expires_in=60.0, interval=5.0)
        assert (await await_device_code(portal, code, sleep=waited)).token == "a.b.c"
        assert waits == [10.0, 15.0], "less often after a failure, and as the server asks"


def test_a_sign_in_that_was_begun_can_be_waited_for_more_than_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code = DeviceCode("secret", "BCDF-GHJK", "https://a.example/desktop/device", expires_in=60.0)
    pending_sign_in.keep("https://a.example", code)
    assert [pending_sign_in.begun("https://a.example") for _ in range(2)] == [code, code]
    with pytest.raises(UsageProblem, match=r"no sign-in to https://b\.example"):
        pending_sign_in.begun("https://b.example")
    pending_sign_in.forget()
    with pytest.raises(UsageProblem):
        pending_sign_in.begun("https://a.example")
