"""What the tests need from npm, installed once a virtual environment: an OpenID Connect provider, axe-core, an emulator of Telegram."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

SOURCE = Path(__file__).parent / "node"


def installed() -> Path:
    """Return the folder whose `node_modules` has what the lock file names; install it if it is not there."""
    wanted = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(sys.prefix, "share", f"analyst-test-tools-{wanted}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers begin at the same time
        done = folder / "done"
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCE / name, folder)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=50,
            )
            done.touch()
    return folder


@contextmanager
def oidc_provider(redirect_uri: str) -> Iterator[str]:
    """Run a provider that knows one portal; return its issuer."""
    folder = installed()
    shutil.copy(SOURCE / "provider.mjs", folder)
    process = subprocess.Popen(
        ["node", "provider.mjs", "0", redirect_uri],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        issuer = next(line.split()[1] for line in process.stdout if line.startswith("ready"))
        yield issuer
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextmanager
def telegram_emulator() -> Iterator[str]:
    """Run the foreign emulator of Telegram's Bot API; return its URL."""
    folder = installed()
    source = (
        "const Server = require('telegram-test-api'); const port = Number(process.argv[1]);"
        "const server = new (Server.default || Server)({port, host: '127.0.0.1'}); server.start().then(() => console.log('ready', port));"
    )
    process = subprocess.Popen(
        ["node", "-e", source, str(free_port())],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = next(line.split()[1] for line in process.stdout if line.startswith("ready"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
