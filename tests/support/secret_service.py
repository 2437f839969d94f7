"""A real Secret Service of our own: a private session bus with an unlocked gnome-keyring on it."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

__all__ = ["secret_service"]

READY_TIMEOUT_S = 30.0


@contextmanager
def secret_service(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start bus and keyring for a home folder (`HOME` of the environment) and yield the environment that reaches them."""
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(environment),
    )
    keyring: subprocess.Popen[bytes] | None = None
    try:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        reaching = {**environment, "DBUS_SESSION_BUS_ADDRESS": address}
        keyring = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=reaching,
        )  # fmt: skip
        assert keyring.stdin is not None
        keyring.stdin.write(b"\n")  # the password of the login collection: it is made anew
        keyring.stdin.close()
        _await_owner(reaching)
        yield reaching
    finally:
        for process in filter(None, (keyring, bus)):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait()
        if bus.stdout is not None:
            bus.stdout.close()


def _await_owner(environment: Mapping[str, str]) -> None:
    asked = [
        "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
        "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets",
    ]  # fmt: skip
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        done = subprocess.run(asked, capture_output=True, text=True, env=dict(environment), check=False)
        if "boolean true" in done.stdout:
            return
        time.sleep(0.05)
    raise AssertionError(
        f"no Secret Service after {READY_TIMEOUT_S:g} s: {done.stdout} {done.stderr} {os.environ.get('PATH')}"
    )
