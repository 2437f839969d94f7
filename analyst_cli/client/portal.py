"""The HTTP calls that the client makes to the portal (sections 1.4 and 2.7 of the protocol). Every foreign error is translated here.

Raises, in every call: `ServerUnreachable` when nobody answers in time, `SignInNeeded` when the token is refused, `ServerRefused` otherwise.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import aiohttp
import msgspec

from analyst_cli import __version__
from analyst_cli.client.credentials import way_in
from analyst_cli.errors import ServerRefused, ServerUnreachable, SignInNeeded

__all__ = ["Device", "DeviceCode", "IssuedToken", "Portal", "Script", "ServerFacts", "open_portal"]

T = TypeVar("T")

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 1 << 20
MAX_IMAGE_BYTES = 16 << 20  # the gateway takes 10 MB; re-encoding may add to it


class ServerFacts(msgspec.Struct, frozen=True):
    """What `/.well-known/analyst.json` tells."""

    ws_url: str = ""
    protocol: int = 1
    scheme: str = "keboola-analyst"


class IssuedToken(msgspec.Struct, frozen=True):
    """A token that the server made."""

    token: str
    expires_at: str | float | None = None


class DeviceCode(msgspec.Struct, frozen=True):
    """The answer of RFC 8628 section 3.2."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    interval: float = 5.0
    verification_uri_complete: str = ""


class Script(msgspec.Struct, frozen=True):
    """A script that the person may run on the server."""

    name: str
    stem: str
    last_run: str | None = None


class Device(msgspec.Struct, frozen=True):
    """A device that receives this person's notifications."""

    device: str
    name: str = ""
    linked_at: str | None = None
    last_seen: str | None = None


class AuthorizationPending(Exception):
    """The person has not typed the device code yet; `slow_down` asks for a longer interval (RFC 8628 section 3.5)."""

    def __init__(self, *, slow_down: bool) -> None:
        super().__init__(slow_down)
        self.slow_down = slow_down


class Portal:
    """One server's HTTP API; made by `open_portal`."""

    def __init__(self, session: aiohttp.ClientSession, server: str, token: str | None) -> None:
        self._session = session
        self._server = server
        self._token = token

    async def facts(self) -> ServerFacts | None:
        """Return what the server tells of itself; None from a server that does not (the source system's)."""
        try:
            return msgspec.convert(await self._call("GET", "/.well-known/analyst.json", with_token=False), ServerFacts)
        except (ServerRefused, msgspec.ValidationError):
            return None

    async def exchange(self, code: str, verifier: str) -> IssuedToken:
        """Exchange a one-time code for a token."""
        return await self._token_call("/api/desktop/token", {"code": code, "code_verifier": verifier})

    async def device_code(self, device: str) -> DeviceCode:
        """Begin a sign-in by device code."""
        return self._converted(
            await self._call("POST", "/api/desktop/device", {"device": device}, with_token=False), DeviceCode
        )

    async def redeem_device_code(self, device_code: str) -> IssuedToken:
        """Ask whether the device code was typed. Raises `AuthorizationPending` while it was not."""
        try:
            return await self._token_call("/api/desktop/token", {"device_code": device_code})
        except ServerRefused as refused:
            if refused.problem.endswith(("authorization_pending", "slow_down")):
                raise AuthorizationPending(slow_down=refused.problem.endswith("slow_down")) from refused
            raise

    async def refresh(self) -> IssuedToken:
        """Return a new token for the one in use, which may have expired less than 7 days ago."""
        return self._converted(await self._call("POST", "/api/desktop/refresh"), IssuedToken)

    async def devices(self) -> list[Device]:
        """Return the devices of this account."""
        return self._converted(await self._call("GET", "/api/desktop/devices"), list[Device])

    async def scripts(self) -> list[Script]:
        """Return the scripts that this person may run on the server."""
        return self._converted(await self._call("GET", "/api/desktop/scripts"), list[Script])

    async def run_script(self, name: str) -> None:
        """Run a script on the server; its result arrives as a notification."""
        await self._call("POST", "/api/desktop/scripts/run", {"name": name})

    async def image(self, image_url: str) -> bytes:
        """Return a chart. Only paths of this server are asked: a token never goes to another host."""
        if not image_url.startswith("/") or image_url.startswith("//"):
            raise ServerRefused(f"the chart's address {image_url!r} is not on {self._server}")
        async with self._answer("GET", image_url, None, with_token=True) as answer:
            content = await answer.content.read(MAX_IMAGE_BYTES + 1)
            if len(content) > MAX_IMAGE_BYTES:
                raise ServerRefused(f"the chart {image_url} has more than {MAX_IMAGE_BYTES >> 20} MiB")
            return content

    async def _token_call(self, path: str, body: Mapping[str, str]) -> IssuedToken:
        return self._converted(await self._call("POST", path, body, with_token=False), IssuedToken)

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, with_token: bool = True
    ) -> Any:
        async with self._answer(method, path, body, with_token=with_token) as answer:
            content = await answer.content.read(MAX_ANSWER_BYTES)
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ServerRefused(
                f"{self._server}{path} did not answer with JSON", "is that the portal's address?"
            ) from exc

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, with_token: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {self._token}"} if with_token and self._token else {}
        try:
            async with self._session.request(
                method, self._server + path, json=body, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    await self._refuse(answer, path, with_token=with_token)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ServerUnreachable(
                f"{self._server} does not answer ({_reason(exc)})", "check the address (--server) and the network"
            ) from exc

    async def _refuse(self, answer: aiohttp.ClientResponse, path: str, *, with_token: bool) -> NoReturn:
        try:
            said = msgspec.json.decode(await answer.content.read(4_096))
            words = str(said.get("error") or said.get("message") or "")
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
            words = ""
        if answer.status == 401 and with_token:
            raise SignInNeeded(
                f"{self._server} does not accept the token ({words.partition(';')[0] or 'expired or revoked'})",
                way_in(self._server),
            )
        raise ServerRefused(f"{self._server}{path} answered {answer.status}: {words or answer.reason}")

    def _converted(self, value: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as exc:
            raise ServerRefused(
                f"{self._server} answered something else than expected ({exc})", "is it a newer version?"
            ) from exc


@asynccontextmanager
async def open_portal(server: str, token: str | None = None) -> AsyncIterator[Portal]:
    """Open a session with a server's portal."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": f"analyst-cli/{__version__}"}) as session:
        yield Portal(session, server, token)


def _reason(exc: BaseException) -> str:
    match exc:
        case TimeoutError():
            return f"no answer within {TIMEOUT_S:g} s"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not valid: {exc.certificate_error}"
        case aiohttp.ClientConnectorError():
            return os.strerror(exc.os_error.errno).lower() if exc.os_error.errno else str(exc.os_error)
        case _:
            return str(exc) or type(exc).__name__
