"""`analyst demo`: the whole chain in a temporary folder, from scripts over real data to the live inbox, with the real commands.

Nothing is short-cut: gateway, token, scripts, runner and inbox are the commands that everybody uses, started as processes of their own.
"""

import getpass
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.errors import LocalProblem

__all__ = ["demo"]

SAMPLES = ("revenue_drop", "employment_report", "freshness_check")
# Months of the data in which there is something to say.
FIRST_STEP = {"revenue_drop": 9, "employment_report": 36, "freshness_check": 5}
START_TIMEOUT_S = 30.0
CATCH_UP_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 90.0  # the first start of Matplotlib builds its font cache


def demo(
    *,
    pace_s: Annotated[
        float, typer.Option("--pace", min=1.0, help="Seconds between two alerts while the inbox is open.")
    ] = 12.0,
    once: Annotated[
        bool, typer.Option("--once", help="Run the chain once and print the inbox, as without a terminal.")
    ] = False,
) -> None:
    """Try everything out: start a gateway, let sample scripts look at real data, and open the live inbox on what they say.

    Everything lies in a temporary folder and goes when you quit the inbox. Nothing of yours is read or changed.

    Examples:
      analyst demo
      analyst demo --pace 5
      analyst demo --once | cat
    """
    with (
        tempfile.TemporaryDirectory(prefix="analyst-demo-") as folder,
        _gateway(_environment(Path(folder))) as environment,
    ):
        for name in SAMPLES:
            _analyst(environment, "scripts", "new", name, "--from", name)
        output.note("Sample scripts look at the data…")
        sent = sum(_run_sample(environment, name, FIRST_STEP[name]) for name in SAMPLES)
        if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            _receive(environment, count=sent)
            subprocess.run(
                [*_PROGRAM, "inbox", "--offline"],
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT_S,
                check=True,
            )
            return
        with _alerts_at_a_human_pace(environment, pace_s):
            subprocess.run([*_PROGRAM, "inbox"], env=environment, check=False)
    output.note("The demo's folder is removed. Next: docs/first-alert.md, or analyst --help")


_PROGRAM = [sys.executable, "-m", "analyst_cli"]


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which every file of every part lies in the folder."""
    own = ("ANALYST_", "WS_", "DESKTOP_JWT_", "TELEGRAM_", "XDG_CONFIG", "XDG_DATA", "XDG_STATE", "XDG_RUNTIME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own) or name == "ANALYST_COLOR"}
    places = {
        f"XDG_{name}": str(folder / name.lower()) for name in ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR")
    }
    return {
        **kept,
        **places,
        "ANALYST_USER": re.sub(r"[^a-z0-9_]", "", getpass.getuser().lower()) or "you",
        "WS_DISPATCH_SOCKET": str(folder / "ws.sock"),
        "ANALYST_SCRIPTS_DIR": str(folder / "notifications"),
        "ANALYST_NOTIFICATIONS_DIR": str(folder / "runner"),
        "ANALYST_SCRIPT_PYTHON": sys.executable,
        **({} if Path.home().is_dir() else {"HOME": str(folder)}),  # containers may have none, and scripts run in it
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",  # the demo's token must not go into the person's keyring
    }


@contextmanager
def _gateway(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the gateway on free ports, sign in to it, and yield the environment that knows it."""
    output.note("Starting the gateway…")
    process = subprocess.Popen(
        [*_PROGRAM, "gateway", "serve", "--port", "0", "--portal-port", "0"],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        reaching = {**environment, "ANALYST_SERVER": _portal_address(process)}
        token = _analyst(reaching, "token", "issue", reaching["ANALYST_USER"]).strip()
        _analyst(reaching, "login", "--token-stdin", "--insecure-storage", stdin=token + "\n")
        yield reaching
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _portal_address(process: subprocess.Popen[str]) -> str:
    """Read the portal's address from what the gateway says at its start; the rest of its talk is read away."""
    said: list[str] = []
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe, see above
        with process.stdout as lines:
            for line in lines:
                if len(said) < 50:
                    said.append(line)
                if address := re.match(r"portal\s+(http://\S+)", line):
                    found.append(address[1].rstrip("/"))
                if line.strip() == "ready":
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    ready.wait(START_TIMEOUT_S)
    if not found:
        raise LocalProblem(
            f"the gateway did not start ({' '.join(''.join(said).split()) or 'it said nothing'})",
            "try it by hand: analyst gateway serve",
        )
    return found[0]


def _run_sample(environment: dict[str, str], name: str, step: int) -> bool:
    """Let a sample look at a month of its data; tell whether that gave an alert."""
    ran = _analyst({**environment, "ANALYST_SAMPLE_STEP": str(step)}, "scripts", "run", name, "--json")
    return bool(json.loads(ran.splitlines()[-1])["outcome"] == "sent")


@contextmanager
def _alerts_at_a_human_pace(environment: dict[str, str], pace_s: float) -> Iterator[None]:
    """Let one sample after the other look at later months, until the block ends."""
    ended = threading.Event()

    def work() -> None:
        for turn, name in enumerate(cycle(SAMPLES)):
            if ended.wait(pace_s):
                return
            try:
                _run_sample(environment, name, FIRST_STEP[name] + 1 + turn // len(SAMPLES))
            except LocalProblem:  # the inbox is on the screen: its own state tells when the gateway is gone
                continue

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _receive(environment: dict[str, str], *, count: int) -> None:
    """Let `analyst watch` fill the local inbox until that many notifications are there."""
    watch = subprocess.Popen(
        [*_PROGRAM, "watch", "--quiet"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while len(_analyst(environment, "list", "--json").splitlines()) < count:
            if time.monotonic() > deadline:
                raise LocalProblem(
                    f"the alerts did not arrive within {CATCH_UP_TIMEOUT_S:g} s", "try it by hand: analyst watch"
                )
            time.sleep(0.1)
    finally:
        watch.terminate()
        watch.wait()


def _analyst(environment: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """Run a command of this program and return what it prints. Raises `LocalProblem` with its last words when it fails."""
    done = subprocess.run(
        [*_PROGRAM, *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LocalProblem(
            f"analyst {' '.join(arguments[:3])} failed ({words[-1] if words else done.returncode})",
            "run it with ANALYST_DEBUG=1",
        )
    return done.stdout
