"""What all tests share: a home folder of their own, and the rule for tests that need real components."""

import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

for name in (
    "NO_COLOR",
    "COLUMNS",
    "LINES",
):  # xdist sets the last two, and a real terminal under test has another size
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith(("ANALYST_", "DESKTOP_JWT_", "WS_"))]:
    del os.environ[name]  # a developer's own settings decide nothing here
# A shell lets what it starts in the background ignore SIGINT, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# An example may take long on a busy machine; where CI is set, Hypothesis knows that by itself, and what else it does there stays.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give every test a home folder of its own, so that none reads or writes the developer's.

    Its path is short, unlike `tmp_path`: a Unix socket's path has room for 107 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="home"))
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose real component is missing."""
    for mark in item.iter_markers("real"):
        if missing := [component for component in mark.args if not _present(component)]:
            pytest.skip(f"needs {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See `_kept_from_skipping`."""
    return _kept_from_skipping((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """See `_kept_from_skipping`."""
    return _kept_from_skipping((yield))


def _kept_from_skipping(report: Report) -> Report:
    """Make a failure of a skipped test or module where CI=true: nothing may be missing there. Only another system than Linux may skip."""
    if (
        report.skipped
        and os.environ.get("CI") == "true"
        and sys.platform == "linux"
        and not hasattr(report, "wasxfail")
    ):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{why}: nothing is skipped where CI=true, because everything is installed there"
    return report


def _present(component: str) -> bool:
    """Tell whether a component is here.

    `python:NAME` is an importable module, `system-python:NAME` one of Debian's own Python, `gir:NAME` a library for that one, `root` the
    right to be root, anything else a program of that name.
    """
    if component == "root":
        return os.geteuid() == 0
    if component.startswith("python:"):
        return importlib.util.find_spec(component.removeprefix("python:")) is not None
    if component.startswith("system-python:"):
        return Path("/usr/lib/python3/dist-packages", component.removeprefix("system-python:")).exists()
    if component.startswith("gir:"):
        return any(Path("/usr/lib").glob(f"*/girepository-1.0/{component.removeprefix('gir:')}.typelib"))
    return shutil.which(component) is not None or Path("/usr/libexec", component).exists()
