"""Where files lie: XDG folders on Linux, the system's own elsewhere.

Only the standard library on Linux: `platformdirs` costs 19 ms at every start, so it is loaded on other systems alone.
Every function returns a path and creates nothing; `private_folder` creates.
"""

import os
import sys
from pathlib import Path

__all__ = [
    "cache_dir",
    "config_dir",
    "config_file",
    "data_dir",
    "dispatch_socket",
    "dispatch_socket_to_serve",
    "private_folder",
    "runtime_dir",
    "state_dir",
]

APP = "analyst"
SYSTEM_DISPATCH_SOCKET = Path("/run/ws-gateway/ws.sock")  # section 1.2 of the protocol


def config_dir() -> Path:
    """Folder of settings files, `~/.config/analyst` on Linux."""
    return _folder("XDG_CONFIG_HOME", ".config", "user_config_dir")


def config_file() -> Path:
    """The settings file of the person; `ANALYST_CONFIG` names another."""
    named = os.environ.get("ANALYST_CONFIG")
    return Path(named) if named else config_dir() / "config.toml"


def data_dir() -> Path:
    """Folder of what must not be lost (local inboxes, the embedded gateway's store), `~/.local/share/analyst` on Linux."""
    return _folder("XDG_DATA_HOME", ".local/share", "user_data_dir")


def state_dir() -> Path:
    """Folder of what may be lost (device id, logs, remembered choices), `~/.local/state/analyst` on Linux."""
    return _folder("XDG_STATE_HOME", ".local/state", "user_state_dir")


def cache_dir() -> Path:
    """Folder of what can be fetched again (charts), `~/.cache/analyst` on Linux."""
    return _folder("XDG_CACHE_HOME", ".cache", "user_cache_dir")


def runtime_dir() -> Path:
    """Folder of sockets and locks of this login session: `$XDG_RUNTIME_DIR/analyst`, or a folder below the state folder."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) / APP if base else state_dir() / "run"


def dispatch_socket() -> Path:
    """Where the gateway of this machine takes notifications: as the environment names it, the system's, else this person's own."""
    named = os.environ.get("WS_DISPATCH_SOCKET") or os.environ.get("ANALYST_GATEWAY_SOCKET")
    if named:
        return Path(named)
    return SYSTEM_DISPATCH_SOCKET if SYSTEM_DISPATCH_SOCKET.exists() else runtime_dir() / "ws.sock"


def dispatch_socket_to_serve() -> Path:
    """Where a gateway makes its dispatch socket unless a setting says so: the system's folder if it may write there, else this person's own."""
    if os.access(SYSTEM_DISPATCH_SOCKET.parent, os.W_OK):
        return SYSTEM_DISPATCH_SOCKET
    return private_folder(runtime_dir()) / "ws.sock"


def private_folder(path: Path) -> Path:
    """Create the folder, and the missing ones above it, for its owner only (0700); return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _folder(variable: str, below_home: str, platformdirs_name: str) -> Path:
    named = os.environ.get(variable)
    if named and Path(named).is_absolute():  # the XDG base directory specification: a relative path is to be ignored
        return Path(named) / APP
    system: str = sys.platform  # a plain string: the type checker would take the rest for unreachable
    if system == "linux":
        return Path.home() / below_home / APP
    import platformdirs  # noqa: PLC0415 - see the module's docstring

    return Path(getattr(platformdirs, platformdirs_name)(APP, appauthor=False))
