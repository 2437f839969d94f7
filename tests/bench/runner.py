"""200 scripts, 20 of which hang: how long until all have ended, as a ratio to the slowest script and to starting as many bare Pythons.

Run: python tests/bench/runner.py
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from analyst_server.runner.flight import Flight
from analyst_server.runner.history import History
from analyst_server.runner.loop import Reports, run_once
from analyst_server.runner.outcomes import Trigger
from analyst_server.runner.scripts import load
from analyst_server.runner.settings import RunnerSettings
from tests.support.gateway_socket import GatewaySocket

SCRIPTS, HANGING, LIMIT_S, PARALLEL = 200, 20, 2, 24

QUICK = """import json
print(json.dumps({"notify": True, "title": "alert of NAME"}))
"""
HANGS = f"""# /// analyst
# timeout = "{LIMIT_S}s"
# ///
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
time.sleep(600)
"""


def main() -> None:
    """Measure and print a table and JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = folder / "scripts"
        scripts.mkdir()
        for number in range(SCRIPTS):
            source = HANGS if number % (SCRIPTS // HANGING) == 0 else QUICK.replace("NAME", str(number))
            (scripts / f"s{number:03}.py").write_text(source)
        figures = _measured(folder, scripts)
    for label, value in figures.items():
        print(f"{label:42} {value}")
    print(json.dumps(figures))


def _measured(folder: Path, scripts: Path) -> dict[str, object]:
    settings = RunnerSettings(
        user="petr", home=folder, scripts_dir=scripts, state_dir=folder / "state", socket=folder / "ws.sock", python=Path(sys.executable),
        parallel=PARALLEL, kill_grace_s=0.5, failure_alerts=False,
    )  # fmt: skip
    floor_s = _floor(scripts)
    history = History(settings.history_file)
    with GatewaySocket(settings.socket) as gateway:
        began = time.monotonic()
        records = run_once(Flight(settings, history), Reports())
        wall_s = time.monotonic() - began
        sent = len(gateway.received)
        began = time.monotonic()
        alone = [path for path in sorted(scripts.glob("*.py")) if "fork" not in path.read_text()][:20]
        for path in alone:
            Flight(settings, history).run(load(path), Trigger.PERSON)
        alone_s = (time.monotonic() - began) / len(alone)
    history.close()
    outcomes = Counter(record.outcome.value for record in records)
    slowest_s = max(record.duration_s for record in records)
    left = subprocess.run(["pgrep", "-f", str(scripts)], capture_output=True, text=True, check=False).stdout.split()
    return {
        "scripts / hanging / at once": f"{SCRIPTS} / {HANGING} / {PARALLEL}",
        "outcomes": dict(outcomes),
        "alerts that arrived": sent,
        "wall time s": round(wall_s, 2),
        "slowest single script s": round(slowest_s, 2),
        "ratio to the slowest script": round(wall_s / slowest_s, 2),
        "floor: 180 bare Pythons, as many at once, s": round(floor_s, 2),
        "one quick script, median s": round(
            statistics.median(record.duration_s for record in records if record.outcome.value == "sent"), 3
        ),
        "one quick script alone, all included, s": round(alone_s, 3),
        "processes left behind": len(left),
    }


def _floor(scripts: Path) -> float:
    quick = [path for path in sorted(scripts.glob("*.py")) if "fork" not in path.read_text()]
    began = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda path: subprocess.run([sys.executable, str(path)], capture_output=True, check=True), quick))
    return time.monotonic() - began


if __name__ == "__main__":
    main()
