"""`analyst demo`: the whole chain in a temporary folder, from scripts over real data to the live inbox, with the real commands.

Nothing is short-cut: gateway, token, scripts, runner and inbox are the commands that everybody uses, started as processes of their own.
"""

import fcntl
import getpass
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from analyst_cli import output
from analyst_cli.commands.finite import finite
from analyst_cli.errors import LocalProblem

__all__ = ["demo"]

SAMPLES = ("revenue_drop", "employment_report", "freshness_check")
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>, prctl(2)
# Months of the data in which there is something to say.
FIRST_STEP = {"revenue_drop": 9, "employment_report": 36, "freshness_check": 5}
START_TIMEOUT_S = 30.0
CATCH_UP_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 90.0  # the first start of Matplotlib builds its font cache


def demo(
    *,
    pace_s: Annotated[
        float,
        typer.Option("--pace", min=1.0, callback=finite, help="Seconds between two alerts while the inbox is open."),
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
        _tidied_up_on_signals(),
        _own_folder() as (folder, lock),
        _gateway(_environment(folder)) as environment,
    ):
        for name in SAMPLES:
            _analyst(environment, "scripts", "new", name, "--from", name)
        output.note("Sample scripts look at the data…")
        sent = sum(_run_sample(environment, name, FIRST_STEP[name]) for name in SAMPLES)
        if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            _receive(environment, count=sent)
            printed = subprocess.run(
                [*_PROGRAM, "inbox", "--offline"],
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
            raise typer.Exit(printed.returncode)
        with _alerts_at_a_human_pace(environment, pace_s):
            _show_inbox(environment, lock)
    output.note("The demo's folder is removed. Next: docs/first-alert.md, or analyst --help")


_PROGRAM = [sys.executable, "-m", "analyst_cli"]
_FOLDER = "analyst-demo-"
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextmanager
def _tidied_up_on_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as Ctrl-C does: with its children ended and its folder removed."""

    def end(number: int, _: object) -> NoReturn:
        for one in before:
            signal.signal(one, signal.SIG_IGN)  # tidying up is not interrupted
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _SIGNALS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _own_folder() -> Iterator[tuple[Path, int]]:
    """Make the folder of this demo, and take its lock, by which others see that it is used. What killed demos have left is removed before."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError), _locked(folder, fcntl.LOCK_NB) as lock:  # an error: somebody else's, or used
            if os.fstat(lock).st_uid == os.geteuid() and any(folder.iterdir()):  # empty: just made, and not locked yet
                shutil.rmtree(folder)
    made = tempfile.TemporaryDirectory(prefix=_FOLDER)
    with _locked(Path(made.name)) as lock, made:
        files = Path(made.name, "files")  # the gateway locks the folder of its socket
        files.mkdir()
        yield files, lock


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[int]:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | how)
        yield lock
    finally:
        os.close(lock)


@contextmanager
def _running(arguments: Sequence[str], environment: dict[str, str], **more: Any) -> Iterator["subprocess.Popen[str]"]:
    """Start a command of this program that ends with the block, also when a signal comes while it starts."""
    process = None
    try:
        with _signals_later():
            process = subprocess.Popen([*_PROGRAM, *arguments], env=environment, text=True, **more)
        yield process
    finally:
        if process is not None:
            process.terminate()  # does nothing to one that has ended
            try:
                process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _signals_later() -> Iterator[None]:
    """Let a signal that comes within the block wait for its end; other threads than the main one never see any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _end_with_parent() -> Callable[[], object] | None:
    """Return what a new process calls to be ended by SIGTERM even when this one is killed; None: this system has no such thing.

    Only for what is started before other threads run (`preexec_fn`).
    """
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - 5 ms

    set_option = ctypes.CDLL(None).prctl
    return lambda: set_option(_PR_SET_PDEATHSIG, signal.SIGTERM)


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
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    serve = ("gateway", "serve", "--port", "0", "--portal-port", "0")
    with _running(serve, environment, **pipes, start_new_session=True, preexec_fn=_end_with_parent()) as process:
        reaching = {**environment, "ANALYST_SERVER": _portal_address(process)}
        token = _analyst(reaching, "token", "issue", reaching["ANALYST_USER"]).strip()
        _analyst(reaching, "login", "--token-stdin", "--insecure-storage", stdin=token + "\n")
        yield reaching


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


def _show_inbox(environment: dict[str, str], lock: int) -> None:
    """Open the inbox until the person leaves it; ended from outside it brings the terminal back as it was. It holds the lock, too."""
    with _running(["inbox"], environment, pass_fds=[lock]) as inbox:
        inbox.wait()


def _receive(environment: dict[str, str], *, count: int) -> None:
    """Let `analyst watch` fill the local inbox until that many notifications are there."""
    with _running(["watch", "--quiet"], environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while len(_analyst(environment, "list", "--json").splitlines()) < count:
            if time.monotonic() > deadline:
                raise LocalProblem(
                    f"the alerts did not arrive within {CATCH_UP_TIMEOUT_S:g} s", "try it by hand: analyst watch"
                )
            time.sleep(0.1)


def _analyst(environment: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """Run a command of this program and return what it prints. Raises `LocalProblem` with its last words when it fails."""
    pipe = subprocess.PIPE
    with _running(arguments, environment, stdin=pipe, stdout=pipe, stderr=pipe) as command:
        printed, said = command.communicate(stdin, timeout=COMMAND_TIMEOUT_S)
    if command.returncode:
        words = (said.strip() or printed.strip()).splitlines()
        raise LocalProblem(
            f"analyst {' '.join(arguments[:3])} failed ({words[-1] if words else command.returncode})",
            "run it with ANALYST_DEBUG=1",
        )
    return printed
