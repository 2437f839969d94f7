"""Every command loads only what it needs: names of modules are stable where milliseconds are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    "textual",
    "aiohttp",
    "PIL",
    "keyring",
    "jwt",
    "websockets",
    "rich.console",
    "pydantic",
    "asyncio",
    "jinja2",
    "plotext",
]
SERVER = ["analyst_server.app", "analyst_server.gateway", "analyst_server.portal", "analyst_server.runner"]

OFFLINE = [
    ["list"], ["list", "--json"], ["list", "--plain"], ["show", "last"], ["search", "word"], ["config", "list"], ["config", "get", "list.limit"],
    ["server", "list"], ["mark", "zz"], ["snooze", "zz"], ["badge", "--server", "http://127.0.0.1:9"], ["dispatch", "--help"],
]  # fmt: skip


def loaded(home: Path, arguments: list[str], *, inbox: bool = True) -> set[str]:
    """Run a command in a process of its own and return which of the heavy modules it has loaded."""
    prepare = (
        "from analyst_cli.client.target import inbox_for\n"
        "from analyst_cli.client.accounts import Account\n"
        "from analyst_server.wire.messages import Cursor, Notification\n"
        "with inbox_for(Account('http://127.0.0.1:9', 'petr')) as inbox:\n"
        "    inbox.apply([Notification(id='a', title='T', message='word', timestamp='2026-01-30T10:00:00Z', seq=1)], cursor=Cursor('e', 1))\n"
    )
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    if inbox:
        subprocess.run([sys.executable, "-c", prepare], env=environ, check=True, timeout=30)
    look = f"import sys; sys.argv[1:] = {arguments!r}\nfrom analyst_cli.__main__ import main\ntry: main()\nexcept SystemExit: pass\n"
    look += "sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", look], env=environ, capture_output=True, text=True, check=True, timeout=30
    )
    modules = ran.stderr.rpartition("LOADED ")[2].split()
    return set(modules)


def test_help_loads_nothing_heavy(home: Path) -> None:
    assert loaded(home, ["--help"], inbox=False).isdisjoint([*HEAVY, *SERVER, "sqlite3"])


@pytest.mark.parametrize("arguments", OFFLINE, ids=" ".join)
def test_an_offline_command_loads_nothing_heavy(home: Path, arguments: list[str]) -> None:
    assert loaded(home, arguments).intersection([*HEAVY, *SERVER]) == set()


@pytest.mark.parametrize(
    "arguments",
    [["badge"], ["badge", "--format", "tmux"], ["__complete", "ids", "a"], ["__complete", "scripts", ""]],
    ids=" ".join,
)
def test_what_bars_and_shells_ask_is_answered_without_typer(home: Path, arguments: list[str]) -> None:
    assert loaded(home, arguments).intersection([*HEAVY, *SERVER, "typer", "msgspec", "rich"]) == set()


def test_a_watch_loads_neither_the_interface_nor_the_server(home: Path) -> None:
    modules = loaded(home, ["watch", "--ws-url", "ws://127.0.0.1:9/"], inbox=False)  # no token: it ends at once
    assert modules.intersection(["textual", "PIL", "jinja2", "plotext", *SERVER]) == set()
