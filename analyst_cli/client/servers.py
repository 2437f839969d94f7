"""Which servers this person uses, and which one is meant now. Holds no secret.

The file `servers.json` in the settings folder is written by `analyst login` and `analyst server use`:
`{"current": "https://…", "servers": {"https://…": {"username": "petr", "device": "…", "kept_in": "keyring"}}}`.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analyst_cli import paths
from analyst_cli.errors import LocalProblem, UsageProblem

__all__ = [
    "EMBEDDED_SERVER",
    "KnownServer",
    "changing",
    "choose",
    "current_server",
    "forget",
    "known_servers",
    "last_sign_in",
    "normalized",
    "remember",
    "replace_file",
]

EMBEDDED_SERVER = "http://127.0.0.1:8766"  # the portal of `analyst gateway serve` on this machine


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server that somebody signed in to from this account."""

    url: str
    username: str = ""
    kept_in: str = ""  # "keyring" or "file": where the token was put, so that nobody has to search
    is_current: bool = False


def current_server(flag: str | None = None) -> str:
    """Return the server that is meant: flag, then `ANALYST_SERVER`, then the one chosen last, then the embedded one."""
    if flag:
        return normalized(flag)
    named = os.environ.get("ANALYST_SERVER")
    if named:
        return normalized(named)
    return next((server.url for server in known_servers() if server.is_current), EMBEDDED_SERVER)


def normalized(url: str) -> str:
    """Return the server's address as this program writes it: scheme, host, port, path, no slash at the end.

    A bare host becomes https (http on loopback). Raises `UsageProblem`.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - a status bar that reads the unread count needs none of it

    text = url.strip()
    if "://" not in text:
        host = text.split("/")[0].rsplit(":", 1)[0]
        text = ("http://" if host in {"localhost", "127.0.0.1", "[::1]"} else "https://") + text
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise UsageProblem(
            f"{url!r} is no server address ({exc})", "give one like https://analyst.example.com"
        ) from exc
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username
        or not text.isprintable()
        or " " in text
    ):
        raise UsageProblem(f"{url!r} is no server address", "give one like https://analyst.example.com")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def known_servers() -> list[KnownServer]:
    """Return the known servers, the current one first, the others by address."""
    content = _read()
    current = content.get("current")
    found = [
        KnownServer(
            url=url,
            username=str(entry.get("username", "")),
            kept_in=str(entry.get("kept_in", "")),
            is_current=url == current,
        )
        for url, entry in content.get("servers", {}).items()
    ]
    return sorted(found, key=lambda server: (not server.is_current, server.url))


def last_sign_in() -> tuple[int, int] | None:
    """Return what is another after each sign-in, with this or another server; None: there was none."""
    try:
        status = _file().stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def remember(server: KnownServer) -> None:
    """Add or replace a server; it becomes the current one."""
    with changing(_file()):
        _write([replace(server, is_current=True), *(known for known in known_servers() if known.url != server.url)])


def choose(url: str) -> None:
    """Make a known server the current one. Raises `UsageProblem` for an unknown one."""
    with changing(_file()):
        servers = known_servers()
        if url not in {server.url for server in servers}:
            known = ", ".join(server.url for server in servers) or "none yet"
            raise UsageProblem(
                f"no server {url} is known (known: {known})", f"sign in to it first: analyst login --server {url}"
            )
        _write([replace(server, is_current=server.url == url) for server in servers])


def forget(url: str) -> None:
    """Forget a server; when it was the current one, none is."""
    with changing(_file()):
        _write([server for server in known_servers() if server.url != url])


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Read, change and write a file as the only program of this person that does so now. Raises `LocalProblem`."""
    try:
        paths.private_folder(path.parent)
        lock = _locked(path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file for its owner only (0600), whole or not at all: temporary file, fsync, rename."""
    import tempfile  # noqa: PLC0415 - reading needs none of it

    paths.private_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _file() -> Path:
    return paths.config_dir() / "servers.json"


def _read() -> dict[str, Any]:
    try:
        content = json.loads(_file().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise LocalProblem(
            f"{_file()} cannot be read ({exc})", "move it away and sign in again: analyst login"
        ) from exc
    if not isinstance(content, dict) or not all(
        isinstance(entry, dict) for entry in content.get("servers", {}).values()
    ):
        raise LocalProblem(
            f"{_file()} is not what this program writes", "move it away and sign in again: analyst login"
        )
    return content


def _write(servers: list[KnownServer]) -> None:
    current = next((server.url for server in servers if server.is_current), None)
    entries = {
        server.url: {key: value for key, value in asdict(server).items() if key not in {"url", "is_current"}}
        for server in servers
    }
    try:
        replace_file(_file(), json.dumps({"current": current, "servers": entries}, indent=1).encode() + b"\n")
    except OSError as exc:
        raise _unwritable(_file(), exc) from exc


def _locked(folder: Path) -> int | None:
    """Wait for the lock of a folder; None where there is none (Windows: there the last one wins)."""
    try:
        import fcntl  # noqa: PLC0415 - reading needs none of it
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _unwritable(path: Path, exc: OSError) -> LocalProblem:
    return LocalProblem(f"{path} cannot be written ({exc.strerror})", "check the folder's owner and free space")
