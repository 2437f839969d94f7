"""Where the scripts of a user lie, where the runner keeps what it knows, and how it runs."""

import getpass
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_SOCKET", "RunnerSettings"]

DEFAULT_SOCKET = Path("/run/ws-gateway/ws.sock")  # section 1.2 of the protocol


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Everything the runner is told from outside; the defaults are those of section 1.6 of the protocol."""

    user: str
    home: Path
    scripts_dir: Path
    state_dir: Path
    socket: Path = DEFAULT_SOCKET
    python: Path | None = None  # None: ~/.venv/bin/python, then python3 of the PATH
    parallel: int = 8
    kill_grace_s: float = 5.0  # between TERM and KILL
    failure_alerts: bool = True
    ignore_schedule: bool = False
    ignore_cooldown: bool = False

    @classmethod
    def of_this_user(cls, *, home: Path | None = None) -> "RunnerSettings":
        """Return the settings that the environment and the home folder give."""
        home = home or Path.home()
        named = os.environ.get
        return cls(
            user=named("ANALYST_USER") or getpass.getuser(),
            home=home,
            scripts_dir=Path(named("ANALYST_SCRIPTS_DIR") or home / "user" / "notifications"),
            state_dir=Path(named("ANALYST_NOTIFICATIONS_DIR") or home / ".notifications"),
            socket=Path(named("WS_DISPATCH_SOCKET") or DEFAULT_SOCKET),
            python=Path(named("ANALYST_SCRIPT_PYTHON", "")) if named("ANALYST_SCRIPT_PYTHON") else None,
            failure_alerts=named("ANALYST_FAILURE_ALERTS", "1").lower() not in {"0", "false", "no", "off"},
        )

    @property
    def history_file(self) -> Path:
        """Return the SQLite file of the runs."""
        return self.state_dir / "history.db"

    def cooldown_file(self, stem: str) -> Path:
        """Return the state file of a script, in the source system's place."""
        return self.state_dir / "state" / f"{stem}.json"

    def log_file(self, stem: str) -> Path:
        """Return the log of a script."""
        return self.state_dir / "logs" / f"{stem}.log"

    def lock_file(self, stem: str) -> Path:
        """Return the file whose lock is held while a script runs."""
        return self.state_dir / "locks" / f"{stem}.lock"

    def waiting_image(self, run_id: str) -> Path:
        """Return where the chart of a run's alert waits while the gateway is away."""
        return self.state_dir / "waiting" / f"{run_id}.image"

    def interpreter(self) -> Path:
        """Return the Python that runs the scripts."""
        if self.python is not None:
            return self.python
        own = self.home / ".venv" / "bin" / "python"
        if os.access(own, os.X_OK):
            return own
        return Path(shutil.which("python3") or sys.executable)
