"""A small real gateway for tests of those who dispatch: HTTP on a Unix socket, remembers what it got, answers as it is told."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GatewaySocket"]


class GatewaySocket:
    """Answers `POST /dispatch` from a thread; use as a context manager. `answer` may be replaced at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: list[dict[str, Any]] = []
        self.images: list[bytes] = []  # what lay at `image_path` when it was dispatched
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]] = lambda body: (
            200,
            {"sent": 1, "id": body["notification"]["id"], "seq": len(self.received), "duplicate": False},
        )

    def __enter__(self) -> Self:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                gateway._post(self)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(str(self.path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.path.unlink(missing_ok=True)

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Return the notifications that were accepted or refused, in order."""
        return [body["notification"] for body in self.received]

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if image := body["notification"].get("image_path"):
            self.images.append(Path(image).read_bytes())
        status, answer = self.answer(body)
        self.received.append(body)
        content = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
