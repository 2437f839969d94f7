"""What `sudo -u USER analyst runner exec-as` does as that user: list scripts, run one, tell the state (once `notify-scripts`).

It is the only way by which the portal and the bot reach the scripts of other people, whose homes they cannot read. It trusts nobody: names are
checked, the environment is made anew, the account must be of the group, and it answers with one JSON object and nothing else.
"""

import base64
import grp
import os
import pwd
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from analyst_server.errors import ServerError
from analyst_server.runner.flight import Busy, Flight, HandedOver
from analyst_server.runner.history import History
from analyst_server.runner.outcomes import FAILURES, Outcome
from analyst_server.runner.overview import overview
from analyst_server.runner.scripts import ScriptProblem, find_script
from analyst_server.runner.settings import RunnerSettings

__all__ = ["DEFAULT_GROUP", "account_settings", "answer_to"]

DEFAULT_GROUP = "dataread"
SAFE_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEPT = ("LANG", "LC_ALL", "TZ")


def account_settings(environ: MutableMapping[str, str], *, group: str) -> RunnerSettings:
    """Return the settings of the account that this process runs as, and make its environment anew. Raises `ScriptProblem`."""
    uid = os.getuid()
    if uid == 0:
        raise ScriptProblem("exec-as does not run as root", "call it as: sudo -u USER analyst runner exec-as ...")
    account = pwd.getpwuid(uid)
    if not _is_member(group):
        raise ScriptProblem(
            f"{account.pw_name} is not in the group {group}",
            f"add the account with: usermod -aG {group} {account.pw_name}",
        )
    kept = {name: environ[name] for name in _KEPT if name in environ}
    environ.clear()
    environ.update(
        kept, PATH=SAFE_PATH, HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name, SHELL="/bin/sh"
    )
    os.chdir(account.pw_dir)
    return RunnerSettings.of_this_user(home=Path(account.pw_dir))


def answer_to(settings: RunnerSettings, command: str, name: str, *, stop_fd: int | None = None) -> dict[str, Any]:
    """Return the answer to `list`, `run NAME` or `sync-status`; what is wrong is in `error`. `stop_fd` becoming readable ends a run."""
    try:
        history = History(settings.history_file)
        try:
            match command:
                case "list":
                    return {"ok": True, "scripts": overview(settings, history, now=time.time())}
                case "run":
                    return _run_now(Flight(settings, history, stop_fd=stop_fd), name)
                case "sync-status":
                    sent = Flight(settings, history).flush_waiting()
                    scripts = overview(settings, history, now=time.time())
                    return {
                        "ok": True,
                        "user": settings.user,
                        "scripts": scripts,
                        "sent": sent,
                        "waiting": len(history.waiting()),
                    }
                case _:
                    return {"ok": False, "error": f"unknown command {command!r}; known are list, run NAME, sync-status"}
        finally:
            history.close()
    except ServerError as exc:
        return {"ok": False, "error": str(exc)}


def _run_now(flight: Flight, name: str) -> dict[str, Any]:
    """Run one script and return what it says, with its chart as base64. Raises `ServerError`."""
    script = find_script(flight.settings.scripts_dir, name)
    try:
        said = flight.hand_over(script)
    except Busy:
        return {"ok": False, "name": script.path.name, "error": f"{script.stem} is running already"}
    return _answer(script.path.name, said)


def _answer(name: str, said: HandedOver) -> dict[str, Any]:
    record = said.record
    answer: dict[str, Any] = {
        "ok": True,
        "name": name,
        "outcome": record.outcome.value,
        "reason": record.reason,
        "title": record.title,
    }
    if record.outcome in FAILURES | {Outcome.INTERRUPTED}:
        return answer | {"ok": False, "error": f"{record.stem}: {record.reason}"}
    if said.notification is not None:
        answer["notification"] = said.notification
    if said.image is not None:
        answer["image"] = base64.b64encode(said.image).decode()
    return answer


def _is_member(group: str) -> bool:
    try:
        return grp.getgrnam(group).gr_gid in {os.getgid(), *os.getgroups()}
    except KeyError:
        return False
