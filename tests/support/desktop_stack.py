"""A desktop of our own for tests and benches: X server, session bus, accessibility bus, window manager, without systemd or wrapper scripts.

`with DesktopStack() as stack:` brings it up in about 0.15 s and takes every process down again, after a failed start too.
Every process is the leader of its own group and gets SIGTERM from the kernel should the test process be killed.
Nothing is inherited but PATH: `stack.environ` is the whole environment of what runs on it.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
from Xlib import X, display

__all__ = ["SYSTEM_PYTHON", "DesktopStack", "Launched"]

SYSTEM_PYTHON = "/usr/bin/python3"
"""The interpreter that has python3-gi; virtual environments do not."""
BUS_LAUNCHER = "/usr/libexec/at-spi-bus-launcher"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_START_TIMEOUT_S = 30.0  # Xvfb takes 0.25 s cold; the rest is for a machine that does other things too
_LIBC = ctypes.CDLL(None)


class Launched:
    """A program on the desktop, ended with its whole process group."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.pid = process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; a group that is gone already is fine."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let the group wait."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the group, with SIGKILL where SIGTERM does not do it in time."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


class DesktopStack:
    """Xvfb, dbus-daemon, at-spi-bus-launcher and openbox, in this order, each waited for."""

    def __init__(self, size: str = "1280x800x24", *, accessibility: bool = True, window_manager: bool = True) -> None:
        self.size = size
        self.accessibility = accessibility
        self.window_manager = window_manager
        self.folder = Path()
        self.environ: dict[str, str] = {}
        self.parts: dict[str, Launched] = {}
        self._apps: list[Launched] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def launch(self, argv: Sequence[str], extra_environ: Mapping[str, str] | None = None) -> Launched:
        """Start a program on this desktop; it ends with the desktop at the latest."""
        app = self._spawn(argv, environ={**self.environ, **(extra_environ or {})})
        self._apps.append(app)
        return app

    def stop(self) -> None:
        """End everything, programs first, X server last."""
        for launched in [*reversed(self._apps), *reversed(self.parts.values())]:
            launched.stop()
        self._apps.clear()
        self.parts.clear()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="analyst-desktop-"))
        self.environ = _environ(self.folder)
        self._start_x_server()
        self._start_session_bus()
        if self.accessibility:
            self.start_accessibility_bus()
        if self.window_manager:
            self.parts["openbox"] = self._spawn(["openbox", "--sm-disable"])
            self._wait_for_window_manager()

    def _start_x_server(self) -> None:
        reader, writer = os.pipe()
        argv = [
            "Xvfb",
            "-displayfd",
            str(writer),
            "-screen",
            "0",
            self.size,
            "-nolisten",
            "tcp",
            "-noreset",
            "-dpi",
            "96",
        ]
        self.parts["xvfb"] = self._spawn(argv, pass_fds=(writer,))
        os.close(writer)
        self.environ["DISPLAY"] = ":" + _first_line(reader)

    def _start_session_bus(self) -> None:
        reader, writer = os.pipe()
        argv = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog", f"--print-address={writer}"]
        self.parts["dbus"] = self._spawn(argv, pass_fds=(writer,))
        os.close(writer)
        self.environ["DBUS_SESSION_BUS_ADDRESS"] = _first_line(reader)

    def start_accessibility_bus(self) -> None:
        """Start the launcher by hand, so that it is ours to end: dbus-daemon would activate it outside our groups."""
        self.parts["a11y"] = self._spawn([BUS_LAUNCHER, "--launch-immediately", "--a11y=1", "--screen-reader=0"])
        daemon = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")
        with open_dbus_connection(self.environ["DBUS_SESSION_BUS_ADDRESS"]) as bus:
            question = new_method_call(daemon, "NameHasOwner", "s", ("org.a11y.Bus",))
            _wait(lambda: bool(bus.send_and_get_reply(question).body[0]), "the accessibility bus")

    def _wait_for_window_manager(self) -> None:
        screen = display.Display(self.environ["DISPLAY"])
        try:
            root = screen.screen().root
            check = screen.intern_atom("_NET_SUPPORTING_WM_CHECK")
            _wait(lambda: root.get_full_property(check, X.AnyPropertyType) is not None, "the window manager")
        finally:
            screen.close()

    def _spawn(
        self, argv: Sequence[str], *, environ: Mapping[str, str] | None = None, pass_fds: tuple[int, ...] = ()
    ) -> Launched:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                list(argv),
                env=dict(environ or self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call between fork and exec, no locks
            )
        return Launched(process)


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _environ(folder: Path) -> dict[str, str]:
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)  # the accessibility bus has its socket in here
    # Session buses start what is not there when it is asked for; here that would run outside of our groups.
    services = runtime / "dbus-1" / "services"
    services.mkdir(parents=True)
    (services / "org.a11y.Bus.service").write_text("[D-BUS Service]\nName=org.a11y.Bus\nExec=/bin/false\n")
    home = folder / "home"
    home.mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_SESSION_TYPE": "x11",
        "GSETTINGS_BACKEND": "memory",
        "GDK_BACKEND": "x11",
        "GTK_THEME": "Adwaita",
        "QT_QPA_PLATFORM": "xcb",
        "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",  # for Qt before 6.5
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "GSK_RENDERER": "cairo",
    }


def _first_line(descriptor: int) -> str:
    deadline = time.monotonic() + _START_TIMEOUT_S
    line = b""
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            chunk = pipe.read(512) if ready else b""
            if not chunk:
                raise TimeoutError("a part of the test desktop ended, or did not say its address")
            line += chunk
    return line.decode().strip()


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come up")
        select.select([], [], [], 0.01)  # neither part tells when it is ready
