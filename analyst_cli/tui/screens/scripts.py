"""Scripts: what there is, when it last ran and runs next; run one now, ask why nothing came, edit it."""

import os
import subprocess
from datetime import datetime
from time import monotonic
from typing import ClassVar

from rich.table import Table
from textual import on
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from analyst_cli.client.scripts import (
    KnownScript,
    edit_command,
    explanation,
    history,
    run_script,
    scripts_here,
    scripts_there,
)
from analyst_cli.errors import AnalystError
from analyst_cli.tui.keys import HELP
from analyst_cli.tui.messages import Said
from analyst_cli.tui.screens.about import AboutScreen
from analyst_cli.tui.script_text import about, history_text, script_line

__all__ = ["ScriptsScreen"]


class ScriptsScreen(AboutScreen):
    """The scripts of this machine and of the server."""

    BINDINGS: ClassVar[list[BindingType]] = [
        HELP,
        Binding("enter,r", "run", "Run now", priority=True, id="scripts.run"),
        Binding("e", "explain", "Explain", tooltip="Why was something sent, or nothing?", id="scripts.explain"),
        Binding("h", "history", "History", id="scripts.history"),
        Binding("E,o", "edit", "Edit", tooltip="Open it in $EDITOR", id="scripts.edit"),
        Binding("ctrl+r", "reload", "Look again", show=False, id="scripts.reload"),
    ]

    def __init__(self, wanted: str = "") -> None:
        """Begin on the script `wanted`, if there is one."""
        super().__init__()
        self._wanted = wanted
        self._scripts: list[KnownScript] = []
        self._started: dict[str, float] = {}  # key -> since when, monotonic

    def on_mount(self) -> None:
        self.query_one("#heading", Static).update(Content.styled("Scripts", "bold $primary"))
        self.tell("looking …")
        self.set_interval(1, self._show_running)
        self.action_reload()

    # What it shows

    def action_reload(self) -> None:
        self.run_worker(self._load(), group="scripts", exclusive=True)

    async def _load(self) -> None:
        found, problems = [], []
        try:
            found += await scripts_here()
        except AnalystError as error:
            problems.append(f"this machine: {error.problem}")
        try:
            found += await scripts_there(self.inbox_app.desk.account.server)
        except AnalystError as error:
            problems.append(f"the server: {error.problem}")
        self._scripts = found
        self._show_list()
        if problems:
            self.post_message(Said("; ".join(problems)))
        if not found:
            self.tell("There are no scripts here. Make one with: analyst scripts new NAME --from revenue_drop")

    def on_resize(self) -> None:
        self._show_list()

    def _show_list(self) -> None:
        options = self.query_one(OptionList)
        kept = options.highlighted
        width, now = max(20, self.size.width - 4), self.inbox_app.now
        options.clear_options()
        options.add_options(
            Option(script_line(script, width, now, self._runs_for_s(script))) for script in self._scripts
        )
        if not self._scripts:
            return
        stems = [script.stem for script in self._scripts]
        if self._wanted in stems:
            kept, self._wanted = stems.index(self._wanted), ""
        options.highlighted = min(kept or 0, len(self._scripts) - 1)

    def _show_running(self) -> None:
        if self._started:
            self._show_list()

    def _runs_for_s(self, script: KnownScript) -> float | None:
        since = self._started.get(_key(script))
        return None if since is None else monotonic() - since

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        script = self._current()
        if script is not None:
            self.tell_about(_key(script), about(script))

    def _answer(self, script: KnownScript, words: str | Table) -> None:
        if script == self._current():
            self.answer(_key(script), words)

    def _current(self) -> KnownScript | None:
        highlighted = self.query_one(OptionList).highlighted
        return self._scripts[highlighted] if highlighted is not None and highlighted < len(self._scripts) else None

    # What keys do

    @on(OptionList.OptionSelected)  # a click
    def action_run(self) -> None:
        script = self._current()
        if script is None or _key(script) in self._started:
            return
        self._started[_key(script)] = monotonic()
        self._show_list()
        self.run_worker(self._run(script), group=f"run-{script.place}-{script.stem}")

    async def _run(self, script: KnownScript) -> None:
        try:
            words, is_problem = f"{script.stem}: {await run_script(script, self.inbox_app.desk.account.server)}", False
        except AnalystError as error:
            words, is_problem = f"{script.stem}: {error}", True
        finally:
            self._started.pop(_key(script), None)
        self.inbox_app.say(words, is_problem=is_problem)
        if self.is_attached:
            await self._load()

    def action_explain(self) -> None:
        script = self._current()
        if script is not None:
            self.run_worker(self._explain(script), group="ask", exclusive=True)

    async def _explain(self, script: KnownScript) -> None:
        try:
            self._answer(script, await explanation(script))
        except AnalystError as error:
            self._answer(script, str(error))

    def action_history(self) -> None:
        script = self._current()
        if script is not None:
            self.run_worker(self._history(script), group="ask", exclusive=True)

    async def _history(self, script: KnownScript) -> None:
        try:
            runs = await history(script)
        except AnalystError as error:
            self._answer(script, str(error))
            return
        zone = self.inbox_app.now.tzinfo
        told = [(datetime.fromtimestamp(at, zone), outcome, words, took) for at, outcome, words, took in runs]
        self._answer(script, history_text(told) if told else "No run is remembered here.")

    def action_edit(self) -> None:
        script = self._current()
        if script is None:
            return
        if script.place == "server":
            self.post_message(Said(f"{script.stem} is on the server and cannot be edited here"))
            return
        try:
            with self.app.suspend():
                code = subprocess.run(edit_command(script), check=False, env=os.environ).returncode
                if code:
                    input("Enter leads back to the inbox. ")
        except SuspendNotSupported:
            self.post_message(Said("this terminal cannot be handed to an editor", is_problem=True))
            return
        self.action_reload()


def _key(script: KnownScript) -> str:
    """Tell scripts of one name apart: this machine and the server may both have it."""
    return f"{script.place}/{script.stem}"
