"""The scripts of all users, for the portal and the bot: everybody's through `sudo -u USER`, those of the server's own account directly.

Names are checked before sudo sees them, and again by `exec_as.py` on the other side. A user who does not exist, or is not of the group, is answered
like one without scripts. One line in sudoers allows it and no more (docs/runner.md):

    deploy ALL=(%dataread) NOPASSWD: /usr/local/bin/analyst runner exec-as *
"""

import asyncio
import base64
import contextlib
import getpass
import grp
import json
import pwd
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from analyst_server.errors import StoreUnavailable
from analyst_server.runner.exec_as import DEFAULT_GROUP, answer_to
from analyst_server.runner.loop import Stop
from analyst_server.runner.plainer import plainer
from analyst_server.runner.scripts import ScriptNotFound, ScriptProblem
from analyst_server.runner.settings import RunnerSettings

__all__ = ["Answer", "OwnedScript", "ScriptsOfUsers"]

MAX_AT_ONCE = 8
MAX_RUN_S = 330.0  # of one run, seen from outside: the usual limit of 60 s, and declared ones up to five minutes
MAX_ANSWER_BYTES = 16 * 1024 * 1024  # a chart of 10 MB as base64, and a notification

_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)  # useradd(8), and dots as in e-mail addresses
_SCRIPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)


class Answer(Protocol):
    """What the dispatch path of the gateway answers."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def body(self) -> bytes:
        """JSON."""


@dataclass(frozen=True, slots=True)
class OwnedScript:
    """A script that its user may run; `last_run` is for people (`5m ago`), None: never."""

    name: str
    stem: str
    last_run: str | None


@dataclass(frozen=True, slots=True)
class ScriptsOfUsers:
    """List and run the scripts of users; `dispatch` is the gateway's own path for `{"user", "notification"}` as JSON."""

    dispatch: Callable[[bytes], Awaitable[Answer]]
    own: RunnerSettings = field(default_factory=RunnerSettings.of_this_user)  # `own.user` needs no sudo
    group: str = DEFAULT_GROUP
    sudo: str = "sudo"
    command: Sequence[str] = ()  # what sudoers allows; empty: the `analyst` of the PATH
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))
    _threads: ThreadPoolExecutor = (
        field(  # of its own: a script may take its minute, and others need the loop's threads
            default_factory=lambda: ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="own-script")
        )
    )
    _stop: Stop = field(default_factory=Stop)

    def close(self) -> None:
        """End the scripts that run, and return when they have ended."""
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._stop.close()

    async def list(self, user: str) -> list[OwnedScript]:
        """Return the user's scripts by name. Raises `ServerError`."""
        if not self._may_have_scripts(user):
            return []
        answer = await self._ask(user, "list")
        return [OwnedScript(entry["name"], entry["stem"], entry["last_run"]) for entry in answer.get("scripts", [])]

    async def run(self, user: str, name: str) -> None:
        """Run one of the user's scripts now and dispatch what it says. Raises `ServerError` when it failed or is not the user's."""
        if not self._may_have_scripts(user) or not _SCRIPT.fullmatch(name):
            raise ScriptNotFound(f"there is no script {name[:100]!r}")
        answer = await self._ask(user, "run", name)
        if (notification := answer.get("notification")) is not None:
            await self._dispatched(user, notification, answer.get("image"))

    def _may_have_scripts(self, user: str) -> bool:
        if user == self.own.user:
            return True
        if not _USER.fullmatch(user):
            return False
        try:
            account, group = pwd.getpwnam(user), grp.getgrnam(self.group)
        except KeyError:
            return False
        return account.pw_uid != 0 and (user in group.gr_mem or account.pw_gid == group.gr_gid)

    async def _ask(self, user: str, *words: str) -> dict[str, Any]:
        async with self._turns:
            if user == self.own.user:
                name = words[1] if len(words) > 1 else ""
                ask = partial(answer_to, self.own, words[0], name, stop_fd=self._stop.readable)
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
            else:
                answer = await self._ask_by_sudo(user, words)
        if not answer.get("ok"):
            raise ScriptProblem(str(answer.get("error") or "the script could not be run"))
        return answer

    async def _ask_by_sudo(self, user: str, words: Sequence[str]) -> dict[str, Any]:
        command = list(self.command) or [shutil.which("analyst") or "analyst"]
        argv = [self.sudo, "-n", "-u", user, "--", *command, "runner", "exec-as", *words]
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_ANSWER_BYTES,
            )
        except OSError as exc:
            raise ScriptProblem(
                f"{self.sudo} cannot be started ({exc.strerror})", "install sudo, see docs/runner.md"
            ) from exc
        try:
            async with asyncio.timeout(MAX_RUN_S):
                out, err = await process.communicate()
        except TimeoutError as exc:
            raise ScriptProblem(f"the script ran longer than {MAX_RUN_S:.0f} s") from exc
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()  # sudo passes it on
                await process.wait()
        return _json_object(out, err, argv)

    async def _dispatched(self, user: str, notification: dict[str, Any], image: str | None) -> None:
        with tempfile.TemporaryDirectory(prefix="analyst-run-") as folder:
            if image is not None:
                path = Path(folder) / "chart"
                await asyncio.to_thread(path.write_bytes, base64.b64decode(image))
                notification["image_path"] = str(path)
            answer = await self.dispatch(_request(user, notification))
            while less := plainer(notification, status=answer.status, words=_error_of(answer)):
                notification = less[0]
                answer = await self.dispatch(_request(user, notification))
        if answer.status != 200:
            words = _error_of(answer)
            raise StoreUnavailable(words) if answer.status >= 500 else ScriptProblem(words)


def _request(user: str, notification: dict[str, Any]) -> bytes:
    return json.dumps({"user": user, "notification": notification}).encode()


def _error_of(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {answer.status}"


def _json_object(out: bytes, err: bytes, argv: Sequence[str]) -> dict[str, Any]:
    try:
        answer = json.loads(out)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        words = err.decode(errors="replace").strip().splitlines()
        raise ScriptProblem(
            f"{argv[0]} did not run it: {words[-1] if words else 'no answer'}",
            f"allow it in sudoers: {getpass.getuser()} ALL=(%{DEFAULT_GROUP}) NOPASSWD: {argv[5]} runner exec-as *",
        )
    return answer
