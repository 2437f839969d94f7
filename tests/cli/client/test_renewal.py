"""A stored token is kept alive, against a real portal whose clock is moved."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt
import keyring
import pytest
from keyring.backend import KeyringBackend
from portal_world import World, portal_world

from analyst_cli.client.credentials import find_token, store_token, token_file
from analyst_cli.client.events import CaughtUp, Connecting, SignInExpired
from analyst_cli.client.renewal import is_due, renewed_token
from analyst_cli.client.servers import KnownServer, remember
from analyst_cli.errors import ServerUnreachable, SignInNeeded
from tests.support.follower import Follower
from tests.support.scripted_gateway import scripted_gateway

DAY_S = 86_400.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with portal_world(tmp_path) as served:
        yield served


class MemoryKeyring(KeyringBackend):
    """A keyring without a service behind it."""

    viable = False  # known here alone: keyring chooses among all subclasses that there are

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.is_forgetful = False

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.is_forgetful:
            self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.passwords[service, username]


@pytest.fixture
def memory() -> Iterator[MemoryKeyring]:
    before, used = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(used)
    yield used
    keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("days", "is_renewed"), [(0, False), (19, False), (21, True), (29.9, True), (30.1, True), (36.9, True)]
)
async def test_a_token_is_renewed_before_its_end_and_within_the_grace_after_it(
    world: World, days: float, *, is_renewed: bool
) -> None:
    old = await world.linked("petr")
    store_token(world.url, old, insecure=True)
    world.clock.forward(days * DAY_S)
    token = await renewed_token(world.url, world.clock.now)
    assert (token.value != old) is is_renewed
    assert find_token(world.url).value == token.value
    assert world.tokens.verify(token.value, now=world.clock.now).username == "petr"
    assert not is_due(token.value, world.clock.now)


async def test_after_the_grace_the_person_has_to_sign_in_again(world: World) -> None:
    store_token(world.url, await world.linked("petr"), insecure=True)
    world.clock.forward(37.1 * DAY_S)
    # nothing can be renewed: whoever uses it is told to sign in
    token = await renewed_token(world.url, world.clock.now)
    async with world.program(token.value) as app, app.get("/api/desktop/devices") as answer:
        assert answer.status == 401


async def test_a_revoked_token_is_not_renewed(world: World) -> None:
    old = await world.linked("petr")
    store_token(world.url, old, insecure=True)
    async with (
        world.browser("petr") as browser,
        browser.post("/api/desktop/unlink", json={"everywhere": True}) as answer,
    ):
        assert answer.status == 200
    world.clock.forward(31 * DAY_S)
    with pytest.raises(SignInNeeded):
        await renewed_token(world.url, world.clock.now)


async def test_a_server_that_is_away_is_no_reason_to_stop_while_the_token_is_valid(world: World) -> None:
    old = await world.linked("petr")
    nowhere = "http://127.0.0.1:9"
    store_token(nowhere, old, insecure=True)
    assert (await renewed_token(nowhere, world.clock.now + 25 * DAY_S)).value == old
    with pytest.raises(ServerUnreachable):
        await renewed_token(nowhere, world.clock.now + 31 * DAY_S)


async def test_a_token_of_the_environment_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await world.linked("petr")
    monkeypatch.setenv("ANALYST_TOKEN", old)
    world.clock.forward(25 * DAY_S)
    assert (await renewed_token(world.url, world.clock.now)).value == old
    assert not token_file().exists()


async def test_who_has_chosen_the_file_keeps_it_when_the_token_is_renewed(world: World, memory: MemoryKeyring) -> None:
    store_token(world.url, await world.linked("petr"), insecure=True)
    remember(KnownServer(url=world.url, username="petr", kept_in="file"))
    world.clock.forward(25 * DAY_S)
    renewed = await renewed_token(world.url, world.clock.now)
    assert (renewed.origin, find_token(world.url).value) == ("file", renewed.value)
    assert memory.passwords == {}


def test_a_keyring_that_forgets_is_told_and_not_trusted(memory: MemoryKeyring) -> None:
    memory.is_forgetful = True
    stored = store_token("https://a.example", "a.b.c")
    assert (stored.origin, "forgets what it is given" in stored.warning) == ("file", True)
    assert find_token("https://a.example").origin == "file"


async def test_a_sign_in_of_another_program_ends_being_signed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyst_cli.client.tokens.LOOK_S", 0.01)
    first, second = (jwt.encode({"sub": "petr", "jti": name}, "s" * 32) for name in ("a", "b"))

    def sign_in(server: str, token: str) -> None:
        kept_in = store_token(server, token, insecure=True).origin
        remember(KnownServer(url=server, username="petr", kept_in=kept_in))

    async with scripted_gateway() as gateway, Follower(gateway.url) as client:
        await client.until(SignInExpired)  # nobody has signed in yet
        sign_in("https://other.example", second)
        sign_in(gateway.url, first)
        server = await gateway.accept()
        assert server.auth["token"] == first
        await server.send(type="auth_error", message="Invalid token")
        await server.close(4401)
        await client.until(SignInExpired, 2)
        sign_in(gateway.url, first)  # the refused one again
        sign_in(gateway.url, second)
        server = await gateway.accept()
        assert server.auth["token"] == second
        await server.greet(seq=0)
        await server.send(type="replay_done", seq=0)
        await client.until(CaughtUp)
        assert len([event for event in client.seen if isinstance(event, Connecting)]) == 2, (
            "the refused one is not tried"
        )
