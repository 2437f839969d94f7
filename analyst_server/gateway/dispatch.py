"""The API of the dispatch socket: `POST /dispatch`, `GET /health`, `GET /status`, `GET /metrics`. Sections 1.2 and 2.5 of the protocol.

Whoever may open the socket may dispatch and look; nobody administrates accounts through it.
"""

import logging
from collections.abc import Sequence
from urllib.parse import parse_qs

from analyst_server.errors import StoreUnavailable
from analyst_server.gateway.hub import Hub
from analyst_server.gateway.metrics import Gauges, exposition
from analyst_server.gateway.publishing import Publisher
from analyst_server.gateway.unix_http import HttpAnswer, HttpRequest, json_answer
from analyst_server.inbox.ledger import Trace
from analyst_server.inbox.log import User

__all__ = ["DispatchApi"]

log = logging.getLogger(__name__)


class DispatchApi:
    """Answer the requests of local callers."""

    def __init__(self, hub: Hub, publisher: Publisher) -> None:
        self._hub = hub
        self._publisher = publisher
        self._gets = {"/health": self._health, "/status": self._status, "/metrics": self._metrics}

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request; raises nothing."""
        try:
            if request.path == "/dispatch" and request.method == "POST":
                return await self._publisher.publish(request.body)
            return await self._route(request)
        except StoreUnavailable as exc:
            return json_answer(exc.status, {"error": str(exc)})
        except Exception:  # the root of a request: the caller learns nothing internal, the log everything
            log.exception("%s %s failed", request.method, request.path)
            return json_answer(500, {"error": "Internal error; the gateway's log tells more"})

    async def handle_read_only(self, request: HttpRequest) -> HttpAnswer:
        """Answer on the TCP port for metrics: nothing but `/metrics` and `/health`."""
        if request.path not in ("/metrics", "/health"):
            return json_answer(404, {"error": f"Nothing at {request.path[:100]}; try /metrics, /health"})
        return await self.handle(request)

    async def _route(self, request: HttpRequest) -> HttpAnswer:
        if request.path == "/dispatch":
            return json_answer(405, {"error": f"{request.method} is not allowed here; use POST"}, allow="POST")
        answer = self._gets.get(request.path)
        if answer is None:
            return json_answer(404, {"error": "Not found; this socket has /dispatch, /health, /status, /metrics"})
        if request.method not in ("GET", "HEAD"):
            return json_answer(405, {"error": f"{request.method} is not allowed here; use GET"}, allow="GET, HEAD")
        return await answer(request)

    async def _health(self, request: HttpRequest) -> HttpAnswer:  # noqa: ARG002
        users = self._hub.users()
        return json_answer(200, {"status": "ok", "connections": sum(users.values()), "users": users})

    async def _status(self, request: HttpRequest) -> HttpAnswer:
        query = parse_qs(request.query)
        notification_id, user = query.get("id", [""])[0], query.get("user", [""])[0]
        if not notification_id:
            return json_answer(400, {"error": "Missing 'id': /status?id=...&user=..."})
        self._hub.note_progress()
        traces = await self._hub.ledger.trace(notification_id, user=User(user) if user else None)
        if not traces:
            return json_answer(404, {"error": f"no notification {notification_id[:100]!r} is stored"})
        return json_answer(200, {"id": notification_id, "users": _by_user(traces)})

    async def _metrics(self, request: HttpRequest) -> HttpAnswer:  # noqa: ARG002
        text = exposition(self._hub.metrics, self._gauges)
        return HttpAnswer(200, text, "text/plain; version=0.0.4; charset=utf-8")

    def _gauges(self) -> Gauges:
        users = self._hub.users()
        return Gauges(sum(users.values()), len(users), self._hub.queued_bytes, self._publisher.waiting)


def _by_user(traces: Sequence[Trace]) -> dict[str, object]:
    return {
        trace.user: {"seq": trace.seq, "stored_at": trace.stored_at, "read": trace.read, "devices": trace.devices}
        for trace in traces
    }
