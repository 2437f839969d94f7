"""Hand a notification to the gateway over its Unix socket (sections 1.2 and 2.5 of the protocol). Blocking; standard library only."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyst_server.errors import RequestRefused, ServerError

__all__ = ["Dispatched", "GatewayAway", "dispatch", "post"]

TIMEOUT_S = 15.0  # the gateway answers after its commit; a stalled disk takes seconds
MAX_ANSWER_BYTES = 1024 * 1024


class GatewayAway(ServerError):
    """The gateway cannot be reached, or cannot store now; trying again later is right."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The gateway has the notification; `duplicate` when it had it before."""

    id: str
    duplicate: bool


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def dispatch(path: Path, *, user: str, notification: dict[str, Any]) -> Dispatched:
    """Dispatch one notification. Raises `GatewayAway` (also on 5xx), and `RequestRefused` when the gateway says no for good."""
    status, answer = post(path, json.dumps({"user": user, "notification": notification}).encode())
    return _dispatched(status, answer, notification)


def post(path: Path, body: bytes) -> tuple[int, bytes]:
    """Post a body to `/dispatch` and return status and answer as they are. Raises `GatewayAway` when nobody answers."""
    connection = _UnixConnection(path)
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
        raise GatewayAway(f"the gateway cannot take it now: {words}")
    refused = RequestRefused(f"the gateway refused it: {words}")
    refused.status = status
    raise refused
