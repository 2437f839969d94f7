"""Remember a sign-in by device code between `analyst login --no-input` and `analyst login --complete`."""

from pathlib import Path

import msgspec

from analyst_cli import paths
from analyst_cli.client.portal import DeviceCode
from analyst_cli.client.servers import replace_file
from analyst_cli.errors import UsageProblem

__all__ = ["begun", "forget", "keep"]


class _Pending(msgspec.Struct, frozen=True):
    server: str
    code: DeviceCode


def keep(server: str, code: DeviceCode) -> None:
    """Remember a sign-in that was begun; an earlier one is replaced."""
    replace_file(_file(), msgspec.json.encode(_Pending(server, code)))


def begun(server: str) -> DeviceCode:
    """Return the sign-in that was begun for a server. Raises `UsageProblem` when there is none."""
    try:
        pending = msgspec.json.decode(_file().read_bytes(), type=_Pending)
    except (OSError, msgspec.DecodeError):
        pending = None
    if pending is None or pending.server != server:
        raise UsageProblem(f"no sign-in to {server} was begun", f"analyst login --no-input --server {server}")
    return pending.code


def forget() -> None:
    """Forget it, once it has ended."""
    _file().unlink(missing_ok=True)


def _file() -> Path:
    return paths.state_dir() / "pending-sign-in.json"
