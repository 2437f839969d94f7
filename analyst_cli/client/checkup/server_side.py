"""Checks on the machine of the gateway: sockets, rights, the shared secret, nginx, systemd units, disk. The troubleshooting of the source system."""

import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analyst_cli import paths
from analyst_cli.client.checkup.finding import Finding, failed, fine, skipped, warned

__all__ = ["Places", "is_server", "server_findings"]

_SECRET = "DESKTOP_JWT_SECRET"  # noqa: S105 - the name of a variable
_SHORTEST_SECRET = 32
_TIMEOUT_S = 5.0
_START = "start the gateway: sudo systemctl start ws-gateway"
_LOOK = "sudo systemctl status ws-gateway; sudo journalctl -u ws-gateway -n 50"
_LEAST_READ_TIMEOUT_S = 120  # heartbeats come every 30 s
_NGINX_UNITS_S = {"": 1, "s": 1, "ms": 0.001, "m": 60, "h": 3_600}  # longer ones are long enough


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of an installation lie; the defaults are those of the source system.

    `data` is the gateway's folder; without a secret in its environment, the gateway keeps one there.
    """

    socket: Path = field(default_factory=paths.dispatch_socket)
    env_files: tuple[Path, ...] = (Path("/opt/data-analyst/.env"), Path("/opt/data-analyst/repo/.env"))
    nginx: tuple[Path, ...] = (Path("/etc/nginx/sites-enabled"), Path("/etc/nginx/conf.d"))
    data: Path = Path("/data/notifications")
    units: tuple[str, ...] = ("ws-gateway", "webapp", "notify-bot")


def is_server(places: Places) -> bool:
    """Tell whether a gateway seems to be installed on this machine. A person's own runtime folder says nothing: signing in makes it, too."""
    has_folder = places.socket.parent.is_dir() and places.socket.parent != paths.runtime_dir()
    return places.socket.exists() or has_folder or any(path.exists() for path in places.env_files)


def server_findings(places: Places, *, health: Mapping[str, object] | str) -> Iterator[Finding]:
    """Look at the server's parts; `health` is what the dispatch socket answered, or in words why it did not."""
    is_own = places.socket.parent == paths.runtime_dir()
    yield _socket(places.socket, "start it: analyst gateway serve" if is_own else _START)
    yield _health(health, "look at what analyst gateway serve says" if is_own else _LOOK)
    yield _secret(places.env_files, places.data / "jwt-secret")
    yield _nginx(places.nginx)
    yield from _units(places.units)
    yield _disk(places.data)


def _socket(path: Path, start: str) -> Finding:
    try:
        about = path.stat()
        parent = path.parent.stat()
    except FileNotFoundError:
        return failed("dispatch socket", f"{path} is not there", start)
    except PermissionError:
        return failed(
            "dispatch socket",
            f"{path} cannot be reached",
            f"chmod 0755 {path.parent} (RuntimeDirectoryMode=0755), or join its group",
        )
    mode = stat.S_IMODE(about.st_mode)
    if not stat.S_ISSOCK(about.st_mode):
        return failed("dispatch socket", f"{path} is no socket", "remove it, and restart the gateway")
    owner = f"{_user(about.st_uid)}:{_group(about.st_gid)}"
    if mode != 0o770:
        remedy = f"chmod 0770 {path}, and restart the gateway: it sets the mode itself"
        return failed("dispatch socket", f"{path} has mode {mode:04o}, not 0770 ({owner})", remedy)
    if path.parent != paths.runtime_dir() and not stat.S_IMODE(parent.st_mode) & 0o001:
        return failed(
            "dispatch socket",
            f"{path.parent} has mode {stat.S_IMODE(parent.st_mode):04o}",
            "set RuntimeDirectoryMode=0755 in the unit",
        )
    return fine("dispatch socket", f"{path}, mode 0770, {owner}")


def _health(health: Mapping[str, object] | str, look: str) -> Finding:
    if isinstance(health, str):
        return failed("gateway", health, look)
    users = health.get("users")
    names = ", ".join(str(user) for user in users) if isinstance(users, dict) and users else "nobody"
    if health.get("status") != "ok":
        return failed("gateway", f"it says {health.get('status')!r}", look)
    return fine("gateway", f"healthy, {health.get('connections')} connections ({names})")


def _secret(files: tuple[Path, ...], own_file: Path) -> Finding:
    """Compare without ever showing: the web application and the gateway must sign and check with one secret."""
    found: dict[Path, str] = {}
    for path in files:
        try:
            found[path] = _variable(path.read_text(encoding="utf-8"), _SECRET)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            return skipped("secret", f"{path} cannot be read by this user; try with sudo")
    if not found:
        return _own_secret(own_file) or skipped("secret", f"none of {', '.join(map(str, files))} is here")
    for path, secret in found.items():
        if (wrong := _wrong_with(path, secret)) is not None:
            return wrong
    if len(set(found.values())) > 1:
        remedy = f"copy {_SECRET} of one to the other, then: sudo systemctl restart webapp ws-gateway"
        return failed(
            "secret", f"{_SECRET} differs between {' and '.join(map(str, found))}: every sign-in fails", remedy
        )
    if len(found) < len(files):
        return warned(
            "secret", f"only {', '.join(map(str, found))} is here", f"the other part needs the same {_SECRET}"
        )
    return fine("secret", f"the same in {' and '.join(map(str, found))}")


def _own_secret(path: Path) -> Finding | None:
    """Look at the secret that a gateway has made for itself; None when there is none that can be seen."""
    try:
        about = path.stat()
    except OSError:
        return None
    if about.st_mode & 0o077:
        return failed("secret", f"{path} can be read by others", f"chmod 600 {path}")
    if about.st_size < _SHORTEST_SECRET:
        return failed("secret", f"{path} is shorter than 32 bytes", "analyst gateway rotate-secret --drop-old")
    return fine("secret", f"the gateway's own, {path}")


def _wrong_with(path: Path, secret: str) -> Finding | None:
    make = 'python -c "import secrets; print(secrets.token_hex(32))"'
    if not secret:
        return failed(
            "secret",
            f"{path} has no {_SECRET}",
            f"make one with {make}, and give the same to the web application and the gateway",
        )
    if len(secret) < _SHORTEST_SECRET:
        return failed(
            "secret",
            f"{_SECRET} in {path} is shorter than 32 bytes",
            f"make one with {make}; everybody has to sign in again",
        )
    if path.stat().st_mode & 0o007:
        return failed("secret", f"{path} can be read by everybody", f"chmod o= {path}")
    return None


def _nginx(folders: tuple[Path, ...]) -> Finding:
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()]
    if not files:
        return skipped("nginx", f"no site in {' or '.join(map(str, folders))}")
    for path in files:
        try:
            text = re.sub(r"(?m)(^|\s)#.*$", "", path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return skipped("nginx", f"{path} cannot be read by this user; try with sudo")
        location = re.search(r"location\s+(?:=\s+|\^~\s+)?/ws/notifications/?\s*\{([^}]*)\}", text)
        if location is None:
            continue
        block = location[1]
        missing = [
            words
            for words, pattern in (
                ("proxy_pass", r"proxy_pass\s"),
                ("proxy_http_version 1.1", r"proxy_http_version\s+1\.1"),
                ("proxy_set_header Upgrade $http_upgrade", r"proxy_set_header\s+Upgrade\s+\$http_upgrade"),
                ('proxy_set_header Connection "upgrade"', r"proxy_set_header\s+Connection\s"),
            )
            if not re.search(pattern, block)
        ]
        if missing:
            return failed(
                "nginx",
                f"location /ws/notifications in {path} lacks: {'; '.join(missing)}",
                "add it, then: sudo nginx -t && sudo nginx -s reload",
            )
        timeout = re.search(r"proxy_read_timeout\s+(\d+)(ms|[smhdwMy]?)\s*;", block)
        if timeout is None or int(timeout[1]) * _NGINX_UNITS_S.get(timeout[2], 86_400) < _LEAST_READ_TIMEOUT_S:
            return warned(
                "nginx",
                f"location /ws/notifications in {path} has a short proxy_read_timeout",
                "set proxy_read_timeout 86400s;",
            )
        return fine("nginx", f"location /ws/notifications in {path}")
    return failed(
        "nginx",
        f"no location /ws/notifications in {', '.join(map(str, files))}",
        "add it as docs/gateway.md shows, then reload nginx",
    )


def _units(units: tuple[str, ...]) -> Iterator[Finding]:
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        yield skipped("systemd units", "systemd does not run here")
        return
    for unit in units:
        state = _state_of(systemctl, unit)
        if state in {"active", "activating", "reloading"}:
            yield fine(f"unit {unit}", state)
        elif state == "not-found":
            yield skipped(f"unit {unit}", "not installed")
        else:
            yield failed(f"unit {unit}", state, f"sudo systemctl restart {unit}; sudo journalctl -u {unit} -n 50")


def _state_of(systemctl: str, unit: str) -> str:
    try:
        asked = subprocess.run(
            [systemctl, "show", "--property=LoadState,ActiveState", unit],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"systemctl does not answer ({problem})"
    told = dict(line.partition("=")[::2] for line in asked.stdout.splitlines())
    return "not-found" if told.get("LoadState") == "not-found" else told.get("ActiveState", "unknown")


def _disk(data: Path) -> Finding:
    if not data.is_dir():
        return skipped("server disk", f"{data} is not here")
    usage = shutil.disk_usage(data)
    detail = f"{usage.free / 1024**3:.1f} GiB free at {data}"
    if usage.free < 0.05 * usage.total or usage.free < 500 * 1024**2:
        return failed("server disk", detail, "free some space: the gateway refuses dispatches (503) when it is full")
    return fine("server disk", detail)


def _variable(text: str, name: str) -> str:
    found = re.search(rf"^\s*(?:export\s+)?{name}\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    return found[1].strip("'\"") if found else ""


def _user(number: int) -> str:
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    import grp  # noqa: PLC0415 - not on Windows

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
