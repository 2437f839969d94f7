"""`analyst dispatch` and `analyst status`: a small client of the dispatch socket, with the standard library alone."""

import http.client
import json
import socket as sockets
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer

from analyst_cli import output, paths
from analyst_cli.commands.finite import finite
from analyst_cli.errors import AnalystError, LocalProblem, NotFound, ServerRefused, ServerUnreachable, UsageProblem

__all__ = ["ask_gateway", "dispatch", "status"]

TIMEOUT_S = 30.0  # the gateway answers within milliseconds; a slow disk and a large picture take seconds
POLL_S = 0.2
PRIORITIES = ("low", "normal", "high", "critical")
MAX_JSON_BYTES = 256 * 1024  # what the gateway takes

_socket_option = typer.Option(None, "--socket", metavar="PATH", help="Dispatch socket of the gateway.")


def dispatch(
    *,
    user: list[str] = typer.Option([], "--user", "-u", help="Who gets it; repeat for several."),
    title: str | None = typer.Option(None, "--title", "-t", help="The line that lists show."),
    message: str | None = typer.Option(None, "--message", "-m", help="Text; - reads it from standard input."),
    image: Path | None = typer.Option(None, "--image", help="A chart (PNG or JPEG) that the gateway can read."),
    image_alt: str | None = typer.Option(None, help="A sentence for those who cannot see the chart."),
    script: str | None = typer.Option(None, "--script", help="The script that it comes from."),
    priority: str | None = typer.Option(None, help=f"One of {', '.join(PRIORITIES)}."),
    tag: list[str] = typer.Option([], "--tag", help="A tag; may be repeated."),
    key: str | None = typer.Option(None, help="Groups repeats of the same alert."),
    state: str | None = typer.Option(None, "--status", help="firing or resolved."),
    url: str | None = typer.Option(None, help="A page that tells more."),
    id_: str | None = typer.Option(
        None, "--id", help="Makes a repeated call harmless; made by the gateway unless given."
    ),
    json_file: str | None = typer.Option(
        None, "--json", metavar="FILE|-", help="The whole notification as JSON; - reads standard input."
    ),
    wait: bool = typer.Option(False, "--wait", help="Wait until every known device has it, and tell per device."),
    wait_s: float = typer.Option(
        30.0, "--wait-timeout", min=0, callback=finite, metavar="SECONDS", help="How long --wait waits."
    ),
    socket: Path | None = _socket_option,
) -> None:
    """Send a notification to a user; ends with 0 once it is stored.

    Examples:
      analyst dispatch --user petr --title "Revenue drop" \\
          --message "Down 15 % since 6:00" --image chart.png
      echo '{"title":"Load","message":"ok"}' | analyst dispatch -u petr --json -
    """
    notification: dict[str, Any] = _from_json(json_file) if json_file else {}
    request = notification if "notification" in notification else {"notification": notification}
    notification = request["notification"]
    given = {
        "id": id_,
        "title": title,
        "message": sys.stdin.read() if message == "-" else message,
        "script": script,
        "priority": priority,
        "tags": tag or None,
        "key": key,
        "status": state,
        "url": url,
        "image_path": str(image.absolute()) if image else None,
        "image_alt": image_alt,
    }
    notification.update({name: value for name, value in given.items() if value is not None})
    if not notification:
        raise UsageProblem("there is nothing to send", "give it words: --title, --message, or a file: --json")
    _address(request, user)
    answer = ask_gateway("POST", "/dispatch", socket=socket, body=request)
    _report(answer, socket=socket)
    if wait:
        _wait(answer["id"], socket=socket, seconds=wait_s)


def status(
    id_: str = typer.Argument(metavar="ID", help="The notification, as `analyst dispatch` printed it."),
    *,
    user: str | None = typer.Option(None, "--user", "-u", help="Only for this user."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    plain: bool = typer.Option(False, "--plain", help="Sentences without columns, for screen readers."),
    socket: Path | None = _socket_option,
) -> None:
    """Tell what became of a notification: stored, sent, acknowledged, read, per device.

    Example: analyst status 0193b2c4-7d1e-7c3a-9f52-0d6a1a2b3c4d
    """
    answer = _trace(id_, user=user, socket=socket)
    if as_json:
        output.json_line(answer)
        return
    rows = []
    for name, trace in sorted(answer["users"].items()):
        stored = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(trace["stored_at"]))
        rows.append((name, "", "stored", stored))
        rows.extend((name, device["device"], _stage(device), _seen(device)) for device in trace["devices"])
    output.table(("USER", "DEVICE", "STAGE", "WHEN"), rows, plain=plain)


def ask_gateway(method: str, path: str, *, socket: Path | None, body: Any = None) -> dict[str, Any]:
    """Ask the gateway of this machine. Raises `ServerUnreachable`, `ServerRefused`, `NotFound`, `LocalProblem`."""
    where = socket or paths.dispatch_socket()
    connection = _UnixConnection(where)
    try:
        payload = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        connection.request(method, path, payload, {"Content-Type": "application/json"} if payload else {})
        response = connection.getresponse()
        status, answer = response.status, response.read()
    except UnicodeEncodeError as exc:
        raise UsageProblem(f"the text is no valid Unicode: {exc.reason}", "send UTF-8") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise _unreachable(where, exc) from exc
    finally:
        connection.close()
    return _understood(status, answer, where)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def _unreachable(where: Path, exc: Exception) -> AnalystError:
    if isinstance(exc, PermissionError):
        return LocalProblem(f"{where} may not be opened by this account", "ask for membership in the socket's group")
    if isinstance(exc, FileNotFoundError):
        return ServerUnreachable(
            f"there is no dispatch socket at {where}", "start it (analyst gateway serve), or name another: --socket"
        )
    if isinstance(exc, ConnectionRefusedError):
        return ServerUnreachable(f"no gateway answers on {where}", "start it: analyst gateway serve")
    return ServerUnreachable(
        f"the gateway on {where} did not answer: {exc or type(exc).__name__}", "look at its log; it may be restarting"
    )


def _understood(status: int, answer: bytes, where: Path) -> dict[str, Any]:
    try:
        value = json.loads(answer)
        problem = value.get("error", "") if isinstance(value, dict) else ""
    except ValueError:
        value, problem = None, answer[:200].decode(errors="replace")
    if status == http.HTTPStatus.OK and isinstance(value, dict):
        return value
    if status == http.HTTPStatus.NOT_FOUND:
        way_out = (
            "compare the id with what `analyst dispatch` printed; the log forgets what retention removes"
            if problem
            else "update the gateway"
        )
        raise NotFound(problem or f"{where} does not know this request", way_out)
    problem, _, way_out = (problem or f"the gateway answered with status {status}").partition("; ")
    raise ServerRefused(problem, way_out)


def _from_json(file: str) -> dict[str, Any]:
    named = "standard input" if file == "-" else file
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            text = stream.read(MAX_JSON_BYTES + 1)
    except OSError as exc:
        raise LocalProblem(f"cannot read {file}: {exc.strerror}") from exc
    if len(text) > MAX_JSON_BYTES:
        raise UsageProblem(f"{named} has more than {MAX_JSON_BYTES} bytes", "a notification is smaller: shorten it")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageProblem(f"{named} is no JSON: {exc}") from exc
    if not isinstance(value, dict) or not isinstance(value.get("notification", {}), dict):
        raise UsageProblem(f"{named} holds no JSON object", 'as in {"title":"...","message":"..."}')
    return value


def _address(request: dict[str, Any], users: list[str]) -> None:
    if users:
        request.pop("user", None)
        request.pop("users", None)
        request |= {"user": users[0]} if len(users) == 1 else {"users": users}
    if not request.get("user") and not request.get("users"):
        raise UsageProblem("nobody is named", "name a user: --user petr")


def _report(answer: dict[str, Any], *, socket: Path | None) -> None:
    output.line(answer.get("id", ""))
    users = answer.get("users", {"": answer})
    if all(each.get("duplicate") for each in users.values()):
        output.note("stored before under this id; nothing was sent again")
        return
    sent = answer["sent"]
    output.note(f"stored; {sent} live connection{'' if sent == 1 else 's'} got it")
    known = sent and len(users) == 1  # of several, those who are connected say nothing of the others
    unknown = [] if known or not answer.get("id") else _unknown_users(answer["id"], socket=socket)
    if unknown:
        names = ", ".join(map(repr, unknown))
        output.note(f"no device of {names} is known here: check the name, or let them sign in; it is kept for them")


def _unknown_users(id_: str, *, socket: Path | None) -> list[str]:
    """Return who of a notification's users has never received anything here, on a device that says which one it is."""
    with suppress(AnalystError):  # it is stored, whatever can be told of it
        traces = _trace(id_, user=None, socket=socket)["users"]
        return [name for name, trace in sorted(traces.items()) if not trace["devices"]]
    return []


def _wait(id_: str, *, socket: Path | None, seconds: float) -> None:
    """Wait until every device has it, and tell how far each is. Raises `ServerRefused` after `seconds`, `ServerUnreachable`."""
    deadline = time.monotonic() + seconds
    while True:
        ended = time.monotonic() >= deadline
        try:
            users = _trace(id_, user=None, socket=socket)["users"]
        except ServerUnreachable:  # it is stored: a gateway that restarts is waited for like a device that is away
            if ended:
                raise
        else:
            late = _late(users)
            if ended or not late:
                break
        time.sleep(POLL_S)
    devices = [(name, device) for name, trace in sorted(users.items()) for device in trace["devices"]]
    for name, device in devices:
        output.note(f"{name} on {device['device']}: {_stage(device)}")
    if late:
        raise ServerRefused(
            f"not every device has it after {seconds:g} s: {', '.join(late)}", f"look later: analyst status {id_}"
        )
    output.note("the one device has it" if len(devices) == 1 else f"all {len(devices)} devices have it")


def _late(users: dict[str, Any]) -> list[str]:
    """Return what a notification still waits for: devices that have not acknowledged it, users of whom no device is known."""
    late = []
    for name, trace in sorted(users.items()):
        late += [device["device"] for device in trace["devices"] if not device["acknowledged"]]
        if not trace["devices"]:
            late.append("no device is known yet" if len(users) == 1 else f"no device of {name} is known yet")
    return late


def _trace(id_: str, *, user: str | None, socket: Path | None) -> dict[str, Any]:
    query = urlencode({"id": id_} | ({"user": user} if user else {}))
    return ask_gateway("GET", f"/status?{query}", socket=socket)


def _stage(device: dict[str, Any]) -> str:
    return next((stage for stage in ("read", "acknowledged", "sent") if device[stage]), "waiting")


def _seen(device: dict[str, Any]) -> str:
    """Return when a device was last heard of, which is not when it came to its stage."""
    return time.strftime("seen %Y-%m-%d %H:%M:%S", time.localtime(device["seen_at"])) if device["seen_at"] else ""
