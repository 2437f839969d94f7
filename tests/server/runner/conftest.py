"""A runner for one test: scripts, state and a gateway's socket in its own folder, and a clock that moves by hand."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from analyst_server.runner.flight import Flight
from analyst_server.runner.history import History
from analyst_server.runner.outcomes import RunRecord, Trigger
from analyst_server.runner.scripts import load
from analyst_server.runner.settings import RunnerSettings
from tests.support.gateway_socket import GatewaySocket


@dataclass
class Bench:
    """Everything that a test of the runner needs."""

    flight: Flight
    gateway: GatewaySocket
    clock: list[float] = field(default_factory=lambda: [1_800_000_000.0])

    @property
    def settings(self) -> RunnerSettings:
        return self.flight.settings

    @property
    def history(self) -> History:
        return self.flight.history

    def write(self, name: str, source: str, block: str = "") -> Path:
        """Write a script, with a block at its top if one is given."""
        lines = "".join(f"# {line}\n" for line in textwrap.dedent(block).strip().splitlines())
        path = self.settings.scripts_dir / f"{name}.py"
        path.write_text((f"# /// analyst\n{lines}# ///\n" if block else "") + textwrap.dedent(source))
        return path

    def run(self, name: str, trigger: Trigger = Trigger.ONCE) -> RunRecord:
        """Run one script."""
        return self.flight.run(load(self.settings.scripts_dir / f"{name}.py"), trigger)

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self.clock[0] += seconds


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show times as a machine in UTC does, wherever the developer sits."""
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def settings(tmp_path: Path, home: Path) -> RunnerSettings:
    (tmp_path / "scripts").mkdir()
    return RunnerSettings(
        user="petr",
        home=home,
        scripts_dir=tmp_path / "scripts",
        state_dir=tmp_path / "state",
        socket=tmp_path / "ws.sock",
        python=Path(sys.executable),
        kill_grace_s=0.3,
    )


@pytest.fixture
def bench(settings: RunnerSettings) -> Iterator[Bench]:
    history = History(settings.history_file)
    clock = [1_800_000_000.0]
    with GatewaySocket(settings.socket) as gateway:
        yield Bench(Flight(settings, history, now=lambda: clock[0]), gateway, clock)
    history.close()


@pytest.fixture
def with_settings(bench: Bench) -> Callable[..., Bench]:
    """Return a function that gives the bench with other settings."""

    def changed(**values: object) -> Bench:
        bench.flight = replace(bench.flight, settings=replace(bench.flight.settings, **values))
        return bench

    return changed
