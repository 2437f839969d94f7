"""Hand a notification to the gateway over its Unix socket (sections 1.2 and 2.5 of the protocol). Blocking; standard library only."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_server.errors import RequestRefused, ServerError
from analyst_server.runner.plainer import plainer

__all__ = ["Dispatched", "GatewayAway", "GatewayRefused", "dispatch", "dispatch_somehow", "post"]

TIMEOUT_S = 15.0  # the gateway answers after its commit; a stalled disk takes seconds
MAX_ANSWER_BYTES = 1024 * 1024


class GatewayAway(ServerError):
    """The gateway cannot be reached, or cannot store now; trying again later is right."""

    status = 503
    words = ""  # the gateway's own; empty: it could not be asked


class GatewayRefused(RequestRefused):
    """The gateway says no for good; `words` are its own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the gateway refused it: {words}")
        self.status = status
        self.words = words


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The gateway has the notification; `duplicate` when it had it before."""

    id: str
    duplicate: bool


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def dispatch(path: Path, *, user: str, notification: dict[str, Any]) -> Dispatched:
    """Dispatch one notification. Raises `GatewayAway` (also on 5xx), and `GatewayRefused` when the gateway says no for good."""
    status, answer = post(path, json.dumps({"user": user, "notification": notification}).encode())
    return _dispatched(status, answer, notification)


def dispatch_somehow(path: Path, *, user: str, notification: dict[str, Any]) -> tuple[Dispatched, tuple[str, ...]]:
    """Dispatch, leaving out what the gateway refuses as long as that helps; return also warnings that say what. Raises as `dispatch` does."""
    warnings: list[str] = []
    while True:
        try:
            return dispatch(path, user=user, notification=notification), tuple(warnings)
        except (GatewayAway, GatewayRefused) as exc:
            less = plainer(notification, status=exc.status, words=exc.words)
            if less is None:
                raise
            notification = less[0]
            warnings.append(less[1])


def post(path: Path, body: bytes, *, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """Post a body to `/dispatch` and return status and answer as they are. Raises `GatewayAway` when nobody answers."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request("POST", "/dispatch", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as exc:
        what = exc.strerror if isinstance(exc, OSError) and exc.strerror else (str(exc) or type(exc).__name__)
        raise GatewayAway(
            f"no gateway answers at {path} ({what})",
            "start one with `analyst gateway serve`, or name its socket with --socket",
        ) from exc
    finally:
        connection.close()


def _dispatched(status: int, answer: bytes, notification: dict[str, Any]) -> Dispatched:
    try:
        members = json.loads(answer)
    except ValueError:
        members = {}
    members = members if isinstance(members, dict) else {}
    if status == 200:  # an old gateway answers {"sent": n} alone
        return Dispatched(
            id=str(members.get("id") or notification.get("id", "")), duplicate=bool(members.get("duplicate"))
        )
    words = str(members.get("error") or f"HTTP {status}")
    if status >= 500:
        away = GatewayAway(f"the gateway cannot take it now: {words}")
        away.words = words
        raise away
    raise GatewayRefused(status, words)
