"""The scripts of this person, on this machine and on the server, for those who show and run them.

Scripts of this machine are the runner's: it is asked through its own commands (`analyst scripts ... --json`), as processes, because the client knows
nothing of the server's parts. Scripts on the server are asked for at the portal; what they say arrives as a notification.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import msgspec

from analyst_cli.client.tokens import TokenSource
from analyst_cli.errors import AnalystError, LocalProblem, NotFound

__all__ = [
    "KnownScript",
    "edit_command",
    "explanation",
    "history",
    "run_script",
    "script_named",
    "scripts_here",
    "scripts_there",
]

Place = Literal["here", "server"]

_ASK_TIMEOUT_S = 15.0
_RUN_TIMEOUT_S = 150.0  # a script has 60 s; the rest is for the gateway and a slow machine


@dataclass(frozen=True, slots=True)
class KnownScript:
    """A script and what is known of its runs."""

    stem: str
    place: Place
    last_run: str = ""  # in words: "5m ago"; empty: never, as far as is known
    outcome: str = ""  # of that run, as the runner names it
    reason: str = ""
    next_run_at: float | None = None  # Unix seconds; None: nobody has told
    schedule: str = ""
    description: str = ""
    problem: str = ""  # why it cannot run
    is_failing: bool = False


class _Entry(msgspec.Struct):
    """One line of `analyst scripts list --json`."""

    stem: str
    last_run: str | None = None
    last_outcome: str | None = None
    last_reason: str | None = None
    next_run_at: float | None = None
    schedule: str = ""
    description: str = ""
    problem: str = ""
    failing: bool = False


class _Run(msgspec.Struct):
    """One line of `analyst scripts run --json` and of `history --json`."""

    outcome: str
    started_at: float
    reason: str = ""
    title: str = ""
    duration_s: float = 0.0
    exit_code: int | None = None


async def scripts_here() -> list[KnownScript]:
    """Return the scripts of this machine. Raises `LocalProblem`."""
    entries = _decoded(await _asked(["list", "--json"]), _Entry)
    return [
        KnownScript(
            entry.stem, "here", entry.last_run or "", entry.last_outcome or "", entry.last_reason or "", entry.next_run_at,
            entry.schedule, entry.description, entry.problem, entry.failing,
        )
        for entry in entries
    ]  # fmt: skip


async def scripts_there(server: str) -> list[KnownScript]:
    """Return the scripts on the server. Raises what `Portal` raises; a gateway without a portal has none."""
    if not server.startswith("http"):
        return []
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415 - aiohttp costs 150 ms

    async with open_portal(server, await TokenSource(server).token()) as portal:
        return [KnownScript(script.stem, "server", script.last_run or "") for script in await portal.scripts()]


async def script_named(stem: str, server: str) -> KnownScript:
    """Return the script of this machine with that name, else the server's. Raises `NotFound` when there is neither."""
    stem = stem.removesuffix(".py")
    try:
        for look in (scripts_here, partial(scripts_there, server)):
            found = next((script for script in await look() if script.stem == stem), None)
            if found is not None:
                return found
    except AnalystError as error:
        raise NotFound(
            f"there is no script {stem!r} here, and the server cannot be asked ({error.problem})", error.way_out
        ) from error
    raise NotFound(f"there is no script {stem!r}, here or on the server", "see them with: analyst scripts list")


async def run_script(script: KnownScript, server: str) -> str:
    """Run a script now; return what became of it in words. Raises `AnalystError`."""
    if script.place == "server":
        from analyst_cli.client.portal import open_portal  # noqa: PLC0415

        async with open_portal(server, await TokenSource(server).token()) as portal:
            await portal.run_script(f"{script.stem}.py")
        return "it runs on the server; what it says arrives as a notification"
    runs = _decoded(await _asked(["run", script.stem, "--json"], timeout_s=_RUN_TIMEOUT_S), _Run)
    if not runs:
        raise LocalProblem(
            f"{script.stem} ran, and nothing is known of it", f"see: analyst scripts history {script.stem}"
        )
    run = runs[-1]
    said = f"“{run.title}”" if run.title else "it had nothing to say"
    return f"{run.outcome}: {run.reason or said} ({run.duration_s:.1f} s)"


async def explanation(script: KnownScript) -> str:
    """Return when it ran, what it said, and why nothing was sent. Raises `LocalProblem`."""
    if script.place == "server":
        return "This script is on the server: run it, and what it says arrives as a notification."
    return (await _asked(["explain", script.stem])).strip()


async def history(script: KnownScript, limit: int = 50) -> list[tuple[float, str, str, float]]:
    """Return the latest runs, newest first: when, outcome, why or what, how long in seconds. Raises `LocalProblem`."""
    if script.place == "server":
        return []
    runs = _decoded(await _asked(["history", script.stem, "--limit", str(limit), "--json"]), _Run)
    return [(run.started_at, run.outcome, run.reason or run.title, run.duration_s) for run in runs]


def edit_command(script: KnownScript) -> list[str]:
    """Return the command that opens a script of this machine in the person's editor."""
    return [*_COMMAND, "edit", script.stem]


_COMMAND = [sys.executable, "-m", "analyst_cli", "scripts"]


async def _asked(arguments: Sequence[str], *, timeout_s: float = _ASK_TIMEOUT_S) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(timeout_s):
            told, complaint = await process.communicate()
    except TimeoutError as error:
        raise LocalProblem(
            f"analyst scripts {arguments[0]} did not answer within {timeout_s:g} s", "run: analyst doctor"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode and not told.strip():
        words = complaint.decode(errors="replace").strip().removeprefix("analyst: ")
        raise LocalProblem(words.splitlines()[-1] if words else f"analyst scripts {arguments[0]} failed", "")
    return told.decode(errors="replace")


def _decoded(lines: str, kind: type[Any]) -> list[Any]:
    try:
        return [msgspec.json.decode(line, type=kind) for line in lines.splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise LocalProblem(
            f"the runner's answer is not understood ({error})", "is another version of analyst installed?"
        ) from error
