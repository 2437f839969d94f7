"""The service files of the desktop host: a systemd user unit, a launchd property list. Pure: texts in, texts out (R-SV-2)."""

import plistlib
import shlex
from collections.abc import Sequence

__all__ = ["LABEL", "UNIT_NAME", "launchd_plist", "systemd_unit"]

LABEL = "com.analyst.desktop.bridge"
UNIT_NAME = "analyst-desktop.service"


def systemd_unit(command: Sequence[str], environment: dict[str, str]) -> str:
    """Return the unit. It starts with the graphical session, and again after a failure, but not in a loop."""
    settings = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in sorted(environment.items()))
    return (
        "[Unit]\n"
        "Description=Analyst desktop bridge\n"
        "PartOf=graphical-session.target\n"
        "After=graphical-session.target\n"
        "StartLimitIntervalSec=60\n"
        "StartLimitBurst=5\n"
        "\n"
        "[Service]\n"
        f"ExecStart={' '.join(_quoted(word) for word in command)}\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n"
        f"{settings}"
        "Restart=on-failure\n"
        "RestartSec=2\n"
        "UMask=0077\n"
        "NoNewPrivileges=yes\n"
        "\n"
        "[Install]\n"
        "WantedBy=graphical-session.target\n"
    )


def launchd_plist(command: Sequence[str], environment: dict[str, str], log_path: str) -> bytes:
    """Return the property list of the launch agent."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(sorted(environment.items())),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Interactive",
            "Umask": 0o077,
            "StandardErrorPath": log_path,
        }
    )


def _quoted(word: str) -> str:
    """Quote a word for systemd: double quotes, with its own escapes; a percent sign would be a specifier, a dollar sign a variable."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if escaped == shlex.quote(escaped) else f'"{escaped}"'
