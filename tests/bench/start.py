"""Start of the command line, as ratios of one run: to `python -c pass`, to a bare Typer program, and to httpie where it is installed.

Whole processes, medians; nothing absolute is asserted. Bytecode must be compiled first (`make bench` does).
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 11
BARE_TYPER = (
    "import typer\napp = typer.Typer()\n@app.command()\ndef main() -> None: print()\napp(standalone_mode=False)"
)
FILL = """
from analyst_cli.client.accounts import Account
from analyst_cli.client.target import inbox_for
from analyst_server.wire.messages import Cursor, Notification
with inbox_for(Account("http://127.0.0.1:9", "petr")) as inbox:
    inbox.apply([Notification(id=f"n-{i}", title="Revenue drop", message="m" * 200, timestamp="2026-01-30T10:00:00Z", seq=i + 1, script="s.py")
                 for i in range(5_000)], cursor=Cursor("e", 5_000))
"""


def timed(commands: dict[str, list[str]], environ: dict[str, str]) -> dict[str, float]:
    """Return the median wall time of each command in ms; the rounds are interleaved, so that a disturbance hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            taken[name].append((time.perf_counter() - began) * 1e3)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        subprocess.run([sys.executable, "-c", FILL], env=environ, check=True, cwd=Path(__file__).parents[2])
        analyst = str(Path(sys.executable).with_name("analyst"))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "bare Typer": [sys.executable, "-c", BARE_TYPER],
            "analyst --version": [analyst, "--version"],
            "analyst --help": [analyst, "--help"],
            "analyst badge": [analyst, "badge", "--format", "tmux"],
            "analyst __complete": [analyst, "__complete", "ids", "n-4"],
            "analyst list": [analyst, "list"],
            "analyst list --json": [analyst, "list", "--json"],
            "analyst search": [analyst, "search", "revenue"],
            "analyst config get": [analyst, "config", "get", "list.limit"],
            "analyst dispatch --help": [analyst, "dispatch", "--help"],
        }
        if http := shutil.which("http"):
            commands["http --version"] = [http, "--version"]
        medians = timed(commands, environ)
    floor, typer, httpie = medians["python -c pass"], medians["bare Typer"], medians.get("http --version")
    print(f"{'command':<26}{'ms':>8}{'x pass':>9}{'x Typer':>9}{'x http':>9}")
    for name, median in medians.items():
        against_http = f"{median / httpie:9.2f}" if httpie else f"{'-':>9}"
        print(f"{name:<26}{median:8.1f}{median / floor:9.1f}{median / typer:9.2f}{against_http}")
    print(json.dumps({"bench": "start", "median_ms": {name: round(value, 1) for name, value in medians.items()}}))


if __name__ == "__main__":
    main()
